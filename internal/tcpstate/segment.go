package tcpstate

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Addr is an IP address in a form that compares and hashes fast: an IPv4
// address stands as IPv6 has it mapped (RFC 4291 §2.5.5.2).
type Addr struct{ Hi, Lo uint64 }

// Mapped4 is what an IPv4 address has above its 32 bits.
const Mapped4 = 0xffff << 32

// Addr4 reads the 4 octets of an IPv4 address.
func Addr4(b []byte) Addr { return Addr{Lo: Mapped4 | uint64(binary.BigEndian.Uint32(b))} }

// Addr6 reads the 16 octets of an IPv6 address.
func Addr6(b []byte) Addr {
	return Addr{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:])}
}

// AddrFrom turns an address into this form. The zone is lost.
func AddrFrom(a netip.Addr) Addr {
	b := a.As16()
	return Addr6(b[:])
}

// Netip is the address as the rest of the program has it.
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b).Unmap()
}

// Is4 says that this is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// The control bits of a segment (RFC 9293 §3.1).
const (
	FIN uint16 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE
)

// Segment is one TCP segment as it was captured.
type Segment struct {
	Time     time.Duration // since the epoch, or any other fixed moment
	Frame    uint64        // its number in the capture, from 1
	Src      Addr
	Dst      Addr
	SrcPort  uint16
	DstPort  uint16
	Seq      uint32
	Ack      uint32
	Flags    uint16
	Window   uint16 // as in the header, not scaled
	NoWindow bool   // the capture cut the header before the window
	Len      uint32 // octets of data on the wire, also where the capture cut them
	ID       uint16 // IPv4 identification; 0 in IPv6
	TTL      uint8  // the hop limit of IPv6
	Path     uint16 // how it was wrapped; the tracker keeps that of a connection's first segment
	Options  []byte // between the fixed header and the data, as far as captured
}

// Endpoint is one end's address and port.
type Endpoint struct {
	Addr Addr
	Port uint16
}

// AddrPort is the endpoint as the rest of the program has it.
func (e Endpoint) AddrPort() netip.AddrPort { return netip.AddrPortFrom(e.Addr.Netip(), e.Port) }

// ICMPError is an ICMP or ICMPv6 error that quotes a TCP segment.
type ICMPError struct {
	Time    time.Duration
	Frame   uint64
	Sender  Addr   // who made it
	Family  uint8  // 4 or 6
	Type    uint8  // RFC 792, RFC 4443
	Code    uint8  //
	MTU     uint32 // of the next hop, for "fragmentation needed" and "packet too big"
	Src     Addr   // of the quoted segment
	Dst     Addr
	SrcPort uint16
	DstPort uint16
	Seq     uint32
}

// Hard says that the error tells of an end to the attempt, and not of a packet
// that is too big, of a redirect or of a source quench (RFC 1122 §3.2.2).
func (e *ICMPError) Hard() bool {
	if e.Family == 6 {
		return e.Type == 1 || e.Type == 3 || e.Type == 4
	}
	return e.Type == 3 && e.Code != 4 || e.Type == 11 || e.Type == 12
}
