package sys

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options of a listening socket, by the names of socket(7), ip(7), ipv6(7) and
// tcp(7).
const (
	SoReuseAddr = unix.SO_REUSEADDR
	SoReusePort = unix.SO_REUSEPORT
	SoRcvBuf    = unix.SO_RCVBUF
	IPv6Only    = unix.IPV6_V6ONLY
	IPPktInfo   = unix.IP_PKTINFO
	IPv6PktInfo = unix.IPV6_RECVPKTINFO
	TCPRepair   = unix.TCP_REPAIR
)

// More event bits, epoll_ctl(2).
const (
	EpollIn    = unix.EPOLLIN
	EpollRDHup = unix.EPOLLRDHUP
)

// EpollMod is epoll_ctl(2) EPOLL_CTL_MOD. With no events errors and hang-ups
// still come.
func EpollMod(ep, fd int, events uint32, data int32) syscall.Errno {
	e := EpollEvent{Events: events, Fd: data}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), unix.EPOLL_CTL_MOD, uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// AcceptFrom is accept4(2), non-blocking and close-on-exec, with the peer's
// address. EAGAIN says that nobody waits (any more).
func AcceptFrom(fd int, peer *Sockaddr) (conn int, errno syscall.Errno) {
	peer.len = uint32(len(peer.raw))
	r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&peer.raw)), uintptr(unsafe.Pointer(&peer.len)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), 0
}

// EventFD makes an eventfd(2), non-blocking, to wake an epoll_wait(2).
func EventFD() (fd int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_EVENTFD2, 0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), 0
}

// Wake wakes who waits for an eventfd; it stays readable.
func Wake(fd int) {
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one)) //nolint:errcheck // EAGAIN: it rings already
}

// EndSending is shutdown(2) SHUT_WR: FIN behind what is still to be sent.
func EndSending(fd int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

// Datagram is one datagram's addresses: whom it is from or to, and the address
// of this host that it came to or leaves from.
type Datagram struct {
	Peer  netip.AddrPort
	Here  netip.Addr
	scope uint32 // of a link-local peer: the interface
}

// RecvDatagram is recvmsg(2) without waiting, on a socket with IP_PKTINFO or
// IPV6_RECVPKTINFO set. IPv4 addresses come plain, also on an IPv6 socket.
func RecvDatagram(fd int, b []byte) (n int, d Datagram, errno syscall.Errno) {
	var from Sockaddr
	var control [64]byte
	iov := unix.Iovec{Base: unsafe.SliceData(b)}
	iov.SetLen(len(b))
	h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&from.raw)), Namelen: uint32(len(from.raw)), Iov: &iov, Control: &control[0]}
	h.SetIovlen(1)
	h.SetControllen(len(control))
	r, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return 0, d, errno
	}
	a, scope := from.AddrPort()
	d.Peer, d.scope = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), scope
	messages, err := unix.ParseSocketControlMessage(control[:min(int(h.Controllen), len(control))])
	if err != nil {
		return int(r), d, 0
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			d.Here = netip.AddrFrom4([4]byte(m.Data[8:12])) // ipi_addr: the header's destination
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			d.Here = netip.AddrFrom16([16]byte(m.Data[:16])).Unmap()
		}
	}
	return int(r), d, 0
}

// SendDatagram answers a datagram from the address that it came to: sendmsg(2)
// with IP_PKTINFO. family is the socket's.
func SendDatagram(fd, family int, b []byte, d *Datagram) syscall.Errno {
	var to Sockaddr
	to.Set(family, d.Peer, d.scope)
	var control [64]byte
	iov := unix.Iovec{Base: unsafe.SliceData(b)}
	iov.SetLen(len(b))
	h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&to.raw)), Namelen: to.len, Iov: &iov}
	h.SetIovlen(1)
	if d.Here.IsValid() && !d.Here.IsMulticast() {
		h.Control = &control[0]
		h.SetControllen(packetInfo(control[:], family, d))
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return errno
}

// packetInfo writes a struct cmsghdr with the source address (ip(7), ipv6(7)).
func packetInfo(b []byte, family int, d *Datagram) int {
	level, typ, size := unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo
	if family == unix.AF_INET6 {
		level, typ, size = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = int32(level), int32(typ)
	h.SetLen(unix.CmsgLen(size))
	data := b[unix.CmsgLen(0):]
	if family == unix.AF_INET6 {
		a := d.Here.As16()
		copy(data, a[:])
		binary.NativeEndian.PutUint32(data[16:], d.scope)
	} else {
		a := d.Here.As4()
		copy(data[4:], a[:]) // ipi_spec_dst
	}
	return unix.CmsgSpace(size)
}
