package dialscope

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// Predicted and measured: from one moment on the peer is gone, the path is cut, a
// router has forgotten the idle connection, the peer has, or it never reads; and
// the kernel gives up when the prediction says. Each case is a network of its
// own, all at once.
func TestDeadPeerMeasured(t *testing.T) {
	testmain.Need(t, "netns")
	keep := func(c *net.TCPConn, idle, interval time.Duration, count int) {
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: idle, Interval: interval, Count: count})
	}
	user := func(c *net.TCPConn, d time.Duration) {
		rc, _ := c.SyscallConn()
		rc.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, 18, int(d.Milliseconds())) // TCP_USER_TIMEOUT
		})
	}
	const second = time.Second
	drop := func(h *netns.Host, hook netns.Hook) error {
		_, err := h.Firewall(netns.Rule{Hook: hook, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Drop()})
		return err
	}
	vanished := func(s *lifeline) error { return drop(s.server, netns.Input) }
	cut := func(s *lifeline) error { return drop(s.router, netns.Forward) }
	rebooted := func(s *lifeline) error { return forget(s.theirs) }
	for _, tt := range []struct {
		name    string
		what    func(*lifeline) error // happens to the peer; nil: nothing
		set     func(*net.TCPConn)
		in      string // idle, in flight, zero window, forgotten
		want    []cause.ID
		errno   syscall.Errno
		r2      string        // tcp_retries2
		forgets time.Duration // when the router forgets an idle connection; 0: never
	}{
		{"the peer is gone, idle, keepalive 1s,1s,1", vanished, func(c *net.TCPConn) { keep(c, second, second, 1) }, "idle",
			[]cause.ID{cause.PeerVanished}, syscall.ETIMEDOUT, "", 0},
		{"the peer is gone, idle, keepalive 1s,1s,9 and user timeout 1.5s", vanished, func(c *net.TCPConn) { keep(c, second, second, 9); user(c, 1500*time.Millisecond) }, "idle",
			[]cause.ID{cause.PeerVanished}, syscall.ETIMEDOUT, "", 0},
		{"the peer is gone, in flight, user timeout 1s", vanished, func(c *net.TCPConn) { user(c, second) }, "in flight",
			[]cause.ID{cause.PeerVanished}, syscall.ETIMEDOUT, "", 0},
		{"the peer is gone, in flight, tcp_retries2 3", vanished, func(*net.TCPConn) {}, "in flight",
			[]cause.ID{cause.PeerVanished}, syscall.ETIMEDOUT, "3", 0},
		{"the path is cut, idle, keepalive 1s,1s,2", cut, func(c *net.TCPConn) { keep(c, second, second, 2) }, "idle",
			[]cause.ID{cause.PeerVanished}, syscall.ETIMEDOUT, "", 0},
		{"the path is cut, in flight, user timeout 1s", cut, func(c *net.TCPConn) { user(c, second) }, "in flight",
			[]cause.ID{cause.PeerVanished}, syscall.ETIMEDOUT, "", 0},
		{"a router forgot it, idle, keepalive 2s,1s,1", nil, func(c *net.TCPConn) { keep(c, 2*second, second, 1) }, "idle",
			[]cause.ID{cause.PeerVanished, cause.IdleStateExpired}, syscall.ETIMEDOUT, "", second},
		{"the peer has rebooted, idle, keepalive 1s,1s,9", rebooted, func(c *net.TCPConn) { keep(c, second, second, 9) }, "forgotten",
			[]cause.ID{cause.PeerRebooted}, syscall.ECONNRESET, "", 0},
		{"the window is closed, user timeout 1s", nil, func(c *net.TCPConn) { user(c, second) }, "zero window",
			[]cause.ID{cause.ZeroWindow}, syscall.ETIMEDOUT, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newLifeline(t, tt.forgets)
			if tt.r2 != "" {
				testmain.Check(t, "netns", s.client.Sysctl("net.ipv4.tcp_retries2", tt.r2))
			}
			s.connect(t)
			began := time.Now() // the last that was heard of the peer; nothing is asked before tt.set
			happen := func() {
				if tt.what == nil {
					return
				}
				if err := tt.what(s); err != nil {
					t.Fatal(err)
				}
			}
			if tt.in != "zero window" {
				happen()
			}
			tt.set(s.ours)
			c := Watch(s.ours)
			var l Liveness
			if err := s.client.Do(func() (err error) { l, err = c.Liveness(); return err }); err != nil {
				t.Fatal(err)
			}
			if tt.r2 != "" {
				fmt.Sscan(tt.r2, &l.Retries) // /proc/sys/net is that of the process's main thread
			}
			p := PredictDeadPeer(l)
			var n Notice
			switch tt.in {
			case "idle":
				n = p.Idle
			case "forgotten":
				n = p.Forgotten
			case "in flight":
				n = p.InFlight
				began = time.Now()
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			case "zero window":
				n = p.ZeroWindow
				s.theirs.SetReadBuffer(4096)
				fill(t, c)
				began = time.Now()
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, tt.errno) {
				t.Fatalf("%v", err)
			}
			// When the call returned, before the connection was examined.
			log := c.Report().Attempts[0].Log
			_, at, _ := evidence.Last[*evidence.End](log)
			took := c.start.Add(at).Sub(began)
			// What was begun a little earlier, and a busy machine that tells late.
			const early, late = 20 * time.Millisecond, 1500 * time.Millisecond
			f, _, _ := evidence.Last[*evidence.Flow](log)
			t.Logf("predicted %v to %v by %s, measured %v; the kernel has heard nothing for %v", n.After, n.Latest, n.By, took.Round(time.Millisecond), f.SinceAck)
			if took < n.After-early || took > n.Latest+late {
				t.Errorf("measured %v, predicted %v to %v", took, n.After, n.Latest)
			}
			if v := c.Verdict(); !slices.Contains(tt.want, v.Cause) || v.Confidence == cause.Certain && tt.in != "zero window" {
				t.Errorf("%s (%s): %+v", v.Cause, v.Confidence, f)
			}
		})
	}
}

