package listen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/testmain"
)

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Errorf("heard %q, %v: want %q", b[:n], err, want)
	}
}

func heard(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// Each personality toward a client that does one thing, and what the server says
// of the end.
func TestPersonalities(t *testing.T) {
	for _, tt := range []struct {
		name    string
		p       Personality
		client  func(t *testing.T, c *net.TCPConn)
		by, how string
		cause   cause.ID
		in, out uint64
	}{
		{"closed by the peer", Personality{}, func(t *testing.T, c *net.TCPConn) { say(t, c, "hello"); c.Close() }, "peer", "FIN", cause.PeerClosed, 5, 0},
		{"reset by the peer", Personality{}, func(t *testing.T, c *net.TCPConn) { reset(c) }, "peer", "RST", cause.PeerReset, 0, 0},
		{"half closed by the peer", Personality{}, func(t *testing.T, c *net.TCPConn) {
			c.CloseWrite()
			if got := heard(t, c); got != "" {
				t.Errorf("heard %q", got)
			}
		}, "peer", "FIN", cause.PeerClosed, 0, 0},
		{"echo", Personality{Reading: Echo}, func(t *testing.T, c *net.TCPConn) {
			say(t, c, "hello")
			hear(t, c, "hello")
			say(t, c, "again")
			c.CloseWrite()
			if got := heard(t, c); got != "again" {
				t.Errorf("heard %q", got)
			}
		}, "peer", "FIN", cause.PeerClosed, 10, 10},
		{"greeting", Personality{Greeting: "hi"}, func(t *testing.T, c *net.TCPConn) {
			c.CloseWrite()
			text, at, _ := strings.Cut(strings.TrimSuffix(heard(t, c), "\r\n"), " ")
			if stamp, err := time.Parse(time.RFC3339Nano, at); text != "hi" || err != nil || time.Since(stamp).Abs() > time.Minute {
				t.Errorf("heard %q %q", text, at)
			}
		}, "peer", "FIN", cause.PeerClosed, 0, 32},
		{"reset at once", Personality{Ending: ResetFirst, Delay: 10 * time.Millisecond}, func(t *testing.T, c *net.TCPConn) {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
		}, "here", "RST", cause.IsOpen, 0, 0},
		{"closed at once", Personality{Ending: CloseFirst}, func(t *testing.T, c *net.TCPConn) {
			if got := heard(t, c); got != "" {
				t.Errorf("heard %q", got)
			}
			say(t, c, "too late")
			c.Close()
		}, "here", "FIN", cause.PeerClosed, 8, 0},
		{"greeted and closed", Personality{Ending: CloseFirst, Greeting: "bye"}, func(t *testing.T, c *net.TCPConn) {
			if got := heard(t, c); !strings.HasPrefix(got, "bye ") {
				t.Errorf("heard %q", got)
			}
			c.Close()
		}, "here", "FIN", cause.PeerClosed, 0, 33},
		{"after a delay", Personality{Delay: 30 * time.Millisecond, Reading: Echo}, func(t *testing.T, c *net.TCPConn) {
			say(t, c, "hello")
			hear(t, c, "hello")
			c.Close()
		}, "peer", "FIN", cause.PeerClosed, 5, 5},
		{"the peer was gone before the delay was over", Personality{Delay: 20 * time.Millisecond}, func(t *testing.T, c *net.TCPConn) { reset(c) }, "peer", "RST", cause.PeerReset, 0, 0},
		{"never read, closed by the peer", Personality{Reading: Never}, func(t *testing.T, c *net.TCPConn) { say(t, c, "unheard"); c.CloseWrite(); c.Read(make([]byte, 1)) }, "peer", "FIN", cause.PeerClosed, 0, 0},
		{"never read, reset by the peer", Personality{Reading: Never}, func(t *testing.T, c *net.TCPConn) { say(t, c, "unheard"); reset(c) }, "peer", "RST", cause.PeerReset, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, Options{Personality: tt.p})
			c := r.dial(t)
			tt.client(t, c)
			e := r.wait(t, Ended, 1)
			if e.By != tt.by || e.How != tt.how || e.Cause != tt.cause || e.In != tt.in || e.Out != tt.out || e.ID != 1 || e.Took <= 0 {
				t.Errorf("%+v %+v", e, e.Traffic)
			}
			if tt.p.Reading == Echo && e.Took < tt.p.Delay {
				t.Errorf("answered %v after it was accepted", e.Took)
			}
			if e.Peer.String() != c.LocalAddr().String() || e.Local.String() != r.address() {
				t.Errorf("from %v to %v", e.Peer, e.Local)
			}
			if tt.p.Reading == Never && e.Unread != uint64(len("unheard")) && e.How == "FIN" {
				t.Errorf("%d octets were never read", e.Unread)
			}
			sum := r.stop()
			if sum.Accepted != 1 || sum.Ended != 1 || sum.Open != 0 || len(sum.Ends) != 1 || sum.Ends[0].Count != 1 || sum.Ends[0].Cause != tt.cause {
				t.Errorf("%+v", sum)
			}
		})
	}
}

