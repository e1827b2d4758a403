package evidence

import (
	"net/netip"
	"time"
)

// Probe is one packet of an experiment beside the attempt, and what came back
// for it. Its entry's time is that of the sending. No answer counts for little:
// routers limit their ICMP errors (RFC 1812 §4.3.2.8), and filters drop.
type Probe struct {
	Experiment string         `json:"experiment"`            // why it was sent: an id of cause.Experiments
	Protocol   string         `json:"protocol"`              // tcp: a SYN; udp: a datagram; icmp: an echo request
	Form       string         `json:"form,omitempty"`        // of a TCP segment made by hand: FormPlain, FormACK; empty: the kernel's own SYN
	To         netip.AddrPort `json:"to"`                    // port 0 for an echo request
	Source     uint16         `json:"source_port,omitempty"` // where it was kept, to send another one from it
	Size       int            `json:"size,omitempty"`        // octets of the packet, which may not be fragmented; 0: small
	TTL        int            `json:"ttl,omitempty"`         // IP_TTL, IPV6_UNICAST_HOPS; 0: the host's default
	Sent       int            `json:"sent"`                  // packets; 0: none left, and Errno says why
	Answer     string         `json:"answer,omitempty"`
	From       netip.Addr     `json:"from,omitzero"`       // who answered, as the packet's source says
	ICMP       *ICMP          `json:"icmp,omitempty"`      // the error, where that was the answer
	RTT        time.Duration  `json:"rtt_ns,omitempty"`    // from the sending to the answer
	Waited     time.Duration  `json:"waited_ns,omitempty"` // without an answer: for how long
	Errno      Errno          `json:"errno,omitempty"`     // this host's own refusal to send
}

// The forms of segments that are made by hand (raw(7)).
const (
	FormPlain = "plain-syn" // a SYN without options and without ECN
	FormACK   = "bare-ack"  // an acknowledgment of nothing: a listener answers it by RST (RFC 9293 §3.10.7.2)
)

// What can answer a probe.
const (
	AnswerSYNACK   = "syn-ack"
	AnswerRST      = "rst"
	AnswerDatagram = "datagram"
	AnswerEcho     = "echo-reply"
	AnswerICMP     = "icmp" // an ICMP error: Probe.ICMP says which
)

// Kind implements [Fact].
func (*Probe) Kind() Kind { return "probe" }

// Expired says that a router answered because the TTL ended there (RFC 792
// time exceeded, RFC 4443 §3.3).
func (p *Probe) Expired() bool {
	return p.ICMP != nil && (p.ICMP.Version == 4 && p.ICMP.Type == 11 || p.ICMP.Version == 6 && p.ICMP.Type == 3)
}

// Reached says that the answer carries the destination's own address. A device
// in front of it can forge that.
func (p *Probe) Reached() bool {
	return p.Answer != "" && !p.Expired() && p.From == p.To.Addr().WithZone("")
}
