// Package resolve finds a host's addresses and keeps what was learned on the
// way: every question to every server, and what came of it.
//
// It is a stub resolver that follows hosts(5), nsswitch.conf(5) and
// resolv.conf(5) as Go's own does, so that it finds the same addresses; what
// this host's configuration names beyond that (mdns, sss, myhostname, …) is
// listed and not asked.
package resolve

import (
	"context"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// Config says how to resolve. The zero value does as the host is configured.
type Config struct {
	// ResolvConf, Hosts and Nsswitch are the files to read. Empty:
	// /etc/resolv.conf, /etc/hosts, /etc/nsswitch.conf.
	ResolvConf, Hosts, Nsswitch string

	// Servers are asked instead of those in resolv.conf, and the hosts file is
	// not read; search list and options still hold. Port 0 is 53.
	Servers []netip.AddrPort

	// Timeout bounds one question to one server, Attempts is how many rounds
	// are made over all servers. Zero: what resolv.conf says, else 5 s and 2.
	Timeout  time.Duration
	Attempts int

	// ServiceRecords also asks for the HTTPS or SVCB records of Scheme and
	// Port (RFC 9460 §2.3, §9.1). Without a Scheme, port 443 is taken for
	// https and 80 for http; for another port there is nothing to ask.
	ServiceRecords bool
	Port           uint16
	Scheme         string
}

// Answer is what one type of question came to. Either Err is set (an [*Error])
// or Addrs or Services hold something.
type Answer struct {
	Type     string             // "A", "AAAA", "HTTPS", "SVCB", "hosts", "localhost"; empty when no question could be asked
	From     string             // "dns", "hosts", "localhost", as evidence.Candidates has it
	Addrs    []netip.Addr       // in the server's order, IPv4 never as ::ffff:a.b.c.d
	Services []evidence.Service // usable ones by priority; aliases are followed, and Target "." is the host itself
	Target   string             // the service target that Addrs belong to; empty: the host itself
	Err      error
}

// maxTargets is how many service targets' addresses are asked for.
const maxTargets = 4

// Start begins to resolve host (no IP literal) and returns at once. Answers
// arrive as they come (RFC 8305 §3: the caller need not wait for both
// families), one per type of question, and for each service target that is not
// the host itself one per family. The channel is closed when all is answered
// or ctx has ended; it never blocks the resolver, so a caller may stop reading
// and cancel ctx.
//
// family is 4 or 6 to ask for A or AAAA records only, 0 for both. observe, if
// not nil, is called for every fact, one call at a time and never after the
// channel is closed.
//
// On a system without resolv.conf (Windows) and without cfg.Servers the one
// answer is an error that wraps [errors.ErrUnsupported].
func Start(ctx context.Context, cfg *Config, family int, host string, observe func(evidence.Source, evidence.Fact)) <-chan Answer {
	if cfg == nil {
		cfg = new(Config)
	}
	r := &resolution{
		cfg: cfg, family: family, host: host, observe: observe,
		// Every answer has room: three types, and two families per target.
		answers: make(chan Answer, 3+2*maxTargets),
	}
	go func() {
		defer close(r.answers)
		r.run(ctx)
	}()
	return r.answers
}
