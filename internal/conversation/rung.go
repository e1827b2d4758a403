package conversation

import (
	"fmt"
	"strings"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// Rung is one packet of a connection: a rung of the ladder between its ends.
type Rung struct {
	At      Time   `json:"at_s"` // since the connection's first packet
	Frame   uint64 `json:"frame"`
	From    string `json:"from"`              // initiator, responder; for an ICMP error its sender's address
	Flags   string `json:"flags"`             // as tcpdump(1) writes them
	Seq     uint32 `json:"seq"`               // relative to the sender's first
	Ack     uint32 `json:"ack,omitempty"`     // relative to the other end's first
	Len     uint32 `json:"len,omitempty"`     // octets of data
	Window  uint32 `json:"win"`               // octets, scaled once that is agreed
	Options string `json:"options,omitempty"` // of a SYN
	Meaning string `json:"meaning"`
	States  States `json:"states"` // after it
	Warns   bool   `json:"warning,omitempty"`
}

var flagLetters = [...]string{"F", "S", "R", "P", ".", "U", "E", "W", "e"}

// flags writes control bits as tcpdump(1) does.
func flags(bits uint16) string {
	var b strings.Builder
	for i, letter := range flagLetters {
		if bits&(1<<i) != 0 {
			b.WriteString(letter)
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// rungOf tells one segment.
func rungOf(s *tcpstate.Segment, step *tcpstate.Step) Rung {
	c := step.Conn
	me, peer := &c.Ends[step.From], &c.Ends[1-step.From]
	r := Rung{
		At: Time(s.Time - c.First), Frame: s.Frame, From: endNames[step.From], Flags: flags(s.Flags),
		Seq: me.Relative(s.Seq), Len: s.Len, Window: uint32(s.Window),
		States: statesOf(c),
	}
	if s.Flags&tcpstate.ACK != 0 {
		r.Ack = peer.Relative(s.Ack)
	}
	if s.Flags&tcpstate.SYN == 0 {
		r.Window <<= me.Scale
	} else {
		r.Options = proposes(s)
	}
	r.Meaning, r.Warns = meaning(s, step, &r)
	return r
}

func statesOf(c *tcpstate.Conn) States {
	s := States{Initiator: c.Ends[tcpstate.Initiator].State.String(), Responder: c.Ends[tcpstate.Responder].State.String()}
	for i := range c.Ends {
		if c.Ends[i].Inferred {
			s.Inferred = append(s.Inferred, endNames[i])
		}
	}
	return s
}

// proposes lists a SYN's options.
func proposes(s *tcpstate.Segment) string {
	o := tcpstate.ReadOptions(s)
	var words []string
	if o.HasMSS {
		words = append(words, fmt.Sprintf("MSS %d", o.MSS))
	}
	if o.HasScale {
		words = append(words, fmt.Sprintf("window scale %d", o.Scale))
	}
	for _, w := range []struct {
		has  bool
		name string
	}{{o.SACK, "SACK"}, {o.Timestamps, "timestamps"}, {o.FastOpen || o.FastOpenX, "Fast Open"}, {o.Multipath, "MPTCP"}, {o.ECN, "ECN"}} {
		if w.has {
			words = append(words, w.name)
		}
	}
	return strings.Join(words, ", ")
}

// icmpRung tells an ICMP error about the connection.
func icmpRung(c *tcpstate.Conn, e *tcpstate.ICMPError, text string) Rung {
	return Rung{
		At: Time(e.Time - c.First), Frame: e.Frame, From: e.Sender.Netip().String(), Flags: "ICMP",
		Seq: c.Ends[tcpstate.Initiator].Relative(e.Seq), States: statesOf(c), Warns: true,
		Meaning: fmt.Sprintf("ICMP from %s: %s", e.Sender.Netip(), text),
	}
}
