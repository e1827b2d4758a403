package reactor

import (
	"os"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// events is how many events, or completions, are taken at once.
const events = 256

// epoll waits by epoll(7), edge-triggered, after a look of its own.
type epoll struct {
	*attempts
	ep     int
	early  early
	events [events]sys.EpollEvent
}

func newEpoll(a *attempts) (*epoll, error) {
	ep, errno := sys.EpollCreate()
	if errno != 0 {
		return nil, os.NewSyscallError("epoll_create1", errno)
	}
	return &epoll{attempts: a, ep: ep, early: early{on: true}}, nil
}

func (e *epoll) close() {
	for i := range e.slots {
		if e.slots[i].fd >= 0 {
			sys.Close(int(e.slots[i].fd))
		}
	}
	sys.Close(e.ep)
}

func (e *epoll) drop(s *slot) {
	sys.Close(int(s.fd))
	s.fd, s.polled = -1, false
}

func (e *epoll) begin(i int32) {
	s := &e.slots[i]
	if s.fd < 0 {
		fd, errno := open(s.v6)
		if errno != 0 {
			e.end(e, i, Outcome{Call: Socket, Errno: errno}, false)
			return
		}
		s.fd, s.polled = int32(fd), false
	}
	e.address(s, &e.sa)
	switch errno := sys.Connect(int(s.fd), &e.sa); errno {
	case 0, syscall.EINPROGRESS, syscall.EINTR: // EINTR: the kernel goes on (connect(2))
	default:
		e.finish(i, Outcome{Call: Connect, Errno: errno})
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
		e.finish(i, Outcome{Call: Socket, Errno: errno})
	}
}

// look judges an attempt that may have ended, and says whether it has.
func (e *epoll) look(i int32, trouble bool) bool {
	s := &e.slots[i]
	o, over := e.judge(s, int(s.fd), trouble)
	if over {
		e.waiting.remove(e.slots, i)
		e.finish(i, o)
	}
	return over
}

func (e *epoll) finish(i int32, o Outcome) {
	s := &e.slots[i]
	e.end(e, i, o, e.dissolve(s, int(s.fd)))
}

// giveUp ends an attempt; an answer that came and was not yet seen is still an
// answer.
func (e *epoll) giveUp(i int32) {
	if !e.look(i, false) {
		e.waiting.remove(e.slots, i)
		e.finish(i, e.silence())
	}
}

func (e *epoll) wait(wait time.Duration) error {
	var n int
	var errno syscall.Errno
	if wait == 0 {
		n, errno = sys.EpollPoll(e.ep, e.events[:])
	} else {
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
	return nil
}
