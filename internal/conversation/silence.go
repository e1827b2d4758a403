package conversation

import (
	"fmt"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// What silence takes to be told: less is a packet that was lost.
const (
	silentRepeats = 3
	silentFor     = 500 * time.Millisecond
)

// givenUp is the least time that a stack waits for an acknowledgement before it
// gives a connection up (RFC 9293 §3.8.3, R2).
const givenUp = 100 * time.Second

// A silence before data of patience is a pause; devices that forget connections
// do it after forgetful at the earliest (RFC 5382 §5 asks for two hours).
const (
	patience  = time.Second
	forgetful = 50 * time.Second
)

// asker is the end that asked and was not answered when the capture of it ended.
func asker(c *tcpstate.Conn) (end int, s tcpstate.Silence) {
	for end := range c.Ends {
		if s := c.Unheard(end); s.Repeats > 0 || (s.Asked || s.Resent) && lostBy(c, end) != nil {
			return end, s
		}
	}
	return 0, s
}

// gaveUp says that an end reset the connection after it had asked again and
// again, as keepalive ends (tcp_send_active_reset).
func gaveUp(c *tcpstate.Conn, end int) bool {
	return c.FirstEnd.Seen && c.FirstEnd.RST && int(c.FirstEnd.By) == end && c.Unheard(end).Repeats >= 2
}

// judgeSilence says what it means that one end asks and the other says nothing
// more. A capture sees it at one place only: that the other end is gone, that the
// way to it is broken, and that a device on it forgot the connection look the same.
func judgeSilence(c *tcpstate.Conn) (v cause.Verdict, is bool) {
	end, s := asker(c)
	if !s.Asked && !s.Resent {
		return v, false
	}
	lost := lostBy(c, end)
	aborted := gaveUp(c, end)
	long := s.Repeats >= silentRepeats && s.For >= silentFor || aborted
	if !long && (lost == nil || end == tcpstate.Responder) {
		return v, false
	}
	lived := cause.Blanks{"elapsed": cause.Duration(s.For)}
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	switch {
	case lost != nil && end == tcpstate.Initiator:
		text := cause.ICMPText(lost.Family, lost.Type, lost.Code)
		v = reading(c, cause.Timeout, "", cause.PathLost, cause.Router, cause.Possible, cause.Blanks{"detail": fmt.Sprintf("%s from %s", text, lost.Sender.Netip())})
		v.Culprit.Address = lost.Sender.Netip()
		switch lost.Sender {
		case to.Addr:
			v.Culprit.Kind = cause.Destination
		case from.Addr:
			v.Culprit.Kind = cause.Local
		}
		if long {
			v.Confidence = cause.Likely
		} else {
			v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.IsOpen, Confidence: cause.Possible, Culprit: cause.Culprit{Kind: cause.Nobody}})
		}
		v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.PeerVanished, Confidence: cause.Possible, Culprit: destination(c)})
		return v, true
	case end == tcpstate.Responder && s.FINOnly:
		v = reading(c, cause.Open, "", cause.PeerClosed, cause.Destination, cause.Likely, cause.Blanks{"elapsed": cause.Duration(c.Last - c.First)})
		v.Explanation += " Its FIN was not acknowledged any more."
		v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.PeerVanished, Confidence: cause.Possible, Culprit: initiator(c)})
		return v, true
	case end == tcpstate.Responder:
		v = reading(c, cause.Timeout, "", cause.PeerVanished, cause.Local, cause.Possible, lived)
		v.Explanation = fmt.Sprintf("What %s sent to %s was not acknowledged any more for %s: the initiator is gone, or the way to it.", to.AddrPort(), from.AddrPort(), short(s.For))
		v.Remedy = fmt.Sprintf("Check whether the initiator is still there with `ping -c 3 %s`.", from.AddrPort().Addr())
	default:
		v = reading(c, cause.Timeout, "", cause.PeerVanished, cause.Destination, cause.Possible, lived)
		v.Explanation = fmt.Sprintf("What was sent to %s was not acknowledged any more for %s: the peer is gone, or the way to it, or a device on the way forgot the connection.", to.AddrPort(), short(s.For))
		if s.FINOnly {
			v.Outcome = cause.Open
			v.Explanation = fmt.Sprintf("The initiator closed the connection, and %s did not acknowledge that any more for %s. Everything before it was acknowledged.", to.AddrPort(), short(s.For))
		}
	}
	over := s.For >= givenUp || aborted && s.Repeats >= silentRepeats
	if over && s.Idle < forgetful && !s.Larger {
		v.Confidence = cause.Likely
	}
	if over && end == tcpstate.Initiator && !s.FINOnly {
		v.Errno = "ETIMEDOUT"
	}
	other := func(id cause.ID, who cause.Culprit) {
		v.Alternatives = append(v.Alternatives, cause.Finding{Cause: id, Confidence: cause.Possible, Culprit: who})
	}
	if s.Larger && s.Len > 500 {
		other(cause.MTUBlackhole, cause.Culprit{Kind: cause.Path})
	}
	if s.Idle >= patience {
		other(cause.IdleStateExpired, cause.Culprit{Kind: cause.Path})
	}
	if w := &c.Ends[1-end]; end == tcpstate.Initiator && w.Window == 0 && w.ZeroWindows > 0 {
		other(cause.ZeroWindow, destination(c))
	}
	other(cause.PathLost, cause.Culprit{Kind: cause.Path})
	if !over {
		other(cause.IsOpen, cause.Culprit{Kind: cause.Nobody})
	}
	return v, true
}

