package frame

import "encoding/binary"

// rare reads link layers that are not met every day.
func (d *Decoder) rare(link LinkType, b []byte) Kind {
	switch link {
	case Prism: // its length is at 4, in the order of the host that captured
		if len(b) >= 8 && binary.LittleEndian.Uint32(b[4:]) > 1<<16 {
			return d.behind(link, b, 6, binary.BigEndian)
		}
		return d.behind(link, b, 4, binary.LittleEndian)
	case AVS: // version and length, 32 bits each
		return d.behind(link, b, 6, binary.BigEndian)
	case PPI:
		return d.behind(link, b, 2, binary.LittleEndian)
	case PPPWith:
		if len(b) < 1 {
			return d.skip(whyCut)
		}
		return d.ppp(b[1:])
	case Relay:
		return d.relay(b)
	case PacketLog:
		return d.packetLog(b)
	case Encap: // address family, security parameters, flags
		if len(b) < 12 {
			return d.skip(whyCut)
		}
		return d.ip(b[12:])
	case NFLog:
		return d.nflog(b)
	case IPoIB: // the destination's link address, then RFC 4391 §6
		if len(b) < 44 {
			return d.skip(whyCut)
		}
		return d.etherType(max(binary.BigEndian.Uint16(b[40:]), 0x600), b[44:])
	case ARCNet:
		return d.arcnet(b)
	case PKTAP:
		return d.pktap(b)
	case ATM:
		return d.llc(b)
	case MPLS:
		return d.mpls(b)
	case TokenRing:
		return d.tokenRing(b)
	}
	header, next := 0, d.ethernet
	switch link {
	case FDDI: // frame control and addresses
		header, next = 13, d.llc
	case NetANA:
		header = 4
	case MPacket:
		header = 8
	case NetANAPre:
		header = 12
	default:
		return d.skip(whyLinkType | why(link))
	}
	if len(b) < header {
		return d.skip(whyCut)
	}
	return next(b[header:])
}

// pktap reads the header of Darwin's pktap(4): its length, what follows, and the
// link layer of that, each in 32 bits.
func (d *Decoder) pktap(b []byte) Kind {
	if len(b) < 12 {
		return d.skip(whyCut)
	}
	size, inner := binary.LittleEndian.Uint32(b), LinkType(min(binary.LittleEndian.Uint32(b[8:]), 0xffff))
	switch {
	case size < 12:
		return d.skip(whyLength)
	case uint64(len(b)) < uint64(size):
		return d.skip(whyCut)
	case inner == PKTAP:
		return d.skip(whyDepth)
	}
	return d.link(inner, b[size:])
}

// tokenRing reads access and frame control, the addresses, and the route that
// the highest bit of the source tells of (IEEE 802.5 §3.2).
func (d *Decoder) tokenRing(b []byte) Kind {
	if len(b) < 16 {
		return d.skip(whyCut)
	}
	header := 14
	if b[8]&0x80 != 0 {
		header += int(b[14] & 0x1f)
	}
	if len(b) < header {
		return d.skip(whyCut)
	}
	return d.llc(b[header:])
}

// behind reads what follows a header whose length stands in it: 802.11, or for
// PPI what it names.
func (d *Decoder) behind(link LinkType, b []byte, at int, order binary.ByteOrder) Kind {
	if len(b) < 8 {
		return d.skip(whyCut)
	}
	size := int(order.Uint16(b[at:]))
	if size < 8 || len(b) < size {
		return d.skip(whyCut)
	}
	if link != PPI {
		return d.wifi(b[size:])
	}
	switch inner := LinkType(binary.LittleEndian.Uint32(b[4:])); inner {
	case Ethernet:
		return d.ethernet(b[size:])
	case WiFi:
		return d.wifi(b[size:])
	default:
		return d.skip(whyLinkType | why(inner))
	}
}

// relay reads RFC 2427: an address of two octets or more, whose last one is
// odd, the control octet, and the network layer's id.
func (d *Decoder) relay(b []byte) Kind {
	for n := 1; ; n++ {
		if len(b) < n+4 {
			return d.skip(whyCut)
		}
		if b[n-1]&1 == 0 {
			continue
		}
		b = b[n:]
		break
	}
	if b[0] != 3 { // unnumbered information
		return d.skip(whyLLC | why(b[0]))
	}
	b = b[1:]
	if b[0] == 0 { // padding
		b = b[1:]
	}
	switch {
	case b[0] == 0xcc, b[0] == 0x8e: // NLPIDs of IPv4 and IPv6
		return d.ip(b[1:])
	case b[0] == 0x80 && len(b) >= 6: // SNAP
		return d.etherType(max(binary.BigEndian.Uint16(b[4:]), 0x600), b[6:])
	}
	return d.skip(whyLLC | why(b[0]))
}

// packetLog reads pflog(4): the header's length, which is padded to 4 octets,
// and the address family.
func (d *Decoder) packetLog(b []byte) Kind {
	if len(b) < 2 {
		return d.skip(whyCut)
	}
	size := (int(b[0]) + 3) &^ 3
	if len(b) < size {
		return d.skip(whyCut)
	}
	return d.ip(b[size:])
}

// nflog reads attributes up to the one with the packet (nfnetlink_log.h,
// NFULA_PAYLOAD), in the order of the host that captured: little-endian is what
// is met.
func (d *Decoder) nflog(b []byte) Kind {
	if len(b) < 4 {
		return d.skip(whyCut)
	}
	for b = b[4:]; len(b) >= 4; { // family, version, resource
		size, typ := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])&0x7fff
		const payload = 9
		if typ == payload && size >= 4 {
			return d.ip(b[4:])
		}
		size = (size + 3) &^ 3
		if size < 4 || size > len(b) {
			break
		}
		b = b[size:]
	}
	return d.skip(whyCut)
}

// arcnet reads source, destination, an offset that Linux leaves in, and the
// protocol: RFC 1051, or RFC 1201 with its split header.
func (d *Decoder) arcnet(b []byte) Kind {
	if len(b) < 6 {
		return d.skip(whyCut)
	}
	switch typ := b[4]; typ {
	case 240: // RFC 1051
		return d.ip(b[5:])
	case 212, 196: // RFC 1201: a flag, a sequence number; a flag of 0xff is an exception frame's
		b = b[5:]
		if b[0] == 0xff && len(b) > 4 {
			b = b[4:]
		}
		if len(b) < 4 {
			return d.skip(whyCut)
		}
		return d.ip(b[3:])
	default:
		return d.skip(whyEtherType | why(typ))
	}
}
