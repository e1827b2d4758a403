package resolve

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

const (
	typeA     = dnsmessage.TypeA
	typeAAAA  = dnsmessage.TypeAAAA
	typeHTTPS = dnsmessage.TypeHTTPS
)

func ask(t *testing.T, family int, host string, script func(asked) said) (*nameServer, *observed) {
	t.Helper()
	s := serve(t, false, script)
	return s, resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}}, family, host)
}

func TestBothFamilies(t *testing.T) {
	s, o := ask(t, 0, "www.example", byType(map[dnsmessage.Type]said{
		typeA:    {rrs: []dnsmessage.Resource{rrA("www.example.", 300, "192.0.2.1"), rrA("www.example.", 60, "192.0.2.2")}},
		typeAAAA: {rrs: []dnsmessage.Resource{rrAAAA("www.example.", 30, "2001:db8::1")}},
	}))
	want := []Answer{
		{Type: "A", From: "dns", Addrs: addrs("192.0.2.1", "192.0.2.2")},
		{Type: "AAAA", From: "dns", Addrs: addrs("2001:db8::1")},
	}
	if diff := cmp.Diff(want, []Answer{o.answer(t, "A"), o.answer(t, "AAAA")}, options); diff != "" {
		t.Error(diff)
	}
	if len(o.answers) != 2 {
		t.Errorf("%d answers, want one per type: %+v", len(o.answers), o.answers)
	}
	wantLookup := &evidence.Lookup{Server: s.addr, Transport: "udp", Name: "www.example.", Type: "A",
		Rcode: "NOERROR", Addrs: addrs("192.0.2.1", "192.0.2.2"), TTL: 60}
	l := o.lookups("A")
	if len(l) != 1 || l[0].Took <= 0 {
		t.Fatalf("lookups %+v, want one with its time", l)
	}
	if diff := cmp.Diff(wantLookup, l[0], options, cmpopts.IgnoreFields(evidence.Lookup{}, "Took")); diff != "" {
		t.Error(diff)
	}
	conf := fact[*evidence.ResolverConfig](t, o)
	if conf.File != "" || !cmp.Equal(conf.Servers, []netip.AddrPort{s.addr}, options) || !cmp.Equal(conf.Order, []string{"dns"}) {
		t.Errorf("configuration %+v: want the server given by hand, and dns only", conf)
	}
	for _, q := range s.questions() {
		if !q.edns || q.ad {
			t.Errorf("question %+v: want EDNS, as Go asks, and no AD without trust-ad", q)
		}
	}
}

func TestFamilyAsked(t *testing.T) {
	script := byType(map[dnsmessage.Type]said{
		typeA:    {rrs: []dnsmessage.Resource{rrA("h.example.", 1, "192.0.2.1")}},
		typeAAAA: {rrs: []dnsmessage.Resource{rrAAAA("h.example.", 1, "2001:db8::1")}},
	})
	for family, want := range map[int]dnsmessage.Type{4: typeA, 6: typeAAAA} {
		s, o := ask(t, family, "h.example", script)
		if q := s.questions(); len(q) != 1 || q[0].typ != want {
			t.Errorf("family %d: asked %+v, want only %v", family, q, want)
		}
		if len(o.answers) != 1 || o.answers[0].Err != nil {
			t.Errorf("family %d: answers %+v", family, o.answers)
		}
	}
}

func TestOneFamilyOnly(t *testing.T) {
	_, o := ask(t, 0, "v4.example", func(q asked) said {
		if q.typ == typeA {
			return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1")}}
		}
		return said{soa: 17}
	})
	if a := o.answer(t, "A"); a.Err != nil || len(a.Addrs) != 1 {
		t.Errorf("A: %+v", a)
	}
	if e := o.err(t, "AAAA"); e.Class != NoData || !e.IsNotFound() {
		t.Errorf("AAAA: %+v, want no data", e)
	}
	// RFC 2308 §5: the negative TTL is the smaller of the SOA's TTL and MINIMUM.
	if l := o.lookups("AAAA")[0]; l.Rcode != "NOERROR" || l.TTL != 17 || l.Malformed != "" {
		t.Errorf("AAAA lookup %+v, want NOERROR with a TTL of 17 s", l)
	}
}

func TestMappedAddress(t *testing.T) {
	_, o := ask(t, 6, "m.example", func(q asked) said {
		return said{rrs: []dnsmessage.Resource{rrAAAA(q.name, 60, "::ffff:192.0.2.1")}}
	})
	if e := o.err(t, "AAAA"); e.Class != NoData {
		t.Errorf("%+v: an IPv4 address is none of family 6", e)
	}
	if l := o.lookups("AAAA")[0]; len(l.Addrs) != 1 || !l.Addrs[0].Is4In6() {
		t.Errorf("lookup %+v: want what the server said", l)
	}
}

