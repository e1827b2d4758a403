package tcpstate

import (
	"strings"
	"testing"
)

// opened is a connection whose server is 10 ms away and counts its
// identifications, with one request answered.
const opened = `
0      > S 0
0.010  < S. 0 ack 1 id 0
0.0101 > . 1 ack 1
0.011  > P. 1:101 ack 1
0.022  < . 1 ack 101 id 700
0.023  < P. 1:501 ack 101 id 701
0.0231 > . 101 ack 501
0.024  < P. 501:901 ack 101 id 702
0.0241 > . 101 ack 901
0.025  < P. 901:1001 ack 101 id 703
0.0251 > . 101 ack 1001
`

// RSTs, the innocent ones with what makes them look forged to a hasty reader.
var origins = []struct {
	name, lines string
	want        Origin
	sign        string // part of a sign that must be there; empty: there must be none
}{
	{"the server aborts", opened + `
1     > P. 101:201 ack 1001
1.011 < R. 1001 ack 201 id 704`, OriginNoSign, ""},
	{"decoy: a system whose RSTs begin at TTL 255 (7 hops away as ever)", opened + `
1     > P. 101:201 ack 1001
1.011 < R 1001 ttl 248`, OriginNoSign, ""},
	{"decoy: a system whose RSTs begin at TTL 128", opened + `
1     > P. 101:201 ack 1001
1.011 < R 1001 ttl 121`, OriginNoSign, ""},
	{"decoy: identification 0, as Linux has it where there is no socket", opened + `
1     > P. 101:201 ack 1001
1.011 < R 1001 id 0`, OriginNoSign, ""},
	{"decoy: a route that became one hop longer", opened + `
1     > P. 101:201 ack 1001
1.011 < R 1001 ttl 56`, OriginNoSign, ""},
	{"decoy: a counter that other connections count on too", opened + `
1     > P. 101:201 ack 1001
1.011 < R. 1001 ack 201 id 2900`, OriginNoSign, ""},
	{"decoy: random identifications", `
0      > S 0
0.010  < S. 0 ack 1 id 61000
0.0101 > . 1 ack 1
0.011  > P. 1:101 ack 1
0.022  < P. 1:501 ack 101 id 4
0.0231 > . 101 ack 501
0.024  < P. 501:901 ack 101 id 33000
0.5    < R. 901 ack 101 id 9`, OriginNoSign, ""},
	{"decoy: data that the RST overtook", opened + `
1      > P. 101:201 ack 1001
1.0110 < R 1001
1.0111 < P. 1001:1101 ack 201 id 705`, OriginDoubtful, "its sender went on 100µs later"},
	{"decoy: sent again before the answer could come, and the answer is slow", opened + `
1     > P. 101:201 ack 1001
1.3   > P. 101:201 ack 1001
1.301 < R. 1001 ack 201`, OriginNoSign, ""},
	{"decoy: an abort of its own, not in answer to anything", opened + `
1     > P. 101:201 ack 1001
1.001 < R 1001`, OriginNoSign, ""},
	{"decoy: an abort that happens to come soon after data, and does not acknowledge it", opened + `
1     > P. 101:201 ack 1001
1.001 < R. 1001 ack 101`, OriginNoSign, ""},
	{"decoy: the first SYN waited for ARP, later answers are quick", `
0      > S 0
0.800  < S. 0 ack 1
0.8001 > . 1 ack 1
0.9    > P. 1:101 ack 1
0.901  < . 1 ack 101
1      > P. 101:201 ack 1
1.001  < R. 1 ack 201`, OriginNoSign, ""},
	{"decoy: a load balancer resets an idle connection in the server's name", opened + `
600     > P. 101:201 ack 1001
600.002 < R 1001 ttl 62`, OriginDoubtful, "its TTL 62 is of another distance"},
	{"decoy: paths of many lengths", `
0      > S 0
0.010  < S. 0 ack 1 ttl 57
0.0101 > . 1 ack 1
0.022  < P. 1:101 ack 1 ttl 55
0.023  < P. 101:201 ack 1 ttl 53
0.024  < P. 201:301 ack 1 ttl 51
0.025  < R. 301 ack 1 ttl 49`, OriginUnknown, ""},
	{"decoy: the ports are used again, and the SYN is not in the capture", opened + `
1     > P. 101:201 ack 1001
1.011 < R. 1001 ack 201
30    > P. 700000000:700000100 ack 900000000
30.01 < P. 900000000:900000100 ack 700000100`, OriginNoSign, ""},
	{"nothing of the server but the RST", `
0     > P. 1:101 ack 1
0.001 < R 1`, OriginUnknown, ""},
	{"a refusal, with nothing to compare", `
0     > S 0
0.001 < R. 0 ack 1`, OriginUnknown, ""},

	{"forged from nearby: another distance, and the server goes on", opened + `
1     > P. 101:201 ack 1001
1.002 < R 1001 ttl 61
1.011 < P. 1001:1501 ack 201 id 704`, OriginElsewhere, "its sender went on 9ms later"},
	{"forged with the right TTL: the server goes on", opened + `
1     > P. 101:201 ack 1001
1.002 < R 1001
1.012 < P. 1001:1501 ack 201 id 704`, OriginElsewhere, "its sender went on 10ms later"},
	{"the server acknowledges what came after its RST", opened + `
1     > P. 101:201 ack 1001
1.002 < R 1001
1.003 > P. 201:301 ack 1001
1.014 < . 1001 ack 301`, OriginElsewhere, "its sender went on 12ms later"},
	{"another distance, and too early to be an answer", opened + `
1     > P. 101:201 ack 1001
1.001 < R. 1001 ack 201 ttl 62`, OriginElsewhere, "it came 1ms after the segment that it acknowledges, and the sender never answered in less than 10ms"},
	{"too early alone", opened + `
1     > P. 101:201 ack 1001
1.001 < R. 1001 ack 201`, OriginDoubtful, "never answered in less than 10ms"},
	{"another distance, and a strayed identification", opened + `
1     > P. 101:201 ack 1001
1.011 < R. 1001 ack 201 ttl 62 id 30000`, OriginElsewhere, "its IP identification 30000 is far from"},
	{"guessed numbers in a row, of another distance", opened + `
1     > P. 101:201 ack 1001
1.011 < R 1001 ttl 62
1.011 < R 2461 ttl 62`, OriginElsewhere, "its sequence number is beyond"},
	{"a strayed identification alone is nearly nothing", opened + `
1     > P. 101:201 ack 1001
1.011 < R. 1001 ack 201 id 30000`, OriginNoSign, "its IP identification 30000"},
	{"one packet to compare the distance with", `
0     > S 0
0.010 < S. 0 ack 1
0.011 > . 1 ack 1
0.020 < R 1 ttl 62`, OriginDoubtful, "its TTL 62"},
}

