package resolve

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// resolution is one host on its way to addresses.
type resolution struct {
	cfg     *Config
	conf    *settings
	family  int
	host    string
	answers chan Answer

	mu      sync.Mutex // one observation at a time
	observe func(evidence.Source, evidence.Fact)
}

func (r *resolution) note(from evidence.Source, f evidence.Fact) {
	if r.observe == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observe(from, f)
}

func (r *resolution) run(ctx context.Context) {
	conf, fact, err := r.cfg.read()
	if err != nil {
		r.answers <- Answer{Err: &Error{Class: Unsupported, Name: r.host, Err: err,
			Reason: "this system has no resolv.conf; its own resolver must be asked"}}
		return
	}
	r.note(evidence.FromResolver, fact)
	if r.cfg.ServiceRecords {
		if _, _, ok := r.cfg.serviceOwner(r.host); !ok {
			r.note(evidence.FromResolver, &evidence.Unseen{What: "service_records",
				Why: "without a scheme there is no name to ask for (RFC 9460 §2.3)"})
		}
	}
	r.conf = conf
	r.resolve(ctx)
}

// resolve asks the sources in their order until one has the name.
func (r *resolution) resolve(ctx context.Context) {
	if r.conf.order[0] == "files" && r.fromHosts() {
		return
	}
	if isLocalhost(r.host) {
		if !slices.Contains(r.conf.order[1:], "files") || !r.fromHosts() {
			r.fromLocalhost()
		}
		return
	}
	filesLast := len(r.conf.order) > 1 && r.conf.order[1] == "files"
	var errs []typedError
	if slices.Contains(r.conf.order, "dns") {
		var found bool
		if found, errs = r.fromDNS(ctx, !filesLast); found {
			return
		}
	}
	if filesLast && r.fromHosts() {
		return
	}
	if !slices.Contains(r.conf.order, "dns") {
		r.answers <- Answer{Type: "hosts", From: "hosts", Err: &Error{Class: NotFound, Name: r.host,
			Reason: "nsswitch.conf allows only the hosts file, which does not have it"}}
	}
	for _, e := range errs {
		r.answers <- Answer{Type: e.Type, From: "dns", Err: e.Error}
	}
}

// fromHosts answers from the hosts file. False: it does not have the name.
func (r *resolution) fromHosts() bool {
	table, err := hostsFiles.get(r.conf.hosts)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.note(evidence.FromHosts, &evidence.Unseen{What: "hosts", Why: err.Error()})
		return false
	}
	entry := table[hostsKey(r.host)]
	r.note(evidence.FromHosts, &evidence.HostsEntry{File: r.conf.hosts, Name: r.host, Addrs: slices.Clone(entry.addrs), Line: entry.line})
	if len(entry.addrs) == 0 {
		return false
	}
	r.answerLocally("hosts", slices.Clone(entry.addrs))
	return true
}

// fromLocalhost answers as RFC 6761 §6.3 wants: with the loopback addresses,
// and without asking anybody.
func (r *resolution) fromLocalhost() {
	r.answerLocally("localhost", []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})})
}

func (r *resolution) answerLocally(from string, addrs []netip.Addr) {
	a := Answer{Type: from, From: from, Addrs: r.ofFamily(addrs)}
	if len(a.Addrs) == 0 {
		a.Err = &Error{Class: WrongFamily, Name: r.host, Reason: "the " + from + " entry has addresses of the other family only"}
	}
	r.answers <- a
}

// ofFamily keeps the addresses that were asked for; it reuses the slice.
func (r *resolution) ofFamily(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		return r.family == 4 && !isIPv4(a) || r.family == 6 && isIPv4(a)
	})
}

// addressTypes are the questions for addresses of the family.
func (r *resolution) addressTypes() []dnsmessage.Type {
	switch r.family {
	case 4:
		return []dnsmessage.Type{dnsmessage.TypeA}
	case 6:
		return []dnsmessage.Type{dnsmessage.TypeAAAA}
	}
	return []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
}