// lifeline is a connection over a router, in a network of its own.
type lifeline struct {
	client, router, server *netns.Host
	address                string
	ours, theirs           *net.TCPConn
}

func newLifeline(t *testing.T, forgets time.Duration) *lifeline {
	t.Helper()
	c, err := netns.NewChain(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s := &lifeline{client: c.Client, router: c.Routers[0], server: c.Server, address: netip.AddrPortFrom(c.Server4, 80).String()}
	if forgets > 0 {
		_, err := s.router.Stateful(forgets)
		testmain.Check(t, "netns", err)
	}
	return s
}

func (s *lifeline) connect(t *testing.T) {
	t.Helper()
	l, err := s.server.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		if c, err := l.Accept(); err == nil {
			s.theirs = c.(*net.TCPConn)
			s.theirs.SetKeepAlive(false)
		}
	})
	d := net.Dialer{KeepAlive: -1}
	err = s.client.Do(func() error {
		c, err := d.DialContext(t.Context(), "tcp", s.address)
		if err == nil {
			s.ours = c.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	accepting.Wait()
	t.Cleanup(func() { s.ours.Close(); s.theirs.Close() })
}

// forget makes a host lose a connection without a packet, as a reboot does.
func forget(c *net.TCPConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = rc.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, 19, 1) }) // TCP_REPAIR
	return errors.Join(err, failed, c.Close())
}

// fill writes until the peer's window is closed.
func fill(t *testing.T, c *Conn) {
	t.Helper()
	for range 200 {
		c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Write(make([]byte, 256<<10)); err == nil {
			continue
		}
		if f, _ := c.flow(); f != nil && f.Window == 0 && f.Unsent > 0 {
			return
		}
	}
	t.Fatal("the window does not close")
}
