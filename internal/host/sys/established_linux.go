package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options of an established connection, tcp(7) and socket(7).
const (
	SoKeepAlive = unix.SO_KEEPALIVE

	TCPKeepIdle  = unix.TCP_KEEPIDLE  // seconds
	TCPKeepIntvl = unix.TCP_KEEPINTVL // seconds
	TCPKeepCnt   = unix.TCP_KEEPCNT
)

// Unacknowledged is ioctl(SIOCOUTQ): octets that the peer has not acknowledged,
// sent or not, and one more for a FIN among them (tcp_ioctl: write_seq - snd_una).
func Unacknowledged(fd int) (n int, errno syscall.Errno) {
	var v int32
	_, _, errno = unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&v)))
	return int(v), errno
}

// GetsockoptInt is getsockopt(2) of an int.
func GetsockoptInt(fd, level, name int) (value int, errno syscall.Errno) {
	var v int32
	n := uint32(unsafe.Sizeof(v))
	_, _, errno = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	return int(v), errno
}

// TCPInfoSize is how many octets of TCP_INFO the kernel fills in: newer fields
// stand further back (linux/tcp.h).
func TCPInfoSize(fd int, into *TCPInfo) (size int, errno syscall.Errno) {
	n := uint32(unsafe.Sizeof(*into))
	_, _, errno = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(into)), uintptr(unsafe.Pointer(&n)), 0)
	return int(n), errno
}

// TCPInfoHasWindow says that a TCP_INFO of this size has tcpi_snd_wnd (Linux 5.4).
func TCPInfoHasWindow(size int) bool {
	var i TCPInfo
	return uintptr(size) >= unsafe.Offsetof(i.Snd_wnd)+unsafe.Sizeof(i.Snd_wnd)
}