// A server that does not close stays in CLOSE_WAIT, says so, and closes at its
// own end.
func TestNeverClose(t *testing.T) {
	r := run(t, Options{Personality: Personality{Ending: NeverClose}})
	c := r.dial(t)
	say(t, c, "x")
	c.CloseWrite()
	if e := r.wait(t, Held, 1); e.In != 1 {
		t.Errorf("%+v", e)
	}
	if got := r.Counters(); got.Open != 1 || got.Ended != 0 {
		t.Errorf("%+v", got)
	}
	sum := r.stop()
	if got := heard(t, c); got != "" {
		t.Errorf("heard %q", got)
	}
	if len(sum.Ends) != 1 || sum.Ends[0].Cause != cause.PeerClosed || sum.Reason != "interrupted" {
		t.Errorf("%+v", sum)
	}
	// and one whose peer resets behind its FIN
	r = run(t, Options{Personality: Personality{Ending: NeverClose}})
	c = r.dial(t)
	c.CloseWrite()
	r.wait(t, Held, 1)
	reset(c)
	if e := r.wait(t, Ended, 1); e.By != "peer" || e.How != "RST" {
		t.Errorf("%+v", e)
	}
}

// A connection that the server's end cuts off.
func TestClosedHere(t *testing.T) {
	r := run(t, Options{})
	c := r.dial(t)
	r.wait(t, Accepted, 1)
	sum := r.stop()
	if got := heard(t, c); got != "" || len(sum.Ends) != 1 || sum.Ends[0].By != "here" || sum.Ends[0].How != "FIN" {
		t.Errorf("%q %+v", got, sum)
	}
	// Unread data makes a RST of it (RFC 2525 §2.17).
	r = run(t, Options{Personality: Personality{Reading: Never}})
	c = r.dial(t)
	say(t, c, "unheard")
	r.wait(t, Accepted, 1)
	sum = r.stop()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || sum.Ends[0].How != "RST" {
		t.Errorf("%v %+v", err, sum)
	}
}

// listen(2): a queue of N holds N+1 connections (sk_acceptq_is_full).
func TestNeverAccept(t *testing.T) {
	r := run(t, Options{Personality: Personality{NeverAccept: true}, Backlog: 2, SetBacklog: true})
	for range 3 {
		r.dial(t)
	}
	r.until(t, "three in the queue", func(c Counters) bool { return c.Queued == 3 && c.Accepted == 0 })
	d := net.Dialer{Timeout: 100 * time.Millisecond}
	if c, err := d.Dial("tcp", r.address()); err == nil {
		c.Close()
		t.Error("a fourth found room")
	}
	if sum := r.stop(); sum.Queued != 3 || sum.Accepted != 0 {
		t.Errorf("%+v", sum)
	}
}

func TestRefuseAfter(t *testing.T) {
	r := run(t, Options{RefuseAfter: 2, Personality: Personality{Reading: Echo}})
	a, b := r.dial(t), r.dial(t)
	r.wait(t, Refusing, 1)
	if c, err := net.Dial("tcp", r.address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, %v", c, err)
	}
	for _, c := range []net.Conn{a, b} { // those that came go on
		say(t, c, "on")
		hear(t, c, "on")
		c.Close()
	}
	r.wait(t, Ended, 2)
	if sum := r.stop(); sum.Accepted != 2 || sum.Ended != 2 {
		t.Errorf("%+v", sum)
	}
}

// Count accepts no more than it says, and ends by itself.
func TestCount(t *testing.T) {
	r := run(t, Options{Count: 3})
	var cs []*net.TCPConn
	for range 3 {
		cs = append(cs, r.dial(t))
	}
	r.wait(t, Refusing, 1)
	for i, c := range cs {
		if i == 1 {
			reset(c)
		} else {
			c.Close()
		}
	}
	r.wait(t, Ended, 3)
	if sum := r.stop(); sum.Reason != "count" || sum.Accepted != 3 || sum.Ended != 3 || len(sum.Ends) != 2 {
		t.Errorf("%+v", sum)
	}
}

