package tcpstate

import "time"

// Silence is what an end asked and was not answered: data, a FIN or a probe that
// wants an acknowledgement (RFC 9293 §3.8.1, §3.8.4, §3.8.6.1).
type Silence struct {
	Asked   bool
	Repeats uint32        // how often it asked again
	Resent  bool          // it asked again, be it soon, as a probe of the tail (RFC 8985 §7); and still waits, though the other end may have said something else
	For     time.Duration // from the first to the last time
	Idle    time.Duration // in which neither end said anything before
	Len     uint32        // octets of data of the segment that asked first
	Larger  bool          // no segment as long as that was ever acknowledged
	FINOnly bool          // everything but its FIN is acknowledged
}

// Unheard is what an end asked, and to which nothing came since.
func (c *Conn) Unheard(end int) Silence {
	me, peer := &c.Ends[end], &c.Ends[1-end]
	if !me.asking {
		return Silence{Resent: me.resent && c.waiting(end)}
	}
	return Silence{Asked: true, Repeats: me.Unanswered, Resent: me.resent, For: time.Duration(me.askedFor) * time.Millisecond, Idle: time.Duration(me.idle) * time.Millisecond,
		Len: me.askedLen, Larger: min(me.askedLen, 1<<16-1) > uint32(me.passed), FINOnly: me.hasFIN && peer.hasAck && peer.ack == me.fin}
}

// waiting says that something that an end sent is not acknowledged.
func (c *Conn) waiting(end int) bool {
	me, peer := &c.Ends[end], &c.Ends[1-end]
	return peer.hasAck && me.hasSeq && before(peer.ack, me.next)
}

// Outstanding says that an octet of an end was sent and is not acknowledged.
func (c *Conn) Outstanding(end int, seq uint32) bool {
	me, peer := &c.Ends[end], &c.Ends[1-end]
	return peer.hasAck && me.hasSeq && !before(seq, peer.ack) && before(seq, me.next)
}

// WindowClosed says that an end's window is 0, and how long it has been.
func (c *Conn) WindowClosed(end int) (time.Duration, bool) {
	e := &c.Ends[end]
	if e.Window != 0 || e.ZeroWindows == 0 {
		return 0, false
	}
	return max(c.Last-c.First-time.Duration(e.shut)*time.Millisecond, 0), true
}

// apart is the least time, in milliseconds, between two askings. No stack sends
// again sooner without having heard something (RFC 6298 §2.4 has 1 s, Linux
// 200 ms), but a capture can hold a frame twice.
const apart = 100

// doubled is the most time between the two times that a capture holds one frame.
// A tail loss probe comes two round trips and two ticks later (tcp_schedule_loss_probe).
const doubled = 2 * time.Millisecond

// ask notes that an end sent what wants an answer; nothing was said since last.
func (c *Conn) ask(side int, s *Segment, last time.Duration) {
	e := &c.Ends[side]
	e.longest = max(e.longest, uint16(min(s.Len, 1<<16-1)))
	if !e.asking {
		e.asking, e.asked, e.askedFor, e.askedLen, e.Unanswered = true, c.since(s), 0, s.Len, 0
		e.resent = e.resent && c.waiting(side)
		e.idle = milliseconds(s.Time - last)
	}
}

// askAgain notes that an end repeated what it sent.
func (c *Conn) askAgain(e *End, s *Segment) {
	e.resent = e.resent || e.asking && s.Time-e.nextAt >= doubled
	if now := c.since(s); e.asking && now >= e.asked+e.askedFor+apart && milliseconds(s.Time-e.nextAt) >= apart {
		e.askedFor = now - e.asked
		e.Unanswered++
	}
}

// since is a segment's time in milliseconds since the connection's first.
func (c *Conn) since(s *Segment) uint32 { return milliseconds(s.Time - c.First) }

// heard notes that an end's asking was answered, or spoken into.
func (e *End) heard() { e.asking, e.Unanswered = false, 0 }

// answeredUnseen says that an end heard what the capture lacks: it acknowledges
// more than the other end was seen to send, or sends more than that one's window
// allowed.
func (c *Conn) answeredUnseen(s *Segment, side int) bool {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	return peer.hasSeq && before(peer.next, s.Ack) ||
		peer.hasAck && s.Len > 0 && int32(me.next-peer.ack) > 1 && me.next-peer.ack > max(peer.WindowBytes(), 1)
}

func milliseconds(d time.Duration) uint32 {
	return uint32(min(uint64(max(d, 0))/uint64(time.Millisecond), 1<<32-1))
}
