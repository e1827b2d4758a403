package lab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func plan(t *testing.T, top Topology, routers int) *Plan {
	t.Helper()
	p, err := newPlan(top, routers, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func routes(p *Plan, host string) (all []string) {
	for _, r := range p.Routes {
		if r.Host == host && r.To.Addr().Is4() {
			all = append(all, r.To.String()+" via "+r.Via.String())
		}
	}
	return all
}

func TestChain(t *testing.T) {
	p := plan(t, Topology{Chain: []int{2}}, 2)
	if got := p.names(); got != "client, r1, r2, server" {
		t.Errorf("hosts %s", got)
	}
	if d := cmp.Diff([]string{"198.51.100.4/30 via 192.0.2.1", "203.0.113.0/24 via 192.0.2.1"}, routes(p, "client")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"192.0.2.0/24 via 198.51.100.5"}, routes(p, "r2")); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]string{
		"client": "192.0.2.2", "r1": "192.0.2.1", "r1.far": "198.51.100.5", "r2": "198.51.100.6", "r2.far": "203.0.113.1", "server": "203.0.113.2",
	} {
		if a, err := p.address(name, true); err != nil || a.String() != want {
			t.Errorf("%s is %v (%v), want %s", name, a, err, want)
		}
	}
	if _, err := p.address("server.far", true); err == nil {
		t.Error("the server has one interface, and yet a far address")
	}
}

func TestChainOfNoRouters(t *testing.T) {
	p := plan(t, Topology{Chain: []int{0}}, 0)
	if a, _ := p.address("server", true); a.String() != "192.0.2.1" || len(p.Routes) != 0 {
		t.Errorf("server %v, routes %v", a, p.Routes)
	}
}

// Hosts do not forward: a way leads over routers only.
func TestRoutesAvoidHosts(t *testing.T) {
	p := plan(t, Topology{
		Hosts: []string{"client", "middle", "server"},
		Links: []LinkAt{{A: "client 192.0.2.2/24", B: "middle 192.0.2.1/24"}, {A: "middle 203.0.113.1/24", B: "server 203.0.113.2/24"}},
	}, 0)
	if got := routes(p, "client"); len(got) != 1 || got[0] != "203.0.113.0/24 via 192.0.2.1" {
		// The next hop has the network itself: it is a neighbour of it, and the
		// packet goes there, forwarded or not.
		t.Errorf("routes %v", got)
	}
	if a, _ := p.address("server", true); a.String() != "203.0.113.2" {
		t.Errorf("server %v", a)
	}
}

func TestTopologyErrors(t *testing.T) {
	for _, test := range []struct {
		top  Topology
		want string
	}{
		{Topology{}, "no host is called client"},
		{Topology{Hosts: []string{"client", "client"}}, "client: the name is taken"},
		{Topology{Hosts: []string{"client"}, Links: []LinkAt{{A: "client", B: "ghost"}}}, "topology.links[0].b"},
		{Topology{Hosts: []string{"client"}, Links: []LinkAt{{A: "client 192.0.2.1"}}}, "no address with a prefix length"},
	} {
		if _, err := newPlan(test.top, 0, false); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.top, err, test.want)
		}
	}
}
