package tcpstate

import (
	"cmp"
	"slices"
	"time"
)

// TwoMSL is how long TIME_WAIT lasts, with the MSL of RFC 9293 §3.4.2.
const TwoMSL = 4 * time.Minute

// DefaultLimit is how many connections a tracker holds at once unless it is
// told otherwise: about 1 GiB.
const DefaultLimit = 2 << 20

// Tracker follows every connection of a capture at both its ends. The capture
// may have been taken anywhere between them, may lack packets, hold them twice
// or in another order. A connection is handed to Done when it is over: 2 MSL
// after its end, when its addresses and ports begin another, or at [Tracker.Flush].
type Tracker struct {
	Done  func(*Conn) // the connection is valid until Done returns; nil: nobody cares
	Limit int         // connections held at once, DefaultLimit if 0

	Connections uint64 // seen so far
	Evicted     uint64 // of those, given up before their end for want of room
	StrayICMP   uint64 // ICMP errors about connections that are not in the capture

	table   table
	now     time.Duration // the latest packet's
	ended   queue         // connections that are over
	nascent queue         // connections without an answer
	hand    uint32        // where the search for one to give up goes on
	details []*Detail
	hosts   hosts
}

// NewTracker makes a tracker. The seed makes its table's order unforeseeable;
// any number does.
func NewTracker(seed uint64, done func(*Conn)) *Tracker {
	return &Tracker{Done: done, table: newTable(seed)}
}

// Open is how many connections are held now.
func (t *Tracker) Open() int { return t.table.live }

// Segment follows one segment. The step's connection is valid until the next
// call.
func (t *Tracker) Segment(s *Segment) Step {
	t.Advance(s.Time)
	key, swapped := flowOf(s.Src, s.Dst, s.SrcPort, s.DstPort)
	h := key.hash(t.table.seed)
	n, sl := t.table.find(&key, h)
	reused := false
	if sl != nil && s.Flags&(SYN|RST) == SYN && sl.begins(s, from(sl, swapped)) {
		t.finish(n, sl)
		sl, reused = nil, true
	}
	fresh := sl == nil
	if fresh {
		n, sl = t.begin(h, s, swapped)
	}
	c := &sl.conn
	side := from(sl, swapped)
	if c.Ends[0].Endpoint == c.Ends[1].Endpoint { // a connection to itself: both directions look alike
		side = Initiator
	}
	if s.Time > c.Last {
		c.Last = s.Time
	}
	step := Step{Conn: c, From: side, New: fresh, Reused: reused}
	was, opened := c.closed, c.Acked
	t.follow(c, s, side, &step)
	step.Opened = c.Acked && !opened
	if c.closed && !was {
		step.Ended = true
		t.ended.push(entry{n, uint32(c.Number), t.now + TwoMSL})
	}
	return step
}

// Rest follows octets, perhaps with the FIN, of a segment whose beginning was
// followed before: IP brought it in fragments. The step has no connection where
// there is none any more.
func (t *Tracker) Rest(s *Segment) Step {
	key, swapped := flowOf(s.Src, s.Dst, s.SrcPort, s.DstPort)
	n, sl := t.table.find(&key, key.hash(t.table.seed))
	if sl == nil {
		return Step{}
	}
	c := &sl.conn
	step := Step{Conn: c, From: from(sl, swapped), Sense: SenseRest}
	c.Last = max(c.Last, s.Time)
	was := c.closed
	c.rest(s, step.From, &step)
	if c.closed && !was {
		step.Ended = true
		t.ended.push(entry{n, uint32(c.Number), t.now + TwoMSL})
	}
	return step
}

// Advance tells that time has passed without a segment.
func (t *Tracker) Advance(now time.Duration) {
	if now > t.now {
		t.now = now
		t.expire()
	}
}

// from says which end sent a segment.
func from(s *slot, swapped bool) int {
	if swapped != s.flip {
		return Responder
	}
	return Initiator
}

// begin opens a record for a flow's first packet.
func (t *Tracker) begin(h uint32, s *Segment, swapped bool) (uint32, *slot) {
	limit := t.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	if t.table.live >= limit {
		t.evict()
	}
	n, sl := t.table.add(h)
	t.Connections++
	c := &sl.conn
	*c = Conn{Number: t.Connections, First: s.Time, Last: s.Time, FirstFrame: s.Frame, Path: s.Path,
		FINOrder: [2]int8{-1, -1}, challenge: -1, settled: -1, KnownBy: ByFirstPacket}
	sl.flip = swapped
	src, dst := Endpoint{s.Src, s.SrcPort}, Endpoint{s.Dst, s.DstPort}
	switch s.Flags & (SYN | ACK | RST) {
	case SYN:
		c.KnownBy = BySYN
	case SYN | ACK:
		c.KnownBy = BySYNACK
		src, dst = dst, src
		sl.flip = !swapped
	}
	c.Ends[Initiator].Endpoint, c.Ends[Responder].Endpoint = src, dst
	if c.KnownBy == BySYN {
		t.nascent.push(entry{n, uint32(c.Number), s.Time + TwoMSL})
	}
	return n, sl
}

