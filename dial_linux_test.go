package dialscope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestConnectionIsAsGoodAsNets(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		accepted := make(chan net.Conn, 1)
		go func() {
			c, _ := l.Accept()
			accepted <- c
		}()
		c1, err = new(Dialer).Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, nil, nil, err
		}
		c2 = <-accepted
		return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, nil
	})
}

func TestOpen(t *testing.T) {
	for _, loopback := range []string{"127.0.0.1:0", "[::1]:0"} {
		to := testmain.Listen(t, loopback, hold)
		for _, d := range []*Dialer{{}, {Thorough: true}, {Settle: 5 * time.Millisecond}, {MPTCP: true}, {UserTimeout: time.Second}} {
			c, r, err := d.DialReport(context.Background(), "tcp", to.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, ok := c.(*net.TCPConn); !ok {
				t.Fatalf("%T is no *net.TCPConn", c)
			}
			v := r.Verdict()
			if v.Outcome != cause.Open || v.Cause != cause.IsOpen || v.Confidence != cause.Certain || len(v.Alternatives) != 0 || v.Errno != "" {
				t.Errorf("%v: %+v", to, v)
			}
			local, _, ok := evidence.Last[*evidence.LocalAddr](r.Attempts[0].Log)
			if !ok || local.Addr != c.LocalAddr().(*net.TCPAddr).AddrPort() {
				t.Errorf("local address in the report %+v, of the connection %v", local, c.LocalAddr())
			}
			info, _, ok := evidence.Last[*evidence.TCPInfo](r.Attempts[0].Log)
			if !ok || info.State != "ESTABLISHED" {
				t.Errorf("TCP_INFO: %+v", info)
			}
			if r.Winner() != 0 || r.Took <= 0 || r.Attempts[0].Took <= 0 {
				t.Errorf("winner %d, took %v and %v", r.Winner(), r.Took, r.Attempts[0].Took)
			}
		}
	}
}

// The error is what net.Dialer would have returned, and more.
func TestRefusedAsNet(t *testing.T) {
	to := closedPort(t, "127.0.0.1")
	_, theirs := new(net.Dialer).Dial("tcp", to.String())
	_, ours := new(Dialer).Dial("tcp", to.String())
	var e *Error
	if !errors.As(ours, &e) {
		t.Fatalf("%T is no *Error", ours)
	}
	var a, b *net.OpError
	if !errors.As(theirs, &a) || !errors.As(ours, &b) {
		t.Fatal("no *net.OpError")
	}
	if a.Error() != b.Error() {
		t.Errorf("net says %q, we say %q", a, b)
	}
	if !strings.HasPrefix(ours.Error(), a.Error()+": ") {
		t.Errorf("%q does not begin with net's words", ours)
	}
	if !errors.Is(ours, syscall.ECONNREFUSED) {
		t.Error("not ECONNREFUSED")
	}
	var se *os.SyscallError
	if !errors.As(ours, &se) || se.Syscall != "connect" {
		t.Errorf("syscall error %+v", se)
	}
	if ne := net.Error(e); ne.Timeout() {
		t.Error("a refusal is no timeout")
	}
	if v := e.Report.Verdict(); v.Cause != cause.PortClosed || v.Outcome != cause.Refused || v.Errno != "ECONNREFUSED" {
		t.Errorf("%+v", v)
	}
}

// Without the counters before and after, somebody else may have made the RST.
// With them, other traffic on this host's loopback can still cloud the view; the
// lab has a loopback of its own, and there the verdict is certain.
func TestClosedPortOnLoopbackIsCertainOnlyWhenWatched(t *testing.T) {
	to := closedPort(t, "127.0.0.1")
	for thorough, allowed := range map[bool][]cause.Confidence{false: {cause.Likely}, true: {cause.Certain, cause.Likely}} {
		d := Dialer{Thorough: thorough}
		_, r, err := d.DialReport(context.Background(), "tcp", to.String())
		if err == nil {
			t.Fatal("a closed port connected")
		}
		if v := r.Verdict(); v.Cause != cause.PortClosed || !slices.Contains(allowed, v.Confidence) {
			t.Errorf("thorough %v: %s, %s; want one of %v", thorough, v.Cause, v.Confidence, allowed)
		}
	}
}

func TestTimeout(t *testing.T) {
	to := silent(t, "127.0.0.1", 0)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Millisecond)
	defer cancel()
	for name, dial := range map[string]func() (net.Conn, *Report, error){
		"Timeout": func() (net.Conn, *Report, error) {
			return (&Dialer{Timeout: 60 * time.Millisecond}).DialReport(context.Background(), "tcp", to.String())
		},
		"Deadline": func() (net.Conn, *Report, error) {
			return (&Dialer{Deadline: time.Now().Add(60 * time.Millisecond)}).DialReport(context.Background(), "tcp", to.String())
		},
		"AttemptTimeout": func() (net.Conn, *Report, error) {
			return (&Dialer{AttemptTimeout: 60 * time.Millisecond}).DialReport(context.Background(), "tcp", to.String())
		},
		"context": func() (net.Conn, *Report, error) { return new(Dialer).DialReport(ctx, "tcp", to.String()) },
	} {
		_, r, err := dial()
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v is not net's timeout", name, err)
		}
		if v := r.Verdict(); v.Outcome != cause.Timeout || v.Errno != "" {
			t.Errorf("%s: %+v", name, v)
		}
		if strings.Contains(err.Error(), "sock:") {
			t.Errorf("%s: an inner name shows: %v", name, err)
		}
	}
}

