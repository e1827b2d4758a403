package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Plan is a topology worked out: every interface with its addresses, every
// route. Nothing of it exists yet.
type Plan struct {
	Hosts  []PlanHost
	Links  []PlanLink
	Routes []PlanRoute
}

// PlanHost is a host, or a router if it forwards. A scripted one is no kernel:
// a [Peer] plays it at the other end of a TUN device.
type PlanHost struct {
	Name     string
	Router   bool
	Scripted bool
}

// PlanLink joins two hosts.
type PlanLink struct {
	A, B PlanEnd
	MTU  int // octets; 0: 1500
}

// PlanEnd is one host's interface and its addresses, IPv4 before IPv6.
type PlanEnd struct {
	Host, Interface string
	Addrs           []netip.Prefix
}

// PlanRoute is a route of one host.
type PlanRoute struct {
	Host string
	To   netip.Prefix
	Via  netip.Addr
}

// The chain's addresses are from the documentation ranges (RFC 5737, RFC
// 3849): the client's side is 192.0.2.0/24, the server's 203.0.113.0/24, and
// between routers there are /30 networks of 198.51.100.0/24. Link k is also
// 2001:db8:k::/64. A router's address toward the client ends in 1 on the first
// link and in 2 on the others.
var (
	clientNet = netip.MustParsePrefix("192.0.2.0/24")
	serverNet = netip.MustParsePrefix("203.0.113.0/24")
)

const maxRouters = 32

// newPlan works a topology out, with a chain of so many routers if it has one.
// A scripted peer is the client's neighbour, and whatever its script adds.
func newPlan(t Topology, routers int, scripted bool) (*Plan, error) {
	p := &Plan{}
	if scripted {
		if len(t.Chain)+len(t.Links) > 0 {
			return nil, at("topology", "a scripted peer brings its own: a client with a TUN device, leave chain and links out")
		}
		a, b := segment(0, 0)
		p.Hosts = []PlanHost{{Name: "client"}, {Name: "server", Scripted: true}}
		p.Links = []PlanLink{{A: PlanEnd{"client", "tun0", a}, B: PlanEnd{"server", "", b}}}
	}
	if len(t.Chain) > 0 {
		if routers < 0 || routers > maxRouters {
			return nil, at("topology.chain", "a chain of %d routers: write 0 to %d", routers, maxRouters)
		}
		p.chain(routers)
	}
	for i, h := range t.Hosts {
		if err := p.addHost(h, false); err != nil {
			return nil, at(fmt.Sprintf("topology.hosts[%d]", i), "%v", err)
		}
	}
	for i, r := range t.Routers {
		if err := p.addHost(r, true); err != nil {
			return nil, at(fmt.Sprintf("topology.routers[%d]", i), "%v", err)
		}
	}
	for i, l := range t.Links {
		a, err := p.end(l.A)
		if err != nil {
			return nil, at(fmt.Sprintf("topology.links[%d].a", i), "%v", err)
		}
		p.Links = append(p.Links, PlanLink{A: a, MTU: l.MTU})
		b, err := p.end(l.B)
		if err != nil {
			return nil, at(fmt.Sprintf("topology.links[%d].b", i), "%v", err)
		}
		p.Links[len(p.Links)-1].B = b
	}
	if p.host("client") == nil {
		return nil, at("topology", "no host is called client: it is the one that dials")
	}
	p.route()
	return p, nil
}

func (p *Plan) addHost(name string, router bool) error {
	if p.host(name) != nil {
		return fmt.Errorf("%s: the name is taken", name)
	}
	p.Hosts = append(p.Hosts, PlanHost{Name: name, Router: router})
	return nil
}

func (p *Plan) host(name string) *PlanHost {
	for i := range p.Hosts {
		if p.Hosts[i].Name == name {
			return &p.Hosts[i]
		}
	}
	return nil
}

// end reads "client 192.0.2.2/24 2001:db8::2/64".
func (p *Plan) end(text string) (PlanEnd, error) {
	words := strings.Fields(text)
	if len(words) == 0 || p.host(words[0]) == nil {
		return PlanEnd{}, fmt.Errorf("%q: write a host's name and its addresses on the link; the hosts are %s", text, p.names())
	}
	e := PlanEnd{Host: words[0], Interface: p.free(words[0])}
	for _, w := range words[1:] {
		a, err := netip.ParsePrefix(w)
		if err != nil {
			return e, fmt.Errorf("%q is no address with a prefix length, such as 192.0.2.1/24", w)
		}
		e.Addrs = append(e.Addrs, a)
	}
	return e, nil
}

func (p *Plan) names() string {
	var names []string
	for _, h := range p.Hosts {
		names = append(names, h.Name)
	}
	return strings.Join(names, ", ")
}

