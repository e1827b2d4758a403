package resolve

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// reportICMP has the kernel report every ICMP error about the socket's packets
// at once and keep its sender in the error queue (ip(7), IP_RECVERR). Without
// it only port unreachable reaches a connected UDP socket.
func reportICMP(network, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		if network == "udp6" {
			sys.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
			return
		}
		sys.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
	})
}

// offender is who sent the ICMP error that ended a read: the first one in the
// error queue. It is invalid when there is none.
func offender(c net.Conn) (from netip.Addr) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return from
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return from
	}
	raw.Control(func(fd uintptr) { //nolint:errcheck // a closed socket has no queue
		if q, errno := sys.ReadErrqueue(int(fd)); errno == 0 {
			from = q.Offender
		}
	})
	return from
}
