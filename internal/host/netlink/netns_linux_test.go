package netlink

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	vishnl "github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m) }

// enterNetNS puts the test's own thread into a new network namespace with the
// loopback up. The thread is never unlocked, so that the runtime ends it with
// the test.
func enterNetNS(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	testmain.Check(t, "netns", syscall.Unshare(syscall.CLONE_NEWNET))
	must(t, vishnl.LinkSetUp(linkNamed(t, "lo")))
}

// addVeth makes a pair of interfaces and gives the first the addresses. Both
// ends are up.
func addVeth(t *testing.T, name, peer string, addresses ...string) vishnl.Link {
	t.Helper()
	must(t, vishnl.LinkAdd(&vishnl.Veth{LinkAttrs: vishnl.LinkAttrs{Name: name}, PeerName: peer}))
	for _, a := range addresses {
		addAddress(t, name, a)
	}
	must(t, vishnl.LinkSetUp(linkNamed(t, peer)))
	must(t, vishnl.LinkSetUp(linkNamed(t, name)))
	awaitLocal(t, addresses)
	return linkNamed(t, name)
}

// awaitLocal waits until the IPv6 addresses are usable: the kernel puts them
// into the local table from a work queue, also without duplicate address
// detection (addrconf_dad_work).
func awaitLocal(t *testing.T, addresses []string) {
	t.Helper()
	missing := make(map[string]bool)
	for _, a := range addresses {
		if a := netip.MustParsePrefix(a).Addr(); a.Is6() {
			missing[netip.PrefixFrom(a, 128).String()] = true
		}
	}
	if len(missing) == 0 {
		return
	}
	updates, done := make(chan vishnl.RouteUpdate), make(chan struct{})
	must(t, vishnl.RouteSubscribeWithOptions(updates, done, vishnl.RouteSubscribeOptions{ListExisting: true}))
	defer func() {
		close(done)
		for range updates { // until the subscription has ended
		}
	}()
	deadline := time.After(10 * time.Second)
	for len(missing) > 0 {
		select {
		case u := <-updates:
			if u.Type == syscall.RTM_NEWROUTE && u.Route.Type == syscall.RTN_LOCAL && u.Dst != nil {
				delete(missing, u.Dst.String())
			}
		case <-deadline:
			t.Fatalf("not local after 10 s: %v", missing)
		}
	}
}

func addAddress(t *testing.T, link, address string) {
	t.Helper()
	a, err := vishnl.ParseAddr(address)
	must(t, err)
	if a.IP.To4() == nil {
		a.Flags = syscall.IFA_F_NODAD
	}
	must(t, vishnl.AddrAdd(linkNamed(t, link), a))
}

// addRoute adds a route; gateway "" is on-link, link "" none (a reject type).
func addRoute(t *testing.T, prefix, gateway, link string, typ, table int) {
	t.Helper()
	r := &vishnl.Route{Dst: ipNet(prefix), Type: typ, Table: table, Family: familyOf(prefix)}
	if gateway != "" {
		r.Gw = net.ParseIP(gateway)
	}
	if link != "" {
		r.LinkIndex = linkNamed(t, link).Attrs().Index
	}
	must(t, vishnl.RouteAdd(r))
}

func familyOf(prefix string) int {
	if netip.MustParsePrefix(prefix).Addr().Is4() {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}

func ipNet(prefix string) *net.IPNet {
	_, n, err := net.ParseCIDR(prefix)
	if err != nil {
		panic(err)
	}
	return n
}

func linkNamed(t *testing.T, name string) vishnl.Link {
	t.Helper()
	l, err := vishnl.LinkByName(name)
	must(t, err)
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connectErrno is what connect(2) itself says, to compare a route with. The
// socket is non-blocking; the destination must not need an answer.
func connectErrno(t *testing.T, to netip.Addr) syscall.Errno {
	t.Helper()
	family := syscall.AF_INET
	var sa syscall.Sockaddr = &syscall.SockaddrInet4{Port: 9}
	if to.Is6() {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: 9, Addr: to.As16()}
	} else {
		sa.(*syscall.SockaddrInet4).Addr = to.As4()
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	defer syscall.Close(fd)
	err = syscall.Connect(fd, sa)
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		t.Fatal(err)
	}
	return errno
}
