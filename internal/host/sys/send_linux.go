package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of send(2).
const (
	MsgDontRoute = unix.MSG_DONTROUTE
	MsgDontWait  = unix.MSG_DONTWAIT
	MsgEOR       = unix.MSG_EOR
	MsgOOB       = unix.MSG_OOB
	MsgMore      = unix.MSG_MORE
	MsgNoSignal  = unix.MSG_NOSIGNAL
)

// SendWith is send(2) with the caller's flags, once. On a non-blocking socket it
// does not wait, whatever they are.
func SendWith(fd int, b []byte, flags int) (n int, errno syscall.Errno) {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(&b[0])
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(p), uintptr(len(b)), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// Recv is recv(2), once, without waiting. 0 bytes without an error are the
// peer's FIN, or an empty datagram.
func Recv(fd int, b []byte) (n int, errno syscall.Errno) {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(&b[0])
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(p), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}
