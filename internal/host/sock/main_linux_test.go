package sock

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) {
	testmain.Main(m,
		testmain.Helper("without-descriptors", withoutDescriptors),
		testmain.Helper("without-privilege", withoutPrivilege))
}

// patience bounds waits for what takes a moment.
const patience = 20 * time.Second

// towards is a Config for one attempt with a deadline that no passing test meets.
func towards(to netip.AddrPort) *Config {
	network := "tcp4"
	if to.Addr().Is6() {
		network = "tcp6"
	}
	return &Config{Network: network, Remote: to, Deadline: time.Now().Add(patience), Limit: patience, Scope: "dial"}
}

// try makes an attempt; the connection is closed at the test's end.
func try(t testing.TB, c *Config) (net.Conn, *Recorder, error) {
	t.Helper()
	r := NewRecorder(nil)
	conn, err := Connect(t.Context(), c, r)
	if (conn == nil) == (err == nil) {
		t.Fatalf("connection %v with error %v", conn, err)
	}
	if conn != nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, r, err
}

// hold keeps a connection until its peer ends it.
func hold(c *net.TCPConn) { io.Copy(io.Discard, c) }

// bound is a loopback port that a socket holds and at which none listens.
func bound(t testing.TB, address string) (fd int, to netip.AddrPort) {
	t.Helper()
	a := netip.MustParseAddr(address)
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{})
	if a.Is6() {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: a.As16()}
	} else {
		sa.(*syscall.SockaddrInet4).Addr = a.As4()
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, sa); err != nil {
		t.Fatal(err)
	}
	sa, err = syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		to = netip.AddrPortFrom(a, uint16(sa.Port))
	case *syscall.SockaddrInet6:
		to = netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return fd, to
}

// closedPort answers every SYN with RST.
func closedPort(t testing.TB, address string) netip.AddrPort {
	t.Helper()
	fd, to := bound(t, address)
	t.Cleanup(func() { syscall.Close(fd) })
	return to
}

// silentPort answers no SYN: its accept queue is full (listen(2)). wake ends
// that: it takes what waits, so that the next SYN is answered; refuse closes
// the listener, so that the next SYN is refused.
func silentPort(t testing.TB) (to netip.AddrPort, wake, refuse func()) {
	t.Helper()
	fd, to := bound(t, "127.0.0.1")
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	filler, err := net.Dial("tcp", to.String()) // a backlog of 0 holds one (sk_acceptq_is_full)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { filler.Close() })
	wake = func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	return to, wake, func() { l.Close() }
}

// kinds is the log in short: "connect poll so_error".
func kinds(l evidence.Log) (all []string) {
	for _, e := range l {
		all = append(all, string(e.Source))
	}
	return all
}

// course is kinds without poll(2), which is asked only where TCP_INFO leaves
// open whether the handshake is over.
func course(l evidence.Log) []string {
	return slices.DeleteFunc(kinds(l), func(s string) bool { return s == "poll" })
}

// last is the latest fact of a type, which must be there.
func last[T evidence.Fact](t testing.TB, r *Recorder) T {
	t.Helper()
	f, _, ok := evidence.Last[T](r.Log)
	if !ok {
		t.Fatalf("no %s in %v", f.Kind(), kinds(r.Log))
	}
	return f
}

// when calls f, once, as soon as the attempt's log has a fact of the kind.
func when(kind evidence.Kind, f func()) func(evidence.Entry) {
	var once sync.Once
	return func(e evidence.Entry) {
		if e.Fact.Kind() == kind {
			once.Do(f)
		}
	}
}

// connectWith is an attempt whose hook sees every entry.
func connectWith(ctx context.Context, c *Config, hook func(evidence.Entry)) (net.Conn, *Recorder, error) {
	r := NewRecorder(hook)
	conn, err := Connect(ctx, c, r)
	return conn, r, err
}
