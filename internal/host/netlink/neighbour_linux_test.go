package netlink

import (
	"encoding/binary"
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

// The numbers are those of the kernel: an entry more is counted, in the table
// that all namespaces share.
func TestNeighbourTables(t *testing.T) {
	enterNetNS(t)
	index := addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64").Attrs().Index
	before, err := NeighbourTablesOf()
	must(t, err)
	if before.Limit < 128 || before.Entries < 0 || before.Entries > before.Limit {
		t.Errorf("%+v", before)
	}
	mac, err := net.ParseMAC("02:00:00:00:00:09")
	must(t, err)
	for i := byte(10); i < 60; i++ {
		must(t, vishnl.NeighAdd(&vishnl.Neigh{LinkIndex: index, State: vishnl.NUD_STALE, IP: net.IPv4(192, 0, 2, i), HardwareAddr: mac}))
	}
	after, err := NeighbourTablesOf()
	must(t, err)
	// Other tests use the table at the same time.
	if after.Entries < 40 || after.Limit != before.Limit || after.Fulls < before.Fulls {
		t.Errorf("50 entries more: %+v, before %+v", after, before)
	}
}

func TestNeighbourTablesParse(t *testing.T) {
	message := func(thresh3, entries uint32, fulls uint64) []byte {
		config, stats := make([]byte, 32), make([]byte, 88)
		binary.NativeEndian.PutUint32(config[4:], entries)
		binary.NativeEndian.PutUint64(stats[80:], fulls)
		return appendAttr(appendAttr(appendAttr32(make([]byte, 4), 4, thresh3), 5, config), 7, stats)
	}
	var got NeighbourTables
	for _, b := range [][]byte{message(1024, 10, 3), message(2048, 1000, 4), appendAttr32(make([]byte, 4), 3, 7), {1}, nil, message(1024, 1, 0)[:9]} {
		got.add(b)
	}
	if want := (NeighbourTables{Entries: 1000, Limit: 2048, Fulls: 7}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
