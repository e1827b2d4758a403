package netns

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// RouteKind is the type of a route that leads nowhere (ip-route(8)). A local
// connect(2) that meets it fails with the errno named; a router that meets it
// while forwarding sends the ICMP error named.
type RouteKind int

const (
	// Blackhole: EINVAL; a router drops silently.
	Blackhole RouteKind = syscall.RTN_BLACKHOLE
	// Unreachable: EHOSTUNREACH; ICMP host unreachable, ICMPv6 no route.
	Unreachable RouteKind = syscall.RTN_UNREACHABLE
	// Prohibit: EACCES; ICMP and ICMPv6 administratively prohibited.
	Prohibit RouteKind = syscall.RTN_PROHIBIT
	// Throw: the lookup goes on in the next table, in the end ENETUNREACH. A
	// router then drops an IPv4 packet silently (ip_error does not know the
	// lookup's EAGAIN) and answers an IPv6 packet with no route.
	Throw RouteKind = syscall.RTN_THROW
)

// AddRoute adds a route through a gateway. The link of a link-local gateway is
// told by its zone.
func (h *Host) AddRoute(dst netip.Prefix, gateway netip.Addr) error {
	r := &netlink.Route{Dst: ipNet(dst.Masked()), Gw: gateway.AsSlice()}
	if zone := gateway.Zone(); zone != "" {
		i, err := h.iface(zone)
		if err != nil {
			return err
		}
		r.LinkIndex = i.Index
	}
	return h.addRoute(r, fmt.Sprintf("route %s via %s", dst, gateway))
}

// AddMultipath adds a route over several gateways of equal cost. Which one a
// packet takes is decided by the hash of the sysctl fib_multipath_hash_policy.
func (h *Host) AddMultipath(dst netip.Prefix, gateways ...netip.Addr) error {
	r := &netlink.Route{Dst: ipNet(dst.Masked())}
	for _, g := range gateways {
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{Gw: g.AsSlice()})
	}
	return h.addRoute(r, fmt.Sprintf("route %s via %v", dst, gateways))
}

// AddLinkRoute adds a route to addresses that are on the link itself.
func (h *Host) AddLinkRoute(dst netip.Prefix, link string) error {
	i, err := h.iface(link)
	if err != nil {
		return err
	}
	r := &netlink.Route{Dst: ipNet(dst.Masked()), LinkIndex: i.Index, Scope: netlink.SCOPE_LINK}
	return h.addRoute(r, fmt.Sprintf("route %s dev %s", dst, link))
}

// RejectRoute adds a route that leads nowhere.
func (h *Host) RejectRoute(dst netip.Prefix, kind RouteKind) error {
	r := &netlink.Route{Dst: ipNet(dst.Masked()), Type: int(kind)}
	return h.addRoute(r, fmt.Sprintf("reject route %s", dst))
}

func (h *Host) addRoute(r *netlink.Route, what string) error {
	if err := h.rt.RouteAdd(r); err != nil {
		return fmt.Errorf("host %s: %s: %w", h.name, what, err)
	}
	return nil
}

// DelRoute removes the host's first route to exactly this destination.
func (h *Host) DelRoute(dst netip.Prefix) error {
	if err := h.rt.RouteDel(&netlink.Route{Dst: ipNet(dst.Masked())}); err != nil {
		return fmt.Errorf("host %s: delete route %s: %w", h.name, dst, err)
	}
	return nil
}

// Neighbour gives the address a permanent entry in the link's ARP or ND table;
// a hardware address that nobody has makes a neighbour that never answers.
func (h *Host) Neighbour(addr netip.Addr, hw net.HardwareAddr, link string) error {
	i, err := h.iface(link)
	if err != nil {
		return err
	}
	n := &netlink.Neigh{LinkIndex: i.Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: hw}
	if err := h.rt.NeighSet(n); err != nil {
		return fmt.Errorf("host %s: neighbour %s: %w", h.name, addr, err)
	}
	return nil
}

// Netlink returns the rtnetlink handle inside the host, for what this package
// has no method for. It belongs to the Net.
func (h *Host) Netlink() *netlink.Handle { return h.rt }

func (h *Host) iface(name string) (*Interface, error) {
	if i := h.Interface(name); i != nil {
		return i, nil
	}
	return nil, fmt.Errorf("host %s: no interface %s", h.name, name)
}
