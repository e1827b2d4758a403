package netlink

import (
	"net"
	"net/netip"

	"github.com/dialscope/dialscope/evidence"
)

// LinksDown lists the interfaces that are switched off (no IFF_UP), with the
// addresses that are still on them: where there is no route, one of these may
// have had it. IPv4 addresses stay on an interface that is switched off, IPv6
// addresses usually go.
func LinksDown() ([]*evidence.Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var down []*evidence.Link
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			continue
		}
		l := &evidence.Link{Name: i.Name, Index: i.Index, Exists: true, Loopback: i.Flags&net.FlagLoopback != 0, MTU: i.MTU}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.Prefixes = append(l.Prefixes, p)
			}
		}
		down = append(down, l)
	}
	return down, nil
}
