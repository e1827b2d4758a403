package sock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/testmain"
)

// answering is a connect(2) stand-in that makes the connection with a blocking
// call, waits until the socket shows all of ready, and then returns errno.
func answering(t testing.TB, to netip.AddrPort, ready int16, errno syscall.Errno, calls *int) func(int) (syscall.Errno, bool) {
	return func(fd int) (syscall.Errno, bool) {
		*calls++
		sys.SetBlocking(fd)
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil && err != syscall.ECONNREFUSED {
			t.Error(err)
		}
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Error(err)
		}
		for until := time.Now().Add(patience); time.Now().Before(until); runtime.Gosched() {
			if now, _ := sys.Readiness(fd); now&ready == ready {
				return errno, true
			}
		}
		t.Errorf("the socket did not become ready for %#x", ready)
		return errno, true
	}
}

// connect(2): the call may complete at once (same host), be interrupted
// (EINTR: "the connection request ... shall be established asynchronously"), or
// be in progress. All three are decided by SO_ERROR, and none by a second call.
func TestWhateverConnectSaysFirst(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	for _, errno := range []syscall.Errno{0, syscall.EINTR, syscall.EINPROGRESS} {
		calls := 0
		c := towards(to)
		c.fakeConnect = answering(t, to, sys.PollOut, errno, &calls)
		conn, r, err := try(t, c)
		if err != nil {
			t.Fatalf("%v: %v", errno, err)
		}
		if calls != 1 {
			t.Errorf("%v: connect was called %d times", errno, calls)
		}
		if got := last[*evidence.Connect](t, r); got.Errno != name(errno) || got.Remote != to {
			t.Errorf("%v: %+v", errno, got)
		}
		if want := []string{"connect", "so_error", "tcp_info", "getsockname"}; !slices.Equal(course(r.Log), want) {
			t.Errorf("%v: %v, want %v", errno, kinds(r.Log), want)
		}
		if s := last[*evidence.SOError](t, r); s.Errno != "" {
			t.Errorf("%v: SO_ERROR %s", errno, s.Errno)
		}
		if i := last[*evidence.TCPInfo](t, r); i.State != "ESTABLISHED" {
			t.Errorf("%v: state %s", errno, i.State)
		}
		if l := last[*evidence.LocalAddr](t, r); l.Addr != conn.LocalAddr().(*net.TCPAddr).AddrPort() {
			t.Errorf("%v: local address %v in the log, %v of the connection", errno, l.Addr, conn.LocalAddr())
		}
	}
}

// After EINTR the kernel goes on, here to a refusal.
func TestInterruptedAndRefused(t *testing.T) {
	to := closedPort(t, "127.0.0.1")
	calls := 0
	c := towards(to)
	c.fakeConnect = func(fd int) (syscall.Errno, bool) {
		calls++
		var sa sys.Sockaddr
		sa.Set(sys.AFInet, to, 0)
		if errno := sys.Connect(fd, &sa); errno != syscall.EINPROGRESS {
			t.Errorf("connect: %v", errno)
		}
		return syscall.EINTR, true
	}
	_, r, err := try(t, c)
	wantSyscallError(t, err, "connect", syscall.ECONNREFUSED)
	if calls != 1 {
		t.Errorf("connect was called %d times", calls)
	}
	if got := last[*evidence.Connect](t, r); got.Errno != "EINTR" {
		t.Errorf("%+v", got)
	}
	if got := last[*evidence.SOError](t, r); got.Errno != "ECONNREFUSED" {
		t.Errorf("%+v", got)
	}
}

func wantSyscallError(t testing.TB, err error, call string, errno syscall.Errno) {
	t.Helper()
	var se *os.SyscallError
	if !errors.As(err, &se) || se.Syscall != call || se.Err != errno {
		t.Errorf("%v is not %s: %v", err, call, errno)
	}
}

