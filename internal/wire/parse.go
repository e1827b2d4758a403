package wire

import (
	"errors"
	"fmt"
	"slices"
)

// Broken says why octets are not a packet that [Parse] takes.
type Broken struct {
	Fault  Fault
	Detail string // what exactly, "" where the fault says all
}

func (e *Broken) Error() string {
	if e.Detail == "" {
		return "packet: " + e.Fault.String()
	}
	return fmt.Sprintf("packet: %v: %s", e.Fault, e.Detail)
}

// errNoValue is of packets that are right, but of no form that Packet has.
var errNoValue = errors.New("packet: a fragment, or with IPv6 extension headers")

// Parse reads a whole packet whose lengths and checksums are right. What
// follows the packet (the padding of short Ethernet frames) is left out. The
// error is a *[Broken], or says that a [Packet] has no form for it.
func Parse(b []byte) (*Packet, error) {
	v := Look(b)
	if f := v.Verify(); f != 0 {
		return nil, &Broken{Fault: f}
	}
	if v.MoreFragments || v.Version == 6 && len(v.Header) != ipv6Header {
		return nil, errNoValue
	}
	p := &Packet{IP: IP{Src: v.Src, Dst: v.Dst, TTL: v.TTL, TOS: v.TOS, FlowLabel: v.FlowLabel}}
	if v.Version == 4 {
		p.ID, p.DontFragment = uint16(v.ID), v.DontFragment
		p.Options = bytesOrNil(v.Header[ipv4Header:])
	}
	var err error
	p.Transport, err = parseTransport(&v)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func parseTransport(v *View) (Transport, error) {
	switch {
	case v.Protocol == TCP:
		return parseSegment(v.Payload)
	case v.Protocol == UDP:
		u := LookUDP(v.Payload)
		if u.Fault != 0 {
			return nil, &Broken{Fault: u.Fault, Detail: "UDP"}
		}
		return &Datagram{u.SrcPort, u.DstPort, bytesOrNil(u.Payload)}, nil
	case v.Protocol == ICMPv4 && v.Version == 4, v.Protocol == ICMPv6 && v.Version == 6:
		i := LookICMP(v.Payload)
		if i.Fault != 0 {
			return nil, &Broken{Fault: i.Fault, Detail: v.Protocol.String()}
		}
		return &Message{i.Type, i.Code, i.Rest, bytesOrNil(i.Body)}, nil
	}
	return &Other{v.Protocol, bytesOrNil(v.Payload)}, nil
}

func parseSegment(b []byte) (Transport, error) {
	t := LookTCP(b)
	if t.Fault != 0 {
		return nil, &Broken{Fault: t.Fault, Detail: "TCP"}
	}
	options, err := ParseOptions(t.Options)
	if err != nil {
		return nil, &Broken{Fault: BadOptions, Detail: err.Error()}
	}
	return &Segment{
		SrcPort: t.SrcPort, DstPort: t.DstPort, Seq: t.Seq, Ack: t.Ack,
		Flags: t.Flags, Window: t.Window, Urgent: t.Urgent,
		Options: options, Payload: bytesOrNil(t.Payload),
	}, nil
}

// bytesOrNil copies; no octets are nil, so that equal packets are equal values.
func bytesOrNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return slices.Clone(b)
}
