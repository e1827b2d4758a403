package sys

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// QueuedError is one entry of a socket's error queue: struct sock_extended_err
// with the offender that follows it (ip(7), IP_RECVERR; linux/errqueue.h).
type QueuedError struct {
	Errno    syscall.Errno
	Origin   uint8 // SO_EE_ORIGIN_*
	Type     uint8
	Code     uint8
	Info     uint32 // the MTU for EMSGSIZE, the pointer for a parameter problem
	Offender netip.Addr
	To       netip.AddrPort // whom the quoted packet was sent to
	Payload  []byte         // the quoted packet from its transport header on
}

// Origins of a queued error.
const (
	OriginLocal = unix.SO_EE_ORIGIN_LOCAL
	OriginICMP  = unix.SO_EE_ORIGIN_ICMP
	OriginICMP6 = unix.SO_EE_ORIGIN_ICMP6
)

// ReadErrqueue takes one entry from the error queue: recvmsg(MSG_ERRQUEUE),
// which never waits. EAGAIN means that the queue is empty.
func ReadErrqueue(fd int) (q QueuedError, errno syscall.Errno) {
	var payload [128]byte
	var control [256]byte
	n, oobn, _, from, err := unix.Recvmsg(fd, payload[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		e, ok := err.(syscall.Errno)
		if !ok {
			e = unix.EINVAL
		}
		return q, e
	}
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		q.To = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		q.To = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	q.Payload = append([]byte(nil), payload[:n]...)
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		return q, unix.EINVAL
	}
	for _, m := range messages {
		is4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		is6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (is4 || is6) && len(m.Data) >= 16 {
			q.decode(m.Data)
		}
	}
	return q, 0
}

func (q *QueuedError) decode(b []byte) {
	q.Errno = syscall.Errno(binary.NativeEndian.Uint32(b))
	q.Origin, q.Type, q.Code = b[4], b[5], b[6]
	q.Info = binary.NativeEndian.Uint32(b[8:])
	if b = b[16:]; len(b) < 8 { // SO_EE_OFFENDER
		return
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		q.Offender = netip.AddrFrom4([4]byte(b[4:8]))
	case unix.AF_INET6:
		if len(b) >= 24 {
			q.Offender = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		}
	}
}
