package cause

import (
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

func stops(packet, verdict string, rise int64) *evidence.Filter {
	return &evidence.Filter{Packet: packet, Chains: 1, Rules: 3, Matches: []evidence.FilterRule{{
		Family: "inet", Table: "filter", Chain: "output", Hook: "output", Handle: 7, Text: "tcp dport 80 counter " + verdict,
		Verdict: verdict, Sure: true, Counted: true, Rise: rise}}}
}

func clear(packet string) *evidence.Filter {
	return &evidence.Filter{Packet: packet, Chains: 1, Rules: 3}
}

func policy(packet string) *evidence.Filter {
	f := stops(packet, "drop", 0)
	f.Matches[0].Handle, f.Matches[0].Text, f.Matches[0].Counted = 0, "", false
	return f
}

func doubtful(packet string) *evidence.Filter {
	f := stops(packet, "drop", 4)
	f.Matches[0].Sure, f.Matches[0].Undecided = false, []string{"limit"}
	f.Undecided = []string{"inet filter output handle 7: limit"}
	return f
}

// What the rules say names the rule, raises the confidence where the rule's own
// counter rose, and rules the filter out where none would act.
func TestFilterRules(t *testing.T) {
	silence := func() *story {
		return to(there + ":80").add(routed()).connecting("EINPROGRESS").add(&evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 1}).later(1100 * time.Millisecond)
	}
	local := func(n int64) *evidence.Counters {
		return &evidence.Counters{Scope: "netns", Rise: map[string]int64{"TcpExt.TCPRetransFail": n}}
	}
	given := func(s *story) *story { return s.add(&evidence.Expired{Limit: s.at, Scope: "explained"}) }
	refused := func() *story {
		return to(there + ":80").add(routed()).connecting("EINPROGRESS").soError("ECONNREFUSED")
	}
	for name, tt := range map[string]struct {
		s          *story
		cause      ID
		confidence Confidence // empty: the cause is not named at all
		says       string
	}{
		"a rule that counted":               {given(silence().add(local(1), stops("out", "drop", 2))), LocalFirewallDrop, Certain, "nft delete rule inet filter output handle 7"},
		"a rule that counted, no resend":    {given(silence().add(stops("out", "drop", 2))), LocalFirewallDrop, Certain, "its counter rose by 2"},
		"a rule that did not count":         {given(silence().add(local(1), stops("out", "drop", 0))), LocalFirewallDrop, Likely, "handle 7"},
		"a policy":                          {given(silence().add(local(1), policy("out"))), LocalFirewallDrop, Likely, "nft add rule inet filter output tcp dport 80 accept"},
		"a doubtful rule":                   {given(silence().add(local(1), doubtful("out"))), LocalFirewallDrop, Likely, "perhaps"},
		"no rule":                           {given(silence().add(clear("out"))), LocalFirewallDrop, "", ""},
		"no rule, and it failed here":       {given(silence().add(local(1), clear("out"))), LocalFirewallDrop, "", ""},
		"a rule for the answer":             {given(silence().add(local(0), clear("out"), stops("in", "drop", 2))), LocalFirewallInput, Certain, "handle 7"},
		"the answer's policy":               {given(silence().add(local(0), clear("out"), policy("in"))), LocalFirewallInput, Possible, ""},
		"no rule for the answer":            {given(silence().add(local(0), clear("out"), clear("in"))), LocalFirewallInput, "", ""},
		"a reset by a rule":                 {refused().add(stops("out", "reject", 1)), LocalFirewallReject, Certain, "nft delete rule inet filter output handle 7"},
		"a reset, and a rule did not count": {refused().add(stops("out", "reject", 0)), LocalFirewallReject, Possible, ""},
		"a reset, and no rule":              {refused().add(clear("out"), clear("in")), LocalFirewallReject, "", ""},
		"a reset, and a rule that drops":    {refused().add(stops("out", "drop", 0), clear("in")), LocalFirewallReject, "", ""},
		"silence, and a rule that rejects":  {given(silence().add(local(1), stops("out", "reject", 0))), LocalFirewallDrop, "", ""},
	} {
		v := Explain(tt.s.dial())
		got := Confidence("")
		for _, f := range append([]Finding{v.Finding}, v.Alternatives...) {
			if f.Cause == tt.cause {
				got = f.Confidence
			}
		}
		if got != tt.confidence {
			t.Errorf("%s: %s is %q, want %q: %+v", name, tt.cause, got, tt.confidence, v)
		}
		if !strings.Contains(v.Explanation+v.Remedy, tt.says) {
			t.Errorf("%s: %q does not say %q", name, v.Explanation+" "+v.Remedy, tt.says)
		}
	}
}

// Another filter beside, whose rules were not read, leaves it open.
func TestFilterBeside(t *testing.T) {
	f := clear("out")
	f.Beside = []string{"iptables-legacy filter"}
	if f.Clear() || f.Stops() != nil {
		t.Errorf("%+v", f)
	}
	if (*evidence.Filter)(nil).Clear() || (*evidence.Filter)(nil).Stops() != nil {
		t.Error("a filter that was not read is clear, or stops something")
	}
}
