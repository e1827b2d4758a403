package sys

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

func TestSockaddr(t *testing.T) {
	for _, tt := range []struct {
		family int
		give   string
		scope  uint32
		want   string
	}{
		{AFInet, "192.0.2.7:443", 0, "192.0.2.7:443"},
		{AFInet, "255.255.255.255:65535", 9, "255.255.255.255:65535"}, // a scope means nothing to IPv4
		{AFInet6, "[2001:db8::7]:443", 0, "[2001:db8::7]:443"},
		{AFInet6, "[fe80::1]:1", 3, "[fe80::1]:1"},
		{AFInet6, "192.0.2.7:443", 0, "[::ffff:192.0.2.7]:443"},
	} {
		var s Sockaddr
		s.Set(AFInet6, netip.MustParseAddrPort("[ffff:ffff::ffff]:65535"), 1<<32-1) // nothing of it stays
		s.Set(tt.family, netip.MustParseAddrPort(tt.give), tt.scope)
		got, scope := s.AddrPort()
		wantScope := tt.scope
		if tt.family == AFInet {
			wantScope = 0
		}
		if got != netip.MustParseAddrPort(tt.want) || scope != wantScope {
			t.Errorf("%s in family %d: %v, scope %d", tt.give, tt.family, got, scope)
		}
	}
	if a, _ := new(Sockaddr).AddrPort(); a.IsValid() {
		t.Errorf("AF_UNSPEC reads as %v", a)
	}
}

func TestSocketIsNonBlockingAndCloseOnExec(t *testing.T) {
	fd, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	flags := func(cmd uintptr) uintptr {
		v, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), cmd, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return v
	}
	if flags(syscall.F_GETFL)&syscall.O_NONBLOCK == 0 {
		t.Error("the socket blocks")
	}
	if flags(syscall.F_GETFD)&syscall.FD_CLOEXEC == 0 {
		t.Error("a child would inherit the socket")
	}
	if errno := SetBlocking(fd); errno != 0 || flags(syscall.F_GETFL)&syscall.O_NONBLOCK != 0 {
		t.Errorf("%v; the socket does not block", errno)
	}
}

