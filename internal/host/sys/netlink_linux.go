package sys

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrDumpInterrupted says that the table changed while it was dumped, so that
// the answer may have holes or doubles (NLM_F_DUMP_INTR): ask again.
var ErrDumpInterrupted = errors.New("netlink dump interrupted by a change")

const (
	netlinkHeader = unix.SizeofNlMsghdr
	netlinkBuffer = 64 << 10 // above the kernel's largest dump part, 32 kB (netlink_dump)
)

// Netlink is a netlink(7) socket for questions to the kernel. It belongs to
// the network namespace of the thread that opened it. It is not safe for
// concurrent use.
type Netlink struct {
	fd  int
	seq uint32
	buf *[netlinkBuffer]byte
}

var netlinkBuffers = sync.Pool{New: func() any { return new([netlinkBuffer]byte) }}

// OpenNetlink opens a socket of one netlink protocol (NETLINK_ROUTE,
// NETLINK_SOCK_DIAG). Asking needs no privilege.
func OpenNetlink(protocol int) (*Netlink, error) {
	fd, errno := Socket(unix.AF_NETLINK, unix.SOCK_RAW, protocol)
	if errno != 0 {
		return nil, os.NewSyscallError("socket(AF_NETLINK)", errno)
	}
	// Without strict checks a kernel ignores a dump's filter (since 4.20);
	// an older one ignores it anyway, so the caller filters again.
	SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return &Netlink{fd: fd, buf: netlinkBuffers.Get().(*[netlinkBuffer]byte)}, nil
}

// Close closes the socket.
func (n *Netlink) Close() {
	Close(n.fd)
	netlinkBuffers.Put(n.buf)
	n.fd, n.buf = -1, nil
}

// Ask sends one request and hands every message of the answer to each, until
// it returns false. The payload is valid during the call only. An error that
// the kernel reports for the request is returned as a bare syscall.Errno, one
// of the conversation itself as *os.SyscallError; a dump (flags with
// NLM_F_DUMP) may end in [ErrDumpInterrupted]. After a dump that was not read
// to its end the socket takes no other dump.
func (n *Netlink) Ask(typ, flags uint16, body []byte, each func(typ uint16, payload []byte) bool) error {
	n.seq++
	b := n.buf[:0]
	b = binary.NativeEndian.AppendUint32(b, uint32(netlinkHeader+len(body)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, n.seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, body...)
	kernel := unix.RawSockaddrNetlink{Family: unix.AF_NETLINK}
	_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(n.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		0, uintptr(unsafe.Pointer(&kernel)), unsafe.Sizeof(kernel))
	if errno != 0 {
		return os.NewSyscallError("sendto(AF_NETLINK)", errno)
	}
	return n.receive(each)
}

// receive reads the answer to the last request. The kernel queues it before
// sendto returns, and each further part of a dump before recvfrom does
// (netlink_recvmsg), so an empty queue means that the answer is over.
func (n *Netlink) receive(each func(typ uint16, payload []byte) bool) error {
	wanted, interrupted := true, false
	for {
		r, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(n.fd), uintptr(unsafe.Pointer(&n.buf[0])),
			netlinkBuffer, unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return os.NewSyscallError("recvfrom(AF_NETLINK)", errno)
		case int(r) > netlinkBuffer:
			return os.NewSyscallError("recvfrom(AF_NETLINK)", unix.EMSGSIZE)
		}
		for b := n.buf[:r]; len(b) >= netlinkHeader; {
			length := int(binary.NativeEndian.Uint32(b[0:]))
			typ, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
			seq := binary.NativeEndian.Uint32(b[8:])
			if length < netlinkHeader || length > len(b) {
				return os.NewSyscallError("recvfrom(AF_NETLINK)", unix.EBADMSG)
			}
			payload := b[netlinkHeader:length]
			b = b[min((length+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
			if seq != n.seq {
				continue // the rest of an earlier answer that was not read to its end
			}
			interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
			switch {
			case typ == unix.NLMSG_ERROR:
				return netlinkErrno(payload)
			case typ == unix.NLMSG_DONE:
				if err := netlinkErrno(payload); err != nil {
					return err
				}
				if interrupted {
					return ErrDumpInterrupted
				}
				return nil
			case wanted:
				wanted = each(typ, payload)
			}
			if flags&unix.NLM_F_MULTI == 0 || !wanted {
				return nil
			}
		}
	}
}

// netlinkErrno reads the negative errno at the start of NLMSG_ERROR and
// NLMSG_DONE.
func netlinkErrno(payload []byte) error {
	if len(payload) < 4 {
		return nil
	}
	if e := int32(binary.NativeEndian.Uint32(payload)); e < 0 {
		return syscall.Errno(-e)
	}
	return nil
}
