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
	due     time.Duration // when something is to be looked at again
	leap    time.Duration // a time far ahead that one packet had, and no other yet
	ended   queue         // connections that are over
	nascent queue         // connections without an answer
	victims []entry       // that give way next, the next one last
	details []*Detail
	hosts   hosts
	extra   int    // see room
	fetched uint32 // without a meaning: what is fetched must be used
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
	return t.segment(s, hashOf(s.Src, s.Dst, s.SrcPort, s.DstPort, t.table.seed))
}

// together is how many segments' connections are fetched at once: about as many
// as a processor waits for at the same time, a few lines of memory each.
const together = 16

// Segments follows several segments, one after the other. It is faster than
// following each by itself: the memory of all their connections is asked for
// before the first one has come. Each may be nil.
func (t *Tracker) Segments(all []Segment, each func(*Segment, Step)) {
	var hashes [together]uint32
	for len(all) > 0 {
		part := all[:min(len(all), together)]
		all = all[len(part):]
		for i := range part {
			s := &part[i]
			hashes[i] = hashOf(s.Src, s.Dst, s.SrcPort, s.DstPort, t.table.seed)
		}
		t.fetched += t.table.fetch(hashes[:len(part)])
		for i := range part {
			step := t.segment(&part[i], hashes[i])
			if each != nil {
				each(&part[i], step)
			}
		}
	}
}

func (t *Tracker) segment(s *Segment, h uint32) Step {
	if s.Time > t.now {
		t.Advance(s.Time)
	}
	n, sl, side := t.table.find(s.Src, s.Dst, s.SrcPort, s.DstPort, h)
	var step Step
	if sl != nil && s.Flags&(SYN|RST) == SYN && sl.conn.begins(s, side) {
		t.finish(n, sl)
		sl, step.Reused = nil, true
	}
	if sl == nil {
		n, sl, side = t.begin(h, s)
		step.New, sl.conn.Reused = true, step.Reused
	}
	c := &sl.conn
	last := c.Last
	if s.Time > last {
		c.Last = s.Time
	}
	step.Conn, step.From = c, side
	was, opened := c.closed, c.Acked
	t.follow(c, s, side, last, &step)
	step.Opened = c.Acked && !opened
	if c.closed && !was {
		step.Ended = true
		t.wait(&t.ended, n, sl)
	}
	return step
}

// Rest follows octets, perhaps with the FIN, of a segment whose beginning was
// followed before: IP brought it in fragments. The step has no connection where
// there is none any more.
func (t *Tracker) Rest(s *Segment) Step {
	n, sl, side := t.table.find(s.Src, s.Dst, s.SrcPort, s.DstPort, hashOf(s.Src, s.Dst, s.SrcPort, s.DstPort, t.table.seed))
	if sl == nil {
		return Step{}
	}
	c := &sl.conn
	step := Step{Conn: c, From: side, Sense: SenseRest}
	c.Last = max(c.Last, s.Time)
	was := c.closed
	c.rest(s, step.From, &step)
	if c.closed && !was {
		step.Ended = true
		t.wait(&t.ended, n, sl)
	}
	return step
}

// farAhead is further than captures are silent: a time that one packet alone has
// is damage.
const farAhead = time.Hour

// Advance tells that time has passed without a segment.
func (t *Tracker) Advance(now time.Duration) {
	switch {
	case now <= t.now:
	case now < t.due:
		t.now = now
	case now-t.now > farAhead && t.Connections > 0 && max(now-t.leap, t.leap-now) > farAhead:
		t.leap = now // believed when another packet confirms it
	default:
		t.now = now
		t.expire()
	}
}

// begin opens a record for a flow's first packet.
func (t *Tracker) begin(h uint32, s *Segment) (n uint32, sl *slot, side int) {
	limit := t.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	if t.table.live >= limit {
		t.evict()
	}
	n, sl = t.table.add(h)
	t.Connections++
	c := &sl.conn
	*c = Conn{Number: t.Connections, First: s.Time, Last: s.Time, FirstFrame: s.Frame, Path: s.Path,
		FINOrder: [2]int8{-1, -1}, challenge: -1, settled: -1, KnownBy: ByFirstPacket}
	src, dst := Endpoint{s.Src, s.SrcPort}, Endpoint{s.Dst, s.DstPort}
	switch s.Flags & (SYN | ACK | RST) {
	case SYN:
		c.KnownBy = BySYN
	case SYN | ACK:
		c.KnownBy = BySYNACK
		src, dst = dst, src
		side = Responder
		if src == dst {
			side = Initiator
		}
	}
	c.Ends[Initiator].Endpoint, c.Ends[Responder].Endpoint = src, dst
	if c.KnownBy == BySYN {
		t.wait(&t.nascent, n, sl)
	}
	return n, sl, side
}