// The accept queue of this host is full, and the evidence shows it.
func TestListenQueueFull(t *testing.T) {
	to := silent(t, "127.0.0.1", 0)
	d := Dialer{Timeout: 50 * time.Millisecond, Thorough: true}
	_, r, _ := d.DialReport(context.Background(), "tcp", to.String())
	if v := r.Verdict(); v.Cause != cause.ListenQueueFull {
		t.Errorf("%s, %s: %s", v.Cause, v.Confidence, v.Explanation)
	}
}

func TestPastDeadlineOpensNoSocket(t *testing.T) {
	for name, d := range map[string]*Dialer{
		"negative timeout": {Timeout: -1},
		"past deadline":    {Deadline: time.Now().Add(-time.Hour)},
	} {
		d.Control = func(string, string, syscall.RawConn) error { return errors.New("a socket was opened") }
		_, r, err := d.DialReport(context.Background(), "tcp", "127.0.0.1:9")
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%s: %v", name, err)
		}
		if v := r.Verdict(); v.Outcome != cause.Timeout {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestCancellation(t *testing.T) {
	to := silent(t, "127.0.0.1", 0)
	ctx, cancel := context.WithCancelCause(context.Background())
	d := Dialer{Trace: &Trace{Observed: func(_ int, e evidence.Entry) {
		if e.Fact.Kind() == "local_addr" { // the SYN is out, and the wait begins
			cancel(errors.New("the user left"))
		}
	}}}
	_, r, err := d.DialReport(ctx, "tcp", to.String())
	if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Err.Error() != "operation was canceled" {
		t.Errorf("%v: not net's words", err)
	}
	v := r.Verdict()
	if v.Outcome != cause.Cancelled || v.Cause != cause.CancelledByCaller {
		t.Errorf("%+v", v)
	}
	if c, _, ok := evidence.Last[*evidence.Cancelled](r.Attempts[0].Log); !ok || c.By != "caller" || c.Reason != "the user left" {
		t.Errorf("%+v", c)
	}
}

func TestCancelledBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, address := range []string{"127.0.0.1:9", "localhost:9"} {
		_, r, err := new(Dialer).DialReport(ctx, "tcp", address)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", address, err)
		}
		if v := r.Verdict(); v.Outcome != cause.Cancelled {
			t.Errorf("%s: %+v", address, v)
		}
	}
}

