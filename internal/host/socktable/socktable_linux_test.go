package socktable

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m) }

// lonely is a host with nothing but its loopback.
func lonely(t *testing.T) *netns.Host {
	t.Helper()
	testmain.Need(t, "netns")
	n, err := netns.New()
	must(t, err)
	t.Cleanup(func() { must(t, n.Close()) })
	h, err := n.Host("lonely")
	must(t, err)
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func in(t *testing.T, h *netns.Host, f func() error) {
	t.Helper()
	must(t, h.Do(f))
}

func read(t *testing.T, h *netns.Host, q Query) *sockets.Table {
	t.Helper()
	var table *sockets.Table
	in(t, h, func() (err error) {
		table, err = Read(time.Now(), q)
		return err
	})
	return table
}

var everything = Query{TCP: true, UDP: true, Info: true, Processes: true}

// listener listens and never accepts.
func listener(t *testing.T, h *netns.Host, at string, backlog int) netip.AddrPort {
	t.Helper()
	to := netip.MustParseAddrPort(at)
	in(t, h, func() error {
		family, sa := address(to)
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { syscall.Close(fd) })
		if err := syscall.Bind(fd, sa); err != nil {
			return err
		}
		return syscall.Listen(fd, backlog)
	})
	return to
}

func address(to netip.AddrPort) (int, syscall.Sockaddr) {
	if to.Addr().Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
}