func TestOpenAndRefused(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		open := testmain.Listen(t, net.JoinHostPort(host, "0"), hold)
		conn, r, err := try(t, towards(open))
		if err != nil {
			t.Fatal(err)
		}
		if conn.RemoteAddr().String() != open.String() {
			t.Errorf("connected to %v, wanted %v", conn.RemoteAddr(), open)
		}
		if got := last[*evidence.Connect](t, r); got.Errno != "EINPROGRESS" || got.FastOpen {
			t.Errorf("%+v", got)
		}
		if i := last[*evidence.TCPInfo](t, r); !slices.Equal(i.Options, []string{"timestamps", "sack", "wscale"}) || i.SndMSS == 0 || i.TotalRetrans != 0 {
			t.Errorf("%+v", i)
		}

		_, r, err = try(t, towards(closedPort(t, host)))
		wantSyscallError(t, err, "connect", syscall.ECONNREFUSED)
		if s := last[*evidence.SOError](t, r); s.Errno != "ECONNREFUSED" {
			t.Errorf("%+v", s)
		}
		if _, _, told := evidence.Last[*evidence.ICMP](r.Log); told {
			t.Error("a RST is no ICMP error")
		}
	}
}

// The handshake that has to be waited for: the first SYN falls into a full
// accept queue, and the second, a second later (RFC 6298 §2.1), is answered.
func TestWaitingForTheAnswer(t *testing.T) {
	t.Parallel()
	to, wake, _ := silentPort(t)
	conn, r, err := connectWith(t.Context(), towards(to), when("local_addr", wake))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if want := []string{"connect", "getsockname", "so_error", "tcp_info"}; !slices.Equal(course(r.Log), want) {
		t.Errorf("%v, want %v", kinds(r.Log), want)
	}
	if i := last[*evidence.TCPInfo](t, r); i.State != "ESTABLISHED" || i.TotalRetrans != 1 {
		t.Errorf("%+v", i)
	}
	if _, at, _ := evidence.Last[*evidence.SOError](r.Log); at < 900*time.Millisecond {
		t.Errorf("answered after %v, before the SYN was sent again", at)
	}
}

func TestWaitingForARefusal(t *testing.T) {
	t.Parallel()
	to, _, refuse := silentPort(t)
	_, r, err := connectWith(t.Context(), towards(to), when("local_addr", refuse))
	wantSyscallError(t, err, "connect", syscall.ECONNREFUSED)
	if want := []string{"connect", "getsockname", "so_error", "tcp_info"}; !slices.Equal(course(r.Log), want) {
		t.Errorf("%v, want %v", kinds(r.Log), want)
	}
}

// A look at a socket that waits changes nothing and is no fact: readiness that
// somebody else's event caused (golang.org/issue/14548) leaves no trace.
func TestLookingTooEarly(t *testing.T) {
	to, _, _ := silentPort(t)
	s := &socket{fd: -1, tcp: true, Config: towards(to), Recorder: NewRecorder(nil)}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if waiting, err := s.start(); !waiting || err != nil {
		t.Fatal(waiting, err)
	}
	before := len(s.Log)
	for range 3 {
		if done, err := s.settled(); done || err != nil {
			t.Fatalf("settled: %v, %v", done, err)
		}
	}
	if len(s.Log) != before {
		t.Errorf("%v", kinds(s.Log))
	}
}

// Readable and writable at once is what a peer that speaks first looks like,
// and what a pending error looks like (connect(2), UNIX Network Programming
// §16.3): only SO_ERROR tells them apart.
func TestReadableAndWritableAtOnce(t *testing.T) {
	greeting := testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) {
		c.Write([]byte("220 ready\r\n"))
		hold(c)
	})
	calls := 0
	c := towards(greeting)
	c.fakeConnect = answering(t, greeting, sys.PollIn|sys.PollOut, syscall.EINPROGRESS, &calls)
	conn, r, err := try(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if m := last[*evidence.FirstMoments](t, r); m.Bytes != len("220 ready\r\n") || m.FIN || m.Reset {
		t.Errorf("%+v", m)
	}
	b := make([]byte, 64)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "220 ready\r\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}

	resetting := testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) { c.SetLinger(0) })
	c = towards(resetting)
	c.fakeConnect = answering(t, resetting, sys.PollIn|sys.PollOut|sys.PollErr, syscall.EINPROGRESS, &calls)
	_, r, err = try(t, c)
	wantSyscallError(t, err, "connect", syscall.ECONNRESET)
	if s := last[*evidence.SOError](t, r); s.Errno != "ECONNRESET" {
		t.Errorf("%+v", s)
	}
}

