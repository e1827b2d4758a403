package conversation

import (
	"fmt"
	"strings"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// meaning says in words what a segment does. Warns marks what does not belong
// to a connection that goes well.
func meaning(s *tcpstate.Segment, step *tcpstate.Step, r *Rung) (text string, warns bool) {
	c := step.Conn
	who := "client"
	other := "server"
	if step.From == tcpstate.Responder {
		who, other = other, who
	}
	with := func(text string) string {
		if r.Options != "" {
			return text + ", proposes " + r.Options
		}
		return text
	}
	octets := fmt.Sprintf("%d octets", s.Len)
	if s.Len == 1 {
		octets = "1 octet"
	}
	switch step.Sense {
	case tcpstate.SenseSYN:
		text = with("SYN: " + who + " asks")
		if s.Len > 0 {
			text += ", and sends " + octets + " with it (Fast Open)"
		}
		return text, false
	case tcpstate.SenseSYNAgain:
		return fmt.Sprintf("SYN again: no answer that counts after %s", short(s.Time-c.FirstSYN)), true
	case tcpstate.SenseSYNCrossing:
		return with("SYN from the other side too: both open at once, or the handshake is split"), true
	case tcpstate.SenseSYNLate:
		return "SYN again, for a connection that stands: copied, delayed, or forged", true
	case tcpstate.SenseSYNACK:
		if c.KnownBy == tcpstate.BySYNACK {
			return with("SYN,ACK: " + who + " accepts; the SYN is not in the capture"), false
		}
		return with("SYN,ACK: " + who + " accepts"), false
	case tcpstate.SenseSYNACKAgain:
		return "SYN,ACK again: its ACK did not come", true
	case tcpstate.SenseSYNACKBad:
		return fmt.Sprintf("SYN,ACK of something else: it acknowledges %d, not the SYN", r.Ack), true
	case tcpstate.SenseHandshakeACK:
		return "ACK: the handshake is complete", false
	case tcpstate.SenseBadACK:
		return "ACK in the place of a SYN,ACK: " + who + " has an older connection of these ports, or packets are missing", true
	case tcpstate.SenseData:
		return who + " sends " + octets, false
	case tcpstate.SenseDataAgain:
		return who + " sends " + octets + " again: no acknowledgement came", true
	case tcpstate.SenseDataGap:
		return who + " sends " + octets + " after a gap: what is between was lost before the capture, or comes later", true
	case tcpstate.SenseACK:
		return fmt.Sprintf("ACK: %s has everything before %d", who, r.Ack), false
	case tcpstate.SenseDupACK:
		return fmt.Sprintf("ACK again: %s still waits for %d", who, r.Ack), true
	case tcpstate.SenseKeepAlive:
		return "keep-alive: " + who + " asks whether the other end is there", false
	case tcpstate.SenseProbe:
		return "window probe: " + who + " asks whether there is room again", true
	case tcpstate.SenseZeroWindow:
		return "window 0: " + who + " has no room, the other end must wait", true
	case tcpstate.SenseWindowUpdate:
		return fmt.Sprintf("window update: %s has room for %d octets", who, r.Window), false
	case tcpstate.SenseFIN:
		return "FIN: " + who + " has sent everything" + data(s, octets), false
	case tcpstate.SenseFINLast:
		return "FIN: " + who + " closes the other direction too" + data(s, octets), false
	case tcpstate.SenseFINAgain:
		return "FIN again: no acknowledgement came", true
	case tcpstate.SenseChallengeACK:
		return "challenge ACK: " + who + " doubts what came and tells where it stands (RFC 5961)", true
	case tcpstate.SenseRST:
		return reset(step, who, other), true
	case tcpstate.SenseRest:
		return "the rest of a segment that came in IP fragments: " + octets, false
	case tcpstate.SenseLate:
		if resetBy(c, step.From) {
			if s.Len == 0 {
				octets = "an acknowledgement"
			}
			return who + " sends " + octets + " in spite of the RST in its name: perhaps it did not make that", true
		}
		return "late: the connection is no more", true
	}
	return "no ACK and no data: a segment that no stack should send", true
}

func data(s *tcpstate.Segment, octets string) string {
	if s.Len > 0 {
		return ", the last " + octets + " with it"
	}
	return ""
}

// reset says why a RST came, as far as packets tell.
func reset(step *tcpstate.Step, who, other string) string {
	text := "RST: "
	switch step.RST {
	case tcpstate.RSTRefusal:
		text += "no listener (or a filter answers in its place)"
	case tcpstate.RSTUnrelated:
		text += "does not acknowledge the SYN, so the " + other + " ignores it"
	case tcpstate.RSTUnacceptable:
		text += who + " rejects an answer that does not fit its SYN"
	case tcpstate.RSTAbandoned:
		text += who + " waits no more: it gave up before the answer came"
	case tcpstate.RSTNoConnection:
		text += who + " knows no such connection"
	case tcpstate.RSTAfterClose:
		text += who + " has closed and knows the connection no more"
	case tcpstate.RSTInWindow:
		text += "in the window but not exact: it must be confirmed (RFC 5961)"
	case tcpstate.RSTOutOfWindow:
		text += "out of window and ignored"
	default:
		text += who + " aborts the connection"
	}
	if d := step.Conn.Detail; d != nil && d.RSTCount == len(d.RSTs) {
		if o, signs := step.Conn.Origin(&d.RSTs[len(d.RSTs)-1]); o >= tcpstate.OriginDoubtful {
			text += "; perhaps a device between made it: " + strings.Join(signs, "; ")
		}
	}
	return text
}

// resetBy says that a RST in this end's name was seen, and contradicted since.
func resetBy(c *tcpstate.Conn, end int) bool {
	if c.Detail == nil {
		return false
	}
	for i := range c.Detail.RSTs {
		if r := &c.Detail.RSTs[i]; int(r.By) == end && r.Contradicted {
			return true
		}
	}
	return false
}
