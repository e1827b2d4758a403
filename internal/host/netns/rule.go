package netns

import (
	"fmt"
	"net/netip"
)

// Rule is one firewall rule: packets that pass the hook and fit the match
// meet the verdict.
type Rule struct {
	Hook    Hook
	Match   Match
	Verdict Verdict
}

// Hook is the place in the path of a packet through a host (nft(8), hooks).
type Hook uint32

// The numbers are those of enum nf_inet_hooks, linux/netfilter.h.
const (
	Prerouting  Hook = iota // all that arrives, before routing
	Input                   // for this host
	Forward                 // through this host
	Output                  // made by this host
	Postrouting             // all that leaves
)

// Match says which packets a rule is about: those that fit every field that is
// not zero. The zero Match fits every packet.
type Match struct {
	Protocol Protocol
	Flags    TCPFlags // exactly these of SYN, ACK, RST and FIN; needs TCP
	Src, Dst netip.Prefix
	Sport    uint16
	Dport    uint16
	In, Out  string // interfaces
	Longer   uint32 // the packet has more octets than this, its IP header included

	// Of the packets that fit all of the above:
	First   uint32 // only the first so many
	Every   uint32 // only the 1st, the (n+1)th, the (2n+1)th ...
	Percent uint32 // only so many of a hundred, at random
}

// Protocol is a protocol number (IANA, Assigned Internet Protocol Numbers).
type Protocol uint8

const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
)

// TCPFlags are control bits of the TCP header (RFC 9293 §3.1).
type TCPFlags uint8

const (
	FIN    TCPFlags = 0x01
	SYN    TCPFlags = 0x02
	RST    TCPFlags = 0x04
	ACK    TCPFlags = 0x10
	SYNACK          = SYN | ACK
	RSTACK          = RST | ACK
)

// Verdict is what becomes of a packet. Make one with the functions below.
type Verdict struct {
	kind  verdictKind
	icmp4 uint8
	icmp6 uint8
	ttl   uint8
	to    netip.AddrPort
	port  uint16
	why   error
}

type verdictKind uint8

const (
	accept verdictKind = iota
	drop
	rejectReset
	rejectICMP4
	rejectICMP6
	notrack
	setTTL
	setHopLimit
	dnat
	redirect
	masquerade
	synproxy
	dropInvalid
)

// Accept lets the packet pass: later rules of the same hook and the same call
// of [Host.Firewall] do not see it.
func Accept() Verdict { return Verdict{kind: accept} }

// Drop discards the packet silently.
func Drop() Verdict { return Verdict{kind: drop} }

// RejectTCPReset discards the segment and answers with RST.
func RejectTCPReset() Verdict { return Verdict{kind: rejectReset} }

// ICMPCode is a code of ICMP type 3, destination unreachable (RFC 792, RFC
// 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
type ICMPCode uint8

const (
	NetUnreachable      ICMPCode = 0
	HostUnreachable     ICMPCode = 1
	ProtocolUnreachable ICMPCode = 2
	PortUnreachable     ICMPCode = 3
	SourceRouteFailed   ICMPCode = 5
	NetUnknown          ICMPCode = 6
	HostUnknown         ICMPCode = 7
	NetProhibited       ICMPCode = 9
	HostProhibited      ICMPCode = 10
	AdminProhibited     ICMPCode = 13
)

// RejectICMP discards an IPv4 packet and answers with ICMP destination
// unreachable. IPv6 packets are not matched.
func RejectICMP(code ICMPCode) Verdict { return Verdict{kind: rejectICMP4, icmp4: uint8(code)} }

// ICMPv6Code is a code of ICMPv6 type 1, destination unreachable (RFC 4443 §3.1).
type ICMPv6Code uint8

const (
	NoRoute6            ICMPv6Code = 0
	AdminProhibited6    ICMPv6Code = 1
	BeyondScope6        ICMPv6Code = 2
	AddressUnreachable6 ICMPv6Code = 3
	PortUnreachable6    ICMPv6Code = 4
	PolicyFailed6       ICMPv6Code = 5
	RejectRoute6        ICMPv6Code = 6
)

// RejectICMPv6 discards an IPv6 packet and answers with ICMPv6 destination
// unreachable. IPv4 packets are not matched.
func RejectICMPv6(code ICMPv6Code) Verdict { return Verdict{kind: rejectICMP6, icmp6: uint8(code)} }

// NoTrack keeps connection tracking away from the packet. It is for Prerouting
// and Output.
func NoTrack() Verdict { return Verdict{kind: notrack} }

// SetTTL rewrites an IPv4 packet's TTL. With 1 at Prerouting a router answers
// the packet with time exceeded. IPv6 packets are not matched.
func SetTTL(ttl uint8) Verdict { return Verdict{kind: setTTL, ttl: ttl} }

// SetHopLimit is [SetTTL] for IPv6. Match a protocol: neighbour discovery dies
// with any limit but 255 (RFC 4861 §7.1).
func SetHopLimit(limit uint8) Verdict { return Verdict{kind: setHopLimit, ttl: limit} }

// DNAT sends the connection to another address; a port of 0 keeps the port.
// Only packets of the address's family are matched. It is for Prerouting and
// Output.
func DNAT(to netip.AddrPort) Verdict {
	v := Verdict{kind: dnat, to: to}
	if !to.Addr().IsValid() {
		v.why = fmt.Errorf("DNAT to %v", to)
	}
	return v
}

// Redirect sends the connection to another port of this host. It is for
// Prerouting and Output.
func Redirect(port uint16) Verdict { return Verdict{kind: redirect, port: port} }

// Masquerade replaces the source address by the leaving interface's. It is for
// Postrouting.
func Masquerade() Verdict { return Verdict{kind: masquerade} }
