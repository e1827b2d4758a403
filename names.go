package dialscope

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/resolve"
)

// resolutionDelay is RFC 8305 §3: an A answer waits this long for its AAAA;
// "RECOMMENDED 50 milliseconds".
const resolutionDelay = 50 * time.Millisecond

// unroutedDelay is the same for addresses that this host has no way to: to try
// them early gains nothing, and a failure beside a connection that is about to
// come would be held against the name.
const unroutedDelay = time.Second

// names is what is known of a name's addresses so far.
type names struct {
	run     *run
	host    string
	port    uint16
	answers <-chan resolve.Answer
	cancel  context.CancelFunc
	again   func() <-chan resolve.Answer // asks the system's own resolver; nil: asked already

	done     bool
	began    time.Time
	first    time.Time // when the first addresses came
	six      bool      // the AAAA question is answered
	services bool      // the SVCB or HTTPS question is answered, or was not asked
	from     string
	addrs    []netip.AddrPort // all, sorted
	queue    []netip.AddrPort // not tried yet, in order
	tried    int
	target   map[netip.Addr]string
	svc      []evidence.Service
	errs     []*resolve.Error
	other    error // a caller's resolver failed in its own way
	unfit    int   // addresses of a family that network or source excludes
}

func (r *run) resolve(ctx context.Context, host string, port uint16, service string) *names {
	ctx, cancel := context.WithCancel(ctx)
	n := &names{run: r, host: host, port: port, cancel: cancel, began: time.Now(), services: !r.ServiceRecords,
		target: make(map[netip.Addr]string)}
	family := 0
	switch r.Network[len(r.Network)-1] {
	case '4':
		family, n.six = 4, true
	case '6':
		family = 6
	}
	if r.Resolver != nil {
		n.answers = asked(ctx, r.Resolver, family, host)
		return n
	}
	n.again = func() <-chan resolve.Answer { return asked(ctx, net.DefaultResolver, family, host) }
	cfg := &resolve.Config{Servers: r.Nameservers, ServiceRecords: r.ServiceRecords, Port: port}
	if service == "https" || service == "http" {
		cfg.Scheme = service
	}
	n.answers = resolve.Start(ctx, cfg, family, host, r.observe)
	return n
}

// asked puts the question to a *net.Resolver: its one answer is all there is.
func asked(ctx context.Context, resolver *net.Resolver, family int, host string) <-chan resolve.Answer {
	c := make(chan resolve.Answer, 1)
	network := map[int]string{0: "ip", 4: "ip4", 6: "ip6"}[family]
	go func() {
		defer close(c)
		addrs, err := resolver.LookupNetIP(ctx, network, host)
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		c <- resolve.Answer{Type: "resolver", From: "resolver", Addrs: addrs, Err: err}
	}()
	return c
}

func (n *names) pending() bool { return len(n.queue) > 0 }

func (n *names) pop() netip.AddrPort {
	a := n.queue[0]
	n.queue = n.queue[1:]
	n.tried++
	return a
}

// ready says whether attempts may begin: everything is answered, or the
// preferred family and the service records are, or the resolution delay is
// over (RFC 8305 §3). An address that this host has no way to is not preferred
// to one that may be about to come (RFC 6724 §6, rule 1). Where they may not, at
// is when they may without another answer; zero: there is nothing to try.
func (n *names) ready(now time.Time) (ready bool, at time.Time) {
	if n.done {
		return true, at
	}
	routed := !n.pending() || n.source(n.queue[0].Addr()).IsValid()
	switch {
	case routed && n.six && n.services:
		return true, at
	case n.first.IsZero():
		return false, at
	case routed:
		at = n.first.Add(resolutionDelay)
	default:
		at = n.first.Add(unroutedDelay)
	}
	return !now.Before(at), at
}