func dial(t *testing.T, h *netns.Host, to netip.AddrPort) net.Conn {
	t.Helper()
	var conn net.Conn
	in(t, h, func() (err error) {
		conn, err = net.Dial("tcp", to.String())
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

func of(t *sockets.Table, wanted func(*sockets.Socket) bool) (found []*sockets.Socket) {
	for i := range t.Sockets {
		if wanted(&t.Sockets[i]) {
			found = append(found, &t.Sockets[i])
		}
	}
	return found
}

func TestRead(t *testing.T) {
	t.Parallel()
	h := lonely(t)
	to := listener(t, h, "127.0.0.1:1001", 5)
	to6 := listener(t, h, "[::1]:1002", 7)
	conn := dial(t, h, to)
	local := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	_, err := conn.Write([]byte("unread"))
	must(t, err)
	var udp *net.UDPConn
	in(t, h, func() (err error) {
		udp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1003})
		return err
	})
	defer udp.Close()

	table := read(t, h, everything)
	comm, err := os.ReadFile("/proc/self/comm")
	must(t, err)
	me := sockets.Process{PID: os.Getpid(), Name: string(comm[:len(comm)-1])}
	one := func(what string, wanted func(*sockets.Socket) bool) *sockets.Socket {
		t.Helper()
		found := of(table, wanted)
		if len(found) != 1 {
			t.Fatalf("%s: %d rows of %+v", what, len(found), table.Sockets)
		}
		return found[0]
	}
	holder := func(what string, s *sockets.Socket) {
		t.Helper()
		if len(s.Holders) != 1 || table.Processes[s.Holders[0]].PID != me.PID || table.Processes[s.Holders[0]].Name != me.Name {
			t.Errorf("%s: held by %v of %+v, want %+v", what, s.Holders, table.Processes, me)
		}
	}
	l := one("listener", func(s *sockets.Socket) bool { return s.Local == to && s.State == sockets.Listen })
	if l.Network != "tcp" || l.RecvQ != 1 || l.SendQ != 5 || l.Remote.IsValid() || l.Inode == 0 || l.Cookie == 0 || l.Info != nil {
		t.Errorf("listener: %+v", l)
	}
	holder("listener", l)
	if l6 := one("IPv6 listener", func(s *sockets.Socket) bool { return s.Local == to6 }); l6.SendQ != 7 {
		t.Errorf("IPv6 listener: %+v", l6)
	}
	c := one("client", func(s *sockets.Socket) bool { return s.Local == local })
	if c.State != sockets.Established || c.Remote != to || c.Info == nil || c.Info.SndMSS == 0 || !c.Info.Windows || c.Info.RcvWnd == 0 || c.Inode == 0 {
		t.Errorf("client: %+v, %+v", c, c.Info)
	}
	holder("client", c)
	a := one("not accepted", func(s *sockets.Socket) bool { return s.Remote == local })
	if a.State != sockets.Established || a.RecvQ != 6 || a.Inode != 0 || len(a.Holders) != 0 {
		t.Errorf("not accepted: %+v", a)
	}
	u := one("UDP", func(s *sockets.Socket) bool { return s.Network == "udp" })
	if u.State != sockets.Unconnected || u.Local != netip.MustParseAddrPort("127.0.0.1:1003") {
		t.Errorf("UDP: %+v", u)
	}
	holder("UDP", u)
	if table.Unheld != 0 || table.NoProcesses != "" || table.Torn {
		t.Errorf("%+v", table)
	}
	if hst := table.Host; hst.ListenOverflows != 0 || hst.PortLow == 0 || hst.PortHigh <= hst.PortLow || hst.MaxTimeWait <= 0 {
		t.Errorf("%+v", hst)
	}
	for _, f := range sockets.Diagnose(table) {
		t.Errorf("a healthy table has a finding: %+v", f)
	}

	some := read(t, h, Query{TCP: true, States: sockets.Set(sockets.Listen)})
	if len(some.Sockets) != 2 || some.Processes != nil || some.Sockets[0].Holders != nil || some.Unheld != 0 {
		t.Errorf("listeners alone, without processes: %+v", some)
	}
}

// faults makes some of what the diagnosis knows, and looks that it is found in
// the kernel's own table.
func TestDiagnoseRealTable(t *testing.T) {
	t.Parallel()
	h := lonely(t)
	full := listener(t, h, "127.0.0.1:1001", 0)
	dial(t, h, full) // fills the queue of one
	// A second one: its SYN is ignored, and sent again after a second.
	ctx, cancel := context.WithCancel(t.Context())
	attempt := make(chan error, 1)
	in(t, h, func() error {
		go func() {
			attempt <- h.Do(func() error {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", full.String())
				if err == nil {
					c.Close()
				}
				return nil
			})
		}()
		return nil
	})
	defer func() { cancel(); must(t, <-attempt) }()

	// A peer that does not read.
	deaf := listener(t, h, "127.0.0.1:1002", 5)
	writer := dial(t, h, deaf)
	must(t, writer.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	for block := make([]byte, 1<<20); err(writer.Write(block)) == nil; {
	}
	// A client that goes before it is accepted.
	late := listener(t, h, "127.0.0.1:1003", 5)
	dial(t, h, late).Close()

	want := map[string]cause.ID{
		"accept-queue-full": cause.ListenQueueFull, "syn-unanswered": cause.ListenQueueFull,
		"peer-window-shut": cause.ZeroWindow, "not-accepted": cause.ListenQueueFull,
	}
	deadline := time.Now().Add(10 * time.Second)
	var found []sockets.Finding
	for missing := len(want); missing > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("after 10 s only %+v", found)
		}
		found = sockets.Diagnose(read(t, h, everything))
		missing = len(want)
		for _, f := range found {
			if id, expected := want[f.Kind]; expected && f.Cause == id {
				missing--
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	for _, f := range found {
		if _, expected := want[f.Kind]; !expected {
			t.Errorf("also found: %+v", f)
		}
	}
}

func err(_ int, e error) error { return e }

func TestSocketInode(t *testing.T) {
	for link, want := range map[string]uint32{
		"socket:[4711]": 4711, "socket:[1]": 1, "socket:[]": 0, "socket:[": 0, "socket:[12": 0, "socket:[1x]": 0, "pipe:[4711]": 0, "/dev/null": 0, "": 0,
	} {
		if got, ok := socketInode([]byte(link)); ok && got != want || ok != (want != 0) {
			t.Errorf("%q: %d, %v", link, got, ok)
		}
	}
}

func TestProcess(t *testing.T) {
	if p := Process(os.Getpid()); p.PID != os.Getpid() || p.Name == "" {
		t.Errorf("%+v", p)
	}
	if p := Process(1 << 30); p != (sockets.Process{PID: 1 << 30}) {
		t.Errorf("no such process: %+v", p)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, q := range []Query{{TCP: true}, {TCP: true, Info: true}, everything} {
		b.Run(fmt.Sprintf("info=%v,processes=%v", q.Info, q.Processes), func(b *testing.B) {
			for b.Loop() {
				if _, err := Read(time.Now(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
