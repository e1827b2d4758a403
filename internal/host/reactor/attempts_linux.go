package reactor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sweep"
)

// batch is how many attempts are begun between two looks at the events.
const batch = 64

// longest is how long an engine sleeps at most, so that it notices the end of
// its context.
const longest = 20 * time.Millisecond

// attempts is one thread's work, however it waits.
type attempts struct {
	Config
	source Source
	now    time.Duration

	slots   []slot
	free    [2][]int32 // slots with an open socket, of IPv4 and IPv6
	bare    []int32    // slots without one
	waiting deadlines
	flying  int // slots whose attempt has not ended; more than wait where one is being given up

	jobs  [batch]sweep.Attempt
	ended []Outcome

	// Arguments of system calls, so that none of them moves to the heap.
	sa   sys.Sockaddr
	info sys.TCPInfo
}

// slot is a socket and the attempt it is used for.
type slot struct {
	fd         int32 // its place in the ring's table where that is direct; -1: no socket
	v6         bool
	polled     bool // a member of the epoll set
	busy       bool
	over       bool          // its time is; the ring was told to give it up
	turn       uint32        // counts its attempts, to know late completions by
	read       syscall.Errno // the error that the ring read from the socket
	next, prev int32         // in the queue of deadlines
	began      time.Duration
	job        sweep.Attempt
	icmp       ICMP // that came while the handshake goes on
}

// waiter is how the end of handshakes is waited for.
type waiter interface {
	begin(i int32)                 // starts the attempt of a slot that has a socket
	giveUp(i int32)                // ends one whose time is over
	wait(wait time.Duration) error // takes what has ended; waits so long for it
	drop(s *slot)                  // closes its socket
	close()
}

func run(ctx context.Context, c Config, s Source) error {
	runtime.LockOSThread()
	if c.Beyond && sys.OnMainThread() {
		// Its table of descriptors is the one that /proc/self shows.
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, c, s) }()
		err := <-ended
		runtime.UnlockOSThread()
		return err
	}
	a := &attempts{Config: c, source: s, slots: make([]slot, c.InFlight), waiting: noDeadlines}
	a.bare = make([]int32, 0, c.InFlight)
	for i := range a.slots {
		a.slots[i].fd = -1
		a.bare = append(a.bare, int32(c.InFlight-1-i))
	}
	a.ended = make([]Outcome, 0, 2*batch+events)
	unlock := true
	if c.Beyond && !c.Direct {
		switch err := ownTable(); {
		case err == nil:
			unlock = false // the thread ends, and its table with it
		case errors.Is(err, syscall.EPERM) && c.Kind != Epoll: // a seccomp filter
			a.Direct = true
		default:
			return err
		}
	}
	if unlock {
		defer runtime.UnlockOSThread()
	}
	w, err := newWaiter(a)
	if err != nil {
		return err
	}
	defer w.close()
	return a.loop(ctx, w)
}

