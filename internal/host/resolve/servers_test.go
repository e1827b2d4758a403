package resolve

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

func answering(addr string) func(asked) said {
	return func(q asked) said {
		if q.typ == typeAAAA {
			return said{}
		}
		return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, addr)}}
	}
}

// serversOf lists which server was asked, in order.
func serversOf(all []*evidence.Lookup) (s []netip.AddrPort) {
	for _, l := range all {
		s = append(s, l.Server)
	}
	return s
}

func TestFailover(t *testing.T) {
	for name, first := range map[string]said{
		"SERVFAIL":  {rcode: dnsmessage.RCodeServerFailure},
		"REFUSED":   {rcode: dnsmessage.RCodeRefused},
		"lame":      {noRA: true, noOPT: true},
		"silence":   {silent: true},
		"malformed": {raw: cutAnswer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			bad := serve(t, false, func(asked) said { return first })
			good := serve(t, false, answering("192.0.2.1"))
			cfg := &Config{Servers: []netip.AddrPort{bad.addr, good.addr}, Timeout: 500 * time.Millisecond}
			if !first.silent {
				cfg.Timeout = 0
			}
			o := resolveWith(t, cfg, 4, "h.example")
			if a := o.answer(t, "A"); a.Err != nil {
				t.Errorf("answer %+v", a)
			}
			if got := serversOf(o.lookups("A")); !slices.Equal(got, []netip.AddrPort{bad.addr, good.addr}) {
				t.Errorf("asked %v, want the bad server and then the good one", got)
			}
		})
	}
}

// cutAnswer is an answer to h.example. A that announces a record it does not hold.
func cutAnswer(t *testing.T) []byte {
	t.Helper()
	m := dnsmessage.Message{Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("h.example."), Type: typeA, Class: dnsmessage.ClassINET}}}
	b := pack(m, said{}, false)
	b[7] = 1 // ANCOUNT
	return b
}

func TestMalformedAnswer(t *testing.T) {
	_, o := ask(t, 4, "h.example", func(asked) said { return said{raw: cutAnswer(t)} })
	l := o.lookups("A")
	if len(l) != 2 || l[0].Rcode != "" || l[0].Malformed == "" || l[0].Ignored != 0 {
		t.Errorf("lookups %+v: want two rounds, no rcode, and what is wrong", lookedOf(l))
	}
	if e := o.err(t, "A"); e.Class != Malformed || e.DNSError("x").Err != "cannot unmarshal DNS message" {
		t.Errorf("error %+v", e)
	}
}

// A name that does not exist, or has no such record, is no reason to ask on.
func TestNoFailoverFromAnAnswer(t *testing.T) {
	for _, rcode := range []dnsmessage.RCode{dnsmessage.RCodeNameError, dnsmessage.RCodeSuccess} {
		first := serve(t, false, func(asked) said { return said{rcode: rcode} })
		second := serve(t, false, answering("192.0.2.1"))
		o := resolveWith(t, &Config{Servers: []netip.AddrPort{first.addr, second.addr}}, 4, "h.example")
		if !o.err(t, "A").IsNotFound() || len(second.questions()) != 0 {
			t.Errorf("rcode %v: %+v, and the second server was asked %d times", rcode, o.answers, len(second.questions()))
		}
	}
}

func TestRounds(t *testing.T) {
	fail := func(asked) said { return said{rcode: dnsmessage.RCodeServerFailure} }
	a, b := serve(t, false, fail), serve(t, false, fail)
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{a.addr, b.addr}, ResolvConf: writeFile(t, "options attempts:3\nsearch .")}, 4, "h.example")
	want := []netip.AddrPort{a.addr, b.addr, a.addr, b.addr, a.addr, b.addr}
	if got := serversOf(o.lookups("A")); !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
	if e := o.err(t, "A"); e.Server != b.addr {
		t.Errorf("error names %v, want the last server asked", e.Server)
	}
}

// options rotate: every question begins with the next server.
func TestRotate(t *testing.T) {
	a, b := serve(t, false, answering("192.0.2.1")), serve(t, false, answering("192.0.2.2"))
	conf := writeFile(t, "options rotate\nsearch .")
	var got []netip.AddrPort
	for range 4 {
		o := resolveWith(t, &Config{Servers: []netip.AddrPort{a.addr, b.addr}, ResolvConf: conf}, 4, "h.example")
		got = append(got, serversOf(o.lookups("A"))...)
	}
	if want := []netip.AddrPort{a.addr, b.addr, a.addr, b.addr}; !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
}

func TestOptions(t *testing.T) {
	s := serve(t, false, answering("192.0.2.1"))
	conf := writeFile(t, "options use-vc trust-ad single-request\nsearch .")
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: conf}, 0, "h.example")
	q := s.questions()
	if len(q) != 2 || q[0].typ != typeA || q[1].typ != typeAAAA {
		t.Fatalf("questions %+v, want A and then AAAA", q)
	}
	for _, one := range q {
		if one.network != "tcp" || !one.ad {
			t.Errorf("question %+v, want TCP and the AD bit", one)
		}
	}
	if c := fact[*evidence.ResolverConfig](t, o); !slices.Equal(c.Options, []string{"use-vc", "trust-ad", "single-request"}) {
		t.Errorf("options %q", c.Options)
	}
}

func TestWithoutEDNS(t *testing.T) {
	t.Setenv("GODEBUG", "madvdontneed=1,netedns0=0")
	s, _ := ask(t, 4, "h.example", answering("192.0.2.1"))
	if q := s.questions(); len(q) != 1 || q[0].edns {
		t.Errorf("questions %+v, want one without EDNS", q)
	}
}

func TestSearchListIsAsked(t *testing.T) {
	s := serve(t, false, func(q asked) said {
		if q.name == "db.b.example." && q.typ == typeA {
			return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1")}}
		}
		return said{rcode: dnsmessage.RCodeNameError}
	})
	conf := writeFile(t, "search a.example b.example c.example\noptions single-request")
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: conf}, 0, "db")
	var names []string
	for _, q := range s.questions() {
		if q.typ == typeA {
			names = append(names, q.name)
		}
	}
	if want := []string{"db.a.example.", "db.b.example."}; !slices.Equal(names, want) {
		t.Errorf("asked %q, want %q", names, want)
	}
	if len(o.answers) != 2 || o.answer(t, "A").Err != nil || o.err(t, "AAAA").Name != "db.b.example." {
		t.Errorf("answers %+v", o.answers)
	}

	// Nowhere: the error of the name as it was given is preferred.
	o = resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: conf}, 0, "www.nowhere")
	if e := o.err(t, "A"); e.Name != "www.nowhere." || e.Class != NotFound || len(o.answers) != 2 {
		t.Errorf("error %+v of %d answers", e, len(o.answers))
	}
	// A trailing dot: no search list.
	before := len(s.questions())
	resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: conf}, 4, "db.")
	if q := s.questions()[before:]; len(q) != 1 || q[0].name != "db." {
		t.Errorf("asked %+v for db., want that name alone", q)
	}
}
