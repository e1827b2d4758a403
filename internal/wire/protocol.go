package wire

import (
	"fmt"
	"strings"
)

// Protocol is an IP protocol number, IPv6's next header (IANA protocol-numbers).
type Protocol uint8

// The protocols that this package reads, and IPv6's extension headers.
const (
	HopByHop     Protocol = 0
	ICMPv4       Protocol = 1
	TCP          Protocol = 6
	UDP          Protocol = 17
	Routing      Protocol = 43
	FragmentHdr  Protocol = 44
	AuthHdr      Protocol = 51
	ICMPv6       Protocol = 58
	NoNextHeader Protocol = 59
	DestOptions  Protocol = 60
)

func (p Protocol) String() string {
	switch p {
	case ICMPv4:
		return "ICMP"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case ICMPv6:
		return "ICMP6"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Flags are the control bits of a TCP segment (RFC 9293 §3.1).
type Flags uint16

// The control bits. AE was NS (RFC 3540) before accurate ECN (RFC 9768).
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE
)

// Has reports whether all of these are set.
func (f Flags) Has(all Flags) bool { return f&all == all }

// flagNames are in the order of the bits: as RFCs write them and as tcpdump(1) does.
var flagNames = [...]struct{ long, short string }{
	{"FIN", "F"}, {"SYN", "S"}, {"RST", "R"}, {"PSH", "P"}, {"ACK", "."}, {"URG", "U"}, {"ECE", "E"}, {"CWR", "W"}, {"AE", "e"},
}

// String names them as tcpdump(1) does: "S", "S.", "none".
func (f Flags) String() string {
	var b strings.Builder
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			b.WriteString(n.short)
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// ParseFlags reads names joined by "+", such as "SYN+ACK", in any order; "NONE"
// is no flag.
func ParseFlags(s string) (Flags, bool) {
	if s == "NONE" {
		return 0, true
	}
	var f Flags
	for name := range strings.SplitSeq(s, "+") {
		found := false
		for i, n := range flagNames {
			if n.long == name {
				f |= 1 << i
				found = true
			}
		}
		if !found {
			return 0, false
		}
	}
	return f, true
}

// Fault is a set of ways in which a packet is broken.
type Fault uint16

// The faults. A view shows what could be read in spite of them.
const (
	Truncated      Fault = 1 << iota // fewer octets are here than the header announces, or than a header has
	BadVersion                       // neither IPv4 nor IPv6
	BadLength                        // a length field is smaller than what it must contain
	BadIPChecksum                    // IPv4 header checksum
	BadChecksum                      // TCP, UDP, ICMP or ICMPv6 checksum
	BadOptions                       // an option's length does not fit
	LaterFragment                    // not the beginning of a datagram: no transport header is here
	UnknownPayload                   // a transport protocol that this package does not read
)

var faultNames = [...]string{
	"truncated", "bad version", "bad length", "bad IP checksum", "bad checksum", "bad options", "later fragment", "unknown protocol",
}

// String lists the faults, separated by commas; "" when there is none.
func (f Fault) String() string {
	var names []string
	for i, n := range faultNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}
