package feed

import (
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
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
	"github.com/dialscope/dialscope/internal/watch"
)

func TestMain(m *testing.M) { testmain.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// network is two hosts on one link, a watched.
type network struct {
	a, b *netns.Host
}

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	testmain.Need(t, "netns")
	n, err := netns.New()
	must(t, err)
	t.Cleanup(func() { must(t, n.Close()) })
	w := &network{}
	w.a, err = n.Host("a")
	must(t, err)
	w.b, err = n.Host("b")
	must(t, err)
	_, err = n.Link(w.a, w.b, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.PrefixFrom(addrA, 24)}},
		B: netns.End{Addrs: []netip.Prefix{netip.PrefixFrom(addrB, 24)}},
	})
	must(t, err)
	return w
}

// stories is what a source and a tracker made of what happened.
type stories struct {
	mu    sync.Mutex
	told  []*watch.Story
	news  []watch.News
	fresh chan struct{}
}

// watchIn watches in a network namespace until the test ends.
func watchIn(t *testing.T, h *netns.Host, open func(Options) (Source, error)) *stories {
	t.Helper()
	s := &stories{fresh: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	opened, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		ended <- h.Do(func() error {
			src, err := open(Options{Here: true, Every: 5 * time.Millisecond})
			if err != nil {
				opened <- err
				return nil
			}
			var once sync.Once // the first look is over
			defer src.Close()
			tr := watch.Tracker{Owner: src.Owner, Look: src.Look, Tell: s.tell}
			return src.Run(ctx, func(e *watch.Event) {
				if e == nil {
					once.Do(func() { opened <- nil })
					tr.Tick(time.Now())
					return
				}
				tr.Add(e)
			})
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	must(t, <-opened)
	return s
}

func (s *stories) tell(st *watch.Story, n watch.News, _ *watch.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told, s.news = append(s.told, st.Clone()), append(s.news, n)
	select {
	case s.fresh <- struct{}{}:
	default:
	}
}

// await waits for a news that fits.
func (s *stories) await(t *testing.T, what string, fits func(*watch.Story, watch.News) bool) *watch.Story {
	t.Helper()
	deadline := time.After(45 * time.Second)
	for from := 0; ; {
		s.mu.Lock()
		for ; from < len(s.told); from++ {
			if st := s.told[from]; fits(st, s.news[from]) {
				s.mu.Unlock()
				return st
			}
		}
		s.mu.Unlock()
		select {
		case <-s.fresh:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			for i, st := range s.told {
				t.Logf("news %d: %+v", s.news[i], st)
			}
			t.Fatalf("%s: not seen within 45 s", what)
		}
	}
}

func ended(port uint16) func(*watch.Story, watch.News) bool {
	return func(s *watch.Story, n watch.News) bool {
		return (n == watch.HasEnded || n == watch.HasFailed) && s.Remote.Port() == port
	}
}

func openKernel(t *testing.T) func(Options) (Source, error) {
	testmain.Need(t, "bpf")
	return OpenKernel
}

// dial connects by hand, waits for the end at most d, and closes.
func dial(t *testing.T, h *netns.Host, to netip.AddrPort, d time.Duration, then ...func(net.Conn)) error {
	t.Helper()
	return h.Do(func() error {
		c, err := (&net.Dialer{Timeout: d}).Dial("tcp", to.String())
		if err != nil {
			return err
		}
		for _, f := range then {
			f(c)
		}
		return c.Close()
	})
}

// serve accepts on b, and does that with each connection.
func serve(t *testing.T, h *netns.Host, port uint16, do func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	at := netip.AddrPortFrom(addrB, port)
	l, err := h.Listen("tcp", at.String())
	must(t, err)
	testmain.Serve(t, l, do)
	return at
}

// Each kind of end, as the kernel tells it.
func TestKernelTellsEnds(t *testing.T) {
	t.Parallel()
	w := newNetwork(t)
	s := watchIn(t, w.a, openKernel(t))
	waitEOF := func(c net.Conn) { c.Read(make([]byte, 1)) }
	closer := serve(t, w.b, 81, func(c *net.TCPConn) { c.Close() })
	resetter := serve(t, w.b, 82, func(c *net.TCPConn) {
		time.Sleep(200 * time.Millisecond) // connect(2) has returned
		c.SetLinger(0)
		c.Close()
	})
	holder := serve(t, w.b, 83, func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.Close() })
	_, err := w.b.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: 84}, Verdict: netns.Drop()})
	must(t, err)
	_, err = w.a.Firewall(netns.Rule{Hook: netns.Output, Match: netns.Match{Protocol: netns.TCP, Dport: 85}, Verdict: netns.Drop()})
	must(t, err)
	to := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addrB, port) }

	var all sync.WaitGroup
	for _, f := range []func(){
		func() { must(t, dial(t, w.a, closer, time.Second, waitEOF)) },
		func() { must(t, dial(t, w.a, resetter, time.Second, waitEOF)) },
		func() { must(t, dial(t, w.a, holder, time.Second)) },
		func() { dial(t, w.a, to(84), 1300*time.Millisecond) },
		func() { dial(t, w.a, to(85), 1300*time.Millisecond) },
		func() { dial(t, w.a, to(86), time.Second) },
	} {
		all.Go(f)
	}
	all.Wait()
	for _, c := range []struct {
		port       uint16
		cause      cause.ID
		confidence cause.Confidence
		errno      string
		first      string
	}{
		{81, cause.PeerClosed, cause.Certain, "", "peer"},
		{82, cause.PeerReset, cause.Likely, "ECONNRESET", ""},
		{83, cause.IsOpen, cause.Certain, "", "here"},
		{85, cause.LocalFirewallDrop, cause.Certain, "", ""},
		{86, cause.PortClosed, cause.Likely, "ECONNREFUSED", ""},
	} {
		st := s.await(t, fmt.Sprint("the end of ", c.port), ended(c.port))
		if st.Verdict.Cause != c.cause || st.Verdict.Confidence != c.confidence || string(st.Errno) != c.errno || st.First != c.first {
			t.Errorf("port %d: %s (%s) %s, first %q: %+v", c.port, st.Verdict.Cause, st.Verdict.Confidence, st.Errno, st.First, st)
		}
		if st.Process.PID != os.Getpid() || st.Remote.Addr() != addrB || !st.Seen || st.In {
			t.Errorf("port %d: whose it is: %+v", c.port, st)
		}
	}
	// Silence beyond this host: abandoned at the deadline, never certain.
	st := s.await(t, "the end of 84", ended(84))
	if st.Verdict.Outcome != cause.Timeout || st.Verdict.Confidence == cause.Certain || st.Resent == 0 || len(st.Verdict.Alternatives) == 0 {
		t.Errorf("port 84: %+v", st.Verdict)
	}
}

