package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollCreate makes an epoll instance (epoll_create1(2)) in non-blocking mode,
// so that the runtime's poller takes it: an epoll descriptor is readable when
// one of its own is ready (epoll(7)).
func EpollCreate() (fd int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	if _, _, errno = unix.RawSyscall(unix.SYS_FCNTL, r, unix.F_SETFL, unix.O_NONBLOCK); errno != 0 {
		Close(int(r))
		return -1, errno
	}
	return int(r), 0
}

// EpollAdd watches a socket until its handshake is over: for writability and
// errors, or with readable for what can be read instead. Level-triggered.
func EpollAdd(epfd, fd int, readable bool) syscall.Errno {
	e := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)} // EPOLLERR and EPOLLHUP come unasked
	if readable {
		e.Events = unix.EPOLLIN
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// EpollDelete stops watching a socket.
func EpollDelete(epfd, fd int) {
	var e unix.EpollEvent
	unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), unix.EPOLL_CTL_DEL, uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0) //nolint:errcheck // it is watched, or it is closed
}

// EpollReady gives the descriptors that are ready now, up to len(into); it
// never waits.
func EpollReady(epfd int, into []int32) int {
	events := make([]unix.EpollEvent, len(into))
	n, err := unix.EpollWait(epfd, events, 0)
	if err != nil {
		return 0
	}
	for i := range n {
		into[i] = events[i].Fd
	}
	return n
}
