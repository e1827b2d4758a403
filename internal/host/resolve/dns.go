package resolve

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// typedError is why one type of question came to nothing.
type typedError struct {
	Type string
	*Error
}

// fromDNS asks the name servers for one name of the search list after the
// other, until one has something. The errors that it returns are those that
// have not been sent as answers; with final, nobody is asked after the servers,
// and each error goes out as soon as it stands.
func (r *resolution) fromDNS(ctx context.Context, final bool) (found bool, unsent []typedError) {
	invalid := func(reason string) (bool, []typedError) {
		return false, []typedError{{"", &Error{Class: InvalidName, Name: r.host, Reason: reason}}}
	}
	if reason := checkName(r.host); reason != "" {
		return invalid(reason)
	}
	names := candidateNames(r.host, r.conf.search, r.conf.ndots)
	if len(names) == 0 {
		return invalid("this name is not looked up in the DNS (RFC 7686 §2)")
	}
	t := &tally{resolution: r, errs: map[string]*Error{}}
	defer t.targets.wait()
	for i, name := range names {
		if t.name(ctx, name, final && i == len(names)-1) {
			return true, nil
		}
		if t.over {
			break
		}
	}
	for _, typ := range t.order {
		unsent = append(unsent, typedError{typ, t.errs[typ]})
	}
	return false, unsent
}

// tally gathers what the questions for one name after the other came to.
type tally struct {
	*resolution
	targets targets
	order   []string          // types with an unsent error
	errs    map[string]*Error // by type; that of the name as given is preferred, as Go does
	over    bool              // the caller's context has ended
}

// lane is one type of question and what came of it.
type lane struct {
	typ      string
	address  bool
	addrs    []netip.Addr
	services []evidence.Service
	err      *Error
}

// name asks all types for one name and sends what is found at once. An error
// is kept back while another name may still be asked instead; last says that
// there is none.
func (t *tally) name(ctx context.Context, name string, last bool) (found bool) {
	serviceCtx, skipServices := context.WithCancel(ctx)
	defer skipServices()
	results, n := t.start(ctx, serviceCtx, name)
	absent, addressLanes := 0, len(t.addressTypes())
	var kept []lane
	for range n {
		l := <-results
		if l.err == nil {
			found = true
			t.answers <- Answer{Type: l.typ, From: "dns", Addrs: l.addrs, Services: l.services}
			t.targets.start(t.resolution, ctx, l.services)
			for _, k := range kept {
				t.send(k.typ, k.err)
			}
			kept = nil
			continue
		}
		if l.address && l.err.Class == NotFound {
			if absent++; absent == addressLanes {
				skipServices() // RFC 8020 §2: nothing exists there or below
			}
		}
		if !l.address && l.err.Class == Cancelled && ctx.Err() == nil {
			l.err = &Error{Class: NotFound, Name: name, Type: l.typ, Reason: "the name has no addresses: it does not exist"}
		}
		if l.err.ended() {
			t.over = true
		}
		if found {
			t.send(l.typ, l.err)
			continue
		}
		if !slices.Contains(t.order, l.typ) {
			t.order = append(t.order, l.typ)
		}
		if t.errs[l.typ] == nil || name == t.host+"." || t.over {
			t.errs[l.typ] = l.err
		}
		if last {
			t.send(l.typ, t.errs[l.typ])
			t.order = slices.DeleteFunc(t.order, func(typ string) bool { return typ == l.typ })
		} else {
			kept = append(kept, l)
		}
	}
	return found
}

func (t *tally) send(typ string, err *Error) {
	t.answers <- Answer{Type: typ, From: "dns", Err: err}
}

// start asks all types at the same time, or one after the other where
// resolv.conf wants single requests. n results will come.
func (t *tally) start(ctx, serviceCtx context.Context, name string) (results <-chan lane, n int) {
	var lanes []func() lane
	for _, typ := range t.addressTypes() {
		lanes = append(lanes, func() lane { return t.addresses(ctx, name, typ) })
	}
	if owner, typ, ok := t.cfg.serviceOwner(name); ok {
		lanes = append(lanes, func() lane { return t.services(serviceCtx, name, owner, typ) })
	}
	out := make(chan lane, len(lanes))
	if t.conf.singleRequest {
		go func() {
			for _, ask := range lanes {
				out <- ask()
			}
		}()
	} else {
		for _, ask := range lanes {
			go func() { out <- ask() }()
		}
	}
	return out, len(lanes)
}

// addresses asks for one type of address.
func (r *resolution) addresses(ctx context.Context, name string, typ dnsmessage.Type) lane {
	l := lane{typ: typeName(typ), address: true}
	rep, err := r.lookup(ctx, name, typ)
	if err != nil {
		l.err = err
		return l
	}
	for _, a := range rep.addrs {
		l.addrs = append(l.addrs, a.Unmap())
	}
	if l.addrs = r.ofFamily(l.addrs); len(l.addrs) == 0 {
		l.err = &Error{Class: NoData, Name: name, Type: l.typ, Rcode: rcodeName(rep.rcode),
			Reason: "only IPv4 addresses in IPv6 form (RFC 4291 §2.5.5.2)"}
	}
	return l
}

// lookup asks the servers in turn, some rounds, until one has an answer that
// counts: records, or the word that there are none.
func (r *resolution) lookup(ctx context.Context, name string, typ dnsmessage.Type) (*reply, *Error) {
	q, err := newQuestion(name, typ)
	if err != nil {
		return nil, &Error{Class: InvalidName, Name: name, Type: typeName(typ), Reason: err.Error()}
	}
	first := 0
	if r.conf.rotate {
		first = int((r.conf.turn.Add(1) - 1) % uint32(len(r.conf.servers)))
	}
	var last *Error
	for range r.conf.attempts {
		for j := range r.conf.servers {
			if err := ctx.Err(); err != nil {
				return nil, ended(err, q)
			}
			server := r.conf.servers[(first+j)%len(r.conf.servers)]
			rep, failure := r.exchange(ctx, server, q)
			if failure != nil {
				last = failure
				if failure.ended() {
					return nil, last
				}
				continue
			}
			verdict, again := rep.verdict(q, server)
			if verdict == nil {
				return rep, nil
			}
			last = verdict
			if !again {
				return nil, last
			}
		}
	}
	return nil, last
}

// ended is the error of a question that was not asked because the caller's
// context had ended.
func ended(err error, q question) *Error {
	e := &Error{Class: Cancelled, Name: q.name.String(), Type: typeName(q.typ), Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Class = Timeout
	}
	return e
}
