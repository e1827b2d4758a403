package netlink

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	vishnl "github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/evidence"
)

func TestAddress(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64", "fe80::10/64")
	addVeth(t, "v2", "v3", "198.51.100.1/24")
	must(t, vishnl.LinkSetDown(linkNamed(t, "v2")))
	for _, want := range []evidence.HostAddr{
		{Addr: addr("192.0.2.1"), Local: true, Interface: "v0"},
		{Addr: addr("::ffff:192.0.2.1"), Local: true, Interface: "v0"},
		{Addr: addr("127.0.0.1"), Local: true, Interface: "lo"},
		{Addr: addr("127.200.3.4"), Local: true, Interface: "lo"},
		{Addr: addr("2001:db8::1"), Local: true, Interface: "v0"},
		{Addr: addr("::1"), Local: true, Interface: "lo"},
		{Addr: addr("fe80::10"), Local: true, Interface: "v0"},
		{Addr: addr("fe80::10%v0"), Local: true, Interface: "v0"},
		{Addr: addr("fe80::10%1")},
		{Addr: addr("fe80::10%nope")},
		{Addr: addr("0.0.0.0"), Local: true},
		{Addr: addr("::"), Local: true},
		{Addr: addr("192.0.2.2")},

		{Addr: addr("2001:db8::2")},
		{Addr: addr("198.51.100.1"), Local: true, Interface: "v2"},
		{Addr: addr("224.0.0.1")},
	} {
		got, err := Address(want.Addr)
		must(t, err)
		if diff := cmp.Diff(&want, got, byValue); diff != "" {
			t.Errorf("Address(%v) (-want +got):\n%s", want.Addr, diff)
		}
		if !want.Addr.IsLinkLocalUnicast() && !want.Addr.IsMulticast() && bindable(t, want.Addr) != want.Local {
			t.Errorf("bind(2) and Address disagree about %v", want.Addr)
		}
	}
}

// bindable asks bind(2) itself, with a TCP socket.
func bindable(t *testing.T, a netip.Addr) bool {
	t.Helper()
	family, sa := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Addr: a.As16()})
	if a.Is4() {
		family, sa = syscall.AF_INET, &syscall.SockaddrInet4{Addr: a.As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	defer syscall.Close(fd)
	err = syscall.Bind(fd, sa)
	if err != nil && err != syscall.EADDRNOTAVAIL {
		t.Fatalf("bind(%v): %v", a, err)
	}
	return err == nil
}

func TestAddressTentative(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1")
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/v0/accept_dad", []byte("1"), 0))
	a, err := vishnl.ParseAddr("2001:db8::5/64")
	must(t, err)
	must(t, vishnl.AddrAdd(linkNamed(t, "v0"), a))
	got, err := Address(addr("2001:db8::5"))
	if err != nil || !got.Local || !got.Tentative {
		t.Errorf("while duplicate address detection runs: %+v, %v", got, err)
	}
}

func TestAddressBadQuestion(t *testing.T) {
	var none evidence.HostAddr
	if _, err := Address(none.Addr); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
}
