package tcpstate

import "time"

// Sequence numbers are compared modulo 2^32 (RFC 9293 §3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// follow lets a segment act on both ends: on its sender, which must have been
// in a state that sends it, and on its receiver, which is taken to get it.
func (t *Tracker) follow(c *Conn, s *Segment, side int, last time.Duration, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	me.Packets++
	me.Bytes += uint64(s.Len)
	if s.Flags&RST != 0 {
		t.reset(c, s, side, step)
		peer.heard()
		return
	}
	me.seeTTL(s.TTL)
	me.seeID(s.ID)
	switch s.Flags & (SYN | ACK) {
	case SYN:
		t.syn(c, s, side, step)
	case SYN | ACK:
		t.synack(c, s, side, step)
	default:
		c.plain(s, side, last, step)
	}
	if !s.NoWindow {
		me.Window = s.Window
	}
	if s.Flags&(FIN|SYN) == FIN { // with a SYN it closes nothing
		c.finish(s, side, step)
	}
	c.closed = c.closed || c.finsSeen() && me.finAcked && peer.finAcked
	peer.heard()
}

// rest follows what later fragments brought of a segment.
func (c *Conn) rest(s *Segment, side int, step *Step) {
	me := &c.Ends[side]
	me.Bytes += uint64(s.Len)
	end := s.Seq + s.Len
	if s.Flags&FIN != 0 {
		end++
	}
	if !me.hasSeq || before(me.next, end) {
		me.next, me.hasSeq = end, true
	}
	if s.Flags&FIN != 0 {
		c.finish(s, side, step)
	}
}

func (c *Conn) finsSeen() bool { return c.FINOrder[1] >= 0 }

func (t *Tracker) syn(c *Conn, s *Segment, side int, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	me.SYNs++
	again := me.hasISN && me.isn == s.Seq
	if side == Initiator && c.KnownBy != BySYN {
		c.KnownBy = BySYN
	}
	switch {
	case side == Responder && (peer.SYNs > 0 || me.SYNs > 1):
		c.Crossed = true
		step.Sense = SenseSYNCrossing
		if again {
			step.Sense = SenseSYNAgain
		}
		me.State = me.State.orClosed().On(ActiveOpen)
		peer.State = peer.State.On(ReceiveSYN)
	case again && c.Acked:
		step.Sense = SenseSYNLate
		c.challenge = int8(1 - side)
	case again:
		step.Sense = SenseSYNAgain
		c.goesOn()
		if me.State == Closed { // refused, and asked again
			me.State, c.settled = SYNSent, -1
		}
		if me.Inferred { // it did not hear the answer, or did not accept it
			me.State, me.Inferred = SYNSent, false
		}
	default:
		step.Sense = SenseSYN
		if me.State == Unknown {
			me.State = Closed.On(ActiveOpen)
		}
	}
	if side != Initiator {
		me.open(s)
		return
	}
	if me.SYNs == 1 {
		c.FirstSYN, c.SYN = s.Time, ReadOptions(s)
	} else {
		d := t.detail(c)
		if len(d.SYNTimes) == 0 {
			d.SYNTimes = append(d.SYNTimes, c.FirstSYN)
		}
		if len(d.SYNTimes) < maxSYNTimes && t.room(len(d.SYNTimes), len(d.firstSYNs)) {
			d.SYNTimes = append(d.SYNTimes, s.Time)
		}
	}
	if !c.HasSYNACK {
		c.LastSYN = s.Time
	}
	if !again {
		c.Distinct++
	}
	me.open(s)
}

// open notes an end's initial sequence number.
func (e *End) open(s *Segment) {
	if !e.hasISN {
		e.isn, e.hasISN = s.Seq, true
	}
	if next := s.Seq + 1 + s.Len; !e.hasSeq || before(e.next, next) {
		e.sent(next, s.Time)
		return
	}
	e.again = true
}

func (s State) orClosed() State {
	if s == Unknown {
		return Closed
	}
	return s
}

