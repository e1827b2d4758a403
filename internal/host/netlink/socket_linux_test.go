package netlink

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

var addrPort = netip.MustParseAddrPort

// bind opens a TCP socket (domain AF_INET or AF_INET6) and binds it.
func bind(t *testing.T, to netip.AddrPort, prepare ...func(fd int) error) int {
	t.Helper()
	family := syscall.AF_INET6
	var sa syscall.Sockaddr = &syscall.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
	if to.Addr().Is4() {
		family, sa = syscall.AF_INET, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	for _, f := range prepare {
		must(t, f(fd))
	}
	must(t, syscall.Bind(fd, sa))
	return fd
}

func listen(t *testing.T, to netip.AddrPort, prepare ...func(fd int) error) int {
	t.Helper()
	fd := bind(t, to, prepare...)
	must(t, syscall.Listen(fd, 5))
	return fd
}

func v6Only(on int) func(int) error {
	return func(fd int) error {
		return syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, on)
	}
}

func toDevice(name string) func(int) error {
	return func(fd int) error { return syscall.BindToDevice(fd, name) }
}

// connect opens a connection from a local port of its own choice.
func connect(t *testing.T, to netip.AddrPort) (fd int, local netip.AddrPort) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}))
	sa, err := syscall.Getsockname(fd)
	must(t, err)
	in := sa.(*syscall.SockaddrInet4)
	return fd, netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
}

func TestListenerAt(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	listen(t, addrPort("127.0.0.1:1001"))
	listen(t, addrPort("0.0.0.0:1002"))
	listen(t, addrPort("[::]:1003"), v6Only(0))
	listen(t, addrPort("[::]:1004"), v6Only(1))
	listen(t, addrPort("[::1]:1005"))
	listen(t, addrPort("[::ffff:192.0.2.1]:1006"), v6Only(0))
	listen(t, addrPort("0.0.0.0:1007"), toDevice("v0"))
	listen(t, addrPort("0.0.0.0:1008"), toDevice("lo"))
	bind(t, addrPort("127.0.0.1:1009")) // bound, not listening
	for dst, bound := range map[string]string{
		"127.0.0.1:1001":     "127.0.0.1:1001",
		"127.0.0.2:1001":     "",
		"192.0.2.1:1001":     "",
		"127.0.0.1:1002":     "0.0.0.0:1002",
		"192.0.2.1:1002":     "0.0.0.0:1002",
		"[::1]:1002":         "",
		"127.0.0.1:1003":     "[::]:1003",
		"[2001:db8::1]:1003": "[::]:1003",
		"127.0.0.1:1004":     "",
		"[::1]:1004":         "[::]:1004",
		"[::1]:1005":         "[::1]:1005",
		"[2001:db8::1]:1005": "",
		"192.0.2.1:1006":     "192.0.2.1:1006",
		"192.0.2.1:1007":     "",
		"192.0.2.1:1008":     "0.0.0.0:1008",
		"127.0.0.1:1009":     "",
	} {
		want := &evidence.Listener{Addr: addrPort(dst)}
		if bound != "" {
			want.Found, want.Bound, want.Backlog = true, addrPort(bound), 5
			want.PID, want.Command = os.Getpid(), ownCommand(t)
		}
		got, err := ListenerAt(want.Addr)
		must(t, err)
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("ListenerAt(%s) (-want +got):\n%s", dst, diff)
		}
	}
}

func ownCommand(t *testing.T) string {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	must(t, err)
	return strings.TrimSpace(string(comm))
}

func TestListenerAtPrefersExact(t *testing.T) {
	enterNetNS(t)
	reuse := func(fd int) error { return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, 15 /* SO_REUSEPORT */, 1) }
	listen(t, addrPort("[::]:1001"), reuse, v6Only(0))
	listen(t, addrPort("0.0.0.0:1001"), reuse)
	if got, err := ListenerAt(addrPort("127.0.0.1:1001")); err != nil || got.Bound != addrPort("0.0.0.0:1001") {
		t.Errorf("two wildcards: %+v, %v", got, err)
	}
	listen(t, addrPort("127.0.0.1:1001"), reuse)
	if got, err := ListenerAt(addrPort("127.0.0.1:1001")); err != nil || got.Bound != addrPort("127.0.0.1:1001") {
		t.Errorf("wildcards and exact: %+v, %v", got, err)
	}
}