// A peer that speaks first makes the socket readable and writable at once,
// which is no error.
func TestPeerSpeaksFirst(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) {
		io.WriteString(c, "220 hello")
		hold(c)
	})
	c, r, err := (&Dialer{Settle: 2 * time.Second}).DialReport(context.Background(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, _, ok := evidence.Last[*evidence.FirstMoments](r.Attempts[0].Log)
	if !ok || m.Bytes != len("220 hello") || m.FIN || m.Reset {
		t.Fatalf("%+v", m)
	}
	if v := r.Verdict(); v.Cause != cause.IsOpen || v.Outcome != cause.Open {
		t.Errorf("%+v", v)
	}
	got := make([]byte, 16)
	if n, err := c.Read(got); err != nil || string(got[:n]) != "220 hello" {
		t.Errorf("the application read %q, %v: the watcher took its bytes", got[:n], err)
	}
}

func TestPeerResetsOrClosesAtOnce(t *testing.T) {
	reset := testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) { c.SetLinger(0) })
	fin := testmain.Listen(t, "127.0.0.1:0", func(*net.TCPConn) {})
	d := Dialer{Settle: 2 * time.Second}
	c, r, err := d.DialReport(context.Background(), "tcp", reset.String())
	if v := r.Verdict(); v.Cause != cause.AcceptedThenReset || v.Outcome != cause.Reset || v.Errno != "ECONNRESET" {
		t.Errorf("reset: %+v", v)
	}
	if err == nil { // it came after SO_ERROR was asked: the application's own read shall see it
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the application's read gives %v", err)
		}
		c.Close()
	}
	c, r, err = d.DialReport(context.Background(), "tcp", fin.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v := r.Verdict(); v.Cause != cause.AcceptedThenClosed || v.Outcome != cause.Closed || v.Errno != "" {
		t.Errorf("fin: %+v", v)
	}
}

func TestSourceAddressAndPort(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	free := closedPort(t, "127.0.0.2")
	c, r, err := (&Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}).DialReport(context.Background(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.LocalAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.3" {
		t.Errorf("bound to 127.0.0.3, connected from %s", got)
	}
	c.Close()
	if v := r.Verdict(); v.Cause != cause.IsOpen {
		t.Errorf("%+v", v)
	}
	c, err = (&Dialer{LocalPorts: PortRange{41000, 41099}}).Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	if p := c.LocalAddr().(*net.TCPAddr).Port; p < 41000 || p > 41099 {
		t.Errorf("source port %d is outside 41000-41099", p)
	}
	c.Close()

	for _, tt := range []struct {
		name  string
		d     Dialer
		errno syscall.Errno
		cause cause.ID
		sure  cause.Confidence
	}{
		{"not on this host", Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 77)}}, syscall.EADDRNOTAVAIL, cause.SourceNotLocal, cause.Certain},
		{"taken", Dialer{LocalAddr: net.TCPAddrFromAddrPort(free)}, syscall.EADDRINUSE, cause.SourceInUse, cause.Certain},
		{"no such interface", Dialer{Interface: "nosuchif0"}, syscall.ENODEV, cause.LinkDown, cause.Certain},
	} {
		_, r, err := tt.d.DialReport(context.Background(), "tcp", to.String())
		if !errors.Is(err, tt.errno) {
			t.Errorf("%s: %v", tt.name, err)
		}
		v := r.Verdict()
		if v.Cause != tt.cause || v.Confidence != tt.sure || v.Outcome != cause.LocalFault || v.Culprit.Kind != cause.Local {
			t.Errorf("%s: %+v", tt.name, v)
		}
	}
}

// Bound to the destination's own port, the socket connects to itself.
func TestSelfConnectIsSaid(t *testing.T) {
	free := closedPort(t, "127.0.0.1")
	// The socket that keeps the port does not listen; with SO_REUSEADDR on both
	// the port can be bound again, so another port is taken here.
	d := Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(free.Port()) ^ 1}}
	to := netip.AddrPortFrom(free.Addr(), free.Port()^1)
	c, r, err := d.DialReport(context.Background(), "tcp", to.String())
	for range 20 { // another program may hold the port beside
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		free = closedPort(t, "127.0.0.1")
		d.LocalAddr.(*net.TCPAddr).Port, to = int(free.Port())^1, netip.AddrPortFrom(free.Addr(), free.Port()^1)
		c, r, err = d.DialReport(context.Background(), "tcp", to.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v := r.Verdict()
	if v.Cause != cause.SelfConnect || v.Confidence != cause.Certain || v.Outcome != cause.Open || v.Culprit.Kind != cause.Local {
		t.Errorf("%+v", v)
	}
}

// golang.org/issue/2690: dialing a free port in the ephemeral range must never
// be answered by the dialer itself.
func TestSelfConnectIsNotReturned(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for range 20000 {
		c, err := new(Dialer).Dial("tcp", address)
		if err == nil {
			c.Close()
			t.Fatalf("connected to %s from %s", address, c.LocalAddr())
		}
	}
}

func TestControl(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	var calls []string
	d := Dialer{Control: func(network, address string, c syscall.RawConn) error {
		calls = append(calls, network+" "+address)
		var inner error
		if err := c.Control(func(fd uintptr) {
			inner = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8192)
		}); err != nil {
			return err
		}
		if c.Read(func(uintptr) bool { return true }) == nil || c.Write(func(uintptr) bool { return true }) == nil {
			t.Error("an unconnected socket can be read or written")
		}
		return inner
	}}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(calls) != 1 || calls[0] != "tcp4 "+to.String() {
		t.Errorf("%q", calls)
	}
	refuse := errors.New("not today")
	d.ControlContext = func(context.Context, string, string, syscall.RawConn) error { return refuse }
	if _, err := d.Dial("tcp", to.String()); !errors.Is(err, refuse) {
		t.Errorf("%v does not wrap the hook's error", err)
	}
	if len(calls) != 1 {
		t.Error("Control ran beside ControlContext")
	}
}

