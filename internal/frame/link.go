package frame

import "encoding/binary"

// EtherTypes (IEEE 802 numbers, as IANA lists them).
const (
	etherIPv4       = 0x0800
	etherIPv6       = 0x86dd
	etherVLAN       = 0x8100 // IEEE 802.1Q
	etherQinQ       = 0x88a8 // IEEE 802.1ad
	etherQinQOld    = 0x9100 // before 802.1ad
	etherMPLS       = 0x8847
	etherMPLSMulti  = 0x8848
	etherPPPoE      = 0x8864 // session stage
	etherBridged    = 0x6558 // transparent Ethernet bridging, RFC 1701
	etherFabricPath = 0x8903
	etherERSPAN     = 0x88be // type I and II
	etherERSPAN3    = 0x22eb // type III
	etherPPP        = 0x880b
	etherBackbone   = 0x88e7 // IEEE 802.1ah
	etherVNTag      = 0x8926 // IEEE 802.1Qbh
	etherNSH        = 0x894f // RFC 8300
)

// ethernet reads IEEE 802.3 §3.2: addresses, EtherType or length.
func (d *Decoder) ethernet(b []byte) Kind {
	if len(b) < 14 {
		return d.skip(whyCut)
	}
	return d.etherType(binary.BigEndian.Uint16(b[12:]), b[14:])
}

func (d *Decoder) etherType(typ uint16, b []byte) Kind {
	for {
		switch typ {
		case etherIPv4, etherIPv6:
			return d.ip(b)
		case etherVLAN, etherQinQ, etherQinQOld:
			if len(b) < 4 {
				return d.skip(whyCut)
			}
			if !d.path.push(layerVLAN | layer(binary.BigEndian.Uint16(b)&0xfff)) {
				return d.skip(whyDepth)
			}
			typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
			continue
		case etherMPLS, etherMPLSMulti:
			return d.mpls(b)
		case etherPPPoE:
			return d.pppoe(b)
		case etherPPP:
			return d.ppp(b)
		case etherBridged:
			return d.ethernet(b)
		case etherBackbone: // flags and the service, then the frame it carries
			if len(b) < 4 {
				return d.skip(whyCut)
			}
			if !d.path.push(layerBackbone | layer(binary.BigEndian.Uint32(b)&0xffffff)) {
				return d.skip(whyDepth)
			}
			return d.ethernet(b[4:])
		case etherVNTag:
			if len(b) < 6 {
				return d.skip(whyCut)
			}
			if !d.path.push(layerVNTag) {
				return d.skip(whyDepth)
			}
			typ, b = binary.BigEndian.Uint16(b[4:]), b[6:]
			continue
		case etherNSH:
			return d.nsh(b)
		case etherFabricPath: // a tag of 2 octets, then the frame it carries
			if len(b) < 2 {
				return d.skip(whyCut)
			}
			if !d.path.push(layerFabricPath) {
				return d.skip(whyDepth)
			}
			return d.ethernet(b[2:])
		}
		if typ < 0x600 { // a length: IEEE 802.2 follows
			return d.llc(b)
		}
		return d.skip(whyEtherType | why(typ))
	}
}

// llc reads IEEE 802.2, and behind it SNAP (RFC 1042).
func (d *Decoder) llc(b []byte) Kind {
	if len(b) < 3 {
		return d.skip(whyCut)
	}
	if b[0] == 0xaa && b[1] == 0xaa {
		if len(b) < 8 {
			return d.skip(whyCut)
		}
		return d.etherType(max(binary.BigEndian.Uint16(b[6:]), 0x600), b[8:])
	}
	if b[0] == 0x06 { // the SAP of IP
		return d.ip(b[3:])
	}
	return d.skip(whyLLC | why(b[0]))
}

// mpls reads RFC 3032. What is behind the last label is told by its first
// four bits, as RFC 4385 §3 and RFC 4928 §2 have it.
func (d *Decoder) mpls(b []byte) Kind {
	for {
		if len(b) < 5 {
			return d.skip(whyCut)
		}
		word := binary.BigEndian.Uint32(b)
		if !d.path.push(layerMPLS | layer(word>>12)) {
			return d.skip(whyDepth)
		}
		b = b[4:]
		if word&0x100 != 0 { // bottom of stack
			break
		}
	}
	switch b[0] >> 4 {
	case 4, 6:
		return d.ip(b)
	case 0: // a pseudowire's control word, then Ethernet (RFC 4448 §4.6)
		if len(b) < 4 {
			return d.skip(whyCut)
		}
		return d.ethernet(b[4:])
	}
	return d.ethernet(b)
}

// pppoe reads RFC 2516 §4.
func (d *Decoder) pppoe(b []byte) Kind {
	if len(b) < 6 {
		return d.skip(whyCut)
	}
	if b[1] != 0 { // discovery
		return d.skip(whyEtherType | 0x8863)
	}
	if !d.path.push(layerPPPoE | layer(binary.BigEndian.Uint16(b[2:]))) {
		return d.skip(whyDepth)
	}
	return d.ppp(b[6:])
}

// ppp reads RFC 1661 §2, with or without HDLC's address and control (RFC 1662
// §3.1), with the protocol in one octet or two.
func (d *Decoder) ppp(b []byte) Kind {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return d.skip(whyCut)
	}
	protocol := uint16(b[0])
	if protocol&1 == 0 {
		protocol = binary.BigEndian.Uint16(b)
		b = b[1:]
	}
	switch b = b[1:]; protocol {
	case 0x21, 0x57: // IPv4, IPv6
		return d.ip(b)
	case 0x281, 0x283:
		return d.mpls(b)
	}
	return d.skip(whyPPP | why(protocol))
}

// loopback reads the address family, which is in the order of the host that
// captured: the small number tells which.
func (d *Decoder) loopback(b []byte) Kind {
	if len(b) < 4 {
		return d.skip(whyCut)
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2, 10, 24, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD, FreeBSD, Darwin
		return d.ip(b[4:])
	}
	return d.skip(whyFamily | why(family&0xffff))
}

// cooked reads LINKTYPE_LINUX_SLL and SLL2: the protocol is an EtherType.
func (d *Decoder) cooked(b []byte, protocol, header int) Kind {
	if len(b) < header {
		return d.skip(whyCut)
	}
	typ := binary.BigEndian.Uint16(b[protocol:])
	if typ == 4 { // LINUX_SLL_P_802_2
		return d.llc(b[header:])
	}
	return d.etherType(max(typ, 0x600), b[header:])
}

// wifi reads data frames of IEEE 802.11 §9.3.2 that are not encrypted.
func (d *Decoder) wifi(b []byte) Kind {
	if len(b) < 24 {
		return d.skip(whyWiFi)
	}
	control, flags := b[0], b[1]
	if control>>2&3 != 2 {
		return d.skip(whyWiFi)
	}
	if flags&0x40 != 0 {
		return d.skip(whyEncrypted)
	}
	header := 24
	if flags&3 == 3 { // between access points: a fourth address
		header += 6
	}
	if control&0x80 != 0 { // QoS
		header += 2
		if flags&0x80 != 0 { // HT control
			header += 4
		}
	}
	if control&0x40 != 0 { // no data
		return d.skip(whyWiFi)
	}
	if len(b) < header {
		return d.skip(whyCut)
	}
	return d.llc(b[header:])
}