func TestListenerQueue(t *testing.T) {
	enterNetNS(t)
	to := addrPort("127.0.0.1:1001")
	listen(t, to)
	for range 3 {
		connect(t, to)
	}
	got, err := ListenerAt(to)
	if err != nil || got.QueueLen != 3 || got.Backlog != 5 {
		t.Errorf("three waiting connections: %+v, %v", got, err)
	}
}

func TestHolderOf(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24")
	listen(t, addrPort("127.0.0.1:1001"))
	listen(t, addrPort("0.0.0.0:1002"))
	listen(t, addrPort("[::]:1003"), v6Only(0))
	listen(t, addrPort("[::]:1004"), v6Only(1))
	_, local := connect(t, addrPort("127.0.0.1:1001"))
	me := evidence.Holder{PID: os.Getpid(), Command: ownCommand(t)}
	for ask, want := range map[string]*evidence.Holder{
		"127.0.0.1:1001":     {Local: addrPort("127.0.0.1:1001"), State: "LISTEN"},
		"0.0.0.0:1001":       {Local: addrPort("127.0.0.1:1001"), State: "LISTEN"},
		"[::]:1001":          {Local: addrPort("127.0.0.1:1001"), State: "LISTEN"},
		"192.0.2.1:1001":     nil,
		"192.0.2.1:1002":     {Local: addrPort("0.0.0.0:1002"), State: "LISTEN"},
		"[2001:db8::1]:1002": nil,
		"192.0.2.1:1003":     {Local: addrPort("[::]:1003"), State: "LISTEN"},
		"192.0.2.1:1004":     nil,
		"0.0.0.0:1004":       nil,
		"[::1]:1004":         {Local: addrPort("[::]:1004"), State: "LISTEN"},
		local.String():       {Local: local, Remote: addrPort("127.0.0.1:1001"), State: "ESTABLISHED"},
		"127.0.0.1:4711":     nil,
	} {
		if want != nil {
			want.PID, want.Command = me.PID, me.Command
		}
		got, err := HolderOf(addrPort(ask))
		must(t, err)
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("HolderOf(%s) (-want +got):\n%s", ask, diff)
		}
	}
}

func TestHolderOfBound(t *testing.T) {
	enterNetNS(t)
	at := addrPort("127.0.0.1:1009")
	bind(t, at)
	got, err := HolderOf(at)
	must(t, err)
	if got == nil {
		testmain.Check(t, "netns", errors.New("this kernel does not list bound sockets (before Linux 6.8)"))
	}
	want := &evidence.Holder{Local: at, State: "CLOSE", PID: os.Getpid(), Command: ownCommand(t)}
	if diff := cmp.Diff(want, got, byValue); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := HolderOf(addrPort("127.0.0.1:1010")); got != nil || err != nil {
		t.Errorf("the port beside: %+v, %v", got, err)
	}
}

func TestHolderOfUDP(t *testing.T) {
	enterNetNS(t)
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1010})
	must(t, err)
	defer c.Close()
	got, err := UDPHolderOf(addrPort("127.0.0.1:1010"))
	if err != nil || got == nil || got.State != "CLOSE" || got.PID != os.Getpid() {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := HolderOf(addrPort("127.0.0.1:1010")); got != nil || err != nil {
		t.Errorf("a UDP socket holds a TCP port: %+v, %v", got, err)
	}
}

// setPortRange narrows the ephemeral ports of the test's namespace.
func setPortRange(t *testing.T, value string) {
	t.Helper()
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(value), 0))
}

