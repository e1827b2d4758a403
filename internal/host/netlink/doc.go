// Package netlink examines this host around a connection attempt: the route
// that the kernel takes, the interface, the next hop's neighbour entry, the
// sockets that hold addresses and ports, and the counters that rise when this
// host itself throws a packet away.
//
// Every function asks in the network namespace of the calling thread, needs no
// privilege and sends no packet. Results are facts of package evidence; an
// error means that the question could not be asked or answered, never that the
// answer was bad news. On systems other than Linux every function returns an
// error that wraps [errors.ErrUnsupported].
package netlink

import "net/netip"

// Query is the packet for which a route is sought. The zero value of a field
// means what it means on a socket: not set.
type Query struct {
	To        netip.Addr // a zone (RFC 4007) chooses the interface
	From      netip.Addr // the bound source address
	Interface string     // SO_BINDTODEVICE
	Mark      uint32     // SO_MARK
	TOS       uint8      // IP_TOS, IPV6_TCLASS; its ECN bits do not choose routes
	Protocol  uint8      // IPPROTO_*; zero is TCP. Policy rules may select by it (ip-rule(8) ipproto)
	Port      uint16     // destination; policy rules may select by it (ip-rule(8) dport)
	LocalPort uint16     // the bound source port; 0: the kernel will choose one, and rules by it (ip-rule(8) sport) cannot be decided
	AnyMark   bool       // the socket may carry another mark: rules by it cannot be decided
}
