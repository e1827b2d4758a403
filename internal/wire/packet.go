package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Packet is one whole IP packet: not a fragment, and without IPv6 extension
// headers.
type Packet struct {
	IP
	Transport Transport
}

// IP is the header of an IPv4 or IPv6 packet; the addresses, of one family, say
// which.
type IP struct {
	Src, Dst     netip.Addr
	TTL          uint8  // the hop limit of IPv6
	TOS          uint8  // the traffic class of IPv6: DSCP and ECN
	ID           uint16 // IPv4
	DontFragment bool   // IPv4
	Options      []byte // IPv4, a multiple of 4 octets, at most 40
	FlowLabel    uint32 // IPv6, 20 bits
}

// Transport is what a packet carries: *[Segment], *[Datagram], *[Message], or
// *[Other].
type Transport interface {
	protocol(ip *IP) Protocol
	append(b []byte, ip *IP) ([]byte, error)
}

// Segment is a TCP segment (RFC 9293 §3.1).
type Segment struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            Flags
	Window           uint16 // as in the header, not scaled
	Urgent           uint16
	Options          Options // at most 40 octets
	Payload          []byte
}

// Len is the segment's length in sequence space (SEG.LEN): its data, and one
// each for SYN and FIN.
func (s *Segment) Len() uint32 { return sequenceLength(s.Flags, len(s.Payload)) }

// Datagram is a UDP datagram (RFC 768).
type Datagram struct {
	SrcPort, DstPort uint16
	Payload          []byte
}

// Message is an ICMP or, between IPv6 addresses, an ICMPv6 message (RFC 792,
// RFC 4443).
type Message struct {
	Type, Code uint8
	Rest       uint32 // the second word: identifier and sequence number, pointer, or MTU
	Body       []byte // echo data, or what an error quotes
}

// Other is a payload that this package does not read.
type Other struct {
	Protocol Protocol
	Payload  []byte
}

var (
	errFamilies = errors.New("source and destination are not of one address family")
	errTooLong  = errors.New("longer than its length field can say")
)

// Marshal builds the packet with its lengths and checksums.
func (p *Packet) Marshal() ([]byte, error) { return p.Append(nil) }

// Append is [Packet.Marshal] onto the end of b.
func (p *Packet) Append(b []byte) ([]byte, error) {
	switch {
	case p.Transport == nil:
		return b, errors.New("packet without a transport")
	case p.Src.Is4() && p.Dst.Is4():
		return p.append4(b)
	case p.Src.Is6() && p.Dst.Is6():
		return p.append6(b)
	}
	return b, fmt.Errorf("%v to %v: %w", p.Src, p.Dst, errFamilies)
}

func (p *Packet) append4(b []byte) ([]byte, error) {
	if len(p.Options)%4 != 0 || len(p.Options) > maxOptions {
		return b, fmt.Errorf("IP options of %d octets", len(p.Options))
	}
	begin, header := len(b), ipv4Header+len(p.Options)
	src, dst := p.Src.As4(), p.Dst.As4()
	b = append(b, 4<<4|byte(header/4), p.TOS, 0, 0)
	b = binary.BigEndian.AppendUint16(b, p.ID)
	b = append(b, 0, 0, p.TTL, byte(p.Transport.protocol(&p.IP)), 0, 0)
	b = append(append(append(b, src[:]...), dst[:]...), p.Options...)
	b, err := p.Transport.append(b, &p.IP)
	if err != nil {
		return b[:begin], err
	}
	h := b[begin:]
	if len(h) > 0xffff {
		return b[:begin], fmt.Errorf("IPv4 packet of %d octets: %w", len(h), errTooLong)
	}
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
	if p.DontFragment {
		h[6] = 0x40
	}
	binary.BigEndian.PutUint16(h[10:], Checksum(h[:header]))
	return b, nil
}

func (p *Packet) append6(b []byte) ([]byte, error) {
	begin := len(b)
	src, dst := p.Src.As16(), p.Dst.As16()
	b = binary.BigEndian.AppendUint32(b, 6<<28|uint32(p.TOS)<<20|p.FlowLabel&0xfffff)
	b = append(b, 0, 0, byte(p.Transport.protocol(&p.IP)), p.TTL)
	b = append(append(b, src[:]...), dst[:]...)
	b, err := p.Transport.append(b, &p.IP)
	if err != nil {
		return b[:begin], err
	}
	payload := len(b) - begin - ipv6Header
	if payload > 0xffff {
		return b[:begin], fmt.Errorf("IPv6 payload of %d octets: %w", payload, errTooLong)
	}
	binary.BigEndian.PutUint16(b[begin+4:], uint16(payload))
	return b, nil
}

func (*Segment) protocol(*IP) Protocol  { return TCP }
func (*Datagram) protocol(*IP) Protocol { return UDP }
func (o *Other) protocol(*IP) Protocol  { return o.Protocol }

func (*Message) protocol(ip *IP) Protocol {
	if ip.Src.Is4() {
		return ICMPv4
	}
	return ICMPv6
}

func (s *Segment) append(b []byte, ip *IP) ([]byte, error) {
	begin := len(b)
	b = binary.BigEndian.AppendUint16(b, s.SrcPort)
	b = binary.BigEndian.AppendUint16(b, s.DstPort)
	b = binary.BigEndian.AppendUint32(b, s.Seq)
	b = binary.BigEndian.AppendUint32(b, s.Ack)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Flags))
	b = binary.BigEndian.AppendUint16(b, s.Window)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, s.Urgent)
	b = s.Options.Append(b)
	header := len(b) - begin
	if header > tcpHeader+maxOptions {
		return b, fmt.Errorf("TCP options of %d octets, %d fit", header-tcpHeader, maxOptions)
	}
	b[begin+12] |= byte(header/4) << 4
	b = append(b, s.Payload...)
	binary.BigEndian.PutUint16(b[begin+16:], TransportChecksum(ip.Src, ip.Dst, TCP, b[begin:]))
	return b, nil
}

func (d *Datagram) append(b []byte, ip *IP) ([]byte, error) {
	begin, length := len(b), udpHeader+len(d.Payload)
	if length > 0xffff {
		return b, fmt.Errorf("UDP datagram of %d octets: %w", length, errTooLong)
	}
	b = binary.BigEndian.AppendUint16(b, d.SrcPort)
	b = binary.BigEndian.AppendUint16(b, d.DstPort)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(append(b, 0, 0), d.Payload...)
	sum := TransportChecksum(ip.Src, ip.Dst, UDP, b[begin:])
	if sum == 0 {
		sum = 0xffff // RFC 768: 0 says that there is none
	}
	binary.BigEndian.PutUint16(b[begin+6:], sum)
	return b, nil
}

func (m *Message) append(b []byte, ip *IP) ([]byte, error) {
	begin := len(b)
	b = append(b, m.Type, m.Code, 0, 0)
	b = binary.BigEndian.AppendUint32(b, m.Rest)
	b = append(b, m.Body...)
	sum := Checksum(b[begin:])
	if ip.Src.Is6() {
		sum = TransportChecksum(ip.Src, ip.Dst, ICMPv6, b[begin:])
	}
	binary.BigEndian.PutUint16(b[begin+2:], sum)
	return b, nil
}

func (o *Other) append(b []byte, _ *IP) ([]byte, error) { return append(b, o.Payload...), nil }
