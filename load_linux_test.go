package dialscope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

// distribution is sorted durations.
type distribution []time.Duration

func (d distribution) at(percent int) time.Duration { return d[(len(d)-1)*percent/100] }

func (d distribution) log(t *testing.T, what string) {
	slices.Sort(d)
	t.Logf("%s: min %v, median %v, p90 %v, p99 %v, max %v", what, d.at(0), d.at(50), d.at(90), d.at(99), d.at(100))
}

// slack is how late a thousand dials may be on a machine that does other
// things at the same time, with the race detector: it finds a dial that waits
// for something else than its end, and measures nothing. The goals, 20 ms after
// the deadline and 50 ms after a cancellation, are to be compared with what -v
// logs on an idle machine.
const slack = 3 * time.Second

const inFlight = 1000

// flown is what a thousand dials at once came to.
type flown struct {
	Late   distribution // after the deadline, or the cancellation
	Wrong  []string     // errors that are not what they should be
	During int          // descriptors while they flew, more than before
	After  int
}

// flight dials its argument a thousand times at once and ends that by a
// deadline or, with a second argument, by cancelling.
func flight(args []string) int {
	out := flown{Late: make(distribution, inFlight)}
	cancelled := len(args) > 1 && args[1] == "cancel"
	var d Dialer
	before := descriptors()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	var waiting atomic.Int32
	flying := make(chan struct{})
	d.Trace = &Trace{Observed: func(_ int, e evidence.Entry) {
		if e.Fact.Kind() == "local_addr" && waiting.Add(1) == inFlight {
			close(flying)
		}
	}}
	end, wanted := time.Now().Add(4*time.Second), context.DeadlineExceeded
	if cancelled {
		wanted = context.Canceled
	} else {
		d.Deadline = end
	}
	errs := make([]error, inFlight)
	ended := make([]time.Time, inFlight)
	for i := range inFlight {
		all.Go(func() {
			_, errs[i] = d.DialContext(ctx, "tcp", args[0])
			ended[i] = time.Now()
		})
	}
	landed := make(chan struct{})
	go func() {
		all.Wait()
		close(landed)
	}()
	select {
	case <-flying:
	case <-landed:
		out.Wrong = append(out.Wrong, "they never all flew at once")
	}
	out.During = descriptors() - before
	if cancelled {
		end = time.Now()
		cancel()
	}
	<-landed
	out.After = descriptors() - before
	for i, err := range errs {
		out.Late[i] = ended[i].Sub(end)
		if !errors.Is(err, wanted) && len(out.Wrong) < 3 {
			out.Wrong = append(out.Wrong, fmt.Sprint(err))
		}
	}
	if json.NewEncoder(os.Stdout).Encode(out) != nil {
		return 1
	}
	return 0
}

// descriptors counts this process's.
func descriptors() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

// A thousand dials of a host that never answers end at their deadline, or when
// they are cancelled, and every socket is closed then. The target is a
// neighbour with a hardware address that nobody has.
func TestThousandInFlight(t *testing.T) {
	c := chain(t, 0)
	mute := netip.MustParseAddr("192.0.2.99")
	if err := c.Client.Neighbour(mute, net.HardwareAddr{2, 0, 0, 0, 0, 99}, c.Links[0].A.Name); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"deadline", "cancel"} {
		var out flown
		if err := json.Unmarshal(runIn(t, c.Client, nil, "flight", netip.AddrPortFrom(mute, 80).String(), how), &out); err != nil {
			t.Fatal(err)
		}
		out.Late.log(t, "after the "+how)
		if len(out.Wrong) > 0 || out.Late.at(0) < 0 {
			t.Errorf("%s: %q; the earliest %v after the end", how, out.Wrong, out.Late.at(0))
		}
		if p := out.Late.at(99); p > slack {
			t.Errorf("%s: 99 %% of the dials returned within %v", how, p)
		}
		if out.During < inFlight || out.After > 8 { // the runtime's own come and go
			t.Errorf("%s: %d descriptors while they flew, %d afterwards", how, out.During, out.After)
		}
	}
}

// manyDials is how many TestNothingIsLeft makes: DIALSCOPE_DIALS, or what a
// test has the time for.
func manyDials(t *testing.T) int {
	s, set := os.LookupEnv("DIALSCOPE_DIALS")
	if !set {
		return 20_000
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 10 {
		t.Fatalf("DIALSCOPE_DIALS=%q: not a number of dials", s)
	}
	return n
}

// Dials that connect, are refused, expire and are cancelled leave no
// descriptor, no goroutine and no memory.
func TestNothingIsLeft(t *testing.T) {
	open := testmain.Listen(t, "127.0.0.1:0", hold).String()
	closed := closedPort(t, "127.0.0.1").String()
	mute := silent(t, "127.0.0.1", 0).String()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	round := func(n int) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for i := range n / 8 {
					c, err := new(Dialer).Dial("tcp", closed)
					switch {
					case i%20 == 1:
						c, err = new(Dialer).Dial("tcp", open)
					case i%100 == 2:
						c, err = (&Dialer{Timeout: time.Millisecond}).Dial("tcp", mute)
					case i%100 == 3:
						c, err = new(Dialer).DialContext(ended, "tcp", open)
					case i%100 == 4:
						c, err = (&Dialer{HopLimit: 1000}).Dial("tcp", open)
					}
					if err == nil {
						if raw, err := c.(syscall.Conn).SyscallConn(); err == nil { // no TIME_WAIT
							raw.Control(func(fd uintptr) {
								syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
							})
						}
						c.Close()
					}
				}
			})
		}
		all.Wait()
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what finalizers let go
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	n := manyDials(t)
	round(n / 10)
	sockets, goroutines, memory := descriptors(), runtime.NumGoroutine(), heap()
	start := time.Now()
	round(n)
	took := time.Since(start)
	grown := int64(heap()) - int64(memory)
	t.Logf("%d dials in %v: heap %+d octets", n, took, grown)
	if grown > 2<<20 {
		t.Errorf("the heap grew by %d octets", grown)
	}
	// The peers of the last connections may still be closing theirs.
	for until := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		fds, gos := descriptors()-sockets, runtime.NumGoroutine()-goroutines
		if fds <= 0 && gos <= 0 {
			break
		}
		if time.Now().After(until) {
			t.Errorf("%d descriptors and %d goroutines are left", fds, gos)
			break
		}
	}
}