// add takes in one answer; more is false when the channel was closed.
func (n *names) add(a resolve.Answer, more bool) {
	if !more {
		n.finish()
		return
	}
	switch a.Type {
	case "AAAA":
		n.six = n.six || a.Target == ""
	case "HTTPS", "SVCB":
		n.services = true
		n.svc = append(n.svc, a.Services...)
		for _, s := range a.Services {
			n.take(s.Target, s.Hints)
		}
		n.arrange(nil) // the ports of what is queued may be others now
	}
	if a.Err != nil {
		n.fail(a)
		return
	}
	if a.From != "" && n.from == "" {
		n.from = a.From
	}
	n.take(a.Target, a.Addrs)
	if len(n.addrs) > 0 && n.first.IsZero() {
		n.first = time.Now()
	}
}

func (n *names) fail(a resolve.Answer) {
	if n.again != nil && errors.Is(a.Err, errors.ErrUnsupported) {
		n.run.observe(evidence.FromResolver, &evidence.Unseen{What: "dns", Why: "the system's own resolver was asked: " + a.Err.Error()})
		n.answers, n.again = n.again(), nil
		return
	}
	var e *resolve.Error
	if errors.As(a.Err, &e) {
		if a.Type != "HTTPS" && a.Type != "SVCB" && a.Target == "" { // a name without them is not at fault
			n.errs = append(n.errs, e)
		}
	} else if n.other == nil {
		n.other = a.Err
	}
}

// take sorts new addresses in among those that have not been tried.
func (n *names) take(target string, addrs []netip.Addr) {
	if target == "." || target == n.host {
		target = ""
	}
	var fresh []netip.Addr
	for _, a := range addrs {
		if _, seen := n.target[a]; seen {
			continue
		}
		n.target[a] = target
		if !n.run.suits(a) {
			n.unfit++
			continue
		}
		fresh = append(fresh, a)
	}
	if len(fresh) > 0 {
		n.arrange(fresh)
	}
}

// arrange orders what has not been tried, and fresh addresses with it
// (RFC 6724 §6, RFC 8305 §4).
func (n *names) arrange(fresh []netip.Addr) {
	for _, a := range n.queue {
		fresh = append(fresh, a.Addr())
	}
	n.queue = n.queue[:0:0]
	for _, a := range resolve.Interleave(resolve.Sort(fresh, n.source), 1) {
		n.queue = append(n.queue, netip.AddrPortFrom(a, n.portOf(a)))
	}
	n.addrs = append(n.addrs[:n.tried:n.tried], n.queue...)
}

// source is the source address for RFC 6724: the one that will be bound, or the
// kernel's choice.
func (n *names) source(a netip.Addr) netip.Addr {
	if l := n.run.local.Addr(); l.IsValid() && !l.IsUnspecified() {
		return l
	}
	return resolve.SourceFor(a)
}

// portOf is the port that the service's own record names (RFC 9460 §7.2), or
// the one that was asked for.
func (n *names) portOf(a netip.Addr) uint16 {
	for _, s := range n.svc {
		if t := s.Target; s.Port != 0 && (t == n.target[a] || t == "." && n.target[a] == "") {
			return s.Port
		}
	}
	return n.port
}

// finish writes down the outcome of the whole resolution, once.
func (n *names) finish() {
	if n.done {
		return
	}
	n.done = true
	n.cancel()
	f := &evidence.Candidates{From: n.from, Addrs: n.addrs, Took: time.Since(n.began)}
	if len(n.addrs) == 0 {
		e := n.dnsError()
		f.Error, f.Absent = e.Err, e.IsNotFound
	}
	n.run.observe(evidence.FromResolver, f)
}

// stop ends a resolution that nobody waits for any more.
func (n *names) stop() {
	n.cancel()
	for !n.done {
		a, more := <-n.answers
		n.add(a, more)
	}
}

// dnsError is the error of a name without a usable address, as net has it.
func (n *names) dnsError() *net.DNSError {
	var dns *net.DNSError
	switch {
	case errors.As(n.other, &dns):
		copied := *dns
		return &copied
	case n.other != nil:
		return &net.DNSError{Err: n.other.Error(), Name: n.host, UnwrapErr: n.other}
	case n.unfit > 0:
		return &net.DNSError{Err: "no suitable address found", Name: n.host, IsNotFound: true}
	case len(n.errs) > 0:
		return resolve.Merge(n.errs...).DNSError(n.host)
	}
	return &net.DNSError{Err: "no such host", Name: n.host, IsNotFound: true}
}
