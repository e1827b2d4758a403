package reactor

import (
	"context"
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

// engine is one thread's work.
type engine struct {
	Config
	source Source
	ep     int
	now    time.Duration

	slots   []slot
	free    [2][]int32 // slots with an open socket, of IPv4 and IPv6
	bare    []int32    // slots without one
	waiting deadlines

	early  early
	events [256]sys.EpollEvent
	jobs   [batch]sweep.Attempt
	ended  []Outcome

	// Arguments of system calls, so that none of them moves to the heap.
	sa   sys.Sockaddr
	info sys.TCPInfo
}

// slot is a socket and the attempt it is used for.
type slot struct {
	fd         int32
	v6         bool
	polled     bool // a member of the epoll set
	busy       bool
	next, prev int32 // in the queue of deadlines
	began      time.Duration
	job        sweep.Attempt
	icmp       ICMP // that came while the handshake goes on
}

func run(ctx context.Context, c Config, s Source) error {
	runtime.LockOSThread()
	if !c.OwnTable {
		defer runtime.UnlockOSThread()
	} else if errno := sys.OwnDescriptors(); errno != 0 {
		return os.NewSyscallError("unshare", errno)
	}
	e := &engine{Config: c, source: s, slots: make([]slot, c.InFlight), waiting: noDeadlines, early: early{on: true}}
	e.bare = make([]int32, 0, c.InFlight)
	for i := range e.slots {
		e.slots[i].fd = -1
		e.bare = append(e.bare, int32(c.InFlight-1-i))
	}
	var errno syscall.Errno
	if e.ep, errno = sys.EpollCreate(); errno != 0 {
		return os.NewSyscallError("epoll_create1", errno)
	}
	defer e.close()
	e.ended = make([]Outcome, 0, 2*batch+len(e.events))
	return e.loop(ctx)
}

func (e *engine) close() {
	for i := range e.slots {
		if e.slots[i].fd >= 0 {
			sys.Close(int(e.slots[i].fd))
		}
	}
	sys.Close(e.ep)
}

func (e *engine) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		e.now = e.Clock()
		room := min(batch, len(e.bare)+len(e.free[0])+len(e.free[1]))
		n, wait, done := 0, longest, false
		if room > 0 {
			n, wait, done = e.source.Take(e.now, e.jobs[:room])
			for i := range n {
				e.begin(&e.jobs[i])
			}
		}
		e.expire()
		inFlight := e.waiting.n
		if len(e.ended) > 0 {
			e.flush()
			wait = 0
		}
		if done && n == 0 && inFlight == 0 {
			return nil
		}
		if n > 0 {
			wait = 0
		}
		if err := e.poll(wait); err != nil {
			return err
		}
	}
	return nil
}

// flush hands over what has ended.
func (e *engine) flush() {
	if len(e.ended) > 0 {
		e.source.Done(e.Clock(), e.ended)
		e.ended = e.ended[:0]
	}
}

// poll looks at the events, and waits for them if there is nothing else to do.
func (e *engine) poll(wait time.Duration) error {
	if e.waiting.n == 0 && wait == 0 {
		return nil // nobody waits for an event
	}
	var n int
	var errno syscall.Errno
	if at, waits := e.waiting.first(e.slots); waits {
		wait = min(wait, max(0, at+e.Timeout-e.Clock()))
	}
	if wait == 0 {
		n, errno = sys.EpollPoll(e.ep, e.events[:])
	} else {
		wait = min(wait, longest)
		n, errno = sys.EpollWait(e.ep, e.events[:], int((wait+time.Millisecond-1)/time.Millisecond))
	}
	if errno != 0 && errno != syscall.EINTR {
		return os.NewSyscallError("epoll_pwait", errno)
	}
	for i := range max(n, 0) {
		at := e.events[i].Fd
		// An event of an earlier attempt on this socket finds the slot idle, or
		// its handshake still going on.
		if e.slots[at].busy {
			e.look(at, e.events[i].Events&(sys.EpollErr|sys.EpollHup) != 0)
		}
	}
	e.flush()
	return nil
}

// slotFor takes a slot for the address's family, preferably with a socket.
func (e *engine) slotFor(v6 bool) int32 {
	mine, other := &e.free[0], &e.free[1]
	if v6 {
		mine, other = other, mine
	}
	for _, list := range []*[]int32{mine, &e.bare, other} {
		if n := len(*list); n > 0 {
			i := (*list)[n-1]
			*list = (*list)[:n-1]
			if list == other {
				e.drop(&e.slots[i])
			}
			return i
		}
	}
	panic("reactor: more attempts than slots") // loop asks for no more than are free
}

func (e *engine) drop(s *slot) {
	sys.Close(int(s.fd))
	s.fd, s.polled = -1, false
}