func TestDeadline(t *testing.T) {
	s, err := Open(Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if sum := s.Run(ctx); sum.Reason != "for" || sum.Took < 10*time.Millisecond {
		t.Errorf("%+v", sum)
	}
}

// Several addresses, of both families, each with the port that the kernel chose.
func TestSeveralAddresses(t *testing.T) {
	var addrs []netip.AddrPort
	for _, a := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"} {
		addrs = append(addrs, netip.MustParseAddrPort(a))
	}
	r := run(t, Options{Addrs: addrs, Threads: 3})
	if len(r.Addrs()) != 3 || r.Sockets() != 3 {
		t.Fatalf("%v", r.Addrs())
	}
	for i, a := range r.Addrs() {
		if a.Addr() != addrs[i].Addr() || a.Port() == 0 {
			t.Errorf("%v of %v", a, addrs[i])
		}
		c, err := net.Dial("tcp", a.String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if e := r.wait(t, Ended, i+1); e.Local != a {
			t.Errorf("%v, want %v", e.Local, a)
		}
	}
}

// The wildcard of both families: a peer's address is told plainly, and so is the
// one that it came to.
func TestBothFamilies(t *testing.T) {
	r := run(t, Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("[::]:0")}})
	port := r.Addrs()[0].Port()
	for i, a := range []string{"127.0.0.3", "::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(a), port)
		c, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if e := r.wait(t, Accepted, i+1); e.Local != to || e.Peer.String() != c.LocalAddr().String() {
			t.Errorf("%v from %v", e.Local, e.Peer)
		}
	}
}

// Who has the port is named, also when its sockets would share it with those of
// another server of ours.
func TestPortInUse(t *testing.T) {
	r := run(t, Options{Threads: 2})
	_, err := Open(Options{Addrs: r.Addrs(), Threads: 2})
	var bind *BindError
	if !errors.As(err, &bind) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatal(err)
	}
	if bind.Holder == nil || bind.Holder.PID != os.Getpid() || bind.Holder.State != "LISTEN" || bind.Holder.Command == "" {
		t.Errorf("%+v", bind.Holder)
	}
	u := run(t, Options{Network: "udp", Threads: 2})
	_, err = Open(Options{Addrs: u.Addrs(), Network: "udp"})
	if !errors.As(err, &bind) || bind.Holder == nil || bind.Holder.PID != os.Getpid() {
		t.Errorf("UDP: %v", err)
	}
	if _, err := Open(Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.77:0")}}); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error(err)
	}
	// One of several that fails leaves none open.
	free := run(t, Options{})
	addr := free.Addrs()[0]
	free.stop()
	if _, err := Open(Options{Addrs: []netip.AddrPort{addr, r.Addrs()[0]}}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	run(t, Options{Addrs: []netip.AddrPort{addr}})
}

// A server is not kept out by the TIME_WAIT of the one before it.
func TestAgainAfterTimeWait(t *testing.T) {
	r := run(t, Options{Personality: Personality{Ending: CloseFirst}})
	c := r.dial(t)
	heard(t, c)
	c.Close()
	r.wait(t, Ended, 1)
	addr := r.Addrs()
	r.stop()
	run(t, Options{Addrs: addr})
}

