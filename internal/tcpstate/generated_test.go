package tcpstate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// exchange is a connection as its two ends lived it: every packet, and the
// states that each end was in.
type exchange struct {
	segments []Segment
	next     [2]uint32 // what each end sends next
	got      [2]uint32 // what each end acknowledges
	states   [2][]State
	now      time.Duration

	handshake Handshake
	ending    Ending
	opening   string // how it was drawn
	closing   string
}

// send lets an end send a segment. What it had received by then is acknowledged.
func (e *exchange) send(side int, flags uint16, data uint32) *Segment {
	e.now += time.Millisecond
	ends := [2]Endpoint{client, server}
	s := Segment{Time: e.now, Frame: uint64(len(e.segments) + 1), Src: ends[side].Addr, Dst: ends[1-side].Addr,
		SrcPort: ends[side].Port, DstPort: ends[1-side].Port, Seq: e.next[side], Flags: flags, Len: data, Window: 60000, TTL: 64 - uint8(side)}
	if flags&ACK != 0 {
		s.Ack = e.got[side]
	}
	e.next[side] += data
	if flags&(SYN|FIN) != 0 {
		e.next[side]++
	}
	e.segments = append(e.segments, s)
	return &e.segments[len(e.segments)-1]
}

// arrive lets the other end receive all that was sent so far.
func (e *exchange) arrive(side int) { e.got[side] = e.next[1-side] }

func (e *exchange) enter(client, server State) {
	for side, s := range []State{client, server} {
		if all := e.states[side]; len(all) == 0 || all[len(all)-1] != s {
			e.states[side] = append(all, s)
		}
	}
}

func (e *exchange) final() (client, server State) {
	return e.states[0][len(e.states[0])-1], e.states[1][len(e.states[1])-1]
}

// generate draws a connection between two ends that do as RFC 9293 says.
func generate(t *rapid.T) *exchange {
	isn := rapid.SampledFrom([]uint32{0, 1, 1000, 1<<31 - 2, 1 << 31, 1<<32 - 1, 1<<32 - 1500, 1<<32 - 7})
	e := &exchange{next: [2]uint32{isn.Draw(t, "client ISN"), isn.Draw(t, "server ISN")}, handshake: Complete}
	e.enter(Closed, Listen)
	e.opening = rapid.SampledFrom([]string{"plain", "plain", "plain", "fast", "fast, data not taken", "crossed", "SYN lost", "SYN-ACK lost"}).Draw(t, "opening")
	e.open()
	for range rapid.IntRange(0, 12).Draw(t, "turns") {
		side := rapid.IntRange(0, 1).Draw(t, "speaker")
		for range rapid.IntRange(1, 4).Draw(t, "segments") {
			e.send(side, ACK|PSH, uint32(rapid.IntRange(1, 1460).Draw(t, "octets")))
		}
		e.arrive(1 - side)
		e.send(1-side, ACK, 0)
	}
	e.closing = rapid.SampledFrom([]string{"none", "half", "client", "server", "both at once", "three segments", "RST by client", "RST by server", "RST after FIN"}).Draw(t, "closing")
	e.close()
	return e
}

func (e *exchange) open() {
	first := func(data uint32) {
		e.send(0, SYN, data)
		e.enter(SYNSent, Listen)
	}
	answer := func() {
		e.arrive(1)
		e.send(1, SYN|ACK, 0)
		e.enter(SYNSent, SYNReceived)
	}
	finish := func() {
		e.arrive(0)
		e.enter(Established, SYNReceived)
		e.send(0, ACK, 0)
		e.arrive(1)
		e.enter(Established, Established)
	}
	again := func(i int) {
		s := e.segments[i]
		e.now += time.Second
		s.Time, s.Frame = e.now, uint64(len(e.segments)+1)
		e.segments = append(e.segments, s)
	}
	switch e.opening {
	case "plain":
		first(0)
		answer()
		finish()
	case "fast":
		first(300)
		answer()
		finish()
	case "fast, data not taken": // RFC 7413 §4.1.2: the SYN alone is acknowledged
		first(300)
		e.next[0] -= 300
		answer()
		finish()
		e.send(0, ACK|PSH, 300)
		e.arrive(1)
		e.send(1, ACK, 0)
	case "crossed": // RFC 9293 §3.5, figure 7
		e.handshake = Simultaneous
		first(0)
		e.send(1, SYN, 0)
		e.enter(SYNSent, SYNSent)
		e.arrive(0)
		e.arrive(1)
		e.enter(SYNReceived, SYNReceived)
		for side := range 2 {
			s := e.send(side, SYN|ACK, 0)
			s.Seq--
			e.next[side]--
		}
		e.enter(Established, Established)
	case "SYN lost": // behind the capture
		first(0)
		again(0)
		answer()
		finish()
	case "SYN-ACK lost":
		first(0)
		answer()
		again(1)
		finish()
	}
}

