package probe

import (
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// rawSocket opens a socket that sends a segment made by hand and receives what
// answers it, and a second one that holds the source port, so that no
// connection gets it meanwhile. The second neither listens nor connects: to
// TCP the answer is for nobody, and this host's kernel refuses a SYN-ACK by
// RST, which ends what was begun at the other end (tcp_v4_rcv, RFC 9293 §3.10.7.1).
func (v *volley) rawSocket(s shot) (fd, holder int, port uint16, payload []byte, errno syscall.Errno) {
	v6 := s.to.Addr().Is6()
	family := sys.AFInet
	if v6 {
		family = sys.AFInet6
	}
	holder, local, errno := v.hold(family)
	if errno != 0 {
		return -1, -1, 0, nil, errno
	}
	fd, errno = sys.Socket(family, syscall.SOCK_RAW, syscall.IPPROTO_TCP)
	if errno == 0 {
		if payload, errno = v.aim(fd, s, local, v6); errno == 0 {
			return fd, holder, local.Port(), payload, 0
		}
		sys.Close(fd)
	}
	sys.Close(holder)
	return -1, -1, 0, nil, errno
}

// hold binds a TCP socket to the attempt's source address and any port.
func (v *volley) hold(family int) (fd int, local netip.AddrPort, errno syscall.Errno) {
	if fd, errno = sys.Socket(family, sys.SockStream, 0); errno != 0 {
		return -1, local, errno
	}
	var sa sys.Sockaddr
	set(&sa, netip.AddrPortFrom(v.way.Source, 0))
	if errno = sys.Bind(fd, &sa); errno == 0 {
		errno = sys.Getsockname(fd, &sa)
	}
	if errno != 0 {
		sys.Close(fd)
		return -1, local, errno
	}
	local, _ = sa.AddrPort()
	return fd, netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), 0
}

// aim prepares a raw socket, and the segment for it.
func (v *volley) aim(fd int, s shot, local netip.AddrPort, v6 bool) ([]byte, syscall.Errno) {
	if errno := attach(fd, between(s.to.Port(), local.Port(), v6)); errno != 0 {
		return nil, errno
	}
	if errno := v.prepare(fd, s, v6); errno != 0 {
		return nil, errno
	}
	number := uint32(local.Port())<<16 | uint32(s.to.Port()) // any
	payload, err := segment(s.form, local, s.to, number)
	if err != nil {
		return nil, syscall.EINVAL
	}
	return payload, 0
}

// attach gives a raw socket its filter.
func attach(fd int, filter []bpf.Instruction) syscall.Errno {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return syscall.EINVAL
	}
	program := make([]sys.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = sys.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return sys.AttachFilter(fd, program)
}