func (t *Tracker) synack(c *Conn, s *Segment, side int, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	me.SYNACKs++
	again := me.hasISN && me.isn == s.Seq && me.SYNACKs > 1
	fits := !peer.hasISN || !before(s.Ack, peer.isn+1) && !before(peer.next, s.Ack)
	if side == Responder && peer.SYNs > 0 && !fits {
		c.BadSYNACK++
		step.Sense = SenseSYNACKBad
		if !c.HasSYNACK && me.SYNACKs == 1 {
			c.SYNACK = ReadOptions(s)
		}
		me.ack, me.hasAck = s.Ack, true
		return
	}
	step.Sense = SenseSYNACK
	if again {
		step.Sense = SenseSYNACKAgain
	}
	if !again {
		c.DistinctA++
	}
	if side == Responder && !c.HasSYNACK {
		c.SYNACK, c.HasSYNACK, c.SYNACKAt = ReadOptions(s), true, s.Time
		me.hasISN = false // of one that did not fit
		if c.SYN.HasScale && c.SYNACK.HasScale || peer.SYNs == 0 && c.SYNACK.HasScale {
			// RFC 7323 §2.3: 14 is the most
			me.Scale, peer.Scale = min(c.SYNACK.Scale, 14), min(c.SYN.Scale, 14)
		}
	}
	if side == Responder && me.SYNACKs == 1 {
		me.answered(peer, s.Time)
		t.hosts.see(me.Addr, s.TTL)
	}
	me.open(s)
	me.ack, me.hasAck = s.Ack, true
	if !peer.hasISN && peer.Packets == 0 {
		peer.isn, peer.next = s.Ack-1, s.Ack // what it acknowledges was sent
	}
	if me.State == Unknown {
		me.State = Listen.On(ReceiveSYN)
	}
	if peer.State == Unknown {
		peer.State = SYNSent
	}
	if peer.State == SYNSent || peer.State == SYNReceived {
		peer.State, peer.Inferred = peer.State.On(ReceiveSYNACK), true
	}
}

// plain follows a segment without SYN and RST: data, acknowledgements, FIN.
func (c *Conn) plain(s *Segment, side int, last time.Duration, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	if me.State == Unknown && !peer.hasISN {
		me.State = Established // it began before the capture
	}
	if peer.State == Unknown && !me.hasISN {
		peer.State = Established
		peer.Inferred = true
	}
	step.Sense = c.sense(s, side)
	if s.Len > 0 || s.Flags&FIN != 0 || step.Sense == SenseKeepAlive {
		c.ask(side, s, last)
	}
	end := s.Seq + s.Len
	if s.Flags&FIN != 0 {
		end++
	}
	switch {
	case !me.hasSeq:
		me.isn = s.Seq
		me.sent(end, s.Time)
	case before(me.next, end):
		me.lacks = me.lacks || before(me.next, s.Seq)
		me.sent(end, s.Time)
	case end != s.Seq:
		me.again = true
	}
	if me.isn != s.Seq && !me.hasISN && before(s.Seq, me.isn) {
		me.isn = s.Seq // an earlier one, out of order
	}
	if s.Flags&ACK != 0 {
		if me.asking && c.answeredUnseen(s, side) {
			me.heard()
			me.resent = false
		}
		c.acknowledge(s, side, step)
	}
	if int8(side) == c.challenge && s.Len == 0 && s.Flags&(ACK|FIN) == ACK {
		step.Sense = SenseChallengeACK
	}
	c.challenge = -1
}

