package dialscope

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/golden"
)

// reports are made by hand, so that the public document can be compared to the
// last byte.
func reports() map[string]*Report {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	start := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	prohibited := evidence.Log{
		{At: ms(0), Source: evidence.FromRtnetlink, Fact: &evidence.Route{To: netip.MustParseAddr("203.0.113.5"), Type: "unicast", Interface: "eth0", Index: 2, Gateway: netip.MustParseAddr("192.0.2.1"), Source: netip.MustParseAddr("192.0.2.10")}},
		{At: ms(1), Source: evidence.FromConnect, Fact: &evidence.Connect{Remote: at("203.0.113.5:443"), Errno: "EINPROGRESS"}},
		{At: ms(1), Source: evidence.FromGetsockname, Fact: &evidence.LocalAddr{Addr: at("192.0.2.10:40000")}},
		{At: ms(9), Source: evidence.FromSOError, Fact: &evidence.SOError{Errno: "EHOSTUNREACH"}},
		{At: ms(9), Source: evidence.FromErrqueue, Fact: &evidence.ICMP{Version: 4, Type: 3, Code: 13, Errno: "EHOSTUNREACH", Offender: netip.MustParseAddr("198.51.100.1"), Text: "communication administratively prohibited", Quoted: &evidence.QuotedTCP{SrcPort: 40000, DstPort: 443, Seq: 7}}},
		{At: ms(10), Source: evidence.FromFeature, Fact: &evidence.Unseen{What: "packets", Why: "CAP_NET_RAW is missing"}},
	}
	open := evidence.Log{
		{At: ms(1), Source: evidence.FromConnect, Fact: &evidence.Connect{Remote: at("[2001:db8::5]:443"), Errno: "EINPROGRESS"}},
		{At: ms(8), Source: evidence.FromSOError, Fact: &evidence.SOError{}},
		{At: ms(8), Source: evidence.FromTCPInfo, Fact: &evidence.TCPInfo{State: "ESTABLISHED", RTT: ms(7), Options: []string{"timestamps"}}},
		{At: ms(8), Source: evidence.FromGetsockname, Fact: &evidence.LocalAddr{Addr: at("[2001:db8::1]:40000")}},
	}
	one := &Report{Start: start, winner: -1}
	one.Target, one.Network, one.Took = "203.0.113.5:443", "tcp", ms(11)
	one.Attempts = []evidence.Attempt{{Remote: at("203.0.113.5:443"), Took: ms(10), Log: prohibited}}

	named := &Report{Start: start, winner: 1}
	named.Target, named.Network, named.Took = "two.test:443", "tcp", ms(40)
	named.Log = evidence.Log{
		{At: ms(1), Source: evidence.FromDNS, Fact: &evidence.Lookup{Server: at("192.0.2.53:53"), Transport: "udp", Name: "two.test.", Type: "A", Took: ms(1), Rcode: "NOERROR", Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.5")}, TTL: 60}},
		{At: ms(2), Source: evidence.FromResolver, Fact: &evidence.Candidates{From: "dns", Addrs: []netip.AddrPort{at("203.0.113.5:443"), at("[2001:db8::5]:443")}}},
	}
	named.Attempts = []evidence.Attempt{
		{Remote: at("203.0.113.5:443"), Began: ms(2), Took: ms(10), Log: prohibited},
		{Remote: at("[2001:db8::5]:443"), Began: ms(12), Took: ms(8), Log: open},
	}

	unresolved := &Report{Start: start, winner: -1}
	unresolved.Target, unresolved.Network, unresolved.Took = "nosuch.test:443", "tcp", ms(3)
	unresolved.Log = evidence.Log{
		{At: ms(1), Source: evidence.FromDNS, Fact: &evidence.Lookup{Server: at("192.0.2.53:53"), Transport: "udp", Name: "nosuch.test.", Type: "A", Took: ms(1), Rcode: "NXDOMAIN"}},
		{At: ms(2), Source: evidence.FromResolver, Fact: &evidence.Candidates{Error: "no such host", Absent: true}},
	}
	return map[string]*Report{"prohibited": one, "some-dead": named, "unresolved": unresolved}
}

// The document is a contract: a field that changes or goes shows here.
func TestGoldenJSON(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			json.Indent(&got, line, "", "  ")
			got.WriteByte('\n')
			golden.Check(t, "report/"+name+".json", got.String())
		})
	}
}

// A stored report gives the same document again: its evidence is whole, and
// today's rules judge it as they did.
func TestReportSurvivesStorage(t *testing.T) {
	for name, r := range reports() {
		before, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(before, &back); err != nil {
			t.Fatal(err)
		}
		after, err := json.Marshal(&back)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
		if back.Winner() != r.Winner() {
			t.Errorf("%s: winner %d, was %d", name, back.Winner(), r.Winner())
		}
	}
}

func TestStoredRubbish(t *testing.T) {
	for _, bad := range []string{`[]`, `{"evidence":3}`, `{"evidence":[3]}`, `{"attempts":[{"address":"nowhere"}]}`, `{"start":"yesterday"}`} {
		var r Report
		if json.Unmarshal([]byte(bad), &r) == nil {
			t.Errorf("%s was taken for a report", bad)
		}
	}
}
