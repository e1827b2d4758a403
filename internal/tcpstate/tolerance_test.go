package tcpstate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const whole = `
0 > S 0 wscale 7
1 < S. 0 ack 1 wscale 7
2 > . 1 ack 1
3 > P. 1:101 ack 1
4 < . 1 ack 101
5 < P. 1:1001 ack 101
6 < P. 1001:2001 ack 101
7 > . 101 ack 2001
8 > P. 101:201 ack 2001
9 < . 2001 ack 201
10 > F. 201 ack 2001
11 < F. 2001 ack 202
12 > . 202 ack 2002`

// A capture that lacks packets tells of one connection, whose class follows
// from what is left.
func TestLoss(t *testing.T) {
	all := script(t, whole)
	rapid.Check(t, func(t *rapid.T) {
		var left []Segment
		for i := range all {
			if rapid.Float64Range(0, 1).Draw(t, "luck") > 0.3 {
				left = append(left, all[i])
			}
		}
		if len(left) == 0 {
			return
		}
		has := func(flags uint16) bool {
			return slices.ContainsFunc(left, func(s Segment) bool { return s.Flags&(SYN|ACK) == flags })
		}
		stories := follow(left)
		if len(stories) != 1 {
			t.Fatalf("%d connections: %q", len(stories), stories)
		}
		class, _, _ := strings.Cut(stories[0], ",")
		switch {
		case has(SYN) && has(SYN|ACK) && class != "complete" && class != "synack-not-acked",
			!has(SYN) && has(SYN|ACK) && class != "syn-missing",
			!has(SYN) && !has(SYN|ACK) && class != "midstream",
			has(SYN) && !has(SYN|ACK) && class != "one-sided" && class != "syn-then-other" && class != "unanswered":
			t.Fatalf("SYN %v, SYN-ACK %v: %s", has(SYN), has(SYN|ACK), stories[0])
		}
	})
}

// Packets that stand a little out of their order in the capture change
// nothing but the moment at which a state is reached.
func TestReordering(t *testing.T) {
	all := script(t, whole)
	rapid.Check(t, func(t *rapid.T) {
		mixed := slices.Clone(all)
		for range rapid.IntRange(0, 4).Draw(t, "swaps") {
			i := rapid.IntRange(3, len(mixed)-3).Draw(t, "at") // neighbours within the data
			if mixed[i].Flags&FIN == 0 && mixed[i-1].Flags&FIN == 0 {
				mixed[i], mixed[i-1] = mixed[i-1], mixed[i]
			}
		}
		if got := follow(mixed); len(got) != 1 || got[0] != "complete, fin-both, TIME_WAIT/CLOSED" {
			t.Fatalf("%q", got)
		}
	})
}

// Copies of packets, as a mirror port makes them, change nothing.
func TestDuplication(t *testing.T) {
	all := script(t, whole)
	rapid.Check(t, func(t *rapid.T) {
		var copied []Segment
		for i := range all {
			copied = append(copied, all[i])
			if rapid.Bool().Draw(t, "twice") {
				again := all[i]
				again.Time += time.Millisecond
				copied = append(copied, again)
			}
		}
		if got := follow(copied); len(got) != 1 || got[0] != "complete, fin-both, TIME_WAIT/CLOSED" {
			t.Fatalf("%q", got)
		}
	})
}

// Times that run backwards, as after a clock was set, lose no connection.
func TestTimeRunsBackwards(t *testing.T) {
	all := script(t, whole)
	for i := range all {
		if i > 4 {
			all[i].Time -= time.Hour
		}
	}
	if got := follow(all); len(got) != 1 || got[0] != "complete, fin-both, TIME_WAIT/CLOSED" {
		t.Errorf("%q", got)
	}
}

// Where the capture cut the window, nothing is said of it.
func TestNoWindow(t *testing.T) {
	all := script(t, whole)
	for i := range all {
		all[i].Window, all[i].NoWindow = 0, true
	}
	tr := NewTracker(1, func(c *Conn) {
		for i := range c.Ends {
			if _, closed := c.WindowClosed(i); closed || c.Ends[i].ZeroWindows != 0 {
				t.Errorf("end %d: a window of 0", i)
			}
		}
	})
	for i := range all {
		if step := tr.Segment(&all[i]); step.Sense == SenseZeroWindow || step.Sense == SenseWindowUpdate || step.Sense == SenseProbe {
			t.Errorf("%d: sense %d", i, step.Sense)
		}
	}
	tr.Flush()
}

func follow(segments []Segment) []string {
	stories, _ := track(segments)
	return stories
}