// begins says that a SYN (with or without ACK) opens another connection than
// the one on record.
func (sl *slot) begins(s *Segment, side int) bool {
	c := &sl.conn
	me, peer := &c.Ends[side], &c.Ends[1-side]
	if me.hasISN {
		if s.Seq == me.isn {
			return false
		}
		if s.Flags&ACK == 0 {
			return true
		}
		// Another SYN-ACK than before: of the same connection while it is being
		// opened (the first may have been forged, or out of date).
		return c.Acked || c.closed && !peer.hasISN
	}
	if c.closed && s.Flags&ACK == 0 {
		return true
	}
	if !me.hasSeq {
		return false
	}
	// Packets of this end were seen, but not its SYN: this is the SYN if they
	// continue it, as in a capture whose order was mixed up.
	return s.Flags&ACK == 0 && c.KnownBy == ByFirstPacket && s.Seq+1 != me.first()
}

// first is the lowest sequence number of an end whose SYN was not seen.
func (e *End) first() uint32 { return e.isn }

// finish hands a connection on and frees its record.
func (t *Tracker) finish(n uint32, sl *slot) {
	t.handOn(sl)
	t.table.remove(n)
	sl.conn.Number = 0 // whoever kept the record knows that it is no more
}

func (t *Tracker) handOn(sl *slot) {
	c := &sl.conn
	if c.closed && t.now-c.Last >= TwoMSL {
		for i := range c.Ends {
			c.Ends[i].State = c.Ends[i].State.On(TwoMSLOver)
		}
	}
	if t.Done != nil {
		t.Done(c)
	}
	if c.Detail != nil {
		t.details = append(t.details, c.Detail)
		c.Detail = nil
	}
}

// Flush hands on every connection that is left, in the order of their first
// packets.
func (t *Tracker) Flush() {
	left := make([]uint32, 0, t.table.live)
	for n := range t.table.made {
		if t.table.at(n).used {
			left = append(left, n)
		}
	}
	slices.SortFunc(left, func(a, b uint32) int {
		return cmp.Compare(t.table.at(a).conn.Number, t.table.at(b).conn.Number)
	})
	for _, n := range left {
		t.handOn(t.table.at(n))
	}
	t.table, t.ended, t.nascent, t.hand = newTable(t.table.seed), queue{}, queue{}, 0
}

// expire hands on connections that are over for 2 MSL, and SYNs that were not
// answered for as long.
func (t *Tracker) expire() {
	for t.ended.due(t.now) {
		e := t.ended.pop()
		if sl := t.table.at(e.slot); sl.used && uint32(sl.conn.Number) == e.number {
			if sl.conn.Last+TwoMSL > t.now { // packets came since
				t.ended.push(entry{e.slot, e.number, t.now + TwoMSL})
				continue
			}
			t.finish(e.slot, sl)
		}
	}
	for t.nascent.due(t.now) {
		e := t.nascent.pop()
		sl := t.table.at(e.slot)
		if !sl.used || uint32(sl.conn.Number) != e.number || sl.conn.closed || sl.conn.Ends[Responder].Packets > 0 {
			continue
		}
		if sl.conn.Last+TwoMSL <= t.now {
			t.finish(e.slot, sl)
		} else {
			t.nascent.push(entry{e.slot, e.number, t.now + TwoMSL})
		}
	}
}

// evict gives up one connection: of the next 64 that are held, one that is
// over, or else the one that was silent for longest.
func (t *Tracker) evict() {
	var best *slot
	var bestAt uint32
	for seen, tries := 0, uint32(0); seen < 64 && tries < t.table.made; tries++ {
		n := t.hand % t.table.made
		t.hand = n + 1
		sl := t.table.at(n)
		if !sl.used {
			continue
		}
		seen++
		if best == nil || sl.conn.closed && !best.conn.closed || sl.conn.closed == best.conn.closed && sl.conn.Last < best.conn.Last {
			best, bestAt = sl, n
		}
	}
	if !best.conn.closed {
		best.conn.Evicted = true
		t.Evicted++
	}
	t.finish(bestAt, best)
}

// detail gives a connection room for what only some have.
func (t *Tracker) detail(c *Conn) *Detail {
	if c.Detail != nil {
		return c.Detail
	}
	if len(t.details) == 0 {
		more := make([]Detail, 64)
		for i := range more {
			t.details = append(t.details, &more[i])
		}
	}
	last := len(t.details) - 1
	d := t.details[last]
	t.details = t.details[:last]
	d.SYNTimes, d.RSTs, d.ICMP = d.firstSYNs[:0], d.firstRSTs[:0], d.ICMP[:0]
	d.RSTCount, d.ICMPCount, d.FirstRST = 0, 0, 0
	c.Detail = d
	return c.Detail
}

// ICMP joins an ICMP error to the connection that it speaks of; nil when that
// is not in the capture.
func (t *Tracker) ICMP(e *ICMPError) *Conn {
	key, _ := flowOf(e.Src, e.Dst, e.SrcPort, e.DstPort)
	_, sl := t.table.find(&key, key.hash(t.table.seed))
	if sl == nil {
		t.StrayICMP++
		return nil
	}
	d := t.detail(&sl.conn)
	d.ICMPCount++
	if len(d.ICMP) < maxICMP {
		d.ICMP = append(d.ICMP, *e)
	}
	return &sl.conn
}
