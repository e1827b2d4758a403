package dialscope

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// Predicted and measured: a peer behind a veth link vanishes (its filter drops
// everything from one moment on), or never reads, and the kernel gives up when
// the prediction says. Each case is a network of its own, all at once.
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
	for _, tt := range []struct {
		name string
		set  func(*net.TCPConn)
		in   string // idle, in flight, zero window
		want cause.ID
		r2   string // tcp_retries2
	}{
		{"idle, keepalive 1s,1s,1", func(c *net.TCPConn) { keep(c, time.Second, time.Second, 1) }, "idle", cause.PeerVanished, ""},
		{"idle, keepalive 1s,1s,9 and user timeout 1.5s", func(c *net.TCPConn) { keep(c, time.Second, time.Second, 9); user(c, 1500*time.Millisecond) }, "idle", cause.PeerVanished, ""},
		{"in flight, user timeout 1s", func(c *net.TCPConn) { user(c, time.Second) }, "in flight", cause.PeerVanished, ""},
		{"in flight, tcp_retries2 3", func(*net.TCPConn) {}, "in flight", cause.PeerVanished, "3"},
		{"window closed, user timeout 1s", func(c *net.TCPConn) { user(c, time.Second) }, "zero window", cause.ZeroWindow, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := vethPair(t)
			if tt.r2 != "" {
				if err := client.Sysctl("net.ipv4.tcp_retries2", tt.r2); err != nil {
					t.Skipf("not possible here: %v", err)
				}
			}
			ours, theirs := connected(t, client, server)
			tt.set(ours)
			c := Watch(ours)
			var l Liveness
			if err := client.Do(func() (err error) { l, err = c.Liveness(); return err }); err != nil {
				t.Fatal(err)
			}
			if tt.r2 != "" {
				fmt.Sscan(tt.r2, &l.Retries) // /proc/sys/net is that of the process's main thread
			}
			p := PredictDeadPeer(l)
			var n Notice
			began := time.Now()
			switch tt.in {
			case "idle":
				n = p.Idle
				vanish(t, server)
			case "in flight":
				n = p.InFlight
				vanish(t, server)
				began = time.Now()
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			case "zero window":
				n = p.ZeroWindow
				theirs.SetReadBuffer(4096)
				fill(t, c)
				began = time.Now()
			}
			_, err := c.Read(make([]byte, 1))
			took := time.Since(began)
			if !errors.Is(err, syscall.ETIMEDOUT) {
				t.Fatalf("%v", err)
			}
			// What was begun a little earlier, and a busy machine that tells late.
			const early, late = 150 * time.Millisecond, 1500 * time.Millisecond
			t.Logf("%s: predicted %v to %v by %s, measured %v", tt.name, n.After, n.Latest, n.By, took)
			if took < n.After-early || took > n.Latest+late {
				t.Errorf("measured %v, predicted %v to %v", took, n.After, n.Latest)
			}
			if v := c.Verdict(); v.Cause != tt.want {
				f, _, _ := evidence.Last[*evidence.Flow](c.Report().Attempts[0].Log)
				t.Errorf("%s (%s): %+v", v.Cause, v.Confidence, f)
			}
		})
	}
}

func vethPair(t *testing.T) (client, server *netns.Host) {
	t.Helper()
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	client, err = n.Host("client")
	if err == nil {
		server, err = n.Host("server")
	}
	if err == nil {
		_, err = n.Link(client, server, netns.LinkOptions{
			A: netns.End{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")}},
			B: netns.End{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func connected(t *testing.T, client, server *netns.Host) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := server.Listen("tcp", "192.0.2.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		if c, err := l.Accept(); err == nil {
			theirs = c.(*net.TCPConn)
		}
	})
	c, err := client.DialContext(t.Context(), "tcp", "192.0.2.1:80")
	if err != nil {
		t.Fatal(err)
	}
	accepting.Wait()
	t.Cleanup(func() { c.Close(); theirs.Close() })
	return c.(*net.TCPConn), theirs
}

func vanish(t *testing.T, h *netns.Host) {
	t.Helper()
	if _, err := h.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
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
