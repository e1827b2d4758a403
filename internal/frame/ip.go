package frame

import (
	"encoding/binary"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// IP protocol numbers (IANA protocol-numbers).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoICMPv6   = 58
	protoDstOpts  = 60
	protoEtherIP  = 97
	protoMobility = 135
	protoMPLS     = 137
	protoHIP      = 139
	protoShim6    = 140
)

// inner is what is known of the IP packet that is being read.
type inner struct {
	src, dst tcpstate.Addr
	length   int // octets of the payload on the wire
	id       uint16
	ttl      uint8
	version  uint8
}

func (d *Decoder) ip(b []byte) Kind {
	if len(b) == 0 {
		return d.skip(whyCut)
	}
	switch b[0] >> 4 {
	case 4:
		return d.ip4(b)
	case 6:
		return d.ip6(b)
	}
	return d.skip(whyVersion | why(b[0]>>4))
}

// ip4 reads RFC 791 §3.1.
func (d *Decoder) ip4(b []byte) Kind {
	if len(b) >= 40 && d.common((*[40]byte)(b), b) {
		return TCP
	}
	if len(b) < 20 {
		return d.skip(whyCut)
	}
	header := int(b[0]&0xf) * 4
	if header < 20 {
		return d.skip(whyLength)
	}
	if len(b) < header {
		return d.skip(whyCut)
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if wire := cap(b) + d.end; total == 0 || total > wire {
		total = wire // segmentation offload leaves 0; a damaged length is more than there was
	}
	if total < header {
		return d.skip(whyLength)
	}
	in := inner{
		src: tcpstate.Addr4(b[12:]), dst: tcpstate.Addr4(b[16:]),
		length: total - header, id: binary.BigEndian.Uint16(b[4:]), ttl: b[8], version: 4,
	}
	rest := b[header:min(len(b), total)]
	if word := binary.BigEndian.Uint16(b[6:]); word&0x3fff != 0 { // more fragments, or an offset
		return d.fragment(&in, b[9], uint32(in.id), int(word&0x1fff)*8, word&0x2000 != 0, rest)
	}
	return d.transport(&in, b[9], rest)
}

// common reads what nearly every packet is: TCP in one piece behind an IPv4
// header without options. False: it is not that, and nothing was read.
func (d *Decoder) common(h *[40]byte, b []byte) bool {
	total := int(h[2])<<8 | int(h[3])
	header := 20 + int(h[32]>>4)*4
	if h[0] != 0x45 || h[9] != protoTCP || h[6]&0x3f|h[7] != 0 || header < 40 || header > min(total, len(b)) || total > cap(b)+d.end || d.path.n > 0 {
		return false
	}
	s := d.Segment
	s.Src = tcpstate.Addr{Lo: tcpstate.Mapped4 | uint64(binary.BigEndian.Uint32(h[12:]))}
	s.Dst = tcpstate.Addr{Lo: tcpstate.Mapped4 | uint64(binary.BigEndian.Uint32(h[16:]))}
	s.SrcPort, s.DstPort = binary.BigEndian.Uint16(h[20:]), binary.BigEndian.Uint16(h[22:])
	s.Seq, s.Ack = binary.BigEndian.Uint32(h[24:]), binary.BigEndian.Uint32(h[28:])
	s.Flags = binary.BigEndian.Uint16(h[32:]) & 0x1ff
	s.Window, s.NoWindow = binary.BigEndian.Uint16(h[34:]), false
	s.Len = uint32(total - header)
	s.ID, s.TTL = binary.BigEndian.Uint16(h[4:]), h[8]
	s.Options = b[40:header]
	s.Path = 0
	return true
}

// ip6 reads RFC 8200 §3 and §4.
func (d *Decoder) ip6(b []byte) Kind {
	if len(b) < 40 {
		return d.skip(whyCut)
	}
	in := inner{
		src: tcpstate.Addr6(b[8:]), dst: tcpstate.Addr6(b[24:]),
		length: int(binary.BigEndian.Uint16(b[4:])), ttl: b[7], version: 6,
	}
	next := b[6]
	b = b[40:]
	if wire := cap(b) + d.end; in.length == 0 || in.length > wire { // a jumbogram, or segmentation offload
		in.length = max(wire, 0)
	}
	b = b[:min(len(b), in.length)]
	for {
		size := 0
		switch next {
		case protoHopByHop, protoRouting, protoDstOpts, protoMobility, protoHIP, protoShim6:
			if len(b) >= 2 {
				size = 8 + int(b[1])*8
			}
		case protoFragment:
			size = 8
			if len(b) < size {
				return d.skip(whyCut)
			}
			// With neither offset nor more to come it is atomic (RFC 6946).
			if word := binary.BigEndian.Uint16(b[2:]); word&^6 != 0 {
				in.length = max(in.length-size, 0)
				return d.fragment(&in, b[0], binary.BigEndian.Uint32(b[4:]), int(word&^7), word&1 != 0, b[size:])
			}
		case protoAH: // RFC 4302 §2.2: in words of 4 octets, less 2
			if len(b) >= 2 {
				size = 8 + int(b[1])*4
			}
		default:
			return d.transport(&in, next, b)
		}
		if size == 0 || len(b) < size {
			return d.skip(whyCut)
		}
		next, b = b[0], b[size:]
		in.length = max(in.length-size, 0)
	}
}

func (d *Decoder) transport(in *inner, protocol uint8, b []byte) Kind {
	switch protocol {
	case protoTCP:
		return d.tcp(in, b)
	case protoICMP, protoICMPv6:
		return d.icmp(in, protocol, b)
	case protoUDP:
		return d.udp(b)
	case protoGRE:
		return d.gre(b)
	case protoMPLS:
		return d.mpls(b)
	case protoEtherIP: // RFC 3378 §3: version 3 and 12 bits of 0
		if len(b) < 2 || b[0]>>4 != 3 {
			return d.skip(whyProtocol | why(protocol))
		}
		if !d.path.push(layerEtherIP) {
			return d.skip(whyDepth)
		}
		return d.ethernet(b[2:])
	case protoIPv6, protoIPv4:
		l := layerIPv6inIPv4
		switch {
		case protocol == protoIPv6 && in.version == 6:
			l = layerIPv6inIPv6
		case protocol == protoIPv4 && in.version == 4:
			l = layerIPv4inIPv4
		case protocol == protoIPv4:
			l = layerIPv4inIPv6
		}
		if !d.path.push(l) {
			return d.skip(whyDepth)
		}
		return d.ip(b)
	case protoAH:
		if len(b) < 8 || len(b) < 8+int(b[1])*4 {
			return d.skip(whyCut)
		}
		size := 8 + int(b[1])*4
		in.length = max(in.length-size, 0)
		next := b[0]
		if next == protoAH {
			return d.skip(whyLength)
		}
		return d.transport(in, next, b[size:])
	}
	return d.skip(whyProtocol | why(protocol))
}

// tcp reads RFC 9293 §3.1.
func (d *Decoder) tcp(in *inner, b []byte) Kind {
	if len(b) < 14 {
		return d.skip(whyCut)
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > in.length {
		return d.skip(whyLength)
	}
	s := d.Segment
	s.Src, s.Dst = in.src, in.dst
	s.SrcPort, s.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.Seq, s.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.Flags = binary.BigEndian.Uint16(b[12:]) & 0x1ff
	s.Window, s.NoWindow = 0, len(b) < 16 // 68 octets, as tcpdump once took, end here behind IPv6
	if !s.NoWindow {
		s.Window = binary.BigEndian.Uint16(b[14:])
	}
	s.Len = uint32(in.length - header)
	s.ID, s.TTL = in.id, in.ttl
	s.Options = b[min(20, len(b)):min(header, len(b))]
	s.Path = 0
	if d.path.n > 0 {
		s.Path = d.intern(&d.path)
	}
	return TCP
}
