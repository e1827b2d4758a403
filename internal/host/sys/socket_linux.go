package sys

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockaddr is a kernel socket address (sockaddr_in, sockaddr_in6), built once
// and passed by pointer.
type Sockaddr struct {
	raw [unix.SizeofSockaddrInet6]byte
	len uint32
}

// Set fills in an address of the socket's family: an IPv4 address for AF_INET,
// any other for AF_INET6 (an IPv4 address then as ::ffff:a.b.c.d). scope is
// the interface index that a zone names.
func (s *Sockaddr) Set(family int, a netip.AddrPort, scope uint32) {
	*s = Sockaddr{}
	binary.NativeEndian.PutUint16(s.raw[0:], uint16(family))
	binary.BigEndian.PutUint16(s.raw[2:], a.Port())
	if family == unix.AF_INET {
		ip := a.Addr().As4()
		copy(s.raw[4:], ip[:])
		s.len = unix.SizeofSockaddrInet4
		return
	}
	ip := a.Addr().As16()
	copy(s.raw[8:], ip[:])
	binary.NativeEndian.PutUint32(s.raw[24:], scope)
	s.len = unix.SizeofSockaddrInet6
}

// AddrPort reads the address; scope is the interface index of a link-local one.
func (s *Sockaddr) AddrPort() (a netip.AddrPort, scope uint32) {
	port := binary.BigEndian.Uint16(s.raw[2:])
	switch binary.NativeEndian.Uint16(s.raw[0:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s.raw[4:8])), port), 0
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s.raw[8:24])), port), binary.NativeEndian.Uint32(s.raw[24:])
	}
	return netip.AddrPort{}, 0
}

// Socket opens a non-blocking, close-on-exec socket: socket(2).
func Socket(family, typ, proto int) (fd int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family),
		uintptr(typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), uintptr(proto))
	return int(r), errno
}

// Connect starts a connection: connect(2). On a non-blocking socket it does not
// wait; it is never repeated here, not even after EINTR (the kernel goes on).
func Connect(fd int, to *Sockaddr) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.len))
	return errno
}

// Bind is bind(2).
func Bind(fd int, to *Sockaddr) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.len))
	return errno
}

// Getsockname is getsockname(2).
func Getsockname(fd int, into *Sockaddr) syscall.Errno {
	return sockaddrCall(unix.SYS_GETSOCKNAME, fd, into)
}

// Getpeername is getpeername(2).
func Getpeername(fd int, into *Sockaddr) syscall.Errno {
	return sockaddrCall(unix.SYS_GETPEERNAME, fd, into)
}

func sockaddrCall(trap uintptr, fd int, into *Sockaddr) syscall.Errno {
	into.len = uint32(len(into.raw))
	_, _, errno := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&into.raw)), uintptr(unsafe.Pointer(&into.len)))
	return errno
}

// Close is close(2). The descriptor is gone whatever it returns (close(2), NOTES).
func Close(fd int) {
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) //nolint:errcheck // nothing can be done
}

// SetsockoptInt is setsockopt(2) with an int.
func SetsockoptInt(fd, level, name, value int) syscall.Errno {
	v := int32(value)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno
}

// SetsockoptString is setsockopt(2) with bytes, for SO_BINDTODEVICE.
func SetsockoptString(fd, level, name int, value string) syscall.Errno {
	b := append([]byte(value), 0)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
	return errno
}

// SOError is getsockopt(SO_ERROR): the socket's pending error, which reading
// clears (socket(7)).
func SOError(fd int) (pending, errno syscall.Errno) {
	var v int32
	n := uint32(unsafe.Sizeof(v))
	_, _, errno = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	return syscall.Errno(v), errno
}

// TCPInfo is getsockopt(TCP_INFO), struct tcp_info in linux/tcp.h. Fields that
// an older kernel does not know stay zero.
type TCPInfo = unix.TCPInfo

// StateSYNSent is TCP_SYN_SENT of linux/tcp_states.h; the states that sock_diag
// asks for stand with it.
const StateSYNSent = 2

// GetTCPInfo is getsockopt(TCP_INFO), tcp(7).
func GetTCPInfo(fd int, into *TCPInfo) syscall.Errno {
	n := uint32(unsafe.Sizeof(*into))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(into)), uintptr(unsafe.Pointer(&n)), 0)
	return errno
}

// Readiness bits, poll(2).
const (
	PollIn    = unix.POLLIN
	PollOut   = unix.POLLOUT
	PollErr   = unix.POLLERR
	PollHup   = unix.POLLHUP
	PollRDHup = unix.POLLRDHUP
)

// Readiness is poll(2) with no wait: what the socket is ready for now.
func Readiness(fd int) (revents int16, errno syscall.Errno) {
	p := unix.PollFd{Fd: int32(fd), Events: PollIn | PollOut | PollRDHup}
	var zero unix.Timespec
	_, _, errno = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
	return p.Revents, errno
}

// Queued is ioctl(SIOCINQ): received bytes that nobody has read (tcp(7)).
func Queued(fd int) (n int, errno syscall.Errno) {
	var v int32
	_, _, errno = unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&v)))
	return int(v), errno
}

// Send is send(2) without waiting and without SIGPIPE.
func Send(fd int, b []byte) (n int, errno syscall.Errno) {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(&b[0])
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(p), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(r), errno
}

// Peek is recv(MSG_PEEK) without waiting: what stands first in the queue stays there.
func Peek(fd int, b []byte) (n int, errno syscall.Errno) {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(&b[0])
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(p), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
	return int(r), errno
}

// SetBlocking clears O_NONBLOCK: fcntl(F_SETFL) on a socket, whose only other
// status flag is O_RDWR.
func SetBlocking(fd int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, unix.O_RDWR)
	return errno
}

// WindowScales reads tcpi_snd_wscale and tcpi_rcv_wscale, a bit-field that
// x/sys leaves out (linux/tcp.h: the octet after tcpi_options).
func WindowScales(i *TCPInfo) (snd, rcv uint8) {
	b := (*[8]byte)(unsafe.Pointer(i))[6]
	return b & 0xf, b >> 4 // the first declared field is in the low bits on little-endian machines
}

// FastOpenClientFail reads tcpi_fastopen_client_fail, two bits of the next octet.
func FastOpenClientFail(i *TCPInfo) uint8 {
	return (*[8]byte)(unsafe.Pointer(i))[7] >> 1 & 3
}
