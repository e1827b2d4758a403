package sock

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// most is what one step receives at most, and what a pipe is made to hold where
// that is allowed: what users may have without privilege (/proc/sys/fs/pipe-max-size).
const most = 1 << 20

// mostSent is what one step sends at most: what the kernel sends as one message.
// Between two messages of one call splice_to_socket takes the connection's error
// from the socket and gives it to nobody. A message is of 16 of the pipe's
// buffers; full ones of a page, and a part at either end, are no more than these.
const mostSent = 15 * 4096

// Pipe is a pipe that octets of a connection come from or go to.
type Pipe struct{ file syscall.RawConn }

// PipeOf is the pipe that a file is; nil: it is none.
func PipeOf(f *os.File) *Pipe {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	is := false
	if raw.Control(func(fd uintptr) {
		if is = sys.IsPipe(int(fd)); is {
			sys.GrowPipe(int(fd), most)
		}
	}) != nil || !is {
		return nil
	}
	return &Pipe{raw}
}

// AwaitInput waits until the pipe can be read, or has no writer any more. The
// error is the file's: a deadline, or that it was closed.
func (p *Pipe) AwaitInput() error { return await(p.file.Read, p.file.Control, sys.PollIn) }

// AwaitRoom waits until the pipe can be written, or has no reader any more.
func (p *Pipe) AwaitRoom() error { return await(p.file.Write, p.file.Control, sys.PollOut) }

// await waits by the runtime's poller where the file is one for it, and in a
// thread where it is not: a standard input that came in blocking mode stays in
// it, for whoever else has it.
func await(poller func(func(uintptr) bool) error, control func(func(uintptr)) error, events int16) error {
	err := poller(func(fd uintptr) bool {
		ready, _ := sys.Ready(int(fd), events, -1, 0)
		return ready
	})
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return err
	}
	var errno syscall.Errno
	if control(func(fd uintptr) { errno = sys.AwaitPoll(int(fd), events) }) != nil {
		return os.ErrClosed
	}
	if errno != 0 {
		return os.NewSyscallError("poll", errno)
	}
	return nil
}

// To moves what the pipe holds to a connection, and waits for that, but not for
// the pipe. An error is the connection's, or that the file was closed.
func (p *Pipe) To(conn syscall.RawConn) (n int, how Spliced, err error) {
	s := step{file: p.file}
	return s.done(conn.Write(func(fd uintptr) bool {
		return s.try(func(pipe int) bool {
			s.n, s.errno = sys.Splice(pipe, int(fd), mostSent)
			if s.errno != syscall.EAGAIN {
				return true
			}
			input, room := sys.Ready(pipe, sys.PollIn, int(fd), sys.PollOut)
			return s.refused(input, room)
		})
	}))
}

// From moves what a connection has received to the pipe, and waits for that, but
// not for the pipe. An error is the connection's, or that the file was closed;
// EPIPE is the pipe's. The end of what the peer sends comes as SpliceCopy: a
// read tells it.
func (p *Pipe) From(conn syscall.RawConn) (n int, how Spliced, err error) {
	s := step{file: p.file}
	n, how, err = s.done(conn.Read(func(fd uintptr) bool {
		return s.try(func(pipe int) bool {
			s.n, s.errno = sys.Splice(int(fd), pipe, most)
			if s.errno != syscall.EAGAIN {
				return true
			}
			input, room := sys.Ready(int(fd), sys.PollIn, pipe, sys.PollOut)
			return s.refused(room, input)
		})
	}))
	if how == SpliceEnd { // also before an urgent octet, where FIN has come behind it (tcp_splice_read)
		how = SpliceCopy
	}
	return n, how, err
}

// step is one move under way.
type step struct {
	file   syscall.RawConn
	n      int
	how    Spliced
	errno  syscall.Errno
	tries  int  // that were refused without a reason
	closed bool // the file
}

// try moves once; false: the connection is to be waited for. The file is held
// only while it is used, so that closing it waits for nobody.
func (s *step) try(move func(pipe int) bool) (done bool) {
	for {
		again := false
		s.closed = s.file.Control(func(fd uintptr) {
			done = move(int(fd))
			again = s.errno == syscall.EINTR || !done && s.tries > 0
		}) != nil
		if s.closed || !again {
			return done || s.closed
		}
	}
}

// refused says why a move gave EAGAIN, and whether the step is over.
func (s *step) refused(pipe, conn bool) (done bool) {
	switch {
	case !pipe:
		s.how, s.errno = SplicePipe, 0
	case !conn:
		s.tries = 0
		return false
	case s.tries > 0: // at the urgent octet tcp_splice_read stops for good; or there is no room for pages
		s.how, s.errno = SpliceCopy, 0
	default:
		s.tries++ // it became ready meanwhile
		return false
	}
	return true
}

func (s *step) done(err error) (int, Spliced, error) {
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		return 0, s.how, op.Err // of the raw connection: "raw-write"
	case err != nil:
		return 0, s.how, err
	case s.closed:
		return 0, s.how, os.ErrClosed
	case s.errno == syscall.EINVAL, s.errno == syscall.ENOSYS:
		return 0, SpliceCopy, nil // not between these two, or not at all
	case s.errno != 0:
		return 0, s.how, os.NewSyscallError("splice", s.errno)
	case s.n == 0 && s.how == SpliceMoved:
		return 0, SpliceEnd, nil
	}
	return s.n, s.how, nil
}