// doubt makes a verdict of an open connection less sure when its last words were
// said twice and not answered.
func doubt(c *tcpstate.Conn, v *cause.Verdict) {
	end := tcpstate.Initiator
	s := c.Unheard(end)
	if !s.Resent {
		end = tcpstate.Responder
		s = c.Unheard(end)
	}
	if !s.Resent || v.Cause != cause.IsOpen || v.Confidence != cause.Certain {
		return
	}
	who := destination(c)
	if end == tcpstate.Responder {
		who = initiator(c)
	}
	v.Confidence = cause.Likely
	if s.Repeats > 0 {
		v.Explanation += fmt.Sprintf(" The last that the %s sent was not acknowledged, and repeated for %s until its packets end.", endNames[end], short(s.For))
	} else {
		v.Explanation += fmt.Sprintf(" The last that the %s sent was repeated, and not acknowledged; there its packets end.", endNames[end])
	}
	v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.PeerVanished, Confidence: cause.Possible, Culprit: who},
		cause.Finding{Cause: cause.PathLost, Confidence: cause.Possible, Culprit: cause.Culprit{Kind: cause.Path}})
	if s.Idle >= patience {
		v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.IdleStateExpired, Confidence: cause.Possible, Culprit: cause.Culprit{Kind: cause.Path}})
	}
}

func destination(c *tcpstate.Conn) cause.Culprit {
	return cause.Culprit{Kind: cause.Destination, Address: c.Ends[tcpstate.Responder].AddrPort().Addr()}
}

func initiator(c *tcpstate.Conn) cause.Culprit {
	return cause.Culprit{Kind: cause.Local, Address: c.Ends[tcpstate.Initiator].AddrPort().Addr()}
}

// lostBy is an ICMP error about what an end asked and was not answered: it quotes
// a sequence number that is not acknowledged (RFC 5927 §4.1).
func lostBy(c *tcpstate.Conn, end int) *tcpstate.ICMPError {
	if c.Detail == nil {
		return nil
	}
	me := &c.Ends[end]
	for i := range c.Detail.ICMP {
		e := &c.Detail.ICMP[i]
		if e.Hard() && e.Src == me.Addr && e.SrcPort == me.Port && c.Outstanding(end, e.Seq) {
			return e
		}
	}
	return nil
}

// forgotten says that a RST tells of a responder that knew nothing of the
// connection: it acknowledges nothing, and answers what was asked after a silence
// or again and again (RFC 9293 §3.5.1, group 1).
func forgotten(c *tcpstate.Conn, r *tcpstate.RSTSeen) bool {
	return r.By == tcpstate.Responder && !r.WithACK && r.Silence.Asked && !c.Ends[tcpstate.Responder].SentFIN() &&
		r.HasDist && r.Distance == 0 && (r.Silence.Repeats > 0 || r.Silence.Idle >= patience)
}

// judgeForgotten: a host that starts anew resets what it does not know; so does a
// device on the way that forgot.
func judgeForgotten(c *tcpstate.Conn, r *tcpstate.RSTSeen) cause.Verdict {
	v := reading(c, cause.Reset, "ECONNRESET", cause.PeerRebooted, cause.Destination, cause.Possible, nil)
	if r.Silence.Repeats >= 2 && r.Silence.Idle < forgetful {
		v.Confidence = cause.Likely // it was away; a device would have answered at once
	}
	for _, f := range []cause.Finding{{Cause: cause.PeerReset, Culprit: destination(c)}, {Cause: cause.IdleStateExpired, Culprit: cause.Culprit{Kind: cause.Path}},
		{Cause: cause.PathFirewallReset, Culprit: cause.Culprit{Kind: cause.Path}}} {
		f.Confidence = cause.Possible
		v.Alternatives = append(v.Alternatives, f)
	}
	return v
}

// judgeWindow: the responder says that it has no room, and goes on saying so.
func judgeWindow(c *tcpstate.Conn) (v cause.Verdict, is bool) {
	to := &c.Ends[tcpstate.Responder]
	closed, is := c.WindowClosed(tcpstate.Responder)
	if !is {
		return v, false
	}
	v = reading(c, cause.Timeout, "", cause.ZeroWindow, cause.Destination, cause.Possible, nil)
	if closed >= silentFor && to.ZeroWindows >= 3 {
		v.Confidence = cause.Likely
		return v, true
	}
	v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.IsOpen, Confidence: cause.Possible, Culprit: cause.Culprit{Kind: cause.Nobody}})
	return v, true
}