// Attempts that never send a packet.
func TestKernelTellsWhatNeverLeft(t *testing.T) {
	t.Parallel()
	w := newNetwork(t)
	must(t, w.a.Sysctl("net.ipv4.ip_local_port_range", "40000 40001"))
	held := serve(t, w.b, 81, func(c *net.TCPConn) { defer c.Close(); c.Read(make([]byte, 1)) })
	s := watchIn(t, w.a, openKernel(t))
	var first, second net.Conn
	must(t, w.a.Do(func() (err error) {
		if first, err = net.Dial("tcp", held.String()); err == nil {
			second, err = net.Dial("tcp", held.String())
		}
		return err
	}))
	defer second.Close()
	defer first.Close()
	if err := dial(t, w.a, held, time.Second); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatalf("a third connection: %v", err)
	}
	st := s.await(t, "no port", func(s *watch.Story, n watch.News) bool { return n == watch.HasFailed && s.Errno == "EADDRNOTAVAIL" })
	if st.Verdict.Cause != cause.PortsExhausted || st.Verdict.Confidence != cause.Certain || !st.Sync || st.Remote != held {
		t.Errorf("%s (%s): %+v", st.Verdict.Cause, st.Verdict.Confidence, st)
	}
	if err := dial(t, w.a, netip.MustParseAddrPort("198.51.100.1:80"), time.Second); !errors.Is(err, syscall.ENETUNREACH) {
		t.Fatalf("no route: %v", err)
	}
	st = s.await(t, "no route", func(s *watch.Story, n watch.News) bool { return n == watch.HasFailed && s.Errno == "ENETUNREACH" })
	if st.Verdict.Cause != cause.NoRoute || !st.Sync || st.Process.PID != os.Getpid() {
		t.Errorf("%s (%s): %+v", st.Verdict.Cause, st.Verdict.Confidence, st)
	}
}

// What a server sees: accepted connections belong to it, refusals are told.
func TestKernelTellsServers(t *testing.T) {
	t.Parallel()
	w := newNetwork(t)
	at := serve(t, w.b, 81, func(c *net.TCPConn) { c.Close() }) // listens before anybody watches
	s := watchIn(t, w.b, openKernel(t))
	must(t, dial(t, w.a, at, time.Second, func(c net.Conn) { c.Read(make([]byte, 1)) }))
	st := s.await(t, "accepted", func(s *watch.Story, n watch.News) bool { return n == watch.IsOpen && s.In })
	if st.Local != at || st.Remote.Addr() != addrA || st.Process.PID != os.Getpid() {
		t.Errorf("%+v", st)
	}
	dial(t, w.a, netip.AddrPortFrom(addrB, 82), time.Second)
	st = s.await(t, "refused", func(s *watch.Story, n watch.News) bool { return n == watch.Refusal })
	if st.Local.Port() != 82 || st.Remote.Addr() != addrA || !st.In {
		t.Errorf("%+v", st)
	}
}

