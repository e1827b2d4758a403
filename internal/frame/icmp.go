package frame

import (
	"encoding/binary"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// icmp reads errors (RFC 792, RFC 4443 §2.1) and the TCP header that they
// quote; its first 8 octets are the least that they must hold.
func (d *Decoder) icmp(in *inner, protocol uint8, b []byte) Kind {
	if len(b) < 8 {
		return d.skip(whyProtocol | why(protocol))
	}
	isError := b[0] == 3 || b[0] == 4 || b[0] == 5 || b[0] == 11 || b[0] == 12
	if protocol == protoICMPv6 {
		isError = b[0] < 128
	}
	if !isError {
		return d.skip(whyProtocol | why(protocol))
	}
	e := tcpstate.ICMPError{Time: d.Segment.Time, Frame: d.Segment.Frame, Sender: in.src, Family: 4, Type: b[0], Code: b[1]}
	switch {
	case protocol == protoICMPv6:
		e.Family = 6
		if b[0] == 2 {
			e.MTU = binary.BigEndian.Uint32(b[4:])
		}
	case b[0] == 3 && b[1] == 4: // RFC 1191 §4
		e.MTU = uint32(binary.BigEndian.Uint16(b[6:]))
	}
	ports, next, ok := quoted(&e, b[8:])
	switch {
	case ok && next != protoTCP:
		return d.skip(whyICMP)
	case !ok || len(ports) < 8:
		return d.skip(whyQuoted)
	}
	e.SrcPort, e.DstPort = binary.BigEndian.Uint16(ports), binary.BigEndian.Uint16(ports[2:])
	e.Seq = binary.BigEndian.Uint32(ports[4:])
	d.ICMP = e
	return ICMP
}

// quoted reads the IP header that an error quotes: the addresses, the
// transport's first octets, and which transport it is.
func quoted(e *tcpstate.ICMPError, b []byte) (rest []byte, protocol uint8, ok bool) {
	if len(b) < 20 {
		return nil, 0, false
	}
	if b[0]>>4 == 4 {
		header := int(b[0]&0xf) * 4
		if header < 20 || len(b) < header || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return nil, 0, false
		}
		e.Src, e.Dst = tcpstate.Addr4(b[12:]), tcpstate.Addr4(b[16:])
		return b[header:], b[9], true
	}
	if b[0]>>4 != 6 || len(b) < 40 {
		return nil, 0, false
	}
	e.Src, e.Dst = tcpstate.Addr6(b[8:]), tcpstate.Addr6(b[24:])
	protocol, b = b[6], b[40:]
	for protocol == protoHopByHop || protocol == protoRouting || protocol == protoDstOpts {
		if len(b) < 8 || len(b) < 8+int(b[1])*8 {
			return nil, 0, false
		}
		protocol, b = b[0], b[8+int(b[1])*8:]
	}
	return b, protocol, true
}
