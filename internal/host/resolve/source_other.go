//go:build !linux

package resolve

import (
	"net"
	"net/netip"
)

// SourceFor is the source address that the system would choose for a packet to
// a: a UDP socket is connected to it, which sends nothing. An invalid address
// means that there is no way there.
func SourceFor(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.IsValid() {
		return netip.Addr{}
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, dnsPort)))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close() //nolint:errcheck // nothing was sent
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap()
}
