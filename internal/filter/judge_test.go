package filter

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// recorded is testdata/recorded.json: rulesets as a kernel listed them, with
// packets, what it did with each, and what is to be said of it. It is written by
// the tests of internal/host/nft.
type recorded struct {
	Name     string
	Rules    string
	Messages []struct {
		Kind    string
		Payload []byte
	}
	Packets []struct {
		Text, Protocol, Verdict, Rule string
		Answer, Passed                bool
		Peer                          netip.AddrPort
		Mark                          uint32
	}
}

func read(t testing.TB) (all []recorded) {
	t.Helper()
	data, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *recorded) ruleset() *Ruleset {
	r := new(Ruleset)
	for _, m := range s.Messages {
		switch m.Kind {
		case "table":
			r.AddTable(m.Payload)
		case "chain":
			r.AddChain(m.Payload)
		case "rule":
			r.AddRule(m.Payload)
		case "set":
			r.AddSet(m.Payload)
		case "elements":
			r.AddElements(m.Payload)
		}
	}
	r.Sort()
	return r
}

var (
	outward = []Hook{Output, Postrouting, Egress}
	inward  = []Hook{Ingress, Prerouting, Input}
)

// between is a packet of the recorded networks: the client is 192.0.2.2 and
// 2001:db8::2, without a known port.
func between(protocol string, peer netip.AddrPort, answer bool) (*Packet, []Hook) {
	own := netip.MustParseAddr("192.0.2.2")
	if peer.Addr().Is6() {
		own = netip.MustParseAddr("2001:db8::2")
	}
	p := &Packet{Protocol: udp, Src: netip.AddrPortFrom(own, 0), Dst: peer, Out: Interface{"eth0", 2}, In: Interface{"eth0", 2}}
	if protocol == "tcp" {
		p.Protocol = tcp
	}
	if !answer {
		return p, outward
	}
	p.Src, p.Dst, p.Answer = p.Dst, p.Src, true
	return p, inward
}

func TestJudge(t *testing.T) {
	for _, s := range read(t) {
		r := s.ruleset()
		for _, one := range s.Packets {
			p, hooks := between(one.Protocol, one.Peer, one.Answer)
			p.Mark = one.Mark
			j := r.Judge(p, hooks...)
			verdict, rule := said(r, j)
			if verdict != one.Verdict || one.Rule != "" && rule != one.Rule {
				t.Errorf("%s: %s: %s %s, want %s %s\n%s%+v", s.Name, one.Text, verdict, rule, one.Verdict, one.Rule, s.Rules, j)
			}
			if (verdict == Drop || verdict == Reject) && one.Passed || verdict == "pass" && !one.Passed {
				t.Errorf("%s: %s: %s, and the kernel let it pass: %v", s.Name, one.Text, verdict, one.Passed)
			}
		}
	}
}

// said is a judgement in the words of cases.txt.
func said(r *Ruleset, j Judgement) (verdict, rule string) {
	switch {
	case len(j.Findings) == 0:
		return "pass", ""
	case !j.Findings[0].Sure:
		return "perhaps", ""
	case j.Findings[0].Rule == nil:
		return j.Findings[0].Verdict, "policy"
	}
	return j.Findings[0].Verdict, r.Text(j.Findings[0].Rule)
}

// A selector that cannot be decided is named, and no rule after it is said to
// act for sure.
func TestUndecided(t *testing.T) {
	want := map[string]string{
		"first a doubtful rule, then a clear one": "limit",
		"rate over a limit":                       "limit",
		"numgen, fib":                             "numgen",
		"source port":                             "udp sport",
		"the ECN bits of a SYN are not known":     "tcp flags",
		"ttl and length":                          "ip ttl",
		"an answer is a SYN-ACK or a RST":         "tcp flags",
		"translation of the destination":          "udp dport",
		"a doubtful policy":                       "limit",
		"a doubtful jump to what drops":           "limit",
		"a doubtful accept in one base chain":     "limit",
	}
	for _, s := range read(t) {
		one, wanted := s.Packets[0], want[s.Name]
		p, hooks := between(one.Protocol, one.Peer, one.Answer)
		j := s.ruleset().Judge(p, hooks...)
		all := strings.Join(j.Undecided, "; ")
		for _, f := range j.Findings {
			all += strings.Join(f.Undecided, "; ")
		}
		if (wanted == "") != (all == "") || !strings.Contains(all, wanted) {
			t.Errorf("%s: undecided %q, want %q", s.Name, all, wanted)
		}
	}
}

// Rules are found again by their place, whatever stands there now.
func TestRuleAgain(t *testing.T) {
	for _, s := range read(t) {
		before, after := s.ruleset(), s.ruleset()
		for _, c := range before.Chains {
			for _, r := range c.Rules {
				if again := after.Rule(r); again == nil || again.Handle != r.Handle || again.Chain != r.Chain {
					t.Errorf("%s: %s handle %d: %+v", s.Name, r.Chain, r.Handle, again)
				}
			}
		}
		if got := new(Ruleset).Rule(&Rule{Chain: "gone"}); got != nil {
			t.Errorf("a rule of nothing: %+v", got)
		}
	}
}

// Whatever the attributes hold, nothing panics, and a packet of which nothing is
// known is never judged for sure by what looks at it.
func FuzzJudge(f *testing.F) {
	for _, s := range read(f) {
		for _, m := range s.Messages {
			f.Add(m.Kind, m.Payload)
		}
	}
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		r := new(Ruleset)
		chain := &Chain{Family: Inet, Table: "f", Name: "out", Hook: Output}
		r.Chains = append(r.Chains, chain)
		r.AddTable(payload)
		r.AddChain(payload)
		r.AddRule(payload)
		r.AddSet(payload)
		r.AddElements(payload)
		r.Sort()
		for _, c := range r.Chains {
			chain.Rules = append(chain.Rules, c.Rules...)
		}
		// As a rule's expressions, too.
		chain.Rules = append(chain.Rules, &Rule{Family: Inet, Table: "f", Chain: "out", Exprs: []Expr{{kind, payload}, {"cmp", payload}, {"lookup", payload}, {"bitwise", payload}, {"payload", payload}}})
		p, hooks := between("tcp", netip.MustParseAddrPort("192.0.2.1:80"), false)
		j := r.Judge(p, hooks...)
		for _, one := range j.Findings {
			if one.Rule != nil {
				r.Text(one.Rule)
			}
		}
	})
}