// free is the next interface name of a host.
func (p *Plan) free(host string) string {
	return fmt.Sprintf("eth%d", len(p.ends(host)))
}

// ends are a host's interfaces, in their order.
func (p *Plan) ends(host string) (ends []PlanEnd) {
	for _, l := range p.Links {
		for _, e := range []PlanEnd{l.A, l.B} {
			if e.Host == host {
				ends = append(ends, e)
			}
		}
	}
	return ends
}

func (p *Plan) chain(routers int) {
	line := []string{"client"}
	p.Hosts = append(p.Hosts, PlanHost{Name: "client"})
	for i := range routers {
		line = append(line, fmt.Sprintf("r%d", i+1))
		p.Hosts = append(p.Hosts, PlanHost{Name: line[i+1], Router: true})
	}
	line = append(line, "server")
	p.Hosts = append(p.Hosts, PlanHost{Name: "server"})
	for k := range line[1:] {
		a, b := segment(k, routers)
		// The client's only interface is eth0, a router's eth0 is toward the client.
		p.Links = append(p.Links, PlanLink{A: PlanEnd{line[k], p.free(line[k]), a}, B: PlanEnd{line[k+1], "eth0", b}})
	}
}

// segment is link k's addresses, the client's side first.
func segment(k, routers int) (a, b []netip.Prefix) {
	net4, near, far := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(4 * k)}), 30), byte(1), byte(2)
	switch k {
	case 0:
		net4, near, far = clientNet, 2, 1
	case routers:
		net4 = serverNet
	}
	ends := func(last byte) []netip.Prefix {
		a4 := net4.Addr().As4()
		a4[3] += last
		a6 := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 5: byte(k), 15: last}
		return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4(a4), net4.Bits()), netip.PrefixFrom(netip.AddrFrom16(a6), 64)}
	}
	return ends(near), ends(far)
}

// hop is a step of the way from one host to another.
type hop struct {
	out, in PlanEnd // the interface left by, and the one arrived at
}

// way is the shortest way between two hosts over routers; nil if there is none.
func (p *Plan) way(from string, arrived func(string) bool) []hop {
	type step struct {
		host string
		way  []hop
	}
	seen := map[string]bool{from: true}
	for queue := []step{{host: from}}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if arrived(s.host) {
			return s.way
		}
		if s.host != from && !p.host(s.host).Router {
			continue
		}
		for _, l := range p.Links {
			for _, h := range []hop{{l.A, l.B}, {l.B, l.A}} {
				if h.out.Host == s.host && !seen[h.in.Host] {
					seen[h.in.Host] = true
					queue = append(queue, step{h.in.Host, append(slices.Clone(s.way), h)})
				}
			}
		}
	}
	return nil
}

// route gives every host a route to every network that it is not on.
func (p *Plan) route() {
	for _, h := range p.Hosts {
		for _, l := range p.Links {
			if l.A.Host == h.Name || l.B.Host == h.Name {
				continue
			}
			way := p.way(h.Name, func(name string) bool { return name == l.A.Host || name == l.B.Host })
			if len(way) == 0 {
				continue
			}
			for _, a := range l.A.Addrs {
				if via := family(way[0].in.Addrs, a.Addr().Is4()); via.IsValid() {
					p.Routes = append(p.Routes, PlanRoute{h.Name, a.Masked(), via.Addr()})
				}
			}
		}
	}
}

func family(addrs []netip.Prefix, v4 bool) netip.Prefix {
	for _, a := range addrs {
		if a.Addr().Is4() == v4 {
			return a
		}
	}
	return netip.Prefix{}
}

// address is the address that a host's name stands for: that of the interface
// by which the client reaches it, the client's own first one, and with ".far"
// that of a router's last other interface.
func (p *Plan) address(name string, v4 bool) (netip.Addr, error) {
	name, far := strings.CutSuffix(name, ".far")
	if p.host(name) == nil {
		return netip.Addr{}, fmt.Errorf("<%s>: there is no such host or variable; the hosts are %s", name, p.names())
	}
	ends := p.ends(name)
	var e PlanEnd
	if way := p.way("client", func(h string) bool { return h == name }); len(way) > 0 {
		e = way[len(way)-1].in
	} else if len(ends) > 0 {
		e = ends[0]
	}
	if far {
		near := e.Interface
		e = PlanEnd{}
		for _, other := range ends {
			if other.Interface != near {
				e = other
			}
		}
	}
	if a := family(e.Addrs, v4); a.IsValid() {
		return a.Addr(), nil
	}
	return netip.Addr{}, fmt.Errorf("<%s>: the host has no such address", name)
}