func (e *exchange) close() {
	fin := func(side int) { e.send(side, FIN|ACK, 0) }
	ack := func(side int) {
		e.arrive(side)
		e.send(side, ACK, 0)
	}
	orderly := func(a int) {
		states := func(first, second State) {
			if a == 1 {
				first, second = second, first
			}
			e.enter(first, second)
		}
		fin(a)
		states(FINWait1, Established)
		ack(1 - a)
		states(FINWait2, CloseWait)
		fin(1 - a)
		states(FINWait2, LastACK)
		ack(a)
		states(TimeWait, Closed)
		e.ending = FINBoth
	}
	reset := func(side int) {
		e.send(side, RST|ACK, 0)
		e.enter(Closed, Closed)
		e.ending = Reset
	}
	switch e.closing {
	case "half":
		fin(0)
		e.enter(FINWait1, Established)
		ack(1)
		e.enter(FINWait2, CloseWait)
		e.send(1, ACK|PSH, 100)
		ack(0)
		e.ending = FINOneSide
	case "client":
		orderly(0)
	case "server":
		orderly(1)
	case "both at once": // RFC 9293 §3.6, figure 13
		fin(0)
		fin(1)
		e.enter(FINWait1, FINWait1)
		e.enter(Closing, Closing)
		ack(0)
		ack(1)
		e.enter(TimeWait, TimeWait)
		e.ending = FINBoth
	case "three segments":
		fin(0)
		e.enter(FINWait1, Established)
		e.arrive(1)
		e.enter(FINWait1, CloseWait)
		fin(1)
		e.enter(FINWait2, LastACK)
		ack(0)
		e.enter(TimeWait, Closed)
		e.ending = FINBoth
	case "RST by client":
		reset(0)
	case "RST by server":
		reset(1)
	case "RST after FIN":
		fin(0)
		e.enter(FINWait1, Established)
		ack(1)
		e.enter(FINWait2, CloseWait)
		reset(1)
	}
}

// watch follows segments, and gives each connection to check.
func watch(segments []Segment, check func(*Conn)) (n int) {
	tr := NewTracker(3, func(c *Conn) {
		n++
		check(c)
	})
	for i := range segments {
		tr.Segment(&segments[i])
	}
	tr.Flush()
	return n
}

// A whole capture tells exactly what the ends lived.
func TestGeneratedWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := generate(t)
		n := watch(e.segments, func(c *Conn) {
			from, to := e.final()
			if c.Handshake() != e.handshake || c.Ending() != e.ending || c.Ends[0].State != from || c.Ends[1].State != to {
				t.Fatalf("%s, %s: %v, want %v, %v, %v/%v", e.opening, e.closing, told(c), e.handshake, e.ending, from, to)
			}
			if c.KnownBy != BySYN || c.Ends[Initiator].Endpoint != client {
				t.Fatalf("the initiator is %v, known by %v", c.Ends[Initiator].Endpoint, c.KnownBy)
			}
			var packets, octets [2]uint64
			for i := range e.segments {
				side := 0
				if e.segments[i].Src != client.Addr {
					side = 1
				}
				packets[side]++
				octets[side] += uint64(e.segments[i].Len)
			}
			for side := range 2 {
				if uint64(c.Ends[side].Packets) != packets[side] || c.Ends[side].Bytes != octets[side] {
					t.Fatalf("end %d: %d packets, %d octets, want %d, %d", side, c.Ends[side].Packets, c.Ends[side].Bytes, packets[side], octets[side])
				}
			}
		})
		if n != 1 {
			t.Fatalf("%d connections", n)
		}
	})
}

// Copies, wherever they fall behind their originals, change no class and make
// no second connection.
func TestGeneratedCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := generate(t)
		all := slices.Clone(e.segments)
		for range rapid.IntRange(1, 5).Draw(t, "copies") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "of")
			at := min(len(all), i+1+rapid.IntRange(0, 3).Draw(t, "behind"))
			all = slices.Insert(all, at, all[i])
		}
		n := watch(all, func(c *Conn) {
			if c.Handshake() != e.handshake || c.Ending() != e.ending {
				t.Fatalf("%s, %s: %v, want %v, %v", e.opening, e.closing, told(c), e.handshake, e.ending)
			}
		})
		if n != 1 {
			t.Fatalf("%d connections", n)
		}
	})
}

