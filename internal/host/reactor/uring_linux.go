package reactor

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// ring waits by io_uring: connects are submitted together, and complete when
// the handshake is over. In direct mode the sockets are in the ring's own table,
// where RLIMIT_NOFILE does not count them; to be judged, which takes TCP_INFO
// and the error queue, a socket then gets a descriptor for a moment.
type ring struct {
	*attempts
	ring   *sys.Ring
	direct bool
	to     []sys.Sockaddr // a slot's address is read when it is submitted
	comps  [events]sys.Completion
}

// What a completion belongs to; in the top bits of its data, before the slot's
// turn and its number.
const (
	ringConnect = iota // or a poll after it
	ringInstall
	ringCancel
)

func ringData(what uint64, s *slot, i int32) uint64 {
	return what<<56 | uint64(s.turn&(1<<24-1))<<32 | uint64(uint32(i))
}

// Sizes of the queues. Completions that find theirs full wait in the kernel
// (IORING_FEAT_NODROP).
const submissions, completions = 4 * batch, 16384

func newRing(a *attempts) (*ring, error) {
	r, errno := sys.NewRing(submissions, completions)
	if errno != 0 {
		return nil, ringError(errno)
	}
	if a.Direct {
		if errno := r.Files(len(a.slots)); errno != 0 {
			r.Close()
			return nil, os.NewSyscallError("io_uring_register", errno)
		}
	}
	return &ring{attempts: a, ring: r, direct: a.Direct, to: make([]sys.Sockaddr, len(a.slots))}, nil
}

// ringError tells a kernel that has no ring for this process from one that has
// no room.
func ringError(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.ENOSYS, syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.EOPNOTSUPP:
		return fmt.Errorf("io_uring: %w: %w", errors.ErrUnsupported, errno)
	}
	return os.NewSyscallError("io_uring_setup", errno)
}

func (r *ring) close() {
	r.ring.Close()
	if r.direct {
		return // they end with the ring
	}
	for i := range r.slots {
		if r.slots[i].fd >= 0 {
			sys.Close(int(r.slots[i].fd))
		}
	}
}

func (r *ring) drop(s *slot) {
	if r.direct {
		r.ring.File(s.fd, -1)
	} else {
		sys.Close(int(s.fd))
	}
	s.fd = -1
}

// open gives the slot a socket; a direct one moves into the ring's table.
func (r *ring) open(i int32) syscall.Errno {
	s := &r.slots[i]
	fd, errno := open(s.v6)
	if errno == 0 && r.direct {
		errno = r.ring.File(i, int32(fd))
		sys.Close(fd)
		fd = int(i)
	}
	if errno == 0 {
		s.fd = int32(fd)
	}
	return errno
}

func (r *ring) begin(i int32) {
	s := &r.slots[i]
	if s.fd < 0 {
		if errno := r.open(i); errno != 0 {
			r.end(r, i, Outcome{Call: Socket, Errno: errno}, false)
			return
		}
	}
	r.address(s, &r.to[i])
	r.ring.Connect(s.fd, r.direct, &r.to[i], ringData(ringConnect, s, i))
	r.waiting.push(r.slots, i)
}

// giveUp has the kernel end the wait. The completion may still be another than
// that.
func (r *ring) giveUp(i int32) {
	s := &r.slots[i]
	r.waiting.remove(r.slots, i)
	s.over = true
	r.ring.Cancel(ringData(ringConnect, s, i), ringData(ringCancel, s, i))
}

func (r *ring) wait(wait time.Duration) error {
	if errno := r.ring.Enter(wait); errno != 0 {
		return os.NewSyscallError("io_uring_enter", errno)
	}
	for {
		n := r.ring.Completed(r.comps[:])
		for _, c := range r.comps[:n] {
			r.complete(c)
		}
		if n < len(r.comps) {
			return nil
		}
		r.flush()
	}
}

func (r *ring) complete(c sys.Completion) {
	i := int32(uint32(c.Data))
	s := &r.slots[i]
	what := c.Data >> 56
	if what == ringCancel || !s.busy || ringData(what, s, i) != c.Data {
		return // there was nothing to cancel: its end had come
	}
	switch {
	case what == ringInstall && c.Res < 0:
		// EMFILE, ENFILE, ENOMEM: this host cannot tell now.
		r.unqueue(i)
		r.end(r, i, Outcome{Call: Socket, Errno: syscall.Errno(-c.Res)}, false)
	case what == ringInstall:
		r.look(i, int(c.Res))
		sys.Close(int(c.Res))
	default:
		if c.Res < 0 && syscall.Errno(-c.Res) != syscall.ECANCELED {
			s.read = syscall.Errno(-c.Res)
		}
		if r.direct {
			r.ring.Install(s.fd, ringData(ringInstall, s, i))
			return
		}
		r.look(i, int(s.fd))
	}
}

// unqueue takes a slot out of the queue of deadlines, where it may still be.
func (r *ring) unqueue(i int32) {
	if s := &r.slots[i]; !s.over {
		r.waiting.remove(r.slots, i)
	}
}

// look judges an attempt whose operation has completed.
func (r *ring) look(i int32, fd int) {
	s := &r.slots[i]
	o, over := r.judge(s, fd, true)
	switch {
	case over && o.Errno != 0 && o.Errno == s.read && r.info.Segs_out == 0:
		// No SYN was sent: connect(2) itself failed.
		o = Outcome{Call: Connect, Errno: o.Errno}
	case over:
	case s.over:
		o = r.silence()
	default:
		// The operation ended for an error in the queue alone, and the
		// handshake goes on.
		r.ring.Poll(s.fd, r.direct, sys.EpollOut|sys.EpollErr|sys.EpollHup, ringData(ringConnect, s, i))
		return
	}
	r.unqueue(i)
	r.end(r, i, o, r.dissolve(s, fd))
}
