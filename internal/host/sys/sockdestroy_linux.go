package sys

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Groups of NETLINK_SOCK_DIAG (linux/sock_diag.h, enum sknetlink_groups).
const (
	groupTCPDestroyed  = 1 // SKNLGRP_INET_TCP_DESTROY
	groupTCP6Destroyed = 3 // SKNLGRP_INET6_TCP_DESTROY
)

// DestroyedSockets tells of each TCP socket of this network namespace that the
// kernel destroys, with its last TCP_INFO (sock_diag_broadcast_destroy, Linux
// 4.4). Listening needs no privilege.
type DestroyedSockets struct {
	file  *os.File
	buf   []byte
	reply diagReply
}

// OpenDestroyedSockets begins to listen.
func OpenDestroyedSockets() (*DestroyedSockets, error) {
	fd, errno := Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG)
	if errno != 0 {
		return nil, os.NewSyscallError("socket(AF_NETLINK)", errno)
	}
	SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20) // as much as net.core.rmem_max allows
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1<<(groupTCPDestroyed-1) | 1<<(groupTCP6Destroyed-1)}); err != nil {
		Close(fd)
		return nil, os.NewSyscallError("bind(AF_NETLINK)", err)
	}
	return &DestroyedSockets{file: os.NewFile(uintptr(fd), "sock_diag"), buf: make([]byte, 1<<16)}, nil
}

// Read hands over the sockets of one message, waiting for it until the deadline:
// then the error is [os.ErrDeadlineExceeded]. Overflow says that messages were
// lost before this one.
func (d *DestroyedSockets) Read(deadline time.Time, each func(*DiagSocket)) (overflow bool, err error) {
	if err := d.file.SetReadDeadline(deadline); err != nil {
		return false, err
	}
	n, err := d.file.Read(d.buf)
	if errors.Is(err, unix.ENOBUFS) { // netlink(7): the queue was full
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for b := d.buf[:n]; len(b) >= netlinkHeader; {
		length := int(binary.NativeEndian.Uint32(b))
		if length < netlinkHeader || length > len(b) {
			break
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.SOCK_DIAG_BY_FAMILY && d.reply.parse(b[netlinkHeader:length]) {
			each(&d.reply.DiagSocket)
		}
		b = b[min((length+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
	}
	return false, nil
}

// Close ends the listening.
func (d *DestroyedSockets) Close() error { return d.file.Close() }