// A peer that sends and does not read: what the server keeps for it is bounded,
// and everything arrives once it reads.
func TestEchoOfAPeerThatDoesNotRead(t *testing.T) {
	r := run(t, Options{Personality: Personality{Reading: Echo}, Threads: 1})
	c := r.dial(t)
	bulk := bytes.Repeat([]byte("0123456789abcdef"), 1<<21)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(bulk)
		c.CloseWrite()
		sent <- err
	}()
	// The write stops when all buffers are full; the server then holds no more
	// than one reading.
	before := uint64(0)
	for same := 0; same < 5; {
		time.Sleep(10 * time.Millisecond)
		if in := r.Counters().In; in == before && in > 0 {
			same++
		} else {
			before, same = in, 0
		}
	}
	if got := r.Counters(); got.In >= uint64(len(bulk)) || got.In-got.Out > 1<<16 {
		t.Errorf("%+v: more than a reading is held", got)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, bulk) {
		t.Errorf("%d octets came back of %d, %v", len(got), len(bulk), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if e := r.wait(t, Ended, 1); e.In != uint64(len(bulk)) || e.Out != e.In || e.Cause != cause.PeerClosed {
		t.Errorf("%+v %+v", e, e.Traffic)
	}
}

// A peer that resets while the server has something to say to it. On a busy host
// the server may not have come to that before.
func TestResetInTheMiddle(t *testing.T) {
	r := run(t, Options{Personality: Personality{Reading: Echo}, Threads: 1})
	for i := 1; ; i++ {
		c := r.dial(t)
		c.SetReadBuffer(1 << 12)
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		c.Write(make([]byte, 1<<24))
		reset(c)
		e := r.wait(t, Ended, i)
		if e.By != "peer" || e.How != "RST" {
			t.Fatalf("%+v %+v", e, e.Traffic)
		}
		if e.Unsent > 0 {
			return
		}
		if i == 20 {
			t.Fatalf("nothing was unsent in %d connections", i)
		}
	}
}

// The window of a server that never reads closes, and the client's write stops.
func TestNeverRead(t *testing.T) {
	r := run(t, Options{Personality: Personality{Reading: Never}})
	c := r.dial(t)
	c.SetWriteBuffer(1 << 12)
	c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := c.Write(make([]byte, 1<<22))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n > 1<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if got := r.Counters(); got.In != 0 || got.Open != 1 {
		t.Errorf("%+v", got)
	}
}

// A storm: short connections, some of which reset, some before they can be
// accepted. None is lost from the count.
func TestStorm(t *testing.T) {
	r := run(t, Options{Each: func([]Event) {}})
	const each, threads = 500, 4
	var all sync.WaitGroup
	var resets, failed sync.Map
	for k := range threads {
		all.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(k+1))}}
			n := 0
			for i := range each {
				c, err := d.Dial("tcp", r.address())
				if err != nil {
					failed.Store(k, err)
					return
				}
				if i%3 == 0 {
					reset(c.(*net.TCPConn))
					n++
				} else {
					c.Close()
				}
			}
			resets.Store(k, n)
		})
	}
	all.Wait()
	failed.Range(func(k, err any) bool { t.Error(err); return true })
	total := uint64(0)
	resets.Range(func(_, n any) bool { total += uint64(n.(int)); return true })
	r.until(t, "all have ended", func(c Counters) bool { return c.Ended+c.Gone == each*threads })
	sum := r.stop()
	counts := map[cause.ID]uint64{}
	for _, e := range sum.Ends {
		counts[e.Cause] += e.Count
	}
	if sum.Accepted+sum.Gone != each*threads || counts[cause.PeerReset]+sum.Gone != total || counts[cause.PeerClosed] != each*threads-total {
		t.Errorf("%+v, %d resets", sum, total)
	}
}

// Descriptors run out: the limit is named, nothing spins, who comes waits, and
// all are served in the end.
func TestDescriptorsRunOut(t *testing.T) {
	cmd := testmain.Command(t.Context(), "few")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	outPipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	if _, err := fmt.Fscanln(outPipe, &address); err != nil {
		t.Fatal(err, said.String())
	}
	const many = 3 * few
	var cs []net.Conn
	for range many {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	before := processorTime(t, cmd.Process.Pid)
	time.Sleep(300 * time.Millisecond)
	if used := processorTime(t, cmd.Process.Pid) - before; used > 10 {
		t.Errorf("%d ticks of processor time while nothing could be accepted", used)
	}
	for _, c := range cs {
		c.Close()
	}
	// The last to come: when it is answered, all before it were.
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
	c.Close()
	time.Sleep(150 * time.Millisecond) // the other thread's queue
	in.Close()
	text, err := io.ReadAll(outPipe)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, said.String())
	}
	sum := string(text)
	if !strings.Contains(sum, fmt.Sprintf(`"accepted":%d,"ended":%d,"open":0`, many+1, many+1)) || strings.Contains(sum, `"paused":0`) {
		t.Errorf("%s", sum)
	}
	if !strings.Contains(said.String(), `"event":"limit"`) || !strings.Contains(said.String(), `"errno":"EMFILE"`) || !strings.Contains(said.String(), fmt.Sprintf(`"limit":%d`, few)) ||
		!strings.Contains(said.String(), `"event":"resumed"`) {
		t.Errorf("said %s", said.String())
	}
}