func TestPortsToward(t *testing.T) {
	enterNetNS(t)
	setPortRange(t, "40000 40009")
	to, from := addrPort("127.0.0.1:1001"), addr("127.0.0.1")
	server := listen(t, to)
	want := &evidence.Ports{Low: 40000, High: 40009, Toward: to, Source: from}
	check := func(what string) {
		t.Helper()
		got, err := PortsToward(from, to)
		must(t, err)
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("nothing yet")

	first, _ := connect(t, to)
	connect(t, to)
	want.InUse = 2
	check("two connections")

	accepted, _, err := syscall.Accept(server)
	must(t, err)
	must(t, syscall.Shutdown(first, syscall.SHUT_WR))
	_, err = syscall.Read(accepted, make([]byte, 1)) // the FIN
	must(t, err)
	must(t, syscall.Close(accepted))
	_, err = syscall.Read(first, make([]byte, 1))
	must(t, err)
	want.Waits = 1
	check("one of them in TIME_WAIT")

	listen(t, addrPort("0.0.0.0:40009"))
	want.InUse = 3
	check("a listener in the range")

	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_local_reserved_ports", []byte("39990-39999,40009\n"), 0))
	want.InUse = 2
	check("the listener's port is reserved")
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_local_reserved_ports", []byte("\n"), 0))

	other := netip.AddrPortFrom(to.Addr(), 1002)
	got, err := PortsToward(addr("127.0.0.9"), other)
	if err != nil || got.InUse != 1 { // the listener's
		t.Errorf("toward another destination: %+v, %v", got, err)
	}
}

func TestPortsTowardExhausted(t *testing.T) {
	enterNetNS(t)
	setPortRange(t, "40000 40003")
	to := addrPort("127.0.0.1:1001")
	listen(t, to)
	for range 4 {
		connect(t, to)
	}
	if got := connectAgain(t, to); got != syscall.EADDRNOTAVAIL {
		t.Errorf("a fifth connection: %v", got)
	}
	got, err := PortsToward(addr("127.0.0.1"), to)
	if err != nil || got.InUse != int(got.High-got.Low)+1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPortsWithin(t *testing.T) {
	enterNetNS(t)
	setPortRange(t, "40000 40009")
	listen(t, addrPort("127.0.0.1:40003"))
	listen(t, addrPort("127.0.0.1:40008"))
	for _, c := range []struct{ low, high, wantLow, wantHigh, inUse uint16 }{
		{0, 0, 40000, 40009, 2},
		{40002, 40004, 40002, 40004, 1},
		{40005, 0, 40005, 40009, 1},
		{0, 40002, 40000, 40002, 0},
		{30000, 40003, 40000, 40003, 1},
		{40008, 50000, 40008, 40009, 1},
	} {
		got, err := PortsWithin(netip.Addr{}, addrPort("127.0.0.1:1001"), "tcp", c.low, c.high)
		if err != nil || got.Low != c.wantLow || got.High != c.wantHigh || got.InUse != int(c.inUse) {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
}

func TestPortsTowardUDPExhausted(t *testing.T) {
	enterNetNS(t)
	setPortRange(t, "40000 40003")
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1001}
	socket := func() error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { syscall.Close(fd) })
		return syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte(to.IP.To4()), Port: to.Port})
	}
	for want := 1; want <= 4; want++ {
		must(t, socket())
		got, err := PortsWithin(addr("127.0.0.1"), to.AddrPort(), "udp", 0, 0)
		if err != nil || got.InUse != want || got.Waits != 0 {
			t.Errorf("%d connected: %+v, %v", want, got, err)
		}
	}
	if err := socket(); err != syscall.EAGAIN {
		t.Errorf("a fifth: %v", err)
	}
}

func connectAgain(t *testing.T, to netip.AddrPort) error {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	defer syscall.Close(fd)
	return syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
}

func TestParsePortList(t *testing.T) {
	set, err := parsePortList("1,7-9,65535")
	must(t, err)
	for port, want := range map[uint16]bool{0: false, 1: true, 6: false, 7: true, 8: true, 9: true, 10: false, 65535: true} {
		if set.has(port) != want {
			t.Errorf("port %d: %v", port, !want)
		}
	}
	if _, err := parsePortList(""); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"x", "9-7", "1-", "65536", "-1"} {
		if _, err := parsePortList(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPortsWithinBadNetwork(t *testing.T) {
	if _, err := PortsWithin(netip.Addr{}, addrPort("127.0.0.1:1"), "sctp", 0, 0); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
}

func TestSocketsBadQuestion(t *testing.T) {
	for _, bad := range []netip.AddrPort{{}, addrPort("127.0.0.1:0")} {
		_, listener := ListenerAt(bad)
		_, holder := HolderOf(bad)
		_, ports := PortsToward(netip.Addr{}, bad)
		for _, err := range []error{listener, holder, ports} {
			if !errors.Is(err, os.ErrInvalid) {
				t.Errorf("%v: %v", bad, err)
			}
		}
	}
}

func BenchmarkListenerAt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ListenerAt(addrPort("127.0.0.1:1")); err != nil {
			b.Fatal(err)
		}
	}
}
