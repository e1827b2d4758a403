package listen

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m, testmain.Helper("few", fewDescriptors)) }

// running is a server of a test.
type running struct {
	*Server
	mu     sync.Mutex
	events []Event
	more   chan struct{}
	stop   func() *Summary
}

// run starts a server that o describes; loopback unless it says where.
func run(t *testing.T, o Options) *running {
	t.Helper()
	if o.Addrs == nil {
		o.Addrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	}
	r := &running{more: make(chan struct{}, 1)}
	if o.Each == nil {
		o.Each = r.each
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r.start(t, s)
	return r
}

func (r *running) start(t *testing.T, s *Server) {
	r.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *Summary, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	var sum *Summary
	r.stop = func() *Summary {
		once.Do(func() { cancel(); sum = <-done })
		return sum
	}
	t.Cleanup(func() { r.stop() })
}

func (r *running) each(events []Event) {
	r.mu.Lock()
	r.events = append(r.events, events...)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// wait returns the n-th event of a kind, from 1.
func (r *running) wait(t *testing.T, kind Kind, n int) Event {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		seen := 0
		for _, e := range r.events {
			if e.Kind == kind {
				if seen++; seen == n {
					r.mu.Unlock()
					return e
				}
			}
		}
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-late:
			t.Fatalf("no %d %s among %+v", n, kind, r.events)
		}
	}
}

// until waits for something that the counters tell.
func (r *running) until(t *testing.T, what string, ok func(Counters) bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(r.Counters()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: %+v", what, r.Counters())
		}
	}
}

func (r *running) address() string { return r.Addrs()[0].String() }

// dial connects to the server.
func (r *running) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// fewDescriptors is a server that may open but a few descriptors. It prints its
// address, and at the end of its input the summary.
func fewDescriptors([]string) int {
	s, err := Open(Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Each: func(events []Event) {
		for _, e := range events {
			if e.Kind == LimitHit || e.Kind == Resumed {
				json.NewEncoder(os.Stderr).Encode(e)
			}
		}
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: few, Max: few}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.Addrs()[0])
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	json.NewEncoder(os.Stdout).Encode(s.Run(ctx))
	return 0
}

// few descriptors in all, those of the program itself included.
const few = 64
