package reactor

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sweep"
)

// The queue of deadlines keeps the order in which attempts began, whichever
// ends when: held against a plain list.
func TestDeadlines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	slots := make([]slot, 50)
	d := noDeadlines
	var plain []int32
	free := make([]int32, len(slots))
	for i := range free {
		free[i] = int32(i)
	}
	for step := range 20000 {
		if len(free) > 0 && (len(plain) == 0 || r.IntN(2) == 0) {
			i := free[len(free)-1]
			free = free[:len(free)-1]
			slots[i].began = time.Duration(step)
			d.push(slots, i)
			plain = append(plain, i)
		} else {
			at := r.IntN(len(plain))
			i := plain[at]
			d.remove(slots, i)
			plain = slices.Delete(plain, at, at+1)
			free = append(free, i)
		}
		began, waits := d.first(slots)
		if waits != (len(plain) > 0) || d.n != len(plain) {
			t.Fatalf("step %d: %d wait, want %d", step, d.n, len(plain))
		}
		if waits && (d.head != plain[0] || began != slots[plain[0]].began || d.tail != plain[len(plain)-1]) {
			t.Fatalf("step %d: %d first and %d last, want %v", step, d.head, d.tail, plain)
		}
	}
}

// An engine looks at sockets at once as long as that tells something, and finds
// out when it begins to again.
func TestEarly(t *testing.T) {
	e := early{on: true}
	for range trial {
		e.worthwhile()
		e.seen(false)
	}
	if e.on {
		t.Fatal("it goes on looking in vain")
	}
	looks := 0
	for range 10 * trial {
		if e.worthwhile() {
			looks++
			e.seen(false)
		}
	}
	if looks != 10 {
		t.Errorf("%d looks in %d attempts", looks, 10*trial)
	}
	for range 8 * trial {
		if e.worthwhile() {
			e.seen(true)
		}
	}
	if !e.on {
		t.Error("it does not notice that looking pays")
	}
}

// Few slots, and both families by turns: sockets are exchanged for others.
func TestFamiliesByTurns(t *testing.T) {
	client, _ := pair(t)
	for name, c := range engines() {
		for _, inFlight := range []int{1, 2, 5} {
			c.InFlight = inFlight
			var targets []netip.AddrPort
			for range 40 {
				targets = append(targets, at("192.0.2.2:9"), at("[2001:db8::2]:9"), at("[2001:db8::2]:10"))
			}
			for _, o := range sweepIn(t, client, c, &list{targets: targets, keep: true}) {
				if o.Errno != syscall.ECONNREFUSED || !o.Answered {
					t.Errorf("%s, %d slots: %+v", name, inFlight, o)
				}
			}
		}
	}
}

// endless is a source that never ends, of silent targets.
type endless struct{ list }

func (e *endless) Take(_ time.Duration, into []sweep.Attempt) (int, time.Duration, bool) {
	for i := range into {
		into[i] = sweep.Attempt{Addr: at("192.0.2.2:81")}
	}
	return len(into), 0, false
}

// When the context ends, attempts in flight are given up soon and without a
// result, and nothing of them is left.
func TestContextEnds(t *testing.T) {
	client, server := pair(t)
	if _, err := server.Firewall(tcp(81, netns.Drop())); err != nil {
		t.Fatal(err)
	}
	for name, c := range engines() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		began := time.Now()
		c.InFlight, c.Timeout = 200, time.Minute
		c.Clock = func() time.Duration { return time.Since(began) }
		l := new(endless)
		ended := make(chan error)
		go func() { ended <- client.Thread(func() error { return Run(ctx, c, l) }) }()
		select {
		case err := <-ended:
			if err != nil || l.count != 0 {
				t.Errorf("%s: %v, %d results", name, err, l.count)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it does not end", name)
		}
		cancel()
	}
	// The ring's sockets end with it, a moment later (io_ring_exit_work).
	for range 200 {
		if left(t, client) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d sockets are left", left(t, client))
}

// left counts the TCP sockets of a host that are not closed.
func left(t *testing.T, h *netns.Host) int {
	t.Helper()
	n := 0
	var text []byte
	if err := h.Do(func() (err error) { text, err = os.ReadFile("/proc/thread-self/net/tcp"); return err }); err != nil {
		t.Fatal(err)
	}
	for _, c := range text {
		if c == '\n' {
			n++
		}
	}
	return n - 1 // the head
}

// Where a process may not have a ring, that is said as what it is, and nothing
// is attempted.
func TestNoRing(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.EOPNOTSUPP} {
		if err := ringError(errno); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENOMEM} {
		if err := ringError(errno); errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := ringError(0); err != nil {
		t.Error(err)
	}
}

// A completion of an attempt that is over belongs to no other.
func TestLateCompletion(t *testing.T) {
	a := &attempts{slots: make([]slot, 2)}
	r := &ring{attempts: a}
	s := &a.slots[1]
	s.turn, s.busy = 7, true
	old := ringData(ringConnect, s, 1)
	s.turn = 8
	r.complete(sys.Completion{Data: old, Res: -int32(syscall.ECONNREFUSED)})
	r.complete(sys.Completion{Data: ringData(ringCancel, s, 1), Res: -int32(syscall.ENOENT)})
	if s.read != 0 || !s.busy || len(a.ended) != 0 {
		t.Errorf("%+v, %d ended", s, len(a.ended))
	}
}
