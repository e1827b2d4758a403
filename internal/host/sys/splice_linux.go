package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Splice moves up to most octets from one descriptor to another without copying
// them, of which one is a pipe, and does not wait for the pipe (splice(2),
// SPLICE_F_NONBLOCK). 0 without an error is the end of what from gives.
func Splice(from, to, most int) (n int, errno syscall.Errno) {
	// Syscall, not RawSyscall: whoever copies into the pipe meanwhile holds its lock.
	r, _, errno := unix.Syscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(most), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// IsPipe says whether a descriptor is a pipe's (pipe(7)).
func IsPipe(fd int) bool {
	var s unix.Stat_t
	return unix.Fstat(fd, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFIFO
}

// GrowPipe makes a pipe hold size octets where it holds fewer and that is allowed
// (fcntl(2), F_SETPIPE_SZ; /proc/sys/fs/pipe-max-size).
func GrowPipe(fd, size int) {
	if now, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0); err == nil && now < size {
		unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, size) //nolint:errcheck // it works as it is
	}
}

// AwaitPoll waits until a descriptor meets a condition of poll(2), or has failed
// or been hung up, which its use then tells.
func AwaitPoll(fd int, events int16) syscall.Errno {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(p[:], -1)
		errno, _ := err.(syscall.Errno)
		if errno != syscall.EINTR {
			return errno
		}
	}
}

// Ready says which of two descriptors meet their conditions of poll(2) now, or
// have failed or been hung up.
func Ready(one int, oneEvents int16, two int, twoEvents int16) (oneReady, twoReady bool) {
	p := [2]unix.PollFd{{Fd: int32(one), Events: oneEvents}, {Fd: int32(two), Events: twoEvents}}
	for {
		_, err := unix.Poll(p[:], 0)
		if err != syscall.EINTR {
			return p[0].Revents != 0, p[1].Revents != 0
		}
	}
}
