package wire

import "encoding/binary"

const (
	tcpHeader  = 20
	udpHeader  = 8
	icmpHeader = 8
)

// TCPView is what can be read of a TCP segment (RFC 9293 §3.1). The fields of a
// header that is cut, as ICMP errors quote it, are there as far as it goes.
type TCPView struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            Flags
	Window           uint16 // as in the header, not scaled
	Checksum, Urgent uint16
	Header           int    // octets, as the data offset says
	Options          []byte // between the fixed header and the data
	Payload          []byte
	Fault            Fault
}

// LookTCP reads the payload of an IP packet as a TCP segment.
func LookTCP(b []byte) (t TCPView) {
	if len(b) >= 4 {
		t.SrcPort, t.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	if len(b) >= 8 {
		t.Seq = binary.BigEndian.Uint32(b[4:])
	}
	if len(b) >= 12 {
		t.Ack = binary.BigEndian.Uint32(b[8:])
	}
	if len(b) >= 14 {
		word := binary.BigEndian.Uint16(b[12:])
		t.Header, t.Flags = int(word>>12)*4, Flags(word&0x1ff)
	}
	if len(b) < tcpHeader {
		t.Fault = Truncated
		return t
	}
	t.Window, t.Checksum = binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[16:])
	t.Urgent = binary.BigEndian.Uint16(b[18:])
	switch {
	case t.Header < tcpHeader:
		t.Fault = BadLength
		t.Payload = b[tcpHeader:]
	case t.Header > len(b):
		t.Fault = Truncated
		t.Options = b[tcpHeader:]
	default:
		t.Options, t.Payload = b[tcpHeader:t.Header], b[t.Header:]
	}
	return t
}

// Len is the segment's length in sequence space (SEG.LEN): its data, and one
// each for SYN and FIN.
func (t *TCPView) Len() uint32 { return sequenceLength(t.Flags, len(t.Payload)) }

func sequenceLength(f Flags, payload int) uint32 {
	n := uint32(payload)
	if f&SYN != 0 {
		n++
	}
	if f&FIN != 0 {
		n++
	}
	return n
}

// UDPView is what can be read of a UDP datagram (RFC 768).
type UDPView struct {
	SrcPort, DstPort uint16
	Length           int // octets with the header, as the header says
	Checksum         uint16
	Payload          []byte
	Fault            Fault
}

// LookUDP reads the payload of an IP packet as a UDP datagram.
func LookUDP(b []byte) (u UDPView) {
	if len(b) >= 4 {
		u.SrcPort, u.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	if len(b) < udpHeader {
		u.Fault = Truncated
		return u
	}
	u.Length, u.Checksum = int(binary.BigEndian.Uint16(b[4:])), binary.BigEndian.Uint16(b[6:])
	switch {
	case u.Length < udpHeader:
		u.Fault = BadLength
		u.Payload = b[udpHeader:]
	case u.Length > len(b):
		u.Fault = Truncated
		u.Payload = b[udpHeader:]
	default:
		u.Payload = b[udpHeader:u.Length]
	}
	return u
}

// ICMPView is what can be read of an ICMP or ICMPv6 message (RFC 792, RFC 4443).
type ICMPView struct {
	Type, Code uint8
	Checksum   uint16
	Rest       uint32 // the second word: identifier and sequence number, pointer, or MTU
	Body       []byte // echo data, or what an error quotes
	Fault      Fault
}

// LookICMP reads the payload of an IP packet as an ICMP or ICMPv6 message.
func LookICMP(b []byte) (i ICMPView) {
	if len(b) >= 4 {
		i.Type, i.Code, i.Checksum = b[0], b[1], binary.BigEndian.Uint16(b[2:])
	}
	if len(b) < icmpHeader {
		i.Fault = Truncated
		return i
	}
	i.Rest, i.Body = binary.BigEndian.Uint32(b[4:]), b[icmpHeader:]
	return i
}

// IsError reports whether a message of this type quotes the packet that caused
// it. protocol is ICMPv4 or ICMPv6.
func (i *ICMPView) IsError(protocol Protocol) bool { return isICMPError(protocol, i.Type) }

func isICMPError(p Protocol, typ uint8) bool {
	if p == ICMPv6 {
		return typ < 128 // RFC 4443 §2.1
	}
	switch typ {
	case 3, 4, 5, 11, 12: // RFC 1122 §3.2.2
		return true
	}
	return false
}
