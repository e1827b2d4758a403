package conversation

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/frame"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// Summary counts what was read. Of connections, those that were wanted.
type Summary struct {
	Frames   uint64
	Segments uint64 // of them, TCP
	Rests    uint64 // of them, IP fragments that go on with a segment
	ICMP     uint64 // of them, ICMP errors about TCP
	First    time.Duration
	Last     time.Duration // of the frames, since 1970

	Connections uint64 // all, wanted or not
	Wanted      uint64
	Failed      uint64
	GivenUp     uint64 // not followed to their end, for want of room
	Limit       int    // connections followed at once
	Dropped     uint64 // packets that the capturing system says it lost (pcapng)
	Copies      uint64 // frames that were seen on another interface too, and count once
	StrayICMP   uint64 // ICMP errors about connections that are not in the capture
	Causes      map[cause.ID]uint64
	Unjudged    uint64
	Handshakes  map[string]uint64
	Endings     map[string]uint64
	Skipped     []frame.Skipped
	Fragments   frame.Fragments
	RTT         Histogram // SYN to SYN-ACK, where the SYN was sent once

	handshakes [tcpstate.OneSided + 1]uint64
	endings    [tcpstate.FINBothThenReset + 1]uint64
}

// names fills the maps that go by name.
func (s *Summary) names() {
	s.Handshakes, s.Endings = map[string]uint64{}, map[string]uint64{}
	for h, n := range s.handshakes {
		if n > 0 {
			s.Handshakes[tcpstate.Handshake(h).String()] = n
		}
	}
	for e, n := range s.endings {
		if n > 0 {
			s.Endings[tcpstate.Ending(e).String()] = n
		}
	}
}

func (s *Summary) add(c *tcpstate.Conn, o outcome) {
	s.Wanted++
	if o.Cause == "" {
		s.Unjudged++
	} else {
		s.Causes[o.Cause]++
	}
	if o.outcome != "" && o.outcome != cause.Open {
		s.Failed++
	}
	s.handshakes[c.Handshake()]++
	s.endings[c.Ending()]++
	if from := &c.Ends[tcpstate.Initiator]; from.SYNs == 1 && c.HasSYNACK {
		s.RTT.Add(c.SYNACKAt - c.FirstSYN)
	}
}

// Histogram counts times in steps of about a quarter: each power of 2 of
// microseconds in four parts. The zero value is empty.
type Histogram struct {
	N        uint64
	Min, Max time.Duration
	counts   [4 * 40]uint64
}

// Add counts one time; a negative one, as packets out of order give, as 0.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	if h.N == 0 || d < h.Min {
		h.Min = d
	}
	h.Max = max(h.Max, d)
	h.N++
	h.counts[bucket(d)]++
}

func bucket(d time.Duration) int {
	us := uint64(d / time.Microsecond)
	if us < 4 {
		return int(us)
	}
	power := bits.Len64(us) - 1
	return min(4*(power-1)+int(us>>(power-2))&3, 4*40-1)
}

// bound is where a bucket begins.
func bound(i int) time.Duration {
	if i < 4 {
		return time.Duration(i) * time.Microsecond
	}
	power := i/4 + 1
	return time.Duration(4+i%4) << (power - 2) * time.Microsecond
}

// Quantile is the time below which this share of the counted ones is, as the
// upper bound of its step.
func (h *Histogram) Quantile(q float64) time.Duration {
	want := uint64(q * float64(h.N))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen > want {
			return min(bound(i+1), h.Max)
		}
	}
	return h.Max
}

// Bar is one step of a histogram.
type Bar struct {
	From, To time.Duration
	N        uint64
}

// Bars gives the powers of 2 from the first that holds something to the last.
func (h *Histogram) Bars() []Bar {
	var bars []Bar
	for power := 0; power < 40; power++ {
		var n uint64
		for i := range 4 {
			n += h.counts[4*power+i]
		}
		if n > 0 || len(bars) > 0 {
			bars = append(bars, Bar{bound(4 * power), bound(4*power + 4), n})
		}
	}
	for len(bars) > 0 && bars[len(bars)-1].N == 0 {
		bars = bars[:len(bars)-1]
	}
	return bars
}

func short(d time.Duration) string { return cause.Duration(d) }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