// sense tells what a segment with these numbers means, before they are noted.
func (c *Conn) sense(s *Segment, side int) Sense {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	switch {
	case c.settled >= 0:
		c.contradict(s, side)
		return SenseLate
	case s.Flags&FIN != 0:
		return SenseOther // finish says which
	case s.Len > 0:
		switch {
		case !me.hasSeq || s.Seq == me.next:
			return SenseData
		case s.Len == 1 && s.Seq == me.next-1 && !c.waiting(side):
			c.askAgain(me, s)
			return SenseKeepAlive
		case before(me.next, s.Seq):
			return SenseDataGap
		case !before(me.next, s.Seq+s.Len):
			me.Resent++
			c.askAgain(me, s)
			if s.Len == 1 && peer.hasAck && peer.Window == 0 {
				return SenseProbe
			}
			return SenseDataAgain
		}
		return SenseData
	case s.Flags&ACK == 0:
		return SenseOther
	case s.Window == 0 && !s.NoWindow && me.State.Synchronized():
		if me.ZeroWindows == 0 || me.Window != 0 {
			me.shut = c.since(s)
		}
		me.ZeroWindows++
		return SenseZeroWindow
	case me.hasSeq && s.Seq == me.next-1 && me.hasAck && s.Ack == me.ack && !me.hasFIN && me.Packets > 1 && (me.next != me.isn+1 || c.Acked):
		c.askAgain(me, s)
		return SenseKeepAlive
	case me.hasAck && s.Ack == me.ack:
		if s.Window != me.Window && !s.NoWindow {
			return SenseWindowUpdate
		}
		if peer.hasSeq && before(s.Ack, peer.next) {
			return SenseDupACK
		}
	}
	return SenseACK
}

// acknowledge lets an ACK act on the end whose octets it acknowledges.
func (c *Conn) acknowledge(s *Segment, side int, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	if side == Responder && !c.HasSYNACK && c.Ends[Initiator].SYNs > 0 && !c.Crossed {
		if !me.hasISN && step.Sense == SenseACK {
			step.Sense = SenseBadACK
		}
	}
	if !me.hasAck || before(me.ack, s.Ack) {
		if peer.hasSeq && before(peer.next, s.Ack) || !peer.hasSeq && me.hasAck {
			peer.lacks = true
		}
		if s.Ack == peer.next && peer.hasSeq {
			me.answered(peer, s.Time)
			peer.passed = peer.longest
		}
		me.ack, me.hasAck = s.Ack, true
		peer.resent = false
	}
	if peer.hasISN && !before(s.Ack, peer.isn+1) {
		if me.Inferred { // what it had to receive for this, it has received
			me.Inferred = false
		}
		if peer.State == SYNReceived {
			peer.State = peer.State.On(ReceiveACKOfSYN)
			if step.Sense == SenseACK || step.Sense == SenseDupACK || step.Sense == SenseWindowUpdate {
				step.Sense = SenseHandshakeACK
			}
		}
		if side == Initiator && c.HasSYNACK && !c.Acked {
			c.Acked, c.ACKAt = true, s.Time
			if step.Sense == SenseACK {
				step.Sense = SenseHandshakeACK
			}
		}
		if me.State == SYNSent {
			me.State = Established
		}
	}
	if side == Initiator && me.State == SYNSent && peer.Packets == 0 {
		me.State = Established // it had a SYN-ACK, which the capture lacks
	}
	if peer.hasFIN && !before(s.Ack, peer.fin+1) && !peer.finAcked {
		peer.finAcked = true
		peer.State = peer.State.On(ReceiveACKOfFIN)
	}
}

// finish follows a FIN.
func (c *Conn) finish(s *Segment, side int, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	me.FINs++
	if me.hasFIN {
		if s.Len == 0 {
			c.askAgain(me, s)
		}
		if step.Sense != SenseLate {
			step.Sense = SenseFINAgain
		}
		return
	}
	me.hasFIN, me.fin = true, s.Seq+s.Len
	if c.FINOrder[0] < 0 {
		c.FINOrder[0] = int8(side)
		step.Sense = SenseFIN
	} else {
		c.FINOrder[1] = int8(side)
		step.Sense = SenseFINLast
	}
	if !c.FirstEnd.Seen {
		c.FirstEnd = EndedBy{Seen: true, By: int8(side), At: s.Time}
	}
	if c.settled >= 0 {
		step.Sense = SenseLate
		return
	}
	switch {
	case me.State == CloseWait && peer.hasFIN && (s.Flags&ACK == 0 || before(s.Ack, peer.fin+1)):
		// The other FIN had not arrived when this one left.
		me.State = Established.On(Close).On(ReceiveFIN)
	case me.State == SYNReceived, me.State == Established, me.State == CloseWait:
		me.State = me.State.On(Close)
	}
	peer.State = peer.State.On(ReceiveFIN)
}