func newWaiter(a *attempts) (waiter, error) {
	if a.Kind == Ring || a.Direct {
		w, err := newRing(a)
		if err != nil {
			return nil, err // not as a waiter that is a nil *ring
		}
		return w, nil
	}
	w, err := newEpoll(a)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (a *attempts) loop(ctx context.Context, w waiter) error {
	for ctx.Err() == nil {
		a.now = a.Clock()
		room := min(batch, len(a.bare)+len(a.free[0])+len(a.free[1]))
		n, wait, done := 0, longest, false
		if room > 0 {
			n, wait, done = a.source.Take(a.now, a.jobs[:room])
			for i := range n {
				a.begin(w, &a.jobs[i])
			}
		}
		a.expire(w)
		flying := a.flying
		if len(a.ended) > 0 {
			a.flush()
			wait = 0
		}
		if done && n == 0 && flying == 0 {
			return nil
		}
		if n > 0 {
			wait = 0
		}
		if at, waits := a.waiting.first(a.slots); waits && wait > 0 {
			wait = min(wait, max(0, at+a.Timeout-a.Clock()))
		}
		if flying == 0 && wait == 0 {
			continue // nobody waits for an event
		}
		if err := w.wait(min(wait, longest)); err != nil {
			return err
		}
		a.flush()
	}
	return nil
}

// flush hands over what has ended.
func (a *attempts) flush() {
	if len(a.ended) > 0 {
		a.source.Done(a.Clock(), a.ended)
		a.ended = a.ended[:0]
	}
}

// slotFor takes a slot for the address's family, preferably with a socket.
func (a *attempts) slotFor(w waiter, v6 bool) int32 {
	mine, other := &a.free[0], &a.free[1]
	if v6 {
		mine, other = other, mine
	}
	for _, list := range []*[]int32{mine, &a.bare, other} {
		if n := len(*list); n > 0 {
			i := (*list)[n-1]
			*list = (*list)[:n-1]
			if list == other {
				w.drop(&a.slots[i])
			}
			return i
		}
	}
	panic("reactor: more attempts than slots") // loop asks for no more than are free
}

// open gives a socket with the options that every attempt has.
func open(v6 bool) (fd int, errno syscall.Errno) {
	family := sys.AFInet
	if v6 {
		family = sys.AFInet6
	}
	if fd, errno = sys.Socket(family, sys.SockStream, 0); errno != 0 {
		return -1, errno
	}
	sys.LingerZero(fd)
	if v6 {
		// tcp_v6_err queues and reports at once only with it.
		sys.SetsockoptInt(fd, sys.SolIPv6, sys.IPv6RecvErr, 1)
	}
	return fd, 0
}

// begin starts one attempt.
func (a *attempts) begin(w waiter, job *sweep.Attempt) {
	i := a.slotFor(w, !job.Addr.Addr().Is4())
	s := &a.slots[i]
	s.job, s.busy, s.icmp, s.over, s.read = *job, true, ICMP{}, false, 0
	s.v6 = !job.Addr.Addr().Is4()
	s.began = a.Clock()
	s.turn++
	a.flying++
	w.begin(i)
}

// address fills in where the slot's attempt goes.
func (a *attempts) address(s *slot, sa *sys.Sockaddr) {
	family, scope := sys.AFInet, uint32(0)
	if s.v6 {
		family = sys.AFInet6
		if to := s.job.Addr.Addr(); a.Scope != nil && to.Zone() != "" {
			scope = a.Scope(to)
		}
	}
	sa.Set(family, s.job.Addr, scope)
}

// judge says how an attempt ended, if it has. trouble is set if an error or its
// end was seen; read is the error that was read from the socket already.
func (a *attempts) judge(s *slot, fd int, trouble bool) (o Outcome, over bool) {
	if errno := sys.GetTCPInfo(fd, &a.info); errno != 0 {
		panic(fmt.Sprintf("reactor: TCP_INFO of a TCP socket: %v", errno))
	}
	if a.info.State == sys.TCPSynSent && !trouble {
		return o, false
	}
	pending := s.read
	if pending == 0 {
		var errno syscall.Errno
		if pending, errno = sys.SOError(fd); errno != 0 {
			panic(fmt.Sprintf("reactor: SO_ERROR of a socket: %v", errno))
		}
	}
	if pending == 0 && a.info.State == sys.TCPSynSent {
		// An ICMP error met the socket locked by connect(2): it is in the
		// queue, the kernel goes on, and may end the attempt when it next
		// sends the SYN (tcp_v4_err).
		a.readICMP(s, fd)
		return o, false
	}
	o = Outcome{Errno: pending, Answered: a.info.Segs_in > 0, State: a.info.State, SYNs: 1 + int(a.info.Total_retrans)}
	if pending != 0 && (!o.Answered || pending != syscall.ECONNREFUSED && pending != syscall.ECONNRESET) {
		a.readICMP(s, fd)
	}
	if pending == 0 && a.Confirm != nil && a.Confirm(s.job.Addr) {
		if sys.Getsockname(fd, &a.sa) == 0 {
			o.Local, _ = a.sa.AddrPort()
		}
	}
	return o, true
}

// silence is the outcome of an attempt that judge, just before, found not over.
func (a *attempts) silence() Outcome {
	return Outcome{Call: Expired, State: a.info.State, SYNs: 1 + int(a.info.Total_retrans)}
}

// readICMP empties the error queue; the last error counts.
func (a *attempts) readICMP(s *slot, fd int) {
	for range 16 {
		q, errno := sys.ReadErrqueue(fd)
		if errno != 0 {
			return
		}
		s.icmp = ICMP{Errno: q.Errno, Version: 4, Type: q.Type, Code: q.Code, Offender: q.Offender}
		switch q.Origin {
		case sys.OriginICMP6:
			s.icmp.Version = 6
		case sys.OriginLocal:
			s.icmp = ICMP{}
		}
	}
}

// expire ends the attempts whose time is over.
func (a *attempts) expire(w waiter) {
	for {
		at, waits := a.waiting.first(a.slots)
		if !waits || at+a.Timeout > a.now {
			return
		}
		w.giveUp(a.waiting.head)
		if len(a.ended) >= batch {
			a.flush()
		}
	}
}

// end files the outcome and makes the slot ready for another attempt.
// dissolved says that its socket can be used again.
func (a *attempts) end(w waiter, i int32, o Outcome, dissolved bool) {
	s := &a.slots[i]
	o.Attempt, o.Began, o.ICMP = s.job, s.began, s.icmp
	o.Took = a.Clock() - s.began
	s.busy = false
	a.flying--
	a.ended = append(a.ended, o)
	switch {
	case s.fd < 0:
	case !dissolved:
		w.drop(s)
	default:
		list := &a.free[0]
		if s.v6 {
			list = &a.free[1]
		}
		*list = append(*list, i)
		return
	}
	a.bare = append(a.bare, i)
}

// dissolve makes the socket as good as new, or says that it cannot be. A soft
// error would outlive the dissolved connection (sk_err_soft).
func (a *attempts) dissolve(s *slot, fd int) bool {
	return !a.NewEach && s.icmp.Version == 0 && sys.Dissolve(fd) == 0
}

// ownTable gives the thread a table of descriptors of its own without the files
// of the process, which are then closed when the process closes them. What
// the runtime polls with stays: the collector of garbage may poll in any
// thread.
func ownTable() error {
	if errno := sys.OwnDescriptors(); errno != 0 {
		return os.NewSyscallError("unshare", errno)
	}
	const table = "/proc/thread-self/fd"
	dir, err := os.Open(table)
	if err != nil {
		return nil // without /proc the copies stay open until the sweep ends
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	for _, name := range names {
		var fd int
		if _, err := fmt.Sscan(name, &fd); err != nil || fd <= 2 || fd == int(dir.Fd()) {
			continue
		}
		switch what, err := os.Readlink(table + "/" + name); {
		case err != nil, what == "anon_inode:[eventpoll]", what == "anon_inode:[eventfd]":
		default:
			sys.Close(fd)
		}
	}
	return nil
}