func TestPeerThatClosesAtOnce(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", func(*net.TCPConn) {})
	calls := 0
	c := towards(to)
	c.fakeConnect = answering(t, to, sys.PollIn|sys.PollRDHup, syscall.EINPROGRESS, &calls)
	_, r, err := try(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if m := last[*evidence.FirstMoments](t, r); !m.FIN || m.Reset || m.Bytes != 0 {
		t.Errorf("%+v", m)
	}
}

func TestDeadlineWhileWaiting(t *testing.T) {
	to, _, _ := silentPort(t)
	const limit = 40 * time.Millisecond
	c := towards(to)
	c.Deadline, c.Limit, c.Scope = time.Now().Add(limit), limit, "attempt"
	_, r, err := try(t, c)
	if took := time.Since(r.Began); !errors.Is(err, ErrExpired) || took < limit-time.Millisecond {
		t.Errorf("%v after %v", err, took)
	}
	if want := []string{"connect", "getsockname", "tcp_info", "timer"}; !slices.Equal(course(r.Log), want) {
		t.Errorf("%v, want %v", kinds(r.Log), want)
	}
	if i := last[*evidence.TCPInfo](t, r); i.State != "SYN_SENT" || i.Unacked != 1 || i.RTT != 0 {
		t.Errorf("%+v", i)
	}
	if diff := cmp.Diff(&evidence.Expired{Limit: limit, Scope: "attempt"}, last[*evidence.Expired](t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	to, _, _ := silentPort(t)
	for _, tt := range []struct {
		cause error
		fact  evidence.Cancelled
	}{
		{nil, evidence.Cancelled{By: "caller"}},
		{errors.New("enough"), evidence.Cancelled{By: "caller", Reason: "enough"}},
		{ErrLostRace, evidence.Cancelled{By: "race"}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, r, err := connectWith(ctx, towards(to), when("local_addr", func() { cancel(tt.cause) }))
		if !errors.Is(err, ErrCancelled) {
			t.Errorf("%v: %v", tt.cause, err)
		}
		if diff := cmp.Diff(&tt.fact, last[*evidence.Cancelled](t, r)); diff != "" {
			t.Error(diff)
		}
		if i := last[*evidence.TCPInfo](t, r); i.State != "SYN_SENT" {
			t.Errorf("%+v", i)
		}
	}
}

// The context's own deadline is a deadline, not somebody's will.
func TestContextsDeadlineWhileWaiting(t *testing.T) {
	to, _, _ := silentPort(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
	defer cancel()
	c := towards(to)
	c.Deadline = time.Time{}
	_, r, err := connectWith(ctx, c, nil)
	if !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if x := last[*evidence.Expired](t, r); x.Scope != "context" || x.Limit < 30*time.Millisecond {
		t.Errorf("%+v", x)
	}
}

// A context that carries the attempt's own deadline, as a dial's does while its
// name is resolved, does not make the deadline the context's.
func TestDeadlineInTheContextToo(t *testing.T) {
	to, _, _ := silentPort(t)
	const limit = 20 * time.Millisecond
	for range 10 { // either timer may be first
		c := towards(to)
		c.Deadline, c.Limit = time.Now().Add(limit), limit
		ctx, cancel := context.WithDeadline(t.Context(), c.Deadline)
		_, r, err := connectWith(ctx, c, nil)
		cancel()
		if !errors.Is(err, ErrExpired) {
			t.Error(err)
		}
		if diff := cmp.Diff(&evidence.Expired{Limit: limit, Scope: "dial"}, last[*evidence.Expired](t, r)); diff != "" {
			t.Error(diff)
		}
	}
}

// golang.org/issue/16523: the context ends in the moment in which the handshake
// does. There is no connection, and no descriptor.
func TestCancelledAsItConnects(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	for _, kind := range []evidence.Kind{"connect", "so_error", "tcp_info"} {
		ctx, cancel := context.WithCancel(t.Context())
		conn, r, err := connectWith(ctx, towards(to), when(kind, cancel))
		if conn != nil || !errors.Is(err, ErrCancelled) {
			t.Errorf("at %s: %v, %v", kind, conn, err)
		}
		last[*evidence.Cancelled](t, r)
	}
}

// After the attempt the context is nothing to the connection (golang.org/issue/15078).
func TestCancelledAfterwards(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) {
		b := make([]byte, 5)
		n, _ := c.Read(b)
		c.Write(b[:n])
	})
	for _, settle := range []time.Duration{0, 5 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		c := towards(to)
		c.Settle = settle
		conn, _, err := connectWith(ctx, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		conn.Write([]byte("hello"))
		b := make([]byte, 8)
		if n, err := conn.Read(b); err != nil || string(b[:n]) != "hello" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		conn.Close()
	}
}

// A checkpoint is a look, not an end; another fact is filed only when the
// kernel has sent another SYN.
func TestCheckpoints(t *testing.T) {
	to, _, _ := silentPort(t)
	looks := 0
	c := towards(to)
	c.Deadline = time.Now().Add(60 * time.Millisecond)
	c.Checkpoints = []time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, time.Hour}
	c.AtCheckpoint = func(int) { looks++ }
	_, r, err := try(t, c)
	if !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if looks < 1 || looks > 2 { // 0 has passed before the wait; a busy machine joins the two others
		t.Errorf("%d looks", looks)
	}
	if n := len(evidence.All[*evidence.TCPInfo](r.Log)); n != 2 {
		t.Errorf("%d TCP_INFO: one at the first look, one at the end", n)
	}
}

// Settle watches a connection whose peer says nothing until the time is over,
// and one whose peer speaks no longer than that.
func TestSettle(t *testing.T) {
	quiet := testmain.Listen(t, "127.0.0.1:0", hold)
	c := towards(quiet)
	c.Settle = 20 * time.Millisecond
	conn, r, err := try(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if m := last[*evidence.FirstMoments](t, r); m.Watched < c.Settle || m.Bytes != 0 || m.FIN || m.Reset {
		t.Errorf("%+v", m)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection's own deadline: %v", err)
	}
	fin := testmain.Listen(t, "127.0.0.1:0", func(*net.TCPConn) {})
	c = towards(fin)
	c.Settle = patience
	if _, r, err = try(t, c); err != nil {
		t.Fatal(err)
	}
	if m := last[*evidence.FirstMoments](t, r); m.Watched >= patience || !m.FIN {
		t.Errorf("%+v", m)
	}
}

func TestControlRunsBeforeBind(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	c := towards(to)
	c.Local = netip.MustParseAddrPort("127.0.0.9:0")
	ran := 0
	c.Control = func(network, address string, rc syscall.RawConn) error {
		ran++
		if network != "tcp4" || address != to.String() {
			t.Errorf("%s %s", network, address)
		}
		return rc.Control(func(fd uintptr) {
			var sa sys.Sockaddr
			sys.Getsockname(int(fd), &sa)
			if a, _ := sa.AddrPort(); a.Addr() != netip.IPv4Unspecified() {
				t.Errorf("bound to %v already", a)
			}
		})
	}
	conn, _, err := try(t, c)
	if err != nil || ran != 1 {
		t.Fatalf("%v; the hook ran %d times", err, ran)
	}
	if !strings.HasPrefix(conn.LocalAddr().String(), "127.0.0.9:") {
		t.Errorf("connected from %v", conn.LocalAddr())
	}
	refusal := errors.New("no")
	c.Control = func(string, string, syscall.RawConn) error { return refusal }
	if _, _, err = try(t, c); err != refusal {
		t.Errorf("%v", err)
	}
}