// One connection, call by call: no call waits, and each says what it should.
func TestCallsOfAConnection(t *testing.T) {
	l, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(l)
	var at Sockaddr
	at.Set(AFInet, netip.MustParseAddrPort("127.0.0.1:0"), 0)
	if errno := Bind(l, &at); errno != 0 {
		t.Fatal(errno)
	}
	if err := syscall.Listen(l, 1); err != nil {
		t.Fatal(err)
	}
	if errno := Getsockname(l, &at); errno != 0 {
		t.Fatal(errno)
	}
	fd, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	var peer Sockaddr
	if errno := Getpeername(fd, &peer); errno != syscall.ENOTCONN {
		t.Errorf("getpeername before connect: %v", errno)
	}
	if errno := Connect(fd, &at); errno != syscall.EINPROGRESS {
		t.Fatalf("connect: %v", errno)
	}
	if revents, errno := Readiness(fd); errno != 0 || revents != PollOut { // loopback: the handshake is over
		t.Errorf("readiness %#x, %v", revents, errno)
	}
	if pending, errno := SOError(fd); pending != 0 || errno != 0 {
		t.Errorf("SO_ERROR %v, %v", pending, errno)
	}
	if errno := Getpeername(fd, &peer); errno != 0 || peer != at {
		t.Errorf("getpeername: %v", errno)
	}
	var i TCPInfo
	if errno := GetTCPInfo(fd, &i); errno != 0 || i.State != 1 || i.Snd_mss == 0 {
		t.Errorf("TCP_INFO: %v, %+v", errno, i)
	}
	if snd, rcv := WindowScales(&i); snd == 0 || rcv == 0 || snd > 14 || rcv > 14 { // RFC 7323 §2.3
		t.Errorf("window scales %d and %d", snd, rcv)
	}
	if fail := FastOpenClientFail(&i); fail != 0 {
		t.Errorf("fast open failed in way %d, and nobody asked for it", fail)
	}
	server, _, err := syscall.Accept4(l, syscall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(server)
	if _, err := syscall.Write(server, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, errno := Queued(fd); n != 5 || errno != 0 {
		t.Errorf("%d octets wait, %v", n, errno)
	}
	for range 2 { // it stays
		var b [8]byte
		if n, errno := Peek(fd, b[:]); errno != 0 || string(b[:n]) != "hello" {
			t.Errorf("peeked %q, %v", b[:n], errno)
		}
	}
	if n, errno := Send(fd, []byte("world")); n != 5 || errno != 0 {
		t.Errorf("sent %d, %v", n, errno)
	}
}

// Without the peer's help nothing waits either, and SO_ERROR is told once.
func TestCallsOfARefusal(t *testing.T) {
	held, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(held)
	var at Sockaddr
	at.Set(AFInet, netip.MustParseAddrPort("127.0.0.1:0"), 0)
	if errno := Bind(held, &at); errno != 0 {
		t.Fatal(errno)
	}
	if errno := Getsockname(held, &at); errno != 0 {
		t.Fatal(errno)
	}
	fd, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	if errno := Connect(fd, &at); errno != syscall.EINPROGRESS {
		t.Fatalf("connect: %v", errno)
	}
	if revents, _ := Readiness(fd); revents&(PollErr|PollHup) != PollErr|PollHup {
		t.Errorf("readiness %#x", revents)
	}
	for _, want := range []syscall.Errno{syscall.ECONNREFUSED, 0} {
		if pending, errno := SOError(fd); pending != want || errno != 0 {
			t.Errorf("SO_ERROR %v, %v; want %v", pending, errno, want)
		}
	}
	// LTP send01: EPIPE, and no signal.
	if _, errno := Send(fd, []byte("x")); errno != syscall.EPIPE {
		t.Errorf("send: %v", errno)
	}
	if _, errno := Peek(fd, nil); errno != 0 && errno != syscall.ENOTCONN {
		t.Errorf("peek: %v", errno)
	}
}

func TestCallsWithoutASocket(t *testing.T) {
	var sa Sockaddr
	sa.Set(AFInet, netip.MustParseAddrPort("127.0.0.1:1"), 0)
	var i TCPInfo
	const none = -1
	for name, errno := range map[string]syscall.Errno{
		"connect":     Connect(none, &sa),
		"bind":        Bind(none, &sa),
		"getsockname": Getsockname(none, &sa),
		"setsockopt":  SetsockoptInt(none, SolSocket, SoBroadcast, 1),
		"a string":    SetsockoptString(none, SolSocket, SoBindToDevice, "lo"),
		"TCP_INFO":    GetTCPInfo(none, &i),
		"SO_ERROR":    second(SOError(none)),
		"ioctl":       second(Queued(none)),
		"send":        second(Send(none, nil)),
		"recv":        second(Peek(none, nil)),
		"fcntl":       SetBlocking(none),
	} {
		if errno != syscall.EBADF {
			t.Errorf("%s: %v", name, errno)
		}
	}
	if _, errno := Socket(AFInet, SockStream, 255); errno != syscall.EPROTONOSUPPORT {
		t.Errorf("socket: %v", errno)
	}
	Close(none)
}

func second[T any](_ T, errno syscall.Errno) syscall.Errno { return errno }

func TestErrnoName(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		0: "", syscall.ECONNREFUSED: "ECONNREFUSED", syscall.EAGAIN: "EAGAIN",
		syscall.EOPNOTSUPP: "EOPNOTSUPP", syscall.ENONET: "ENONET", 4095: "errno 4095",
	} {
		if got := ErrnoName(errno); got != want {
			t.Errorf("%d: %q, want %q", errno, got, want)
		}
	}
	// Every number that errno(3) has on Linux has a name.
	for e := syscall.Errno(1); e <= 133; e++ {
		if e == 41 || e == 58 { // EWOULDBLOCK's and EDEADLOCK's old places
			continue
		}
		if got := ErrnoName(e); !strings.HasPrefix(got, "E") {
			t.Errorf("%d: %q", e, got)
		}
	}
}
