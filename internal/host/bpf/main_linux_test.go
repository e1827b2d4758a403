//go:build amd64 || arm64

package bpf

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) {
	testmain.Main(m,
		testmain.Helper("dial", func(args []string) int {
			c, err := net.Dial("tcp", args[0])
			if err != nil {
				return 1
			}
			c.Close()
			return 7
		}),
		testmain.Helper("permitted", func([]string) int {
			if err := Permitted(); err != nil {
				os.Stdout.WriteString(err.Error())
				return 3
			}
			return 0
		}))
}

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

// pair is two hosts on one link.
type pair struct {
	net        *netns.Net
	a, b       *netns.Host
	inA, inB   uint32 // the inodes of their networks
	toB        netip.AddrPort
	toBNothing netip.AddrPort // nothing listens there
}

func newPair(t *testing.T) *pair {
	t.Helper()
	testmain.Need(t, "netns", "bpf")
	n, err := netns.New()
	must(t, err)
	t.Cleanup(func() { must(t, n.Close()) })
	p := &pair{net: n}
	p.a, err = n.Host("a")
	must(t, err)
	p.b, err = n.Host("b")
	must(t, err)
	_, err = n.Link(p.a, p.b, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.PrefixFrom(addrA, 24), netip.MustParsePrefix("2001:db8::1/64")}},
		B: netns.End{Addrs: []netip.Prefix{netip.PrefixFrom(addrB, 24), netip.MustParsePrefix("2001:db8::2/64")}},
	})
	must(t, err)
	p.inA, p.inB = networkOf(t, p.a), networkOf(t, p.b)
	p.toB, p.toBNothing = netip.AddrPortFrom(addrB, 7001), netip.AddrPortFrom(addrB, 7002)
	return p
}

func networkOf(t *testing.T, h *netns.Host) (inode uint32) {
	t.Helper()
	must(t, h.Do(func() (err error) {
		inode, err = ThisNetwork()
		return err
	}))
	return inode
}

// listen makes b accept connections and keep them until the test ends.
func (p *pair) listen(t *testing.T, address string) {
	t.Helper()
	l, err := p.b.Listen("tcp", address)
	must(t, err)
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range conns {
			c.Close()
		}
	})
}

// connect makes host h call connect(2) on a blocking socket with a bound on
// its time; the socket lives as long as the test.
func connect(t *testing.T, h *netns.Host, to netip.AddrPort) error {
	t.Helper()
	return h.Do(func() error {
		family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { syscall.Close(fd) })
		limit := syscall.NsecToTimeval(int64(100 * time.Millisecond))
		must(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit))
		return syscall.Connect(fd, sa)
	})
}

func open(t *testing.T, o Options) *Session {
	t.Helper()
	s, err := Open(o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	for _, source := range s.Sources() {
		if source.Err != nil {
			t.Errorf("%s is not heard: %v", source.Name, source.Err)
		}
	}
	return s
}

// await reads until an event fits, and fails after some seconds.
func await(t *testing.T, s *Session, what string, fits func(*Event) bool) Event {
	t.Helper()
	s.SetDeadline(time.Now().Add(5 * time.Second))
	var seen []Event
	for {
		var e Event
		if err := s.Read(&e); err != nil {
			for _, e := range seen {
				t.Logf("%+v", e)
			}
			t.Fatalf("%s: %v after the %d events above", what, err, len(seen))
		}
		if fits(&e) {
			return e
		}
		seen = append(seen, e)
	}
}

// drain reads all that has happened until now.
func drain(t *testing.T, s *Session) (all []Event) {
	t.Helper()
	s.SetDeadline(time.Now().Add(-time.Second))
	for {
		var e Event
		err := s.Read(&e)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		must(t, err)
		all = append(all, e)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