// control says that a segment opens or ends something.
func control(s *Segment) bool { return s.Flags&(SYN|FIN|RST) != 0 }

// Data and acknowledgements that change places change no class.
func TestGeneratedReordering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := generate(t)
		all := slices.Clone(e.segments)
		for range rapid.IntRange(1, 10).Draw(t, "swaps") {
			i := rapid.IntRange(1, len(all)-1).Draw(t, "at")
			if !control(&all[i]) && !control(&all[i-1]) {
				all[i], all[i-1] = all[i-1], all[i]
			}
		}
		n := watch(all, func(c *Conn) {
			if c.Handshake() != e.handshake || c.Ending() != e.ending {
				t.Fatalf("%s, %s: %v, want %v, %v", e.opening, e.closing, told(c), e.handshake, e.ending)
			}
		})
		if n != 1 {
			t.Fatalf("%d connections", n)
		}
	})
}

// challenged says that a RST was taken for one that its receiver challenges: where
// what stands before it is missing, it seems to be ahead of what is expected.
func challenged(c *Conn) bool {
	return c.Detail != nil && slices.ContainsFunc(c.Detail.RSTs, func(r RSTSeen) bool { return r.Reason == RSTInWindow })
}

// Of a capture with gaps is told what is there: the class follows from the
// packets that are left, and an end is never said to be done that was not,
// unless it is said that this is inferred.
func TestGeneratedLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := generate(t)
		var left []Segment
		for i := range e.segments {
			if rapid.IntRange(0, 3).Draw(t, "luck") > 0 {
				left = append(left, e.segments[i])
			}
		}
		if len(left) == 0 {
			return
		}
		count := func(side int, mask, flags uint16) (n int) {
			for i := range left {
				if left[i].Flags&mask == flags && (left[i].Src == client.Addr) == (side == 0) {
					n++
				}
			}
			return n
		}
		n := watch(left, func(c *Conn) {
			if e.opening != "crossed" {
				if got, want := c.Handshake(), remaining(count); !slices.Contains(want, got) {
					t.Fatalf("%s, %s: %v, want one of %v", e.opening, e.closing, told(c), want)
				}
			}
			fins := min(count(0, FIN|SYN, FIN), 1) + min(count(1, FIN|SYN, FIN), 1)
			rsts := count(0, RST, RST) + count(1, RST, RST)
			switch got := c.Ending(); {
			case rsts == 0 && fins != map[Ending]int{NoEnding: 0, FINOneSide: 1, FINBoth: 2}[got],
				rsts == 0 && (got == Reset || got == FINBothThenReset),
				rsts > 0 && got != Reset && (got != NoEnding || !challenged(c)):
				t.Fatalf("%s, %s: %v with %d FINs and %d RSTs left", e.opening, e.closing, told(c), fins, rsts)
			}
			for side := range 2 {
				end := &c.Ends[side]
				who := side
				if c.Ends[0].Endpoint != client {
					who = 1 - side
				}
				over := end.State == Closed || end.State == TimeWait
				if over && !end.Inferred && !slices.Contains(e.states[who][1:], end.State) {
					t.Fatalf("%s, %s: end %d is in %v, and was only ever in %v; left %s", e.opening, e.closing, side, end.State, e.states[who], listing(left))
				}
			}
		})
		if n != 1 {
			t.Fatalf("%d connections", n)
		}
	})
}

// remaining lists the classes that fit what is left of an opening.
func remaining(count func(side int, mask, flags uint16) int) []Handshake {
	syn, synack := count(0, SYN|ACK, SYN) > 0, count(1, SYN|ACK, SYN|ACK) > 0
	later, answered := count(0, SYN|ACK, ACK) > 0, count(1, SYN, 0) > 0
	switch {
	case syn && synack && later:
		return []Handshake{Complete, SYNACKUnacked} // the one that acknowledges may be a RST
	case syn && synack:
		return []Handshake{SYNACKUnacked}
	case synack:
		return []Handshake{SYNMissing}
	case syn && answered:
		return []Handshake{OtherAnswer, RefusedByRST}
	case syn && later:
		return []Handshake{OneSided}
	case syn:
		return []Handshake{Unanswered}
	}
	return []Handshake{Midstream}
}

func listing(all []Segment) (text string) {
	for i := range all {
		arrow := ">"
		if all[i].Src != client.Addr {
			arrow = "<"
		}
		text += fmt.Sprintf(" %s%03x %d+%d/%d", arrow, all[i].Flags, all[i].Seq, all[i].Len, all[i].Ack)
	}
	return text
}