func TestCNAMEs(t *testing.T) {
	long := []dnsmessage.Resource{}
	for i := range 20 {
		long = append(long, rrCNAME("n"+string(rune('a'+i))+".example.", 60, "n"+string(rune('a'+i+1))+".example."))
	}
	for name, test := range map[string]struct {
		host      string
		rrs       []dnsmessage.Resource
		cnames    []string
		addrs     []netip.Addr
		malformed string
	}{
		"chain out of order, other case": {"a.example", []dnsmessage.Resource{
			rrCNAME("B.example.", 5, "c.example."), rrCNAME("a.Example.", 60, "b.example."), rrA("c.example.", 60, "192.0.2.3")},
			[]string{"b.example.", "c.example."}, addrs("192.0.2.3"), ""},
		"leads nowhere": {"a.example", []dnsmessage.Resource{rrCNAME("a.example.", 5, "b.example.")},
			[]string{"b.example."}, nil, ""},
		"loop": {"a.example", []dnsmessage.Resource{rrCNAME("a.example.", 5, "b.example."), rrCNAME("b.example.", 5, "A.example.")},
			[]string{"b.example.", "A.example."}, nil, "the CNAME chain is a loop"},
		"itself": {"a.example", []dnsmessage.Resource{rrCNAME("a.example.", 5, "a.example.")},
			[]string{"a.example."}, nil, "the CNAME chain is a loop"},
		"too long": {"na.example", append(long, rrA("nu.example.", 60, "192.0.2.3")),
			nil, addrs("192.0.2.3"), "more than 16 CNAMEs"},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := ask(t, 4, test.host, func(asked) said { return said{rrs: test.rrs} })
			l := o.lookups("A")[0]
			if test.cnames != nil {
				if diff := cmp.Diff(test.cnames, l.CNAMEs); diff != "" {
					t.Error(diff)
				}
				if l.TTL != 5 {
					t.Errorf("TTL %d, want the smallest on the way", l.TTL)
				}
			} else if len(l.CNAMEs) != maxCNAMEs {
				t.Errorf("%d CNAMEs are kept, want %d", len(l.CNAMEs), maxCNAMEs)
			}
			if l.Malformed != test.malformed {
				t.Errorf("malformed %q, want %q", l.Malformed, test.malformed)
			}
			if diff := cmp.Diff(test.addrs, o.answer(t, "A").Addrs, options); diff != "" {
				t.Error(diff)
			}
			if test.addrs == nil && o.err(t, "A").Class != NoData {
				t.Errorf("error %v, want no data", o.err(t, "A"))
			}
		})
	}
}

func TestExtendedError(t *testing.T) {
	_, o := ask(t, 4, "h.example", func(asked) said {
		return said{rcode: dnsmessage.RCodeServerFailure, ede: [][]byte{
			append([]byte{0, 22}, "ns1 timed\x1bout\x00"...), {0, 9}, {7, 7}, {1}}}
	})
	// RFC 8914 §2: a code, then text that is meant for people.
	want := "22 No Reachable Authority: ns1 timed\ufffdout; 9 DNSKEY Missing; 1799"
	if l := o.lookups("A")[0]; l.EDE != want {
		t.Errorf("EDE %q, want %q", l.EDE, want)
	}
	if e := o.err(t, "A"); e.Reason != want || e.Class != ServerFailure {
		t.Errorf("error %+v", e)
	}
}

// RFC 8305 §3: the answer to one type does not wait for the other's.
func TestAnswersArriveAsTheyCome(t *testing.T) {
	for _, slow := range []dnsmessage.Type{typeA, typeAAAA} {
		release := make(chan struct{})
		s := serve(t, false, func(q asked) said {
			if q.typ == slow {
				<-release
			}
			if q.typ == typeA {
				return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1")}}
			}
			return said{rrs: []dnsmessage.Resource{rrAAAA(q.name, 60, "2001:db8::1")}}
		})
		cfg := &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: writeFile(t, "search corp.example\n")}
		ch := Start(t.Context(), cfg, 0, "h.example", nil)
		first := <-ch
		close(release)
		second := <-ch
		if first.Err != nil || first.Type == typeName(slow) || second.Type != typeName(slow) {
			t.Errorf("with %s slow: first %+v, then %+v", typeName(slow), first, second)
		}
		if a, open := <-ch; open {
			t.Errorf("a third answer %+v", a)
		}
	}
}

// A failure is kept back while another name of the search list may still be
// asked, and goes out once the other type has settled the name.
func TestFailureWaitsForTheSearchList(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, false, func(q asked) said {
		if q.typ == typeA {
			<-release
			return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1")}}
		}
		return said{}
	})
	cfg := &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: writeFile(t, "search corp.example\n")}
	looked := make(chan struct{}, 4)
	ch := Start(t.Context(), cfg, 0, "h.example", func(_ evidence.Source, f evidence.Fact) {
		if l, ok := f.(*evidence.Lookup); ok && l.Type == "AAAA" {
			looked <- struct{}{}
		}
	})
	<-looked // AAAA has no data
	select {
	case a := <-ch:
		t.Errorf("answer %+v before A was answered: another name may follow", a)
	default:
	}
	close(release)
	if a := <-ch; a.Type != "A" || a.Err != nil {
		t.Errorf("first %+v, want A", a)
	}
	if a := <-ch; a.Type != "AAAA" || a.Err == nil {
		t.Errorf("then %+v, want that AAAA has no data", a)
	}
	for range ch {
	}
}
