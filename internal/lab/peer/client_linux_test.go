package peer_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/tun"
	"github.com/dialscope/dialscope/internal/lab/peer"
	"github.com/dialscope/dialscope/internal/testmain"
	"github.com/dialscope/dialscope/internal/wire"
)

// stage is a client with a scripted peer behind a TUN interface.
type stage struct {
	t      *testing.T
	host   *netns.Host
	dev    *tun.Device
	script *peer.Script
	cancel context.CancelFunc
	served chan struct{}

	transcript *peer.Transcript // after end
	err        error
}

var (
	client4 = netip.MustParsePrefix("192.0.2.2/24")
	client6 = netip.MustParsePrefix("2001:db8::2/64")
)

// perform builds a namespace with its own TUN interface and begins to play the
// text. Hosts in the documentation ranges of other networks are routed to it.
func perform(t *testing.T, text string, sysctls ...string) *stage {
	t.Helper()
	testmain.Need(t, "netns")
	testmain.Check(t, "netns", tun.Supported())
	s := &stage{t: t, served: make(chan struct{})}
	var err error
	if s.script, err = peer.Parse(text); err != nil {
		t.Fatal(err)
	}
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if s.host, err = n.Host("client"); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sysctls); i += 2 {
		err := s.host.Sysctl(sysctls[i], sysctls[i+1])
		if errors.Is(err, fs.ErrNotExist) {
			testmain.Check(t, "netns", err) // a kernel before the sysctl
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err = s.host.Do(func() (err error) {
		s.dev, err = tun.Open("peer0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.dev.Close() })
	if err := s.dev.Up(client4, client6); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"} {
		if err := s.dev.Route(netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		defer close(s.served)
		s.transcript, s.err = s.script.Serve(ctx, s.dev, nil)
	}()
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			t.Logf("transcript:\n%v", s.transcript)
		}
	})
	return s
}

// end stops the peer and waits for it.
func (s *stage) end() {
	s.cancel()
	<-s.served
}

// played waits for a script with "end" and wants it to have been played.
func (s *stage) played() {
	s.t.Helper()
	select {
	case <-s.served:
	case <-time.After(patience):
		s.end()
	}
	if s.err != nil {
		s.t.Errorf("script: %v", s.err)
	}
	for _, e := range s.transcript.Entries {
		if f := wire.Look(e.Packet).Verify(); !e.Sent && f != 0 {
			s.t.Errorf("the kernel is said to have sent %s", wire.Summary(e.Packet))
		}
	}
}

// patience is how long is waited for what is meant to come.
const patience = 20 * time.Second

// result is what an application sees of one connect(2).
type result struct {
	conn *net.TCPConn
	err  error // unwraps to the errno
	took time.Duration
}

// connect is a non-blocking connect and the wait for its readiness: what
// package net does. set acts on the socket before.
func (s *stage) connect(to string, deadline time.Duration, set ...func(fd int) error) result {
	s.t.Helper()
	d := net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) {
			for _, f := range set {
				err = errors.Join(err, f(int(fd)))
			}
		})
		return errors.Join(controlErr, err)
	}}
	d.SetMultipathTCP(false)
	ctx, cancel := context.WithTimeout(s.t.Context(), deadline)
	defer cancel()
	var r result
	began := time.Now()
	err := s.host.Do(func() error {
		c, err := d.DialContext(ctx, "tcp", to)
		if err == nil {
			r.conn = c.(*net.TCPConn)
		}
		return err
	})
	r.err, r.took = err, time.Since(began)
	if r.conn != nil {
		s.t.Cleanup(func() { r.conn.Close() })
	}
	return r
}

// want checks the errno, 0 for success, and the time that it took.
func (r result) want(t *testing.T, errno syscall.Errno, low, high time.Duration) {
	t.Helper()
	if errno == 0 && r.err != nil || errno != 0 && !errors.Is(r.err, errno) {
		t.Errorf("connect: %v, want %q", r.err, errno)
	}
	if r.took < low || r.took > high {
		t.Errorf("connect took %v, want %v to %v", r.took, low, high)
	}
}
