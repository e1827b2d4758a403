package wire

import "encoding/binary"

// QuotedTCP is the beginning of a TCP header as an ICMP error quotes it.
type QuotedTCP struct {
	SrcPort, DstPort uint16
	Seq              uint32
}

// ParseQuotedTCP reads the first 8 octets of a TCP header (RFC 9293 §3.1),
// the least that an ICMP error must quote (RFC 792). It is false when fewer
// are there.
func ParseQuotedTCP(b []byte) (QuotedTCP, bool) {
	if len(b) < 8 {
		return QuotedTCP{}, false
	}
	return QuotedTCP{
		SrcPort: binary.BigEndian.Uint16(b),
		DstPort: binary.BigEndian.Uint16(b[2:]),
		Seq:     binary.BigEndian.Uint32(b[4:]),
	}, true
}
