package wire

import (
	"encoding/binary"
	"net/netip"
)

// View is what can be read of an IP packet, however broken. Fields that the
// octets do not reach are zero, and Fault says so.
type View struct {
	Version  uint8 // 4, 6, or 0 with BadVersion
	Src, Dst netip.Addr
	Protocol Protocol // of the payload, after extension headers
	TTL      uint8    // the hop limit of IPv6
	TOS      uint8    // the traffic class of IPv6: DSCP and ECN
	Length   int      // octets of the whole packet, as its header says

	ID             uint32 // IPv4 identification, or that of IPv6's fragment header
	DontFragment   bool   // IPv4
	MoreFragments  bool
	FragmentOffset int    // octets
	FlowLabel      uint32 // IPv6

	Header  []byte // with options or extension headers
	Payload []byte // the transport message, cut to Length
	Fault   Fault
}

const (
	ipv4Header = 20
	ipv6Header = 40
)

// Look reads an IP packet. Checksums are not computed: see [View.Verify].
func Look(b []byte) View {
	if len(b) == 0 {
		return View{Fault: Truncated}
	}
	switch b[0] >> 4 {
	case 4:
		return look4(b)
	case 6:
		return look6(b)
	}
	return View{Fault: BadVersion}
}

// look4 reads RFC 791 §3.1.
func look4(b []byte) (v View) {
	v.Version = 4
	if len(b) < ipv4Header {
		v.Fault = Truncated
		return v
	}
	v.TOS, v.TTL, v.Protocol = b[1], b[8], Protocol(b[9])
	v.Length = int(binary.BigEndian.Uint16(b[2:]))
	v.ID = uint32(binary.BigEndian.Uint16(b[4:]))
	frag := binary.BigEndian.Uint16(b[6:])
	v.DontFragment, v.MoreFragments = frag&0x4000 != 0, frag&0x2000 != 0
	v.FragmentOffset = int(frag&0x1fff) * 8
	v.Src, v.Dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	header := int(b[0]&0xf) * 4
	if v.Length < header {
		v.Fault |= BadLength
	}
	switch {
	case header < ipv4Header:
		v.Fault |= BadLength
		header = ipv4Header
	case header > len(b):
		v.Fault |= Truncated
		header = len(b)
	}
	v.cut(b, header)
	if v.FragmentOffset > 0 {
		v.Fault |= LaterFragment
	}
	return v
}

// cut divides the octets into header and payload at the announced length.
func (v *View) cut(b []byte, header int) {
	end := v.Length
	if end < header {
		v.Fault |= BadLength
		end = len(b) // a length of 0 is what segmentation offload leaves in a capture
	}
	if end > len(b) {
		v.Fault |= Truncated
		end = len(b)
	}
	v.Header, v.Payload = b[:header], b[header:end]
}

// look6 reads RFC 8200 §3 and §4.
func look6(b []byte) (v View) {
	v.Version = 6
	if len(b) < ipv6Header {
		v.Fault = Truncated
		return v
	}
	first := binary.BigEndian.Uint32(b)
	v.TOS, v.FlowLabel = uint8(first>>20), first&0xfffff
	v.Length = ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
	v.Protocol, v.TTL = Protocol(b[6]), b[7]
	v.Src, v.Dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	v.cut(b, ipv6Header)
	v.extensions(b)
	return v
}

// extensions walks the chain of extension headers. Each is at least 8 octets
// long, so the chain is no longer than the packet.
func (v *View) extensions(b []byte) {
	for {
		p := v.Payload
		var length int
		switch v.Protocol {
		case HopByHop, Routing, DestOptions, FragmentHdr, AuthHdr:
			if len(p) < 8 {
				v.Fault |= Truncated
				return
			}
			length = 8 + int(p[1])*8
		default:
			return
		}
		switch v.Protocol {
		case FragmentHdr: // RFC 8200 §4.5
			length = 8
			word := binary.BigEndian.Uint16(p[2:])
			v.FragmentOffset, v.MoreFragments = int(word&^7), word&1 != 0
			v.ID = binary.BigEndian.Uint32(p[4:])
		case AuthHdr: // RFC 4302 §2.2
			length = 8 + int(p[1])*4
		}
		if length > len(p) {
			v.Fault |= Truncated
			return
		}
		v.Protocol = Protocol(p[0])
		v.Header, v.Payload = b[:len(v.Header)+length], p[length:]
		if v.FragmentOffset > 0 {
			v.Fault |= LaterFragment
			return
		}
	}
}

// Verify computes the checksums and returns the faults with those added that
// are wrong. Nothing is said of a checksum whose octets are not all here. In a
// packet that this host sent, offload may have left them to the hardware.
func (v View) Verify() Fault {
	f := v.Fault
	if f&BadVersion != 0 || !v.Src.IsValid() {
		return f
	}
	if v.Version == 4 && f&Truncated == 0 && Checksum(v.Header) != 0 {
		f |= BadIPChecksum
	}
	if f&(Truncated|LaterFragment|BadLength) != 0 || v.MoreFragments {
		return f
	}
	wrong := false
	switch v.Protocol {
	case TCP, ICMPv6:
		wrong = TransportChecksum(v.Src, v.Dst, v.Protocol, v.Payload) != 0
	case UDP:
		u := LookUDP(v.Payload)
		absent := u.Checksum == 0 && v.Version == 4 // RFC 768: the sender made none
		wrong = u.Fault == 0 && !absent &&
			TransportChecksum(v.Src, v.Dst, UDP, v.Payload[:u.Length]) != 0
	case ICMPv4:
		wrong = Checksum(v.Payload) != 0
	}
	if wrong {
		f |= BadChecksum
	}
	return f
}
