package capture

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/wire"
)

// Attempt is whose packets are looked for: one connection, and what else its
// destination answers to this host. Only TCP attempts have such packets.
type Attempt struct {
	Local  netip.AddrPort // invalid until it is known
	Remote netip.AddrPort

	ours, theirs         uint32 // the first sequence number of either
	knowOurs, knowTheirs bool
	recent               [8]passed
	next                 int
}

// passed is a packet that was seen. A VLAN and the link that carries it, or a
// bridge and its port, show the same one.
type passed struct {
	packet evidence.Packet // without its link
	iface  int
	at     time.Time
}

// sameMoment is how far apart one packet passes two interfaces at most.
const sameMoment = 5 * time.Millisecond

// Wanted is the filter for an attempt.
func (a *Attempt) Wanted() Filter {
	hosts := []netip.Addr{a.Remote.Addr().WithZone("")}
	return Filter{
		{Protocol: TCP, Hosts: hosts, Ports: []uint16{a.Remote.Port()}},
		{Protocol: TCP, Hosts: hosts, Flags: uint8(wire.SYN | wire.RST)},
		{Protocol: ICMP, Hosts: hosts},
		{Protocol: UDP, Hosts: hosts, Ports: []uint16{datagramPort}},
	}
}

// datagramPort is that of the experiments' datagrams: the destination's errors
// about them are answers.
const datagramPort = 33434

// Fact is what a frame says of the attempt; nil where it says nothing.
func (a *Attempt) Fact(f *Frame) *evidence.Packet {
	v := wire.Look(f.Data)
	if v.Version == 0 || v.Fault&(wire.BadLength|wire.LaterFragment) != 0 {
		return nil
	}
	p := &evidence.Packet{
		Direction: evidence.PacketIn, TTL: v.TTL, TOS: v.TOS, Interface: f.Interface, Loopback: f.Loopback, Hardware: f.Hardware.String(),
	}
	if v.Version == 4 {
		p.ID = uint16(v.ID)
	}
	if f.Direction == Out {
		p.Direction = evidence.PacketOut
	}
	known := false
	switch v.Protocol {
	case wire.TCP:
		known = a.segment(p, &v)
	case wire.ICMPv4, wire.ICMPv6:
		known = a.message(p, &v)
	}
	if !known || a.again(p, f.At) {
		return nil
	}
	if p.Direction == evidence.PacketIn && f.Checksum != Absent && !f.Loopback && len(f.Data) >= v.Length {
		p.Checksum = evidence.ChecksumGood
		if f.Checksum == Unchecked && v.Verify()&(wire.BadChecksum|wire.BadIPChecksum) != 0 {
			p.Checksum = evidence.ChecksumBad
		}
	}
	return p
}

// segment reads a TCP segment: of the connection, or the destination's answer
// to another.
func (a *Attempt) segment(p *evidence.Packet, v *wire.View) bool {
	t := wire.LookTCP(v.Payload)
	if len(v.Payload) < 20 {
		return false
	}
	p.Protocol = "tcp"
	p.From, p.To = netip.AddrPortFrom(v.Src, t.SrcPort), netip.AddrPortFrom(v.Dst, t.DstPort)
	p.Flags, p.Window, p.Length = flagNames(t.Flags), t.Window, len(t.Payload)
	if t.Header >= 20 {
		p.Length = max(0, v.Length-len(v.Header)-t.Header) // what was cut counts
	}
	options, _ := wire.ParseOptions(t.Options)
	p.Options = options.String()
	p.Stamp, p.Echo, _ = options.Timestamps()
	remote := netip.AddrPortFrom(a.Remote.Addr().WithZone(""), a.Remote.Port())
	switch {
	case a.Local.IsValid() && p.From == plain(a.Local) && p.To == remote:
		// On the loopback interface everything comes in, what this end sent as well.
		p.Own, p.Direction = true, evidence.PacketOut
		if !a.knowOurs {
			a.ours, a.knowOurs = t.Seq, true
		}
		p.Seq, p.Ack = t.Seq-a.ours, t.Ack-a.theirs
	case a.Local.IsValid() && p.From == remote && p.To == plain(a.Local):
		p.Own = true
		if !a.knowTheirs && t.Flags&wire.SYN != 0 {
			a.theirs, a.knowTheirs = t.Seq, true
		}
		if a.knowTheirs {
			p.Seq = t.Seq - a.theirs
		}
		p.Ack = t.Ack - a.ours
	default: // answers only; the experiments say themselves what they sent
		return p.From.Addr() == remote.Addr() && p.Direction == evidence.PacketIn &&
			(t.Flags&wire.RST != 0 || t.Flags.Has(wire.SYN|wire.ACK))
	}
	if t.Flags&wire.ACK == 0 {
		p.Ack = 0
	}
	return true
}

func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}

// message reads an ICMP message: the destination's own echo reply, or its own
// error about a datagram.
func (a *Attempt) message(p *evidence.Packet, v *wire.View) bool {
	i := wire.LookICMP(v.Payload)
	p.Protocol = "icmp"
	p.From, p.To = netip.AddrPortFrom(v.Src, 0), netip.AddrPortFrom(v.Dst, 0)
	if p.Direction != evidence.PacketIn || v.Src != a.Remote.Addr().WithZone("") {
		return false
	}
	switch {
	case v.Protocol == wire.ICMPv4 && i.Type == wire.EchoReply, v.Protocol == wire.ICMPv6 && i.Type == wire.V6EchoReply:
		p.Flags = "echo-reply"
	case v.Protocol == wire.ICMPv4 && i.Type == wire.Unreachable, v.Protocol == wire.ICMPv6 && i.Type == wire.V6Unreachable:
		p.Flags = "unreachable"
		if q := wire.Look(i.Body); q.Protocol == wire.TCP && len(q.Payload) >= 4 {
			p.To = netip.AddrPortFrom(v.Dst, binary.BigEndian.Uint16(q.Payload)) // about a connection
		}
	default:
		return false
	}
	return true
}

// again says that a packet was seen before, on another interface.
func (a *Attempt) again(p *evidence.Packet, at time.Time) bool {
	key := *p
	key.Interface, key.Hardware, key.Loopback = 0, "", false
	for i := range a.recent {
		if r := &a.recent[i]; r.packet == key && r.iface != p.Interface && at.Sub(r.at).Abs() < sameMoment {
			return true
		}
	}
	a.recent[a.next%len(a.recent)] = passed{key, p.Interface, at}
	a.next++
	return false
}

var flagList = []struct {
	flag wire.Flags
	name string
}{
	{wire.FIN, "FIN"}, {wire.SYN, "SYN"}, {wire.RST, "RST"}, {wire.PSH, "PSH"}, {wire.ACK, "ACK"},
	{wire.URG, "URG"}, {wire.ECE, "ECE"}, {wire.CWR, "CWR"}, {wire.AE, "AE"},
}

// flagNames writes "SYN+ACK"; "NONE" for none (wire.ParseFlags).
func flagNames(f wire.Flags) string {
	var names []string
	for _, n := range flagList {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	if names == nil {
		return "NONE"
	}
	return strings.Join(names, "+")
}
