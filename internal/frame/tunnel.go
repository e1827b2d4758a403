package frame

import "encoding/binary"

// UDP ports of tunnels (IANA service names).
const (
	portGTP     = 2152
	portTeredo  = 3544
	portVXLAN   = 4789
	portVXLANv0 = 8472 // Linux's default before IANA's
	portGeneve  = 6081
)

// udp looks for tunnels; the rest of UDP is not ours.
func (d *Decoder) udp(b []byte) Kind {
	if len(b) < 8 {
		return d.skip(whyUDP)
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	b = b[8:]
	switch {
	case dst == portVXLAN || dst == portVXLANv0:
		return d.vxlan(b)
	case dst == portGeneve:
		return d.geneve(b)
	case src == portTeredo || dst == portTeredo:
		return d.teredo(b)
	case dst == portGTP:
		return d.gtp(b)
	}
	return d.skip(whyUDP)
}

// vxlan reads RFC 7348 §5.
func (d *Decoder) vxlan(b []byte) Kind {
	if len(b) < 8 || b[0]&0x08 == 0 {
		return d.skip(whyUDP)
	}
	if !d.path.push(layerVXLAN | layer(binary.BigEndian.Uint32(b[4:])>>8)) {
		return d.skip(whyDepth)
	}
	return d.ethernet(b[8:])
}

// geneve reads RFC 8926 §3.4.
func (d *Decoder) geneve(b []byte) Kind {
	if len(b) < 8 || b[0]>>6 != 0 || len(b) < 8+int(b[0]&0x3f)*4 {
		return d.skip(whyUDP)
	}
	if !d.path.push(layerGeneve | layer(binary.BigEndian.Uint32(b[4:])>>8)) {
		return d.skip(whyDepth)
	}
	return d.etherType(max(binary.BigEndian.Uint16(b[2:]), 0x600), b[8+int(b[0]&0x3f)*4:])
}

// teredo reads RFC 4380 §5.1.1: an IPv6 packet, before it perhaps an
// authentication and an origin indication.
func (d *Decoder) teredo(b []byte) Kind {
	for len(b) >= 8 && b[0] == 0 {
		size := 8 // origin
		if b[1] == 1 {
			size = 13 + int(b[2]) + int(b[3])
		}
		if len(b) < size {
			break
		}
		b = b[size:]
	}
	if len(b) < 40 || b[0]>>4 != 6 {
		return d.skip(whyUDP)
	}
	if !d.path.push(layerTeredo) {
		return d.skip(whyDepth)
	}
	return d.ip6(b)
}

// gtp reads a G-PDU of 3GPP TS 29.281 §5.1.
func (d *Decoder) gtp(b []byte) Kind {
	if len(b) < 12 || b[0]>>5 != 1 || b[1] != 0xff {
		return d.skip(whyUDP)
	}
	header := 8
	if b[0]&7 != 0 {
		header = 12
		for next := b[11]; next != 0; {
			if len(b) <= header || b[header] == 0 || len(b) < header+int(b[header])*4 {
				return d.skip(whyCut)
			}
			header += int(b[header]) * 4
			next = b[header-1]
		}
	}
	if !d.path.push(layerGTP) {
		return d.skip(whyDepth)
	}
	return d.ip(b[header:])
}

// gre reads RFC 2784 and RFC 2890, and the enhanced header of RFC 2637 §4.1.
func (d *Decoder) gre(b []byte) Kind {
	if len(b) < 4 {
		return d.skip(whyCut)
	}
	flags, typ := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&0x4000 != 0 { // source routing (RFC 1701), obsolete
		return d.skip(whyProtocol | protoGRE)
	}
	header := 4
	for _, bit := range []uint16{0x8000, 0x2000, 0x1000} { // checksum, key, sequence number
		if flags&bit != 0 {
			header += 4
		}
	}
	if flags&7 == 1 && flags&0x0080 != 0 { // PPTP's acknowledgement number
		header += 4
	}
	if len(b) < header {
		return d.skip(whyCut)
	}
	l := layerGRE
	switch {
	case typ == etherERSPAN && flags&0x1000 != 0:
		l, header, typ = layerERSPAN, header+8, etherBridged
	case typ == etherERSPAN:
		l, typ = layerERSPAN, etherBridged
	case typ == etherERSPAN3:
		l, header, typ = layerERSPAN, header+12, etherBridged
	}
	if len(b) < header {
		return d.skip(whyCut)
	}
	if !d.path.push(l) {
		return d.skip(whyDepth)
	}
	return d.etherType(max(typ, 0x600), b[header:])
}
