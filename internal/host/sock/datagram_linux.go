package sock

import (
	"net/netip"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// control runs f with the descriptor.
func control(c syscall.RawConn, f func(fd int) syscall.Errno) error {
	var errno syscall.Errno
	if err := c.Control(func(fd uintptr) { errno = f(int(fd)) }); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// HearErrors sets IP_RECVERR or IPV6_RECVERR: every ICMP error about what was sent
// becomes an error of the next call, and waits in the error queue with its sender.
func HearErrors(c syscall.RawConn, v6 bool) error {
	return control(c, func(fd int) syscall.Errno {
		if v6 {
			// An IPv6 socket may be connected to an IPv4 address, too.
			sys.SetsockoptInt(fd, sys.SolIP, sys.IPRecvErr, 1)
			return sys.SetsockoptInt(fd, sys.SolIPv6, sys.IPv6RecvErr, 1)
		}
		return sys.SetsockoptInt(fd, sys.SolIP, sys.IPRecvErr, 1)
	})
}

// Reconnect gives a datagram socket another peer: connect(2), which the kernel
// takes again for datagrams. The address goes in its own family, so that a wrong
// one is the kernel's to refuse.
func Reconnect(c syscall.RawConn, to netip.AddrPort) error {
	return control(c, func(fd int) syscall.Errno {
		sa := toSockaddr(to)
		return sys.Connect(fd, &sa)
	})
}

func toSockaddr(a netip.AddrPort) (sa sys.Sockaddr) {
	family := sys.AFInet
	if a.Addr().Is6() {
		family = sys.AFInet6
	}
	sa.Set(family, a, ZoneIndex(a.Addr().Zone()))
	return sa
}

// Disconnect dissolves the association: connect(2) to AF_UNSPEC.
func Disconnect(c syscall.RawConn) error {
	return control(c, func(fd int) syscall.Errno { return sys.Dissolve(fd) })
}

// Ends are a socket's addresses as the kernel has them now; invalid where it has
// none.
func Ends(c syscall.RawConn) (local, peer netip.AddrPort) {
	_ = control(c, func(fd int) syscall.Errno { // closed: neither
		var sa sys.Sockaddr
		if sys.Getsockname(fd, &sa) == 0 {
			local, _ = sa.AddrPort()
			local = unmap(local)
		}
		if sys.Getpeername(fd, &sa) == 0 {
			peer, _ = sa.AddrPort()
			peer = unmap(peer)
		}
		return 0
	})
	return local, peer
}

// Receive waits for a datagram. The error is an errno or the connection's own.
func Receive(c syscall.RawConn, b []byte) (n int, from netip.AddrPort, err error) {
	var errno syscall.Errno
	err = c.Read(func(fd uintptr) bool {
		var d sys.Datagram
		for {
			if n, d, errno = sys.RecvDatagram(int(fd), b); errno != syscall.EINTR {
				break
			}
		}
		from = d.Peer
		return errno != syscall.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return n, from, err
}

// SendTo sends one datagram to an address that need not be the socket's peer.
func SendTo(c syscall.RawConn, b []byte, to netip.AddrPort) (err error) {
	var errno syscall.Errno
	err = c.Write(func(fd uintptr) bool {
		sa := toSockaddr(to)
		errno = sys.SendTo(int(fd), b, &sa)
		return errno != syscall.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// QueuedErrors takes what waits in the error queue.
func QueuedErrors(c syscall.RawConn) (all []*evidence.ICMP) {
	_ = control(c, func(fd int) syscall.Errno {
		for range 16 {
			q, errno := sys.ReadErrqueue(fd)
			if errno != 0 {
				break
			}
			all = append(all, ICMPFact(&q, false))
		}
		return 0
	})
	return all
}

// PathMTU is the MTU of the path to the peer as the kernel knows it, in octets: at
// first the interface's.
func PathMTU(c syscall.RawConn, v6 bool) (mtu int, err error) {
	err = control(c, func(fd int) (errno syscall.Errno) {
		mtu, errno = pathMTU(fd, v6)
		return errno
	})
	return mtu, err
}

func pathMTU(fd int, v6 bool) (int, syscall.Errno) {
	if v6 {
		return sys.SockoptInt(fd, sys.SolIPv6, sys.IPv6MTU)
	}
	return sys.SockoptInt(fd, sys.SolIP, sys.IPMTU)
}

// Whole forbids fragments, or allows them as usual: IP_MTU_DISCOVER.
func Whole(c syscall.RawConn, v6, yes bool) error {
	how := sys.PMTUDiscWant
	if yes {
		how = sys.PMTUDiscDo
	}
	return control(c, func(fd int) syscall.Errno {
		if v6 {
			return sys.SetsockoptInt(fd, sys.SolIPv6, sys.IPv6MTUDiscover, how)
		}
		return sys.SetsockoptInt(fd, sys.SolIP, sys.IPMTUDiscover, how)
	})
}

// ErrnoName is the errno's name as evidence has it.
func ErrnoName(e syscall.Errno) evidence.Errno { return name(e) }