// A connection that stood before belongs to its process.
func TestKernelKnowsWhatStood(t *testing.T) {
	t.Parallel()
	w := newNetwork(t)
	at := serve(t, w.b, 81, func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0); c.Close() })
	var c net.Conn
	must(t, w.a.Do(func() (err error) { c, err = net.Dial("tcp", at.String()); return err }))
	defer c.Close()
	s := watchIn(t, w.a, openKernel(t))
	c.Write([]byte{1})
	c.Read(make([]byte, 1))
	st := s.await(t, "its end", ended(81))
	if st.Seen || st.Process.PID != os.Getpid() || st.Verdict.Cause != cause.PeerReset {
		t.Errorf("%+v", st)
	}
}

// Without privileges: what stands for a while is told with its process, the end
// of what does not by the kernel's word on destroyed sockets.
func TestTable(t *testing.T) {
	t.Parallel()
	w := newNetwork(t)
	at := serve(t, w.b, 81, func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.Close() })
	_, err := w.b.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: 84}, Verdict: netns.Drop()})
	must(t, err)
	s := watchIn(t, w.a, OpenTable)
	var c net.Conn
	must(t, w.a.Do(func() (err error) { c, err = net.Dial("tcp", at.String()); return err }))
	t.Cleanup(func() { c.Close() })
	st := s.await(t, "open", func(s *watch.Story, n watch.News) bool { return n == watch.IsOpen && s.Remote == at })
	if st.Process.PID != os.Getpid() || st.In || !st.Looked || st.Flow.RTT == 0 {
		t.Errorf("%+v", st)
	}
	if _, known := st.Handshake(); known {
		t.Error("a look at a table knows how long a handshake took")
	}
	c.Close()
	st = s.await(t, "the end", ended(81))
	if st.Verdict.Confidence == cause.Certain && st.Verdict.Cause != cause.IsOpen || st.Failed() {
		t.Errorf("%+v, %s", st.Verdict, st.Unjudged)
	}
	dial(t, w.a, netip.AddrPortFrom(addrB, 84), 1300*time.Millisecond)
	st = s.await(t, "silence", ended(84))
	if st.Verdict.Outcome != cause.Timeout || st.Verdict.Confidence == cause.Certain {
		t.Errorf("silence: %+v, %s", st.Verdict, st.Unjudged)
	}
	must(t, dial(t, w.a, at, time.Second)) // shorter than a look
	s.await(t, "the end of a short one", func(s *watch.Story, n watch.News) bool {
		return n == watch.HasEnded && s.Remote == at && s.Local.Port() != c.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	})
}

func TestMissingIsSaid(t *testing.T) {
	src, err := OpenTable(Options{})
	must(t, err)
	defer src.Close()
	if all := strings.Join(src.Missing(), " "); !strings.Contains(all, "throws away") || !strings.Contains(all, "errno") || !strings.Contains(src.Name(), "100ms") {
		t.Errorf("%s: %s", src.Name(), all)
	}
}

// The octets that are told are those of data, whoever closed first.
func TestKernelCountsData(t *testing.T) {
	t.Parallel()
	w := newNetwork(t)
	s := watchIn(t, w.a, openKernel(t))
	answer := func(c *net.TCPConn) { c.Read(make([]byte, 5)); c.Write(make([]byte, 7)) }
	here := serve(t, w.b, 81, func(c *net.TCPConn) { answer(c); c.Read(make([]byte, 1)); c.Close() })
	peer := serve(t, w.b, 82, func(c *net.TCPConn) { answer(c); c.Close() })
	empty := serve(t, w.b, 83, func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.Close() })
	talk := func(c net.Conn) { c.Write(make([]byte, 5)); io.ReadFull(c, make([]byte, 7)) }
	must(t, dial(t, w.a, here, 10*time.Second, talk))
	must(t, dial(t, w.a, peer, 10*time.Second, talk, func(c net.Conn) { c.Read(make([]byte, 1)) }))
	must(t, dial(t, w.a, empty, 10*time.Second))
	for port, want := range map[uint16][2]uint64{81: {5, 7}, 82: {5, 7}, 83: {0, 0}} {
		st := s.await(t, fmt.Sprint("the end of ", port), ended(port))
		if st.Sent() != want[0] || st.Got() != want[1] {
			t.Errorf("port %d: %d out, %d in: %+v", port, st.Sent(), st.Got(), st)
		}
	}
}