// begins says that a SYN (with or without ACK) opens another connection than
// the one on record.
func (c *Conn) begins(s *Segment, side int) bool {
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
		t.extra -= c.Detail.extra()
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
	t.table, t.ended, t.nascent, t.victims, t.due = newTable(t.table.seed), queue{}, queue{}, nil, 0
}

// wait has a connection looked at again in 2 MSL.
func (t *Tracker) wait(q *queue, n uint32, sl *slot) {
	if q.length > 2*t.table.live+queueChunk {
		q.keep(t.waits) // many of those that wait in it are no more
	}
	at := t.now + TwoMSL
	q.push(entry{n, uint32(sl.conn.Number), at})
	t.due = min(t.due, at)
}

// waits says that a connection that was put into a queue still has to be there.
func (t *Tracker) waits(e entry) bool { return t.held(e) != nil }

// held is the connection of an entry; nil: it is no more.
func (t *Tracker) held(e entry) *slot {
	if sl := t.table.at(e.slot); sl.used && uint32(sl.conn.Number) == e.number {
		return sl
	}
	return nil
}

// expire hands on connections that are over for 2 MSL, and SYNs that were not
// answered for as long.
func (t *Tracker) expire() {
	for t.ended.due(t.now) {
		e := t.ended.pop()
		if sl := t.held(e); sl != nil {
			if sl.conn.Last+TwoMSL > t.now { // packets came since
				t.ended.push(entry{e.slot, e.number, t.now + TwoMSL})
				continue
			}
			t.finish(e.slot, sl)
		}
	}
	for t.nascent.due(t.now) {
		e := t.nascent.pop()
		sl := t.held(e)
		if sl == nil || sl.conn.closed || sl.conn.Ends[Responder].Packets > 0 {
			continue
		}
		if sl.conn.Last+TwoMSL <= t.now {
			t.finish(e.slot, sl)
		} else {
			t.nascent.push(entry{e.slot, e.number, t.now + TwoMSL})
		}
	}
	t.due = min(t.ended.first(t.now+farAhead), t.nascent.first(t.now+farAhead))
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
	d.SYNTimes, d.RSTs, d.ICMP = d.firstSYNs[:0], d.firstRSTs[:0], nil
	d.RSTCount, d.ICMPCount, d.FirstRST = 0, 0, 0
	c.Detail = d
	return c.Detail
}

// mostExtra bounds what all connections' lists hold beyond the room that each
// detail has: about 100 octets each.
const mostExtra = 1 << 20

// room says that one more may be kept in a list, of which some have their place
// in the detail; it counts those that have not.
func (t *Tracker) room(n, own int) bool {
	if n < own {
		return true
	}
	if t.extra >= mostExtra {
		return false
	}
	t.extra++
	return true
}

// extra is how much of a detail's lists is beyond its own room.
func (d *Detail) extra() int {
	return max(len(d.SYNTimes)-len(d.firstSYNs), 0) + max(len(d.RSTs)-len(d.firstRSTs), 0) + len(d.ICMP)
}

// ICMP joins an ICMP error to the connection that it speaks of; nil when that
// is not in the capture.
func (t *Tracker) ICMP(e *ICMPError) *Conn {
	_, sl, _ := t.table.find(e.Src, e.Dst, e.SrcPort, e.DstPort, hashOf(e.Src, e.Dst, e.SrcPort, e.DstPort, t.table.seed))
	if sl == nil {
		t.StrayICMP++
		return nil
	}
	d := t.detail(&sl.conn)
	d.ICMPCount++
	if len(d.ICMP) < maxICMP && t.room(len(d.ICMP), 0) {
		d.ICMP = append(d.ICMP, *e)
	}
	return &sl.conn
}
