package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadNetNS is the network namespace of the calling thread, not of the
// process: the two differ while a thread is elsewhere (proc(5)).
const threadNetNS = "/proc/thread-self/ns/net"

// NewNetNS makes a network namespace and returns the descriptor that holds it.
// Nothing else refers to it: it is gone when the descriptor, and the sockets
// and processes inside, are gone. The calling thread stays where it was.
// It needs CAP_SYS_ADMIN (unshare(2)).
func NewNetNS() (fd int, err error) {
	runtime.LockOSThread()
	home, err := os.Open(threadNetNS)
	if err != nil {
		runtime.UnlockOSThread()
		return -1, err
	}
	defer home.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return -1, os.NewSyscallError("unshare", err)
	}
	fd, err = unix.Open(threadNetNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		err = &os.PathError{Op: "open", Path: threadNetNS, Err: err}
		return -1, errors.Join(err, leave(home))
	}
	if err := leave(home); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// InNetNS runs f on a thread that is inside the namespace held by fd, and
// brings the thread back, also when f panics or ends its goroutine. Sockets
// that f opened belong to the namespace for good; goroutines that f starts run
// outside it. Calls may be nested.
func InNetNS(fd int, f func() error) (err error) {
	runtime.LockOSThread()
	home, err := os.Open(threadNetNS)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := EnterNetNS(fd); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if lost := leave(home); lost != nil {
			err = errors.Join(err, lost)
		}
	}()
	return f()
}

// EnterNetNS moves the calling thread into the namespace held by fd
// (setns(2)). The caller has locked the goroutine to the thread.
func EnterNetNS(fd int) error {
	return os.NewSyscallError("setns", unix.Setns(fd, unix.CLONE_NEWNET))
}

// leave brings the thread home. When that fails the goroutine stays locked, so
// that the runtime ends the thread with it and never gives it to another.
func leave(home *os.File) error {
	if err := EnterNetNS(int(home.Fd())); err != nil {
		return fmt.Errorf("thread left in a foreign network namespace: %w", err)
	}
	runtime.UnlockOSThread()
	return nil
}
