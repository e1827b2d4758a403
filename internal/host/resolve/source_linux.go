package resolve

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// SourceFor is the source address that the kernel would choose for a packet to
// a: a UDP socket is connected to it, which sends nothing (udp(7)). An invalid
// address means that the kernel has no way there.
func SourceFor(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.IsValid() {
		return netip.Addr{}
	}
	family := syscall.AF_INET
	if a.Is6() {
		family = syscall.AF_INET6
	}
	fd, errno := sys.Socket(family, syscall.SOCK_DGRAM, 0)
	if errno != 0 {
		return netip.Addr{}
	}
	defer sys.Close(fd)
	var to, local sys.Sockaddr
	to.Set(family, netip.AddrPortFrom(a.WithZone(""), dnsPort), zoneIndex(a.Zone()))
	if sys.Connect(fd, &to) != 0 || sys.Getsockname(fd, &local) != 0 {
		return netip.Addr{}
	}
	from, _ := local.AddrPort()
	return from.Addr().WithZone(a.Zone())
}

// zoneIndex is the interface index behind a zone (RFC 4007 §11.2): a name or
// the number itself; 0 when there is no such interface.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if link, err := net.InterfaceByName(zone); err == nil {
		return uint32(link.Index)
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
