package netns_test

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// zoneOf is the interface's index as a zone: Go looks names up in the
// network of the process.
func zoneOf(i *netns.Interface) string { return strconv.Itoa(i.Index) }

func TestLinkOptions(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	mac := net.HardwareAddr{2, 1, 2, 3, 4, 5}
	l, err := c.Link(c.Client, c.Server, netns.LinkOptions{
		MTU: 1280,
		A:   netns.End{Name: "uplink", HardwareAddr: mac, Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.5/24")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.A.Name != "uplink" || l.B.Name != "eth1" {
		t.Errorf("names %s and %s, want uplink and eth1", l.A.Name, l.B.Name)
	}
	for _, i := range []*netns.Interface{l.A, l.B} {
		nl, err := i.Host.Netlink().LinkByName(i.Name)
		if err != nil {
			t.Fatal(err)
		}
		if a := nl.Attrs(); a.Index != i.Index || a.MTU != 1280 || a.HardwareAddr.String() != i.HardwareAddr.String() {
			t.Errorf("%s is %d, MTU %d, %s; want %+v", i.Name, a.Index, a.MTU, a.HardwareAddr, i)
		}
	}
	if want := netip.MustParseAddr("fe80::1:2ff:fe03:405%uplink"); l.A.LinkLocal != want {
		t.Errorf("link-local %s, want %s", l.A.LinkLocal, want)
	}
	if got := c.Client.Interface("uplink"); got != l.A {
		t.Errorf("Interface returned %v", got)
	}
	if _, err := c.Link(c.Client, c.Server, netns.LinkOptions{A: netns.End{Name: "uplink"}}); err == nil {
		t.Error("two interfaces of one name")
	}
	// A link that fails leaves its names free.
	long := netns.LinkOptions{A: netns.End{Name: "free"}, B: netns.End{Name: "longer-than-fifteen"}}
	if _, err := c.Link(c.Client, c.Server, long); err == nil {
		t.Error("an interface name of 19 octets")
	}
	if _, err := c.Link(c.Client, c.Server, netns.LinkOptions{A: netns.End{Name: "free"}}); err != nil {
		t.Error(err)
	}
}