// processorTime is a process's user and system time in clock ticks (proc(5)).
func processorTime(t *testing.T, pid int) (ticks int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var user, system int
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return user + system
}

// A crash says nothing: no FIN, no RST; the peer's next segment is answered with
// RST, as after a reboot.
func TestCrash(t *testing.T) {
	testmain.Need(t, "netns")
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h, err := n.Host("h")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{more: make(chan struct{}, 1)}
	if err := h.Do(func() error {
		if err := CanCrash(); err != nil {
			return err
		}
		s, err := Open(Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Each: r.each, Personality: Personality{CrashAfter: time.Second, Reading: Echo}})
		if err == nil {
			r.start(t, s)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	c, err := h.DialContext(t.Context(), "tcp", r.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say(t, c, "hello")
	hear(t, c, "hello")
	if e := r.wait(t, Ended, 1); e.By != "crash" || e.How != "silence" || e.Errno != "" {
		t.Errorf("%+v", e)
	}
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v: a crash is silent", err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	say(t, c, "there?")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v: what has forgotten the connection resets it", err)
	}
}

// Datagrams: answered from the address that they were sent to, so that a
// connected socket takes the answer, for both families on one socket.
func TestDatagrams(t *testing.T) {
	for _, tt := range []struct {
		at, to string
		p      Personality
		answer string
	}{
		{"127.0.0.1:0", "127.0.0.1", Personality{Reading: Echo}, "question"},
		{"0.0.0.0:0", "127.0.0.5", Personality{Reading: Echo}, "question"},
		{"[::]:0", "127.0.0.6", Personality{Reading: Echo}, "question"},
		{"[::]:0", "::1", Personality{Reading: Echo}, "question"},
		{"127.0.0.1:0", "127.0.0.1", Personality{Greeting: "hi"}, "hi 2"},
		{"127.0.0.1:0", "127.0.0.1", Personality{Reading: Echo, Delay: 10 * time.Millisecond}, "question"},
		{"127.0.0.1:0", "127.0.0.1", Personality{}, ""},
		{"127.0.0.1:0", "127.0.0.1", Personality{Reading: Never}, ""},
	} {
		t.Run(tt.at+" "+tt.to, func(t *testing.T) {
			r := run(t, Options{Network: "udp", Addrs: []netip.AddrPort{netip.MustParseAddrPort(tt.at)}, Personality: tt.p})
			to := netip.AddrPortFrom(netip.MustParseAddr(tt.to), r.Addrs()[0].Port())
			c, err := net.Dial("udp", to.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			say(t, c, "question")
			if tt.answer == "" {
				c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if n, err := c.Read(make([]byte, 64)); err == nil {
					t.Errorf("%d octets came", n)
				}
			} else {
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				b := make([]byte, 64)
				if n, err := c.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), tt.answer) {
					t.Errorf("%q, %v", b[:n], err)
				}
			}
			if tt.p.Reading == Never {
				if got := r.stop(); got.Datagrams != 0 {
					t.Errorf("%+v", got)
				}
				return
			}
			e := r.wait(t, Received, 1)
			if e.Local != to || e.Peer.String() != c.LocalAddr().String() || e.In != 8 {
				t.Errorf("%+v", e)
			}
			r.wait(t, NewPeer, 1)
			sum := r.stop()
			if sum.Datagrams != 1 || sum.Counters.Peers != 1 || (sum.Answers == 1) != (tt.answer != "") || sum.Lost != 0 {
				t.Errorf("%+v", sum)
			}
		})
	}
}

// More answers than may wait are counted as lost.
func TestWaitingAnswersAreBounded(t *testing.T) {
	s := &shard{Server: &Server{Options: Options{Personality: Personality{Delay: time.Hour}}}, now: time.Now()}
	for range mostWaiting + 5 {
		s.reply(nil, &sys.Datagram{}, []byte("x"))
	}
	if len(s.udpBox) != mostWaiting || s.lost.Load() != 5 {
		t.Errorf("%d wait, %d are lost", len(s.udpBox), s.lost.Load())
	}
	if at := s.nextAnswer(); time.Until(at) < 59*time.Minute {
		t.Errorf("due %v", at)
	}
}

