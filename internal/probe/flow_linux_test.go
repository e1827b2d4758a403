package probe

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// diamond is client — r0 — (ra | rb) — r9 — server: r0 spreads flows over both by
// their ports. All routers answer every probe.
func diamond(t *testing.T) (client *netns.Host, server netip.Addr) {
	t.Helper()
	testmain.Need(t, "netns")
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	hosts := map[string]*netns.Host{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"client", "r0", "ra", "rb", "r9", "server"} {
		h, err := n.Host(name)
		must(err)
		hosts[name] = h
		for limit, value := range map[string]string{"icmp_ratelimit": "0", "icmp_msgs_per_sec": "100000", "icmp_msgs_burst": "10000"} {
			must(h.Sysctl("net.ipv4."+limit, value))
		}
		if name[0] == 'r' {
			must(h.Forward())
		}
	}
	// By addresses, protocol and ports. Policy 1 would take the hash that the
	// sender's socket gave the packet, a random one, since over a veth it is still
	// with it (fib_multipath_hash).
	must(hosts["r0"].Sysctl("net.ipv4.fib_multipath_hash_fields", "55"))
	must(hosts["r0"].Sysctl("net.ipv4.fib_multipath_hash_policy", "3"))
	for _, l := range [][4]string{
		{"client", "192.0.2.2/24", "r0", "192.0.2.1/24"},
		{"r0", "198.51.100.1/30", "ra", "198.51.100.2/30"},
		{"r0", "198.51.100.5/30", "rb", "198.51.100.6/30"},
		{"ra", "198.51.100.9/30", "r9", "198.51.100.10/30"},
		{"rb", "198.51.100.13/30", "r9", "198.51.100.14/30"},
		{"r9", "203.0.113.1/24", "server", "203.0.113.2/24"},
	} {
		_, err := n.Link(hosts[l[0]], hosts[l[2]], netns.LinkOptions{
			A: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(l[1])}}, B: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(l[3])}}})
		must(err)
	}
	ip := netip.MustParseAddr
	clients, servers, all := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("0.0.0.0/0")
	must(hosts["client"].AddRoute(all, ip("192.0.2.1")))
	must(hosts["server"].AddRoute(all, ip("203.0.113.1")))
	must(hosts["r0"].AddMultipath(servers, ip("198.51.100.2"), ip("198.51.100.6")))
	must(hosts["ra"].AddRoute(servers, ip("198.51.100.10")))
	must(hosts["rb"].AddRoute(servers, ip("198.51.100.14")))
	must(hosts["ra"].AddRoute(clients, ip("198.51.100.1")))
	must(hosts["rb"].AddRoute(clients, ip("198.51.100.5")))
	must(hosts["r9"].AddRoute(clients, ip("198.51.100.9")))
	return hosts["client"], ip("203.0.113.2")
}

// decided is a verdict that needs no experiment.
func decided(evidence.Log) cause.Verdict {
	return cause.Verdict{Finding: cause.Finding{Cause: cause.IsOpen, Confidence: cause.Certain}}
}

// Every flow keeps its port and so its way, over all TTLs and rounds; over many
// flows both ways show.
func TestFlowsKeepTheirWay(t *testing.T) {
	t.Parallel()
	client, server := diamond(t)
	for _, protocol := range []string{tcp, udp} {
		const flows, rounds = 16, 2 // all on one way: 2 in 2^16
		log := runIn(t, client, t.Context(), &Config{Remote: netip.AddrPortFrom(server, 81), Began: time.Now(), Packets: 400, Watch: -1,
			Judge: decided, Limit: time.Second, Patience: time.Second, Always: true, Tries: rounds, Flows: flows, Protocol: protocol})
		way := map[uint16]map[int]netip.Addr{}
		second, asked := map[netip.Addr]bool{}, map[uint16]map[int]int{}
		for _, p := range evidence.All[*evidence.Probe](log) {
			if p.Experiment != string(hops) || p.TTL == 0 {
				continue
			}
			if p.Source == 0 || p.Answer == "" {
				t.Errorf("%s: %+v", protocol, p)
				continue
			}
			if way[p.Source] == nil {
				way[p.Source], asked[p.Source] = map[int]netip.Addr{}, map[int]int{}
			}
			asked[p.Source][p.TTL]++
			if before, met := way[p.Source][p.TTL]; met && before != p.From {
				t.Errorf("%s: the flow from port %d met %v and %v at hop %d", protocol, p.Source, before, p.From, p.TTL)
			}
			way[p.Source][p.TTL] = p.From
			if p.TTL == 2 {
				second[p.From] = true
			}
		}
		if len(way) != flows || len(second) != 2 {
			t.Errorf("%s: %d flows, and %v at the second hop", protocol, len(way), second)
		}
		for port, ttls := range asked {
			for ttl := 1; ttl <= 4; ttl++ {
				if ttls[ttl] != rounds {
					t.Errorf("%s: port %d was asked %d times at hop %d, of %d", protocol, port, ttls[ttl], ttl, rounds)
				}
			}
			if len(ttls) != 4 || way[port][4] != server {
				t.Errorf("%s: port %d: %v", protocol, port, way[port])
			}
		}
	}
}

// The packets' bound holds for flows, too.
func TestFlowsBudget(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	for _, most := range []int{1, 5, 17} {
		log := runIn(t, c.Client, t.Context(), &Config{Remote: netip.AddrPortFrom(c.Server4, 81), Began: time.Now(), Packets: most, Watch: -1,
			Judge: decided, Limit: time.Second, Always: true, Tries: 3, Flows: 3})
		sent := 0
		for _, p := range evidence.All[*evidence.Probe](log) {
			sent += p.Sent
		}
		if sent > most || sent == 0 {
			t.Errorf("%d packets of %d", sent, most)
		}
	}
}
