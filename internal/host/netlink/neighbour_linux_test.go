package netlink

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	vishnl "github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/evidence"
)

func TestNeighbour(t *testing.T) {
	enterNetNS(t)
	veth := addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	index := veth.Attrs().Index
	mac, err := net.ParseMAC("02:00:00:00:00:09")
	must(t, err)
	for _, c := range []struct {
		addr  string
		state int
		want  string
	}{
		{"192.0.2.10", vishnl.NUD_REACHABLE, "REACHABLE"},
		{"192.0.2.11", vishnl.NUD_STALE, "STALE"},
		{"192.0.2.12", vishnl.NUD_PERMANENT, "PERMANENT"},
		{"192.0.2.13", vishnl.NUD_NOARP, "NOARP"},
		{"192.0.2.14", vishnl.NUD_FAILED, "FAILED"},
		{"192.0.2.15", vishnl.NUD_INCOMPLETE, "INCOMPLETE"},
		{"2001:db8::10", vishnl.NUD_REACHABLE, "REACHABLE"},
		{"2001:db8::14", vishnl.NUD_FAILED, "FAILED"},
	} {
		a := addr(c.addr)
		entry := &vishnl.Neigh{LinkIndex: index, State: c.state, IP: net.IP(a.AsSlice())}
		want := &evidence.Neighbour{Addr: a, Interface: "v0", State: c.want, Gateway: true}
		if c.state&(vishnl.NUD_FAILED|vishnl.NUD_INCOMPLETE) == 0 {
			entry.HardwareAddr, want.LinkAddr = mac, mac.String()
		}
		must(t, vishnl.NeighAdd(entry))
		got, err := NeighbourOf(a, index, true)
		must(t, err)
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.addr, diff)
		}
	}
}

func TestNeighbourAbsent(t *testing.T) {
	enterNetNS(t)
	index := addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64").Attrs().Index
	for _, a := range []string{"192.0.2.77", "2001:db8::77"} {
		n, err := NeighbourOf(addr(a), index, false)
		if err != nil || n.State != "NONE" || n.Interface != "v0" || n.Gateway {
			t.Errorf("%s: %+v, %v", a, n, err)
		}
	}
	if n, err := NeighbourOf(addr("192.0.2.77"), 4711, false); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("no such interface: %+v, %v", n, err)
	}
	if _, err := NeighbourOf(addr("192.0.2.77"), 0, false); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
}
