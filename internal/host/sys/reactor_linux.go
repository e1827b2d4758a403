package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollEvent is struct epoll_event, epoll_ctl(2). Data is the caller's.
type EpollEvent = unix.EpollEvent

// Event bits, epoll_ctl(2).
const (
	EpollOut  = unix.EPOLLOUT
	EpollErr  = unix.EPOLLERR
	EpollHup  = unix.EPOLLHUP
	EpollEdge = unix.EPOLLET
)

// EpollAddSlot is epoll_ctl(2) EPOLL_CTL_ADD with the caller's choice of events;
// data, not the descriptor, comes back with each.
func EpollAddSlot(ep, fd int, events uint32, data int32) syscall.Errno {
	e := EpollEvent{Events: events, Fd: data}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// EpollPoll is epoll_pwait(2) without waiting, and without the scheduler.
func EpollPoll(ep int, events []EpollEvent) (n int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return int(r), errno
}

// EpollWait is epoll_pwait(2) with a timeout in milliseconds. EINTR is no error
// and no event.
func EpollWait(ep int, events []EpollEvent, milliseconds int) (n int, errno syscall.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(milliseconds), 0, 0)
	if errno == unix.EINTR {
		return 0, 0
	}
	return int(r), errno
}

// Dissolve is connect(2) to AF_UNSPEC. On a TCP socket Linux sends a RST if the
// connection was established, gives up the local port, and leaves the socket
// as good as new (tcp_disconnect); other systems promise nothing of the kind.
func Dissolve(fd int) syscall.Errno {
	var sa [16]byte // sa_family 0: AF_UNSPEC
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	return errno
}

// LingerZero is SO_LINGER {1, 0}: close(2) resets an established connection
// and leaves no TIME_WAIT (socket(7), tcp_close).
func LingerZero(fd int) syscall.Errno {
	l := unix.Linger{Onoff: 1}
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
	return errno
}

// OwnDescriptors gives the calling thread a copy of the descriptor table for
// itself: unshare(2) CLONE_FILES, which needs no privilege. RLIMIT_NOFILE
// holds for each table (alloc_fd). The caller's goroutine must be locked to its
// thread and never unlocked, so that the thread, and the table, end with it.
func OwnDescriptors() syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_FILES, 0, 0)
	return errno
}

// OnMainThread says that the caller runs in the thread that the process began
// with: the one that /proc/self shows, and that the runtime never ends.
func OnMainThread() bool { return unix.Gettid() == unix.Getpid() }

// Listen is listen(2).
func Listen(fd, backlog int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_LISTEN, uintptr(fd), uintptr(backlog), 0)
	return errno
}

// Accept is accept4(2), close-on-exec.
func Accept(fd int) (conn int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
	return int(r), errno
}

// States of a TCP socket, linux/tcp_states.h.
const (
	TCPEstablished = 1
	TCPSynSent     = 2
	TCPClose       = 7
)
