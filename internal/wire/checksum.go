package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Checksum is the Internet checksum (RFC 1071): the complement of the one's
// complement sum of 16-bit words. Over octets that hold their own right
// checksum it is 0.
func Checksum(b []byte) uint16 { return ^fold(sum(0, b)) }

// TransportChecksum is the checksum of a TCP, UDP or ICMPv6 message with its
// pseudo-header (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1). The addresses are of
// one family; ICMP for IPv4 has no pseudo-header and takes [Checksum].
func TransportChecksum(src, dst netip.Addr, p Protocol, message []byte) uint16 {
	return ^fold(sum(pseudoHeader(src, dst, p, len(message)), message))
}

func pseudoHeader(src, dst netip.Addr, p Protocol, length int) uint64 {
	var s uint64
	if src.Is4() && dst.Is4() {
		a, b := src.As4(), dst.As4()
		s = sum(sum(0, a[:]), b[:])
	} else {
		a, b := src.As16(), dst.As16()
		s = sum(sum(0, a[:]), b[:])
	}
	return s + uint64(p) + uint64(length)
}

// sum adds big-endian 32-bit words to s. The carries gather in the upper half,
// which 16 GiB of octets would fill.
func sum(s uint64, b []byte) uint64 {
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		s += v>>32 + v&0xffffffff
		b = b[8:]
	}
	for len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	low, carry := bits.Add32(uint32(s>>32), uint32(s), 0)
	s = uint64(low) + uint64(carry)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
