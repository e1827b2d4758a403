package tcpstate

import "time"

// reset judges a RST and lets it act.
func (t *Tracker) reset(c *Conn, s *Segment, side int, step *Step) {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	seen := RSTSeen{Time: s.Time, Frame: s.Frame, By: int8(side), Seq: s.Seq, WithACK: s.Flags&ACK != 0, Data: s.Len, TTL: s.TTL}
	if peer.hasAck {
		seen.Distance, seen.HasDist = int64(int32(s.Seq-peer.ack)), true
	}
	seen.Reason = c.judge(s, side)
	seen.ID, seen.Strayed = s.ID, me.strayed(s.ID)
	seen.Beyond = me.hasSeq && before(me.next, s.Seq)
	if seen.WithACK && peer.hasSeq && s.Ack == peer.next && (!me.hasAck || me.ack != s.Ack) && !peer.again {
		seen.Early, seen.Turn, seen.Turns = s.Time-peer.nextAt, time.Duration(me.turn)*time.Microsecond, me.turns
	}
	if seen.Reason == RSTRefusal {
		seen.HostTTL = t.hosts.ttl(me.Addr)
	}
	seen.Silence = c.Unheard(1 - side)
	seen.Effective = seen.Reason.Ends()
	step.Sense, step.RST = SenseRST, seen.Reason

	d := t.detail(c)
	if d.RSTCount == 0 {
		d.FirstRST = s.Time
	}
	d.RSTCount++
	if len(d.RSTs) < maxRSTs && t.room(len(d.RSTs), len(d.firstRSTs)) {
		d.RSTs = append(d.RSTs, seen)
	}
	if seen.Reason == RSTInWindow {
		c.challenge = int8(1 - side)
	}
	if !seen.Effective {
		return
	}
	if seen.Reason == RSTRefusal && side == Responder {
		c.Refused = true
	}
	if !c.FirstEnd.Seen {
		c.FirstEnd = EndedBy{Seen: true, By: int8(side), RST: true, At: s.Time}
	}
	c.resetDone = true
	if c.rejected = seen.Reason == RSTUnacceptable; c.rejected {
		return
	}
	if c.settled < 0 {
		c.settled = int8(1 - side)
	}
	me.State, peer.State = Closed, Closed
	me.Inferred, peer.Inferred = false, true
	c.closed = true
}

// judge tells why a RST came and whether its receiver heeds it.
func (c *Conn) judge(s *Segment, side int) RSTReason {
	me, peer := &c.Ends[side], &c.Ends[1-side]
	ack := s.Flags&ACK != 0
	if side == Responder && peer.SYNs > 0 && !c.HasSYNACK && !c.Crossed {
		// RFC 9293 §3.10.7.3: in SYN_SENT it must acknowledge the SYN.
		switch {
		case ack && !before(s.Ack, peer.isn+1) && !before(peer.next, s.Ack):
			if me.Packets > 1 && !c.Refused && c.lastingAnswer() {
				return RSTAbort
			}
			return RSTRefusal
		case peer.Packets == peer.SYNs:
			return RSTUnrelated
		}
	}
	if side == Initiator && me.SYNs > 0 && !c.Acked {
		switch {
		case c.BadSYNACK > 0 && !c.HasSYNACK:
			return RSTUnacceptable
		case c.HasSYNACK:
			return RSTAbandoned
		case peer.Packets > 0 && peer.hasAck && s.Seq == peer.ack && s.Seq != me.next:
			return RSTUnacceptable
		}
	}
	if c.finsSeen() || me.hasFIN && peer.hasFIN {
		return RSTAfterClose
	}
	if peer.hasAck {
		// RFC 5961 §3.2, as the receiver sees it: its next is what it acknowledged
		// last, or what its sender sent since.
		next := peer.ack
		ahead := int32(s.Seq - next)
		switch {
		case ahead == 0, me.hasSeq && s.Seq == me.next:
		case ahead < 0:
			return RSTOutOfWindow
		case me.hasSeq && !before(me.next, s.Seq):
			// between what was acknowledged and what was sent
		case uint32(ahead) <= max(peer.WindowBytes(), 1):
			return RSTInWindow
		default:
			return RSTOutOfWindow
		}
	}
	if !ack && (me.State == Closed || me.State == TimeWait || me.hasFIN) {
		return RSTNoConnection
	}
	if !me.hasSeq && !ack {
		return RSTNoConnection
	}
	return RSTAbort
}

// lastingAnswer says that the responder went on as if the connection stood.
func (c *Conn) lastingAnswer() bool { return c.Ends[Responder].Bytes > 0 }

// goesOn takes back that a RST ended the connection, when its sender only
// rejected an answer that did not fit and asks again.
func (c *Conn) goesOn() {
	if !c.rejected {
		return
	}
	c.rejected, c.resetDone = false, false
	if c.FirstEnd.RST {
		c.FirstEnd = EndedBy{}
	}
}
