package frame

import "encoding/binary"

// UDP ports of tunnels (IANA service names).
const (
	portGTP     = 2152
	portTeredo  = 3544
	portVXLAN   = 4789
	portVXLANv0 = 8472 // Linux's default before IANA's
	portGPE     = 4790
	portL2TP    = 1701
	portAYIYA   = 5072
	portMPLS    = 6635
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
	case dst == portGPE:
		return d.vxlanGPE(b)
	case dst == portL2TP || src == portL2TP:
		return d.l2tp(b)
	case dst == portAYIYA || src == portAYIYA:
		return d.ayiya(b)
	case dst == portMPLS: // RFC 7510
		return d.mpls(b)
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

// vxlanGPE reads draft-ietf-nvo3-vxlan-gpe §3: VXLAN that names what it carries.
func (d *Decoder) vxlanGPE(b []byte) Kind {
	if len(b) < 8 || b[0]&0x0c != 0x0c {
		return d.skip(whyUDP)
	}
	if !d.path.push(layerVXLAN | layer(binary.BigEndian.Uint32(b[4:])>>8)) {
		return d.skip(whyDepth)
	}
	switch b[3] {
	case 1, 2:
		return d.ip(b[8:])
	case 3:
		return d.ethernet(b[8:])
	case 4:
		return d.nsh(b[8:])
	case 5:
		return d.mpls(b[8:])
	}
	return d.skip(whyUDP)
}

// nsh reads RFC 8300 §2.2: the length in words of 4 octets, the next protocol.
func (d *Decoder) nsh(b []byte) Kind {
	if len(b) < 8 {
		return d.skip(whyCut)
	}
	size := int(b[1]&0x3f) * 4
	switch {
	case size < 8:
		return d.skip(whyLength)
	case len(b) < size:
		return d.skip(whyCut)
	case !d.path.push(layerNSH):
		return d.skip(whyDepth)
	}
	switch b[3] {
	case 1, 2:
		return d.ip(b[size:])
	case 3:
		return d.ethernet(b[size:])
	case 5:
		return d.mpls(b[size:])
	}
	return d.skip(whyEtherType | etherNSH)
}

// l2tp reads data messages of RFC 2661 §3.1, which carry PPP.
func (d *Decoder) l2tp(b []byte) Kind {
	if len(b) < 6 {
		return d.skip(whyUDP)
	}
	flags := binary.BigEndian.Uint16(b)
	if flags&0x8000 != 0 || flags&0xf != 2 { // control, or another version
		return d.skip(whyUDP)
	}
	header := 6
	if flags&0x4000 != 0 { // length
		header += 2
	}
	session := header - 2
	if flags&0x0800 != 0 { // sequence numbers
		header += 4
	}
	if flags&0x0200 != 0 { // offset
		header += 2
		if len(b) < header {
			return d.skip(whyUDP)
		}
		header += int(binary.BigEndian.Uint16(b[header-2:]))
	}
	if len(b) < header {
		return d.skip(whyUDP)
	}
	if !d.path.push(layerL2TP | layer(binary.BigEndian.Uint16(b[session:]))) {
		return d.skip(whyDepth)
	}
	return d.ppp(b[header:])
}

// ayiya reads draft-massar-v6ops-ayiya §4: the lengths of identity and signature
// stand in the first octets.
func (d *Decoder) ayiya(b []byte) Kind {
	if len(b) < 8 || b[2]&0xf != 1 || b[3] != protoIPv6 && b[3] != protoIPv4 { // forwarded IP alone
		return d.skip(whyUDP)
	}
	size := 8 + 1<<(b[0]>>4) + int(b[1]>>4)*4
	if len(b) < size {
		return d.skip(whyUDP)
	}
	if !d.path.push(layerAYIYA) {
		return d.skip(whyDepth)
	}
	return d.ip(b[size:])
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
