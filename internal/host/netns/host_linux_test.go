package netns_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// counter reads a field of the host's /proc/net/snmp or netstat: a line of
// names, then a line of values. The thread's own view is the host's.
func counter(h *netns.Host, file, group, field string) (n int, err error) {
	err = h.Do(func() error {
		b, err := os.ReadFile(filepath.Join("/proc/thread-self/net", file))
		if err != nil {
			return err
		}
		var names []string
		for line := range strings.Lines(string(b)) {
			values := strings.Fields(line)
			if values[0] != group+":" {
				continue
			}
			if names == nil {
				names = values
				continue
			}
			for i, name := range names {
				if name == field {
					n, err = strconv.Atoi(values[i])
					return err
				}
			}
		}
		return fmt.Errorf("no %s %s", group, field)
	})
	return n, err
}

// packets returns the packets that the host's interfaces have sent and received.
func packets(t *testing.T, h *netns.Host) (n int) {
	t.Helper()
	links, err := h.Netlink().LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		n += int(l.Attrs().Statistics.TxPackets + l.Attrs().Statistics.RxPackets)
	}
	return n
}

func TestHostBeginsWithLoopback(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h, err := n.Host("alone")
	if err != nil {
		t.Fatal(err)
	}
	for _, lo := range []string{"127.0.0.1", "::1"} {
		serve(t, h, netip.MustParseAddr(lo), 80)
		wantErrno(t, dial(t, h, netip.MustParseAddr(lo), 80, patience), 0)
		// Hosts are apart: the same address, nobody listening.
		wantErrno(t, dial(t, c.Client, netip.MustParseAddr(lo), 80, patience), syscall.ECONNREFUSED)
	}
	wantErrno(t, dial(t, h, c.Server4, 80, patience), syscall.ENETUNREACH)
	if _, err := n.Host("alone"); err == nil {
		t.Error("two hosts of one name")
	}
}

func TestDoComesHome(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	here := func() string {
		s, err := os.Readlink("/proc/thread-self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	home := here()
	wrong := errors.New("wrong")
	err := c.Client.Do(func() error {
		client := here()
		if err := c.Server.Do(func() error {
			if s := here(); s == client || s == home {
				t.Error("the inner Do is not in the server")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if here() != client || client == home {
			t.Error("after the inner Do not in the client")
		}
		return wrong
	})
	if err != wrong {
		t.Errorf("Do returned %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = c.Client.Do(func() error { panic("on purpose") })
	}()
	if here() != home {
		t.Error("Do did not come home")
	}
}

func TestQuietWhenBuilt(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	before := packets(t, c.Client) + packets(t, c.Server)
	// IPv6 and its timers get the time that a test would take.
	wantSilence(t, c.Client, netip.MustParseAddr("192.0.2.77"), 80)
	wantSilence(t, c.Client, netip.MustParseAddr("192.0.2.77"), 80)
	after := packets(t, c.Client) + packets(t, c.Server)
	if sent := after - before; sent != 1 {
		t.Errorf("%d packets, want only the ARP request", sent)
	}
	wantErrno(t, dial(t, c.Client, c.Server6, 80, patience), syscall.ECONNREFUSED)
}

func TestSysctl(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	const name = "net.ipv4.tcp_syn_retries"
	if err := c.Client.Sysctl(name, "2"); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Client.ReadSysctl(name); v != "2" || err != nil {
		t.Errorf("client: %q, %v", v, err)
	}
	if v, err := c.Server.ReadSysctl(name); v == "2" || err != nil {
		t.Errorf("server: %q, %v: not a setting of the host alone", v, err)
	}
	if err := c.Client.Sysctl("net.ipv4.conf.eth0.rp_filter", "1"); err != nil {
		t.Error(err)
	}
	if err := c.Client.Sysctl("net.ipv4.no_such", "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown sysctl: %v", err)
	}
}

func TestListenBacklog(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	for backlog := range 3 {
		at := netip.AddrPortFrom(c.Server4, uint16(80+backlog))
		l, err := c.Server.ListenBacklog(at, backlog)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var held []net.Conn
		for range backlog + 1 {
			conn, err := c.Client.DialContext(t.Context(), "tcp", at.String())
			if err != nil {
				t.Fatalf("backlog %d, connection %d: %v", backlog, len(held)+1, err)
			}
			defer conn.Close()
			held = append(held, conn)
		}
		wantSilence(t, c.Client, at.Addr(), at.Port())
	}
	l, err := c.Server.ListenBacklog(netip.AddrPortFrom(c.Server6, 80), 5)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantErrno(t, dial(t, c.Client, c.Server6, 80, patience), 0)
}

func TestListenPacket(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	p, err := c.Server.ListenPacket("udp", netip.AddrPortFrom(c.Server6, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := c.Client.DialContext(t.Context(), "udp", netip.AddrPortFrom(c.Server6, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("query")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	_ = p.SetReadDeadline(time.Now().Add(patience))
	n, from, err := p.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "query" || from.String() != conn.LocalAddr().String() {
		t.Errorf("received %q from %v, %v", buf[:n], from, err)
	}
}

func TestSocketOutlivesNet(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	c, err := netns.NewChain(0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.Server.Listen("tcp", netip.AddrPortFrom(c.Server4, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := c.Client.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer.Close()
	if _, err := c.Host("late"); err == nil {
		t.Error("a closed Net took a host")
	}
}

// A thread of its own is inside, and no other thread is left there.
func TestThread(t *testing.T) {
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h, err := n.Host("a")
	if err != nil {
		t.Fatal(err)
	}
	const self = "/proc/thread-self/ns/net"
	var inside, outside string
	if err := h.Do(func() (err error) { inside, err = os.Readlink(self); return err }); err != nil {
		t.Fatal(err)
	}
	if outside, err = os.Readlink(self); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		got := ""
		if err := h.Thread(func() (err error) { got, err = os.Readlink(self); return err }); err != nil || got != inside {
			t.Errorf("in %s, want %s, %v", got, inside, err)
		}
	}
	if err := h.Thread(func() error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
	if main, err := os.Readlink("/proc/self/ns/net"); err != nil || main != outside {
		t.Errorf("the main thread is in %s, %v", main, err)
	}
}
