package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options of datagram sockets, ip(7) and ipv6(7).
const (
	IPMTU           = unix.IP_MTU // of the path that a connected socket uses, octets
	IPv6MTU         = unix.IPV6_MTU
	IPMTUDiscover   = unix.IP_MTU_DISCOVER
	IPv6MTUDiscover = unix.IPV6_MTU_DISCOVER
	PMTUDiscWant    = unix.IP_PMTUDISC_WANT  // fragment where the path asks for it: the default
	PMTUDiscDo      = unix.IP_PMTUDISC_DO    // never
	PMTUDiscProbe   = unix.IP_PMTUDISC_PROBE // never, and whatever is known of the path
)

// SockoptInt is getsockopt(2) of an int.
func SockoptInt(fd, level, name int) (value int, errno syscall.Errno) {
	var v int32
	n := uint32(unsafe.Sizeof(v))
	_, _, errno = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	return int(v), errno
}

// SendTo is sendto(2) without waiting and without SIGPIPE.
func SendTo(fd int, b []byte, to *Sockaddr) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.len))
	return errno
}
