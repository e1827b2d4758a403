package tcpstate

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// cases are exchanges with the story that they must give.
var cases = []struct {
	name, lines string
	want        string
}{
	{"handshake", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED"},
	{"SYN-ACK not acknowledged", `
0 > S 0
1 < S. 0 ack 1`, "synack-not-acked, none, ESTABLISHED/SYN_RECEIVED"},
	{"SYN-ACK retransmitted: the SYN's sender does not hear", `
0 > S 0
1 < S. 0 ack 1
2 > S 0
2 < S. 0 ack 1`, "synack-not-acked, none, ESTABLISHED/SYN_RECEIVED"},
	{"refused", `
0 > S 0
1 < R. 0 ack 1`, "refused, reset, CLOSED/CLOSED, RST no-listener"},
	{"refused thrice, the same SYN", `
0 > S 0
1 < R. 0 ack 1
2 > S 0
3 < R. 0 ack 1
4 > S 0
5 < R. 0 ack 1`, "refused, reset, CLOSED/CLOSED, RST no-listener no-listener no-listener"},
	{"a RST that does not acknowledge is ignored (RFC 9293 §3.10.7.3)", `
0 > S 0
1 < R 0
2 > S 0
3 < S. 0 ack 1
4 > . 1 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED, RST not-for-this-syn"},
	{"a SYN-ACK of something else is answered by RST (RFC 9293 §3.5.1)", `
0 > S 0
1 < S. 0 ack 1000
2 > R 1000
3 > S 0
4 < S. 0 ack 1
5 > . 1 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED, RST unacceptable"},
	{"only wrong SYN-ACKs", `
0 > S 0
1 < S. 0 ack 1000
2 < S. 0 ack 1000`, "synack-bad-ack, none, SYN_SENT/?"},
	{"a bare ACK for an answer (RFC 5961 §4)", `
0 > S 0
1 < . 77 ack 4000
2 > R 4000`, "syn-then-other, reset, SYN_SENT/?, RST unacceptable"},
	{"silence", `
0 > S 0
1 > S 0
3 > S 0`, "unanswered, none, SYN_SENT/?"},
	{"one direction only", `
0 > S 0
1 > . 1 ack 1
2 > P. 1:11 ack 1
3 > F. 11 ack 1`, "one-sided, fin-one-side, FIN_WAIT_1/?"},
	{"the SYN is missing", `
0 < S. 0 ack 1
1 > . 1 ack 1
2 < P. 1:11 ack 1`, "syn-missing, none, ESTABLISHED/ESTABLISHED"},
	{"midstream", `
0 > P. 1:11 ack 1
1 < . 1 ack 11`, "midstream, none, ESTABLISHED/ESTABLISHED"},
	{"simultaneous open (RFC 9293 §3.5, figure 7)", `
0 > S 0
1 < S 0
2 > S. 0 ack 1
3 < S. 0 ack 1`, "simultaneous-or-split, none, ESTABLISHED/ESTABLISHED"},
	{"split handshake: SYN instead of SYN-ACK", `
0 > S 0
1 < S 0
2 > S. 0 ack 1
3 < . 1 ack 1`, "simultaneous-or-split, none, ESTABLISHED/ESTABLISHED"},
	{"orderly close by the client (RFC 9293 §3.6, figure 12)", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
4 < . 1 ack 2
5 < F. 1 ack 2
6 > . 2 ack 2`, "complete, fin-both, TIME_WAIT/CLOSED"},
	{"orderly close by the server, FIN and ACK together", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 < F. 1 ack 1
4 > F. 1 ack 2
5 < . 2 ack 2`, "complete, fin-both, CLOSED/TIME_WAIT"},
	{"simultaneous close (RFC 9293 §3.6, figure 13)", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
3 < F. 1 ack 1
4 > . 2 ack 2
5 < . 2 ack 2`, "complete, fin-both, TIME_WAIT/TIME_WAIT"},
	{"half closed: the server goes on", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
4 < . 1 ack 2
5 < P. 1:501 ack 2
6 > . 2 ack 501`, "complete, fin-one-side, FIN_WAIT_2/CLOSE_WAIT"},
	{"aborted by the server", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 < R. 1 ack 1`, "complete, reset, CLOSED/CLOSED, RST aborted"},
	{"gave up before the answer came", `
0 > S 0
1 < S. 0 ack 1
2 > R 1`, "synack-not-acked, reset, CLOSED/CLOSED, RST abandoned"},
	{"the client closes with unread data", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
4 < P. 1:11 ack 2
5 > R 2`, "complete, reset, CLOSED/CLOSED, RST no-such-connection"},
	{"a late RST after both closed", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
4 < F. 1 ack 2
5 > . 2 ack 2
6 > R 2`, "complete, fin-both-then-reset, CLOSED/CLOSED, RST after-close"},
	{"a RST out of the window is ignored", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1 win 500
3 < R 100000`, "complete, none, ESTABLISHED/ESTABLISHED, RST out-of-window"},
	{"a RST in the window asks for a challenge (RFC 5961 §3.2)", `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1 win 500
3 < R 300
4 > . 1 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED, RST in-window-not-exact"},
	{"Fast Open: data in the SYN, both acknowledged", `
0 > S 0:20
1 < S. 0 ack 21
2 > . 21 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED"},
	{"Fast Open: only the SYN acknowledged", `
0 > S 0:20
1 < S. 0 ack 1
2 > P. 1:21 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED"},
	{"SYN-ACK before its SYN in the capture", `
0 < S. 0 ack 1
0.1 > S 0
0.2 > . 1 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED"},
	{"a FIN on a SYN closes nothing", `
0 > SF 0
1 < S. 0 ack 1
2 > . 1 ack 1`, "complete, none, ESTABLISHED/ESTABLISHED"},
}

func TestStories(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, _ := track(script(t, c.lines))
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// Initial sequence numbers are random: the story is the same wherever they
// wrap (RFC 9293 §3.4).
func TestStoriesWithWrappedNumbers(t *testing.T) {
	for _, c := range cases {
		for _, isn := range [][2]uint32{{1<<32 - 1, 1<<32 - 5}, {1<<31 - 1, 1 << 31}, {1<<32 - 20, 7}} {
			got, _ := track(scriptFrom(t, c.lines, isn[0], isn[1]))
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("%s with ISN %d and %d: %q, want %q", c.name, isn[0], isn[1], got, c.want)
			}
		}
	}
}

// A capture that holds every frame twice tells the same story.
func TestStoriesWithCopiedFrames(t *testing.T) {
	for _, c := range cases {
		if strings.Contains(c.lines, "R") || strings.Contains(c.name, "wrong") {
			continue // each copy of a RST is counted
		}
		var twice []Segment
		for _, s := range script(t, c.lines) {
			twice = append(twice, s, s)
		}
		got, _ := track(twice)
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s, every frame twice: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSenses(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  []Sense
	}{
		{`
0 > S 0
1 > S 0
2 < S. 0 ack 1
3 < S. 0 ack 1
4 > . 1 ack 1
5 > P. 1:11 ack 1
6 > P. 1:11 ack 1
7 < . 1 ack 11
8 < . 1 ack 11 win 2000
9 > P. 21:31 ack 1
10 < . 1 ack 11 win 2000
11 < . 1 ack 31 win 0
12 > . 30 ack 1
13 < F. 1 ack 31
14 < F. 1 ack 31
15 > F. 31 ack 2
16 < . 2 ack 32`,
			[]Sense{SenseSYN, SenseSYNAgain, SenseSYNACK, SenseSYNACKAgain, SenseHandshakeACK, SenseData, SenseDataAgain, SenseACK,
				SenseWindowUpdate, SenseDataGap, SenseDupACK, SenseZeroWindow, SenseKeepAlive, SenseFIN, SenseFINAgain, SenseFINLast, SenseACK}},
		{`
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > S 0
4 < . 1 ack 1
5 < R. 1 ack 1
6 > P. 1:5 ack 1`,
			[]Sense{SenseSYN, SenseSYNACK, SenseHandshakeACK, SenseSYNLate, SenseChallengeACK, SenseRST, SenseLate}},
		{`
0 > S 0
1 < S 0
2 < S. 0 ack 900`, []Sense{SenseSYN, SenseSYNCrossing, SenseSYNACKBad}},
		{`
0 > S 0
1 < . 9 ack 4000`, []Sense{SenseSYN, SenseBadACK}},
		{`
0 > - 5`, []Sense{SenseOther}},
	} {
		if _, got := track(script(t, c.lines)); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %v\nwant %v", c.lines, got, c.want)
		}
	}
}

// The same addresses and ports again: a SYN with another number begins another
// connection, whatever became of the first (RFC 9293 §3.4.3).
func TestPortReuse(t *testing.T) {
	lines := `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
4 < F. 1 ack 2
5 > . 2 ack 2`
	first := script(t, lines)
	second := scriptFrom(t, lines, 777777, 888888)
	for i := range second {
		second[i].Time += 10 * time.Second
	}
	got, _ := track(append(first, second...))
	want := []string{"complete, fin-both, TIME_WAIT/CLOSED", "complete, fin-both, TIME_WAIT/CLOSED"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	var reused []bool
	tr := NewTracker(1, nil)
	for _, s := range append(script(t, "0 > S 0"), scriptFrom(t, "1 > S 0", 99, 5)...) {
		reused = append(reused, tr.Segment(&s).Reused)
	}
	if !slices.Equal(reused, []bool{false, true}) || tr.Connections != 2 {
		t.Errorf("reused %v, %d connections", reused, tr.Connections)
	}
}

// After the end, the other side may open a connection with the same ports.
func TestReverseReuse(t *testing.T) {
	got, _ := track(script(t, `
0 > S 0
1 < R. 0 ack 1
2 < S 100
3 > S. 50 ack 101
4 < . 101 ack 51`))
	want := []string{"refused, reset, CLOSED/CLOSED, RST no-listener", "complete, none, ESTABLISHED/ESTABLISHED"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestSelfConnect(t *testing.T) {
	segments := script(t, `
0 > S 0
1 > S. 0 ack 1
2 > . 1 ack 1`)
	for i := range segments {
		segments[i].Dst, segments[i].DstPort = segments[i].Src, segments[i].SrcPort
	}
	got, _ := track(segments)
	if len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestWindowScale(t *testing.T) {
	for _, c := range []struct {
		lines  string
		client uint32
		server uint32
	}{
		{"0 > S 0 wscale 7\n1 < S. 0 ack 1 wscale 2\n2 > . 1 ack 1 win 10\n3 < . 1 ack 1 win 10", 1280, 40},
		{"0 > S 0 wscale 7\n1 < S. 0 ack 1\n2 > . 1 ack 1 win 10\n3 < . 1 ack 1 win 10", 10, 10},             // RFC 7323 §2.2: both or neither
		{"0 > S 0 wscale 15\n1 < S. 0 ack 1 wscale 0\n2 > . 1 ack 1 win 1\n3 < . 1 ack 1 win 1", 1 << 14, 1}, // §2.3: 14 at most
	} {
		var c0 *Conn
		tr := NewTracker(1, nil)
		for _, s := range script(t, c.lines) {
			c0 = tr.Segment(&s).Conn
		}
		if a, b := c0.Ends[0].WindowBytes(), c0.Ends[1].WindowBytes(); a != c.client || b != c.server {
			t.Errorf("%s: windows %d and %d", c.lines, a, b)
		}
	}
}

func TestForgedReset(t *testing.T) {
	var c *Conn
	tr := NewTracker(1, nil)
	for _, s := range script(t, `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 < R 1 ttl 50
4 < P. 1:11 ack 1`) {
		c = tr.Segment(&s).Conn
	}
	r := c.Detail.RSTs[0]
	if !r.Contradicted || !c.Ends[1].OtherDistance(r.TTL) {
		t.Errorf("%+v: neither its TTL nor what came after it is remarked", r)
	}
	for _, ttl := range []uint8{56, 57, 58, 121, 248} { // the same distance from another beginning
		if c.Ends[1].OtherDistance(ttl) {
			t.Errorf("TTL %d beside 57 is of another distance", ttl)
		}
	}
}