// open gives the slot a socket.
func (e *engine) open(s *slot, v6 bool) syscall.Errno {
	family := sys.AFInet
	if v6 {
		family = sys.AFInet6
	}
	fd, errno := sys.Socket(family, sys.SockStream, 0)
	if errno != 0 {
		return errno
	}
	sys.LingerZero(fd)
	if v6 {
		// tcp_v6_err queues and reports at once only with it.
		sys.SetsockoptInt(fd, sys.SolIPv6, sys.IPv6RecvErr, 1)
	}
	s.fd, s.v6, s.polled = int32(fd), v6, false
	return 0
}

// begin starts one attempt.
func (e *engine) begin(job *sweep.Attempt) {
	to := job.Addr.Addr()
	v6 := !to.Is4()
	i := e.slotFor(v6)
	s := &e.slots[i]
	s.job, s.busy, s.icmp = *job, true, ICMP{}
	s.began = e.Clock()
	if s.fd < 0 {
		if errno := e.open(s, v6); errno != 0 {
			e.end(i, Outcome{Call: Socket, Errno: errno})
			return
		}
	}
	family, scope := sys.AFInet, uint32(0)
	if v6 {
		family = sys.AFInet6
		if e.Scope != nil && to.Zone() != "" {
			scope = e.Scope(to)
		}
	}
	e.sa.Set(family, job.Addr, scope)
	switch errno := sys.Connect(int(s.fd), &e.sa); errno {
	case 0, syscall.EINPROGRESS, syscall.EINTR: // EINTR: the kernel goes on (connect(2))
	default:
		e.end(i, Outcome{Call: Connect, Errno: errno})
		return
	}
	e.waiting.push(e.slots, i)
	if e.early.worthwhile() && e.early.seen(e.look(i, false)) {
		return
	}
	if s.polled {
		return // an edge that came since connect(2) is queued
	}
	s.polled = true
	if errno := sys.EpollAddSlot(e.ep, int(s.fd), sys.EpollOut|sys.EpollEdge, i); errno != 0 {
		// ENOMEM, ENOSPC (max_user_watches): limits of this host.
		s.polled = false
		e.waiting.remove(e.slots, i)
		e.end(i, Outcome{Call: Socket, Errno: errno})
	}
}

// look judges an attempt that may have ended, and says whether it has. trouble
// is set if epoll saw an error.
func (e *engine) look(i int32, trouble bool) bool {
	s := &e.slots[i]
	fd := int(s.fd)
	if errno := sys.GetTCPInfo(fd, &e.info); errno != 0 {
		panic(fmt.Sprintf("reactor: TCP_INFO of a TCP socket: %v", errno))
	}
	if e.info.State == sys.TCPSynSent && !trouble {
		return false
	}
	pending, errno := sys.SOError(fd)
	if errno != 0 {
		panic(fmt.Sprintf("reactor: SO_ERROR of a socket: %v", errno))
	}
	if pending == 0 && e.info.State == sys.TCPSynSent {
		// An ICMP error met the socket locked by connect(2): it is in the
		// queue, the kernel goes on, and may end the attempt when it next
		// sends the SYN (tcp_v4_err).
		e.readICMP(s)
		return false
	}
	o := Outcome{Errno: pending, Answered: e.info.Segs_in > 0, State: e.info.State, SYNs: 1 + int(e.info.Total_retrans)}
	if pending != 0 && (!o.Answered || pending != syscall.ECONNREFUSED && pending != syscall.ECONNRESET) {
		e.readICMP(s)
	}
	if pending == 0 && e.Confirm != nil && e.Confirm(s.job.Addr) {
		if sys.Getsockname(fd, &e.sa) == 0 {
			o.Local, _ = e.sa.AddrPort()
		}
	}
	e.waiting.remove(e.slots, i)
	e.end(i, o)
	return true
}

// readICMP empties the error queue; the last error counts.
func (e *engine) readICMP(s *slot) {
	for range 16 {
		q, errno := sys.ReadErrqueue(int(s.fd))
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

// expire ends the attempts whose time is over. An answer that came and was not
// yet seen is still an answer.
func (e *engine) expire() {
	for {
		at, waits := e.waiting.first(e.slots)
		if !waits || at+e.Timeout > e.now {
			return
		}
		i := e.waiting.head
		if e.look(i, false) {
			continue
		}
		e.waiting.remove(e.slots, i)
		e.end(i, Outcome{Call: Expired, State: e.info.State, SYNs: 1 + int(e.info.Total_retrans)})
		if len(e.ended) >= batch {
			e.flush()
		}
	}
}

// end files the outcome and makes the slot ready for another attempt.
func (e *engine) end(i int32, o Outcome) {
	s := &e.slots[i]
	o.Attempt, o.Began, o.ICMP = s.job, s.began, s.icmp
	o.Took = e.Clock() - s.began
	s.busy = false
	e.ended = append(e.ended, o)
	switch {
	case s.fd < 0:
	case e.NewEach, s.icmp.Version != 0, sys.Dissolve(int(s.fd)) != 0:
		// A soft error would outlive the dissolved connection (sk_err_soft).
		e.drop(s)
	default:
		list := &e.free[0]
		if s.v6 {
			list = &e.free[1]
		}
		*list = append(*list, i)
		return
	}
	e.bare = append(e.bare, i)
}
