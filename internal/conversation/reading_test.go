package conversation

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/testcapture"
)

// readBytes reads a capture in memory.
func readBytes(t testing.TB, b []byte, r *Reading) []*Report {
	t.Helper()
	var all []*Report
	r.Each = func(r *Report) error {
		all = append(all, r)
		return nil
	}
	r.Start(1)
	if _, err := r.File(bytes.NewReader(b), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return all
}

var addresses = netip.MustParseAddrPort

// stories are exchanges with the cause that the reader must find, and how sure.
var stories = []struct {
	name, lines string
	outcome     cause.Outcome
	cause       cause.ID
	sure        cause.Confidence
}{
	{"open", testcapture.Open, cause.Open, cause.IsOpen, cause.Certain},
	{"refused", testcapture.Refused, cause.Refused, cause.PortClosed, cause.Likely},
	{"prohibited", testcapture.Prohibited, cause.Unreachable, cause.AdminProhibited, cause.Certain},
	{"host unreachable", "0 > S 0\n0.1 ! icmp 3 1 from 192.0.2.7 seq 0", cause.Unreachable, cause.HostUnreachable, cause.Certain},
	{"an error that quotes another sequence number", "0 > S 0\n0.1 ! icmp 3 1 from 192.0.2.7 seq 1000\n1 > S 0", cause.Timeout, cause.PathFirewallDrop, cause.Possible},
	{"no route", "0 > S 0\n0.1 ! icmp 3 0 from 192.0.2.7 seq 0", cause.Unreachable, cause.RouterNoRoute, cause.Certain},
	{"lost", testcapture.Lost, cause.Open, cause.PacketLoss, cause.Likely},
	{"accepted, then reset", testcapture.AcceptedThenReset, cause.Reset, cause.AcceptedThenReset, cause.Likely},
	{"accepted, then closed", testcapture.AcceptedThenClosed, cause.Closed, cause.AcceptedThenClosed, cause.Likely},
	{"forged reset", testcapture.ForgedReset, cause.Reset, cause.PathFirewallReset, cause.Likely},
	{"another distance alone may be a load balancer", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
90 < R. 11 ack 11 ttl 62`, cause.Reset, cause.PathFirewallReset, cause.Possible},
	{"RSTs that begin at TTL 255 are the peer's", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 < R. 11 ack 11 ttl 248`, cause.Reset, cause.PeerReset, cause.Likely},
	{"too early to be the peer's", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.501 < R. 11 ack 21`, cause.Reset, cause.PeerReset, cause.Possible},
	{"a reset after the handshake, of another distance, and the server goes on", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.21 < R 1 ttl 62
0.5 < P. 1:101 ack 1`, cause.Reset, cause.PathFirewallReset, cause.Likely},
	{"forged in the client's name", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.401 > R 11 ttl 50
0.5 > P. 11:21 ack 11`, cause.Reset, cause.PathFirewallReset, cause.Likely},
	{"refused, and a listener answers the same SYN", `
0 > S 0
0.002 < R. 0 ack 1
0.100 < S. 0 ack 1
0.1001 > R 1`, cause.Refused, cause.PathFirewallReset, cause.Likely},
	{"refused, asked again, and then a listener is there (as Windows asks)", `
0 > S 0
0.002 < R. 0 ack 1
0.5 > S 0
0.502 < S. 0 ack 1
0.503 > . 1 ack 1`, cause.Open, cause.IsOpen, cause.Certain},
	{"reset after data", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 < R. 11 ack 11`, cause.Reset, cause.PeerReset, cause.Likely},
	{"closed by the peer after data", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < FP. 1:11 ack 11
0.5 > F. 11 ack 12
0.6 < . 12 ack 12`, cause.Open, cause.PeerClosed, cause.Certain},
	{"the client aborts: nothing failed for it", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > R. 1 ack 1`, cause.Open, cause.IsOpen, cause.Certain},
	{"gave up", `
0 > S 0
0.5 < S. 0 ack 1
0.5 > R 1`, cause.Cancelled, cause.CancelledByCaller, cause.Likely},
	{"the SYN-ACK never arrives", `
0 > S 0
0.1 < S. 0 ack 1
1 > S 0
1.1 < S. 0 ack 1`, cause.Timeout, cause.ReplyLost, cause.Possible},
	{"the SYN-ACK arrives the second time", `
0 > S 0
0.1 < S. 0 ack 1
1 > S 0
1.1 < S. 0 ack 1
1.1 > . 1 ack 1
1.2 > P. 1:11 ack 1
1.3 < . 1 ack 11`, cause.Open, cause.PacketLoss, cause.Likely},
	{"the SYN-ACK is read late", `
0 > S 0
1 > S 0
0.8 < S. 0 ack 1
1.1 > . 1 ack 1
1.2 > P. 1:11 ack 1
1.3 < . 1 ack 11`, cause.Open, cause.PacketLoss, cause.Likely},
	{"an older connection answers first", `
0 > S 0
0.1 < . 70 ack 4000
0.1 > R 4000
0.1 > S 0
0.2 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < . 1 ack 11`, cause.Open, cause.StaleConnection, cause.Likely},
	{"too few hops allowed", "0 > S 0 ttl 3\n0.1 ! icmp 11 0 from 192.0.2.7 seq 0", cause.Unreachable, cause.HopLimitTooSmall, cause.Likely},
	{"a loop", "0 > S 0\n0.1 ! icmp 11 0 from 192.0.2.7 seq 0", cause.Unreachable, cause.RoutingLoop, cause.Likely},
	{"an older connection answers", `
0 > S 0
0.1 < . 70 ack 4000`, cause.Timeout, cause.StaleConnection, cause.Possible},
	{"said twice at once, and not answered", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.35 > P. 1:11 ack 1`, cause.Open, cause.IsOpen, cause.Likely},
	{"vanished", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.6 > P. 1:11 ack 1
1.2 > P. 1:11 ack 1
2.4 > P. 1:11 ack 1`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"vanished, and a router says why", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.6 > P. 1:11 ack 1
1.2 > P. 1:11 ack 1
1.3 ! icmp 3 1 from 192.0.2.7 seq 1
2.4 > P. 1:11 ack 1`, cause.Timeout, cause.PathLost, cause.Likely},
	{"no room for a moment", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < . 1 ack 11 win 0`, cause.Timeout, cause.ZeroWindow, cause.Possible},
	{"no room, and it says so again and again", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < . 1 ack 11 win 0
0.8 > . 10 ack 1
0.81 < . 1 ack 11 win 0
1.6 > . 10 ack 1
1.61 < . 1 ack 11 win 0`, cause.Timeout, cause.ZeroWindow, cause.Likely},
	{"room again", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < . 1 ack 11 win 0
0.8 > . 10 ack 1
0.81 < . 1 ack 11 win 0
0.9 < . 1 ack 11 win 100`, cause.Open, cause.IsOpen, cause.Certain},
	{"the last segment was sent twice", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.8 > P. 11:21 ack 11`, cause.Open, cause.IsOpen, cause.Likely},
	{"the last segments were captured twice, on two interfaces", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.5 > P. 11:21 ack 11
0.6 > P. 21:31 ack 11
0.6 > P. 21:31 ack 11
0.7 > P. 31:41 ack 11
0.7 > P. 31:41 ack 11`, cause.Open, cause.IsOpen, cause.Certain},
	{"the server's keepalive gives up", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
5 < . 0 ack 1
6 < . 0 ack 1
7 < . 0 ack 1
8 < . 0 ack 1
9 < R. 1 ack 1`, cause.Timeout, cause.PeerVanished, cause.Likely},
	{"one direction is cut, and a router says so", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:2 ack 1
0.4 < . 1 ack 2
0.5 > P. 2:3 ack 1
0.5 ! icmp 3 0 from 192.0.2.7 seq 2
0.8 > P. 2:3 ack 1
1.2 < . 0 ack 2
1.2 > . 3 ack 1
1.3 > P. 2:3 ack 1
2.2 < . 0 ack 2
2.2 > R 2`, cause.Timeout, cause.PathLost, cause.Possible},
	{"one direction is cut, and nobody says so", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:2 ack 1
0.4 < . 1 ack 2
0.5 > P. 2:3 ack 1
0.8 > P. 2:3 ack 1
1.2 < . 0 ack 2
1.2 > . 3 ack 1
1.3 > P. 2:3 ack 1
2.2 < . 0 ack 2
2.2 > R 2`, cause.Open, cause.IsOpen, cause.Likely},
	{"vanished, and given up with a RST", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.8 > P. 11:21 ack 11
1.4 > P. 11:21 ack 11
2.6 > P. 11:21 ack 11
5 > R. 21 ack 11`, cause.Timeout, cause.PeerVanished, cause.Likely},
	{"vanished for longer than any stack waits", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
1 > P. 11:21 ack 11
3 > P. 11:21 ack 11
30 > P. 11:21 ack 11
120 > P. 11:21 ack 11`, cause.Timeout, cause.PeerVanished, cause.Likely},
	{"vanished while idle", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
90 > P. 11:21 ack 11
90.3 > P. 11:21 ack 11
90.9 > P. 11:21 ack 11
92.1 > P. 11:21 ack 11
200 > R. 21 ack 11`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"full segments vanish", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:1411 ack 11
0.8 > P. 11:1411 ack 11
1.4 > P. 11:1411 ack 11
2.6 > P. 11:1411 ack 11
200 > R. 1411 ack 11`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"keep-alives are not answered", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > . 11 ack 11
10 > . 10 ack 11
11 > . 10 ack 11
12 > . 10 ack 11
13 > . 10 ack 11
14 > R. 11 ack 11`, cause.Timeout, cause.PeerVanished, cause.Likely},
	{"keep-alives are not answered, three of them", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
10 > . 0 ack 1
11 > . 0 ack 1
12 > . 0 ack 1
13 > R. 1 ack 1`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"keep-alives are answered", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
10 > . 10 ack 11
10.1 < . 11 ack 11
20 > . 10 ack 11
20.1 < . 11 ack 11
30 > . 10 ack 11
30.1 < . 11 ack 11`, cause.Open, cause.IsOpen, cause.Certain},
	{"the initiator vanished", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 < P. 11:21 ack 11
0.8 < P. 11:21 ack 11
1.4 < P. 11:21 ack 11
2.6 < P. 11:21 ack 11`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"the close is not acknowledged any more", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > F. 11 ack 11
0.8 > F. 11 ack 11
1.4 > F. 11 ack 11
2.6 > F. 11 ack 11`, cause.Open, cause.PeerVanished, cause.Possible},
	{"the peer closes, and nobody is there", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.45 > . 11 ack 11
0.5 < F. 11 ack 11
0.8 < F. 11 ack 11
1.4 < F. 11 ack 11
2.6 < F. 11 ack 11`, cause.Open, cause.PeerClosed, cause.Likely},
	{"the peer closes, and the capture ends", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.45 > . 11 ack 11
0.5 < F. 11 ack 11`, cause.Open, cause.PeerClosed, cause.Likely},
	{"a router loses its route in the middle of data", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.6 ! icmp 3 0 from 192.0.2.7 seq 11
0.8 > P. 11:21 ack 11
1.4 > P. 11:21 ack 11`, cause.Timeout, cause.PathLost, cause.Possible},
	{"an error, and nothing more", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.5 > P. 1:11 ack 1
0.6 ! icmp 3 0 from 192.0.2.7 seq 1`, cause.Timeout, cause.PathLost, cause.Possible},
	{"an error about what was acknowledged long ago, and silence", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.6 ! icmp 3 0 from 192.0.2.7 seq 1
0.8 > P. 11:21 ack 11
1.4 > P. 11:21 ack 11
2.6 > P. 11:21 ack 11`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"an error, and the connection goes on", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.6 ! icmp 3 0 from 192.0.2.7 seq 11
0.8 > P. 11:21 ack 11
0.9 < . 11 ack 21`, cause.Open, cause.IsOpen, cause.Certain},
	{"the answers take another way", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.8 > P. 11:21 ack 11
1.4 > P. 11:21 ack 11
2.6 > P. 11:21 ack 11
3 > P. 21:31 ack 500`, cause.Open, cause.IsOpen, cause.Certain},
	{"forgotten: a RST without ACK after a silence", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
9 > P. 11:21 ack 11
9.1 < R 11`, cause.Reset, cause.PeerRebooted, cause.Possible},
	{"forgotten, and it was away", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
0.5 > P. 11:21 ack 11
0.8 > P. 11:21 ack 11
1.4 > P. 11:21 ack 11
1.5 < R 11`, cause.Reset, cause.PeerRebooted, cause.Likely},
	{"a RST with ACK after a silence is its socket's", `
0 > S 0
0.1 < S. 0 ack 1
0.2 > . 1 ack 1
0.3 > P. 1:11 ack 1
0.4 < P. 1:11 ack 11
9 > P. 11:21 ack 11
9.1 < R. 11 ack 21`, cause.Reset, cause.PeerReset, cause.Likely},
	{"the SYN was lost, and then the peer vanished", `
0 > S 0
1 > S 0
1.1 < S. 0 ack 1
1.2 > . 1 ack 1
1.3 > P. 1:11 ack 1
1.6 > P. 1:11 ack 1
2.2 > P. 1:11 ack 1
3.4 > P. 1:11 ack 1`, cause.Timeout, cause.PeerVanished, cause.Possible},
	{"one direction only", "0 > S 0\n0.1 > . 1 ack 1\n0.2 > P. 1:11 ack 1", "", "", ""},
	{"midstream", "0 > P. 1:11 ack 1\n0.1 < . 1 ack 11", "", "", ""},
	{"cut off before the ACK", "0 > S 0\n0.1 < S. 0 ack 1", "", "", ""},
}

func TestCauses(t *testing.T) {
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			all := readBytes(t, testcapture.Pcap(testcapture.Script{Lines: c.lines}), new(Reading))
			if len(all) != 1 {
				t.Fatalf("%d connections", len(all))
			}
			r := all[0]
			if r.Outcome != c.outcome || r.Cause != c.cause || r.Confidence != c.sure {
				t.Errorf("%s: %s (%s), want %s: %s (%s)\n%s", r.Outcome, r.Cause, r.Confidence, c.outcome, c.cause, c.sure, r.Explanation)
			}
			if (r.Cause == "") != (r.Unjudged != "") {
				t.Errorf("cause %q, unjudged %q", r.Cause, r.Unjudged)
			}
		})
	}
}

// Silence has several readings: none of them may be more than possible.
func TestSilenceClaimsNothing(t *testing.T) {
	r := readBytes(t, testcapture.Pcap(testcapture.Script{Lines: testcapture.Silent}), new(Reading))[0]
	if r.Outcome != cause.Timeout || r.Confidence != cause.Possible || len(r.Alternatives) == 0 {
		t.Errorf("%s: %s (%s), or %v", r.Outcome, r.Cause, r.Confidence, r.Alternatives)
	}
}

// What the reader had no room to follow is no silence.
func TestGivenUp(t *testing.T) {
	var scripts []testcapture.Script
	for i := range 200 {
		scripts = append(scripts, testcapture.Script{Lines: "0 > S 0", At: time.Duration(i) * time.Millisecond, Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(1000+i))})
	}
	scripts = append(scripts, testcapture.Script{Lines: "0 > S 0\n0.0001 < S. 0 ack 1\n0.0002 > . 1 ack 1", Client: netip.MustParseAddrPort("10.0.0.9:9")})
	r := &Reading{Limit: 64}
	given := 0
	for _, c := range readBytes(t, testcapture.Pcap(scripts...), r) {
		switch {
		case c.Handshake == "complete":
			if c.Cause != cause.IsOpen || !c.GivenUp {
				t.Errorf("the handshake was seen: %s, given up %v", c.Cause, c.GivenUp)
			}
		case c.GivenUp && (c.Cause != "" || c.Unjudged == ""), !c.GivenUp && c.Cause == "":
			t.Errorf("connection %d, given up %v: %q (%s)", c.Number, c.GivenUp, c.Cause, c.Unjudged)
		}
		if c.GivenUp {
			given++
		}
	}
	if s := r.Summary.Document(); given != 201-64 || s.GivenUp != uint64(given) || s.Limit != 64 || s.Connections != 201 {
		t.Errorf("%d given up, the summary says %d of %d at most", given, s.GivenUp, s.Limit)
	}
}

// Judging by likeness gives what judging each gives, whatever the order.
func TestSummaryAgrees(t *testing.T) {
	var scripts []testcapture.Script
	for round := range 2 {
		for i, c := range append(stories, stories...) {
			scripts = append(scripts, testcapture.Script{Lines: c.lines, At: time.Duration(round*100+i) * 10 * time.Second,
				Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(10000+100*round+i))})
		}
	}
	brief := readBytes(t, testcapture.Pcap(scripts...), &Reading{Brief: true})
	whole := readBytes(t, testcapture.Pcap(scripts...), new(Reading))
	if len(brief) != len(whole) {
		t.Fatalf("%d and %d connections", len(brief), len(whole))
	}
	for i := range whole {
		if brief[i].Cause != whole[i].Cause || brief[i].Confidence != whole[i].Confidence || brief[i].Outcome != whole[i].Outcome {
			t.Errorf("connection %d: %s (%s), and judged by itself %s (%s)", whole[i].Number, brief[i].Cause, brief[i].Confidence, whole[i].Cause, whole[i].Confidence)
		}
	}
}

// The documents, whole: their fields are a contract.
func TestDocuments(t *testing.T) {
	for _, name := range []string{"open", "refused", "prohibited", "lost", "forged"} {
		lines := map[string]string{"open": testcapture.Open, "refused": testcapture.Refused, "prohibited": testcapture.Prohibited,
			"lost": testcapture.Lost, "forged": testcapture.ForgedReset}[name]
		r := readBytes(t, testcapture.Framed(1, append(make([]byte, 12), 0x81, 0, 0, 7, 8, 0), testcapture.Script{Lines: lines}), &Reading{Rungs: 10})[0]
		got, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name+".json", string(got)+"\n")
		var back Report
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		if again, err := json.MarshalIndent(&back, "", "  "); err != nil || string(again) != string(got) {
			t.Errorf("%s: read back and written again it differs: %v\n%s", name, err, cmp.Diff(string(got), string(again)))
		}
	}
}

func TestWanted(t *testing.T) {
	b := testcapture.Pcap(
		testcapture.Script{Lines: testcapture.Open},
		testcapture.Script{Lines: testcapture.Refused, Server: addresses("10.0.0.3:81"), At: time.Second},
		testcapture.Script{Lines: testcapture.Prohibited, Client: addresses("10.9.0.1:1"), At: 2 * time.Second},
		testcapture.Script{Lines: "0 > P. 1:2 ack 1", Client: addresses("10.9.0.2:1"), At: 3 * time.Second},
	)
	for _, c := range []struct {
		name   string
		wanted Wanted
		want   []uint64
	}{
		{"all", Wanted{}, []uint64{1, 2, 3, 4}},
		{"failed", Wanted{Failed: true}, []uint64{2, 3}},
		{"cause", Wanted{Causes: []cause.ID{cause.PortClosed, cause.IsOpen}}, []uint64{1, 2}},
		{"host", Wanted{Host: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}, []uint64{3, 4}},
		{"port", Wanted{Port: []uint16{81}}, []uint64{2}},
		{"number", Wanted{Number: 3}, []uint64{3}},
		{"both", Wanted{Port: []uint16{1}, Failed: true}, []uint64{3}},
	} {
		r := &Reading{Wanted: c.wanted}
		var got []uint64
		for _, report := range readBytes(t, b, r) {
			got = append(got, report.Number)
		}
		if !slices.Equal(got, c.want) || r.Summary.Wanted != uint64(len(c.want)) || r.Summary.Connections != 4 {
			t.Errorf("%s: %v, want %v; %d of %d", c.name, got, c.want, r.Summary.Wanted, r.Summary.Connections)
		}
	}
}

func TestReading(t *testing.T) {
	r := new(Reading)
	all := readBytes(t, testcapture.Pcap(
		testcapture.Script{Lines: testcapture.Refused},
		testcapture.Script{Lines: testcapture.Refused, ClientISN: 99, ServerISN: 1, At: time.Second},
		testcapture.Script{Lines: "0 ! icmp 3 1 from 192.0.2.1 seq 0", Client: addresses("10.1.1.1:5"), At: 2 * time.Second}), r)
	if len(all) != 2 || all[0].Reused || !all[1].Reused {
		t.Errorf("%d connections; the second took the ports of the first: %v", len(all), all[1].Reused)
	}
	s := r.Summary
	if s.Frames != 5 || s.Segments != 4 || s.ICMP != 1 || s.StrayICMP != 1 || s.Failed != 2 || s.Last-s.First != 2*time.Second {
		t.Errorf("%+v", s)
	}
}

func TestStops(t *testing.T) {
	b := testcapture.Pcap(testcapture.Script{Lines: testcapture.Refused}, testcapture.Script{Lines: testcapture.Open, Client: addresses("10.1.1.1:5")})
	enough := errors.New("enough")
	r := &Reading{Each: func(*Report) error { return enough }}
	r.Start(1)
	if _, err := r.File(bytes.NewReader(b), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); !errors.Is(err, enough) {
		t.Errorf("Each failed, End says %v", err)
	}
	r = new(Reading)
	r.Start(1)
	var long bytes.Buffer
	long.Write(b)
	for range checkEvery {
		long.Write(b[24 : 24+16+44])
	}
	if _, err := r.File(&long, func() error { return enough }); !errors.Is(err, enough) {
		t.Errorf("told to stop, File says %v", err)
	}
}

// Of a long connection the first packets and the last are kept.
func TestRungs(t *testing.T) {
	l := &rungs{limit: 5}
	for i := range 12 {
		l.add(Rung{Frame: uint64(i + 1)}, true)
	}
	var got []uint64
	for _, r := range l.all() {
		got = append(got, r.Frame)
	}
	if want := []uint64{1, 2, 3, 0, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if text := l.all()[3].Meaning; text != "7 packets are not shown" {
		t.Error(text)
	}
}

// Ladders that are full together keep the packets that come last.
func TestRungsAreBounded(t *testing.T) {
	r := &Reading{Rungs: 4, ladders: map[uint64]*rungs{}}
	r.keep(1, Rung{Frame: 1})
	r.kept = mostRungs
	for frame := uint64(2); frame < 5; frame++ {
		r.keep(1, Rung{Frame: frame})
		r.keep(2, Rung{Frame: frame})
	}
	if r.ladders[2] != nil || len(r.ladders) != 1 {
		t.Error("a ladder began although all were full")
	}
	all := r.ladders[1].all()
	if len(all) != 3 || all[0].Frame != 1 || all[1].Meaning != "2 packets are not shown" || all[2].Frame != 4 {
		t.Errorf("%+v", all)
	}
	before := r.kept
	if r.forget(1); r.kept != before-2 || len(r.ladders) != 0 {
		t.Errorf("%d kept of %d", r.kept, before)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for us := range 1000 {
		h.Add(time.Duration(us) * time.Microsecond)
	}
	h.Add(-time.Second) // packets out of order
	h.Add(100 * time.Hour)
	if h.N != 1002 || h.Min != 0 || h.Max != 100*time.Hour {
		t.Errorf("%d, %v to %v", h.N, h.Min, h.Max)
	}
	if q := h.Quantile(0.5); q < 500*time.Microsecond || q > 640*time.Microsecond {
		t.Errorf("median %v", q)
	}
	var sum uint64
	bars := h.Bars()
	for i, bar := range bars {
		sum += bar.N
		if bar.From >= bar.To || i > 0 && bar.From != bars[i-1].To {
			t.Errorf("bar %d: %v to %v", i, bar.From, bar.To)
		}
	}
	if sum != h.N {
		t.Errorf("the bars hold %d of %d", sum, h.N)
	}
	for i := range 4*40 - 1 {
		if bucket(bound(i)) != i || bucket(bound(i+1)-time.Microsecond) != i {
			t.Errorf("bucket %d: %v to %v", i, bound(i), bound(i+1))
		}
	}
}
