package netns

import (
	"errors"
	"fmt"
	"net/netip"
)

// Chain is a network in a line: client — r1 — … — rn — server, with routes
// both ways between all addresses, for IPv4 and IPv6. The addresses are from
// the documentation ranges (RFC 5737, RFC 3849). No host has a default route:
// an address that is not in the chain has no route at the first router.
type Chain struct {
	*Net
	Client, Server *Host
	Routers        []*Host
	Links          []*Link // Links[0].A is the client's, the last one's B the server's

	Client4, Client6 netip.Addr
	Server4, Server6 netip.Addr
	// Hops4 and Hops6 are the routers' addresses toward the client: those that
	// answer a probe whose TTL ends there.
	Hops4, Hops6 []netip.Addr
	// Far4 and Far6 are the routers' addresses toward the server.
	Far4, Far6 []netip.Addr
}

// The client's side is 192.0.2.0/24 and the server's 203.0.113.0/24, with the
// router's address .1; routers are joined by /30 networks of 198.51.100.0/24.
// Link k is also 2001:db8:k::/64. Of an end's two addresses the one toward the
// client ends in 1 on the inner links.
const maxRouters = 64

var (
	clientNet = netip.MustParsePrefix("192.0.2.0/24")
	serverNet = netip.MustParsePrefix("203.0.113.0/24")
)

// NewChain builds a chain of 0 to 64 routers. Without routers the client and
// the server are neighbours in 192.0.2.0/24.
func NewChain(routers int) (*Chain, error) {
	if routers < 0 || routers > maxRouters {
		return nil, fmt.Errorf("a chain of %d routers: at most %d", routers, maxRouters)
	}
	n, err := New()
	if err != nil {
		return nil, err
	}
	c := &Chain{Net: n}
	if err := c.build(routers); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return c, nil
}

func (c *Chain) build(routers int) (err error) {
	if c.Client, err = c.Host("client"); err != nil {
		return err
	}
	for i := range routers {
		r, err := c.Host(fmt.Sprintf("r%d", i+1))
		if err != nil {
			return err
		}
		if err := r.Forward(); err != nil {
			return err
		}
		c.Routers = append(c.Routers, r)
	}
	if c.Server, err = c.Host("server"); err != nil {
		return err
	}
	line := append(append([]*Host{c.Client}, c.Routers...), c.Server)
	for k := range line[1:] {
		a, b := segment(k, routers)
		l, err := c.Link(line[k], line[k+1], LinkOptions{A: End{Addrs: a}, B: End{Addrs: b}})
		if err != nil {
			return err
		}
		c.Links = append(c.Links, l)
	}
	c.name()
	return c.route(line)
}

// segment returns the addresses of link k's two ends, IPv4 first.
func segment(k, routers int) (a, b []netip.Prefix) {
	p4 := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(4 * k)}), 30)
	near, far := byte(1), byte(2)
	switch k {
	case 0:
		p4, near, far = clientNet, 2, 1
	case routers:
		p4 = serverNet
	}
	p6 := netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 5: byte(k)}), 64)
	ends := func(last byte) []netip.Prefix {
		a4, a6 := p4.Addr().As4(), p6.Addr().As16()
		a4[3] += last
		a6[15] = last
		return []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4(a4), p4.Bits()),
			netip.PrefixFrom(netip.AddrFrom16(a6), p6.Bits()),
		}
	}
	return ends(near), ends(far)
}

func (c *Chain) name() {
	first, last := c.Links[0].A.Addrs, c.Links[len(c.Links)-1].B.Addrs
	c.Client4, c.Client6 = first[0].Addr(), first[1].Addr()
	c.Server4, c.Server6 = last[0].Addr(), last[1].Addr()
	for i := range c.Routers {
		near, far := c.Links[i].B.Addrs, c.Links[i+1].A.Addrs
		c.Hops4, c.Hops6 = append(c.Hops4, near[0].Addr()), append(c.Hops6, near[1].Addr())
		c.Far4, c.Far6 = append(c.Far4, far[0].Addr()), append(c.Far6, far[1].Addr())
	}
}

// route gives host i of the line a route to every segment that it is not on,
// by its left or its right neighbour.
func (c *Chain) route(line []*Host) error {
	for i, h := range line {
		for k, l := range c.Links {
			var via []netip.Prefix
			switch {
			case k < i-1:
				via = c.Links[i-1].A.Addrs
			case k > i:
				via = c.Links[i].B.Addrs
			default:
				continue
			}
			for f, p := range l.A.Addrs {
				if err := h.AddRoute(p.Masked(), via[f].Addr()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