func TestQueueOfMoments(t *testing.T) {
	var q queue
	began := time.Now()
	conns := []conn{{fd: 3, life: 1}, {fd: -1, life: 4}, {fd: 5, life: 7}}
	q.push(began, 0, &conns[0])
	q.push(began.Add(1), 1, &conns[1]) // its connection is over
	q.push(began.Add(2), 2, &conn{life: 6})
	q.push(began.Add(3), 2, &conns[2])
	q.push(began.Add(time.Hour), 0, &conns[0])
	var got []int32
	for slot, ok := q.due(began.Add(time.Second), conns); ok; slot, ok = q.due(began.Add(time.Second), conns) {
		got = append(got, slot)
	}
	if len(got) != 2 || got[0] != 0 || got[1] != 2 {
		t.Errorf("due: %v; one is over, one is another connection by now", got)
	}
	if at := q.next(); !at.Equal(began.Add(time.Hour)) {
		t.Errorf("next at %v", at)
	}
	for i := range 1000 {
		q.push(began, 0, &conns[0])
		if i > 0 {
			q.due(began.Add(2*time.Hour), conns)
		}
	}
	if len(q.moments) > 20 {
		t.Errorf("%d moments are kept", len(q.moments))
	}
}

// An end of which nobody wants to hear costs no memory.
func TestOrdinaryEndAllocatesNothing(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	s := &shard{Server: &Server{}, conns: make([]conn, 1), freed: make([]int32, 0, 1024), judged: map[Ends]uint64{}}
	for kind, errno := range map[ending]syscall.Errno{peerFIN: 0, bothFIN: 0, peerRST: syscall.ECONNRESET, brokenPipe: syscall.EPIPE, hereRST: 0} {
		if n := testing.AllocsPerRun(100, func() {
			fd, err := syscall.Dup(int(null.Fd()))
			if err != nil {
				t.Error(err)
			}
			s.freed = s.freed[:0]
			s.conns[0] = conn{fd: int32(fd), fin: kind == peerFIN || kind == bothFIN, half: kind == bothFIN}
			s.end(0, kind, evidence.ByRead, errno)
		}); n > 0 {
			t.Errorf("ending %d: %v allocations", kind, n)
		}
	}
	if len(s.judged) > 0 {
		t.Errorf("%v", s.judged)
	}
	if s.ends[peerFIN] == 0 || s.ends[peerRST] == 0 {
		t.Errorf("%v", s.ends)
	}
}

// What one end does and what the other is told: the verdict of an end that is not
// ordinary comes with its evidence, and without events it is counted under the
// same cause.
func TestJudgedEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		p      Personality
		client func(t *testing.T, c *net.TCPConn)
		want   Ends
		level  cause.Confidence
	}{
		{"reset after an answer", Personality{Reading: Echo}, func(t *testing.T, c *net.TCPConn) {
			say(t, c, "hello")
			hear(t, c, "hello")
			reset(c)
		}, Ends{"peer", "RST", cause.PeerReset, 1}, cause.Likely},
		{"reset before anything was sent", Personality{}, func(t *testing.T, c *net.TCPConn) { reset(c) }, Ends{"peer", "RST", cause.PeerReset, 1}, cause.Likely},
		{"closed by both", Personality{Reading: Echo}, func(t *testing.T, c *net.TCPConn) { say(t, c, "x"); hear(t, c, "x"); c.Close() }, Ends{"peer", "FIN", cause.PeerClosed, 1}, cause.Certain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, Options{Personality: tt.p, Evidence: true})
			tt.client(t, r.dial(t))
			e := r.wait(t, Ended, 1)
			if e.Verdict == nil || e.Cause != tt.want.Cause || e.Confidence != tt.level || e.Verdict.Errno != e.Errno {
				t.Fatalf("%+v", e.Verdict)
			}
			if _, _, seen := evidence.Last[*evidence.Flow](e.Evidence); !seen {
				t.Errorf("%v", e.Evidence)
			}
			if again := judge(e.Peer, e.Evidence); again.Cause != e.Cause || again.Confidence != e.Confidence {
				t.Errorf("judged again: %+v", again)
			}
			quiet, err := Open(Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Personality: tt.p, Count: 1})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan *Summary, 1)
			go func() { done <- quiet.Run(t.Context()) }()
			c, err := net.Dial("tcp", quiet.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			tt.client(t, c.(*net.TCPConn))
			c.Close()
			if sum := <-done; len(sum.Ends) != 1 || sum.Ends[0] != tt.want {
				t.Errorf("%+v, want %+v", sum.Ends, tt.want)
			}
		})
	}
}
