package netns_test

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// The errnos of fib_props (net/ipv4/fib_semantics.c) and of ip6_rt_type_to_error
// (net/ipv6/route.c). After a throw route no other table has a route.
func TestRejectRouteLocal(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	for kind, errno := range map[netns.RouteKind]syscall.Errno{
		netns.Blackhole:   syscall.EINVAL,
		netns.Unreachable: syscall.EHOSTUNREACH,
		netns.Prohibit:    syscall.EACCES,
		netns.Throw:       syscall.ENETUNREACH,
	} {
		for _, server := range []netip.Addr{c.Server4, c.Server6} {
			only := netip.PrefixFrom(server, server.BitLen())
			if err := c.Client.RejectRoute(only, kind); err != nil {
				t.Fatal(err)
			}
			wantErrno(t, dial(t, c.Client, server, 80, patience), errno)
			if err := c.Client.DelRoute(only); err != nil {
				t.Fatal(err)
			}
			wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ECONNREFUSED)
		}
	}
}

// ip_error (net/ipv4/route.c) and ip6_pkt_drop (net/ipv6/route.c) choose the ICMP error.
func TestRejectRouteInRouter(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	for _, tt := range []struct {
		kind   netns.RouteKind
		v4, v6 syscall.Errno
	}{
		{netns.Blackhole, silence, silence},
		{netns.Unreachable, syscall.EHOSTUNREACH, syscall.ENETUNREACH},
		{netns.Prohibit, syscall.EHOSTUNREACH, syscall.EACCES},
		{netns.Throw, silence, syscall.ENETUNREACH},
	} {
		for server, want := range map[netip.Addr]syscall.Errno{c.Server4: tt.v4, c.Server6: tt.v6} {
			only := netip.PrefixFrom(server, server.BitLen())
			if err := c.Routers[1].RejectRoute(only, tt.kind); err != nil {
				t.Fatal(err)
			}
			wantVerdict(t, c.Client, server, want)
			if err := c.Routers[1].DelRoute(only); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLinkDown(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	link := c.Links[0]
	set := func(i *netns.Interface, up bool) {
		t.Helper()
		if err := i.Host.SetLink(i.Name, up); err != nil {
			t.Fatal(err)
		}
	}
	both := []netip.Addr{c.Server4, c.Server6}
	for _, server := range both {
		set(link.A, false)
		wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ENETUNREACH)
		set(link.A, true)
		wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ECONNREFUSED)
	}
	set(link.B, false)
	if running := flags(t, link.A) & net.FlagRunning; running != 0 {
		t.Error("the other end is down, and this one has carrier")
	}
	set(link.B, false)
	set(link.B, true)
	for _, server := range both {
		wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ECONNREFUSED)
	}
	if running := flags(t, link.A) & net.FlagRunning; running == 0 {
		t.Error("both ends are up, and this one has no carrier")
	}
	if err := c.Client.SetLink("eth7", true); err == nil {
		t.Error("no such interface, no error")
	}
}

func flags(t *testing.T, i *netns.Interface) (f net.Flags) {
	t.Helper()
	l, err := i.Host.Netlink().LinkByIndex(i.Index)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Flags
}

// ARP and ND give up after mcast_solicit probes, retrans_time apart (arp(7)).
func TestNeighbourMissing(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	for _, family := range []string{"ipv4", "ipv6"} {
		if err := c.Client.Sysctl("net."+family+".neigh.eth0.retrans_time_ms", "20"); err != nil {
			t.Fatal(err)
		}
	}
	for _, nobody := range []string{"192.0.2.77", "2001:db8::77"} {
		wantErrno(t, dial(t, c.Client, netip.MustParseAddr(nobody), 80, patience), syscall.EHOSTUNREACH)
	}
}

func TestNeighbourFake(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	wrong := net.HardwareAddr{2, 0, 0, 0, 9, 9}
	for _, server := range []netip.Addr{c.Server4, c.Server6} {
		if err := c.Client.Neighbour(server, wrong, "eth0"); err != nil {
			t.Fatal(err)
		}
		wantSilence(t, c.Client, server, 80)
		if err := c.Client.Neighbour(server, c.Links[0].B.HardwareAddr, "eth0"); err != nil {
			t.Fatal(err)
		}
		wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ECONNREFUSED)
	}
}

func TestAddAddr(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	for _, p := range []string{"192.0.2.9/24", "2001:db8::9/64"} {
		addr := netip.MustParsePrefix(p)
		if err := c.Server.AddAddr("eth0", addr); err != nil {
			t.Fatal(err)
		}
		wantErrno(t, dial(t, c.Client, addr.Addr(), 80, patience), syscall.ECONNREFUSED)
		if err := c.Server.AddAddr("eth0", addr); err == nil {
			t.Error("the same address twice")
		}
	}
}

func TestLinkLocal(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	server := c.Links[0].B.LinkLocal.WithZone(zoneOf(c.Links[0].A))
	wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ECONNREFUSED)
	via := netip.MustParsePrefix("2001:db8:77::/64")
	if err := c.Client.AddRoute(via, c.Links[0].B.LinkLocal.WithZone("eth0")); err != nil {
		t.Fatal(err)
	}
	if err := c.Server.AddAddr("eth0", netip.MustParsePrefix("2001:db8:77::1/64")); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, dial(t, c.Client, netip.MustParseAddr("2001:db8:77::1"), 80, patience), syscall.ECONNREFUSED)
}

func TestLinkRoute(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	far := netip.MustParsePrefix("198.51.100.7/32")
	if err := c.Client.AddLinkRoute(far, "eth0"); err != nil {
		t.Fatal(err)
	}
	if err := c.Server.AddAddr("eth0", far); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, dial(t, c.Client, far.Addr(), 80, patience), syscall.ECONNREFUSED)
}