func TestTrace(t *testing.T) {
	to := closedPort(t, "127.0.0.1")
	var seen []string
	d := Dialer{Trace: &Trace{
		AttemptStart: func(i int, a netip.AddrPort) { seen = append(seen, fmt.Sprint("start ", i, " ", a)) },
		Observed:     func(i int, e evidence.Entry) { seen = append(seen, fmt.Sprint(i, " ", e.Fact.Kind())) },
		AttemptDone:  func(i int, a evidence.Attempt) { seen = append(seen, fmt.Sprint("done ", i, " ", len(a.Log))) },
	}}
	_, r, _ := d.DialReport(context.Background(), "tcp", to.String())
	log := r.Attempts[0].Log
	want := []string{fmt.Sprint("start 0 ", to)}
	for _, e := range log {
		want = append(want, fmt.Sprint("0 ", e.Fact.Kind()))
	}
	want = append(want, fmt.Sprint("done 0 ", len(log)))
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("hooks:\n%s\nlog:\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

func TestBadAddressesAsNet(t *testing.T) {
	for _, tt := range []struct{ network, address string }{
		{"tcp", "127.0.0.1"}, {"tcp", "[::1"}, {"tcp", "127.0.0.1:99999"}, {"tcp", "127.0.0.1:nosuchservice"},
		{"tcp7", "127.0.0.1:1"}, {"tcp6", "127.0.0.1:1"}, {"tcp4", "[::1]:1"},
	} {
		_, theirs := new(net.Dialer).Dial(tt.network, tt.address)
		_, r, ours := new(Dialer).DialReport(context.Background(), tt.network, tt.address)
		if theirs == nil || ours == nil || theirs.Error() != ours.Error() {
			t.Errorf("%s %s: net says %v, we say %v", tt.network, tt.address, theirs, ours)
		}
		if r == nil || len(r.Attempts) != 0 {
			t.Errorf("%s %s: report %+v", tt.network, tt.address, r)
		}
	}
	_, err := (&Dialer{LocalAddr: &net.UDPAddr{}}).Dial("tcp", "127.0.0.1:1")
	_, theirs := (&net.Dialer{LocalAddr: &net.UDPAddr{}}).Dial("tcp", "127.0.0.1:1")
	if err == nil || theirs == nil || err.Error() != theirs.Error() {
		t.Errorf("net says %v, we say %v", theirs, err)
	}
}

func TestOtherNetworksGoToNet(t *testing.T) {
	path := t.TempDir() + "/socket"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := new(Dialer).Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestKeepAlive(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	for _, tt := range []struct {
		name     string
		d        Dialer
		on, idle int
	}{
		{"default", Dialer{}, 1, 15},
		{"period", Dialer{KeepAlive: 42 * time.Second}, 1, 42},
		{"off", Dialer{KeepAlive: -1}, 0, 0},
		{"config", Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 7 * time.Second}}, 1, 7},
	} {
		c, err := tt.d.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := c.(*net.TCPConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			on, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
			idle, _ := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
			nodelay, _ := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
			if on != tt.on || tt.on == 1 && idle != tt.idle || nodelay != 1 {
				t.Errorf("%s: keepalive %d, idle %d s, nodelay %d", tt.name, on, idle, nodelay)
			}
		})
		c.Close()
	}
}