func TestOrigin(t *testing.T) {
	for _, c := range origins {
		t.Run(c.name, func(t *testing.T) {
			seen := false
			tr := NewTracker(1, func(conn *Conn) {
				seen = true
				if conn.Detail == nil || len(conn.Detail.RSTs) == 0 {
					t.Fatal("no RST")
				}
				last := &conn.Detail.RSTs[len(conn.Detail.RSTs)-1]
				o, signs := conn.Origin(last)
				if o != c.want {
					t.Errorf("%v, want %v: %q", o, c.want, signs)
				}
				text := strings.Join(signs, "; ")
				if c.sign == "" && text != "" || !strings.Contains(text, c.sign) {
					t.Errorf("signs %q, want %q", text, c.sign)
				}
			})
			for _, s := range script(t, c.lines) {
				tr.Segment(&s)
			}
			tr.Flush()
			if !seen {
				t.Fatal("no connection")
			}
		})
	}
}

// The same RST in the other direction is judged alike.
func TestOriginOfTheOtherEnd(t *testing.T) {
	const both = `
0     > S 0
0.010 < S. 0 ack 1
0.020 > . 1 ack 1
0.021 < P. 1:101 ack 1
0.031 > . 1 ack 101
0.041 < P. 101:201 ack 1
0.051 > . 1 ack 201
0.061 < P. 201:301 ack 1
0.062 > R. 1 ack 301 ttl 50
0.071 > . 1 ack 301`
	tr := NewTracker(1, func(c *Conn) {
		if o, signs := c.Origin(&c.Detail.RSTs[0]); o != OriginElsewhere || len(signs) != 2 {
			t.Errorf("%v: %q", o, signs)
		}
	})
	for _, s := range script(t, both) {
		tr.Segment(&s)
	}
	tr.Flush()
}

// A refusal is compared with what the same address answered on another port.
func TestRefusalBesideAnotherPort(t *testing.T) {
	for _, c := range []struct {
		ttl  string
		want Origin
	}{{"57", OriginNoSign}, {"248", OriginNoSign}, {"62", OriginDoubtful}} {
		got := map[uint16]Origin{}
		tr := NewTracker(1, func(c *Conn) {
			if c.Detail != nil && len(c.Detail.RSTs) > 0 {
				got[c.Ends[Initiator].Port], _ = c.Origin(&c.Detail.RSTs[0])
			}
		})
		first := script(t, "0 > S 0\n0.01 < S. 0 ack 1\n0.011 > . 1 ack 1")
		second := script(t, "0 > S 0 \n0.01 < R. 0 ack 1 ttl "+c.ttl)
		for i := range second {
			if second[i].SrcPort == client.Port {
				second[i].SrcPort, second[i].DstPort = 50001, 25
			} else {
				second[i].SrcPort, second[i].DstPort = 25, 50001
			}
		}
		for _, s := range append(first, second...) {
			tr.Segment(&s)
		}
		tr.Flush()
		if got[50001] != c.want {
			t.Errorf("TTL %s: %v, want %v", c.ttl, got[50001], c.want)
		}
	}
}
