package dialscope

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sock"
)

// UDPConn is a UDP socket with a default peer that can be changed
// ([UDPConn.Reconnect]) and dissolved ([UDPConn.Disconnect]). While it has one,
// the kernel hands over that peer's datagrams only, and an ICMP error about what
// was sent is the error of the next call, with its sender (IP_RECVERR, ip(7)):
// host and network unreachable too, of which a plain connected socket hears
// nothing.
//
// Its methods may be called by several goroutines at once.
type UDPConn struct {
	conn *net.UDPConn
	raw  syscall.RawConn
	v6   bool // the socket's family
}

// NewUDPConn takes over a connected or unconnected socket, which is then used
// through the new value only.
func NewUDPConn(c *net.UDPConn) (*UDPConn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	u := &UDPConn{conn: c, raw: raw}
	local, _ := c.LocalAddr().(*net.UDPAddr)
	u.v6 = local != nil && local.IP.To4() == nil
	if err := sock.HearErrors(raw, u.v6); err != nil {
		return nil, u.failed("set", netip.AddrPort{}, 0, err)
	}
	return u, nil
}

// Read reads one datagram; what does not fit into b is lost. Zero bytes without
// an error are an empty datagram. After [UDPConn.Disconnect] it reads whoever's.
func (u *UDPConn) Read(b []byte) (int, error) {
	n, _, err := u.ReadFrom(b)
	return n, err
}

// ReadFrom is Read with the sender's address.
func (u *UDPConn) ReadFrom(b []byte) (n int, from netip.AddrPort, err error) {
	if n, from, err = sock.Receive(u.raw, b); err != nil {
		return 0, netip.AddrPort{}, u.failed("read", netip.AddrPort{}, 0, err)
	}
	return n, from, nil
}

// Write sends one datagram to the peer. Without a peer the kernel says
// EDESTADDRREQ. One that is too large is EMSGSIZE, and the [*UDPError] names the
// limit.
func (u *UDPConn) Write(b []byte) (int, error) {
	n, err := sock.Send(u.raw, b, 0)
	if err != nil {
		return 0, u.failed("write", netip.AddrPort{}, len(b), err)
	}
	return n, nil
}

// WriteTo sends one datagram to an address, which need not be the peer's. Port 0
// is EINVAL.
func (u *UDPConn) WriteTo(b []byte, to netip.AddrPort) (int, error) {
	if err := sock.SendTo(u.raw, b, to); err != nil {
		return 0, u.failed("write", to, len(b), err)
	}
	return len(b), nil
}

// Reconnect makes to the peer: connect(2) again, which sends nothing. The kernel
// chooses route and source address anew, keeps the local port, and from then on
// drops what the old peer sends; what that has sent before and nobody has read is
// still read. A failure (ENETUNREACH, EAFNOSUPPORT for an IPv6 address on an
// IPv4 socket, EACCES for a broadcast address without SO_BROADCAST, EINVAL)
// leaves the old peer.
func (u *UDPConn) Reconnect(to netip.AddrPort) error {
	if !to.IsValid() {
		return u.failed("connect", to, 0, syscall.EINVAL)
	}
	if err := sock.Reconnect(u.raw, to); err != nil {
		return u.failed("connect", to, 0, err)
	}
	return nil
}

// Disconnect dissolves the association: connect(2) to AF_UNSPEC. Write is then
// EDESTADDRREQ, RemoteAddr nil, and datagrams of every sender are read. A local
// port that the kernel had chosen is given up (udp_disconnect): the next Write,
// WriteTo or Reconnect gets another, and until then nothing can arrive. One that was
// bound stays. On a socket without a peer it changes nothing.
func (u *UDPConn) Disconnect() error {
	if err := sock.Disconnect(u.raw); err != nil {
		return u.failed("disconnect", netip.AddrPort{}, 0, err)
	}
	return nil
}

// LocalAddr is the socket's address as the kernel has it now: Reconnect and
// Disconnect may change it.
func (u *UDPConn) LocalAddr() net.Addr {
	local, _ := sock.Ends(u.raw)
	if !local.IsValid() {
		return u.conn.LocalAddr()
	}
	return net.UDPAddrFromAddrPort(local)
}

// RemoteAddr is the peer's; nil where there is none.
func (u *UDPConn) RemoteAddr() net.Addr {
	if _, peer := sock.Ends(u.raw); peer.IsValid() {
		return net.UDPAddrFromAddrPort(peer)
	}
	return nil
}

// PathMTU is the MTU of the path to the peer as the kernel knows it, in octets:
// the interface's, until an ICMP error has told of less. Without a peer: ENOTCONN.
func (u *UDPConn) PathMTU() (int, error) {
	mtu, err := sock.PathMTU(u.raw, u.v6 && !u.mapped())
	if err != nil {
		return 0, u.failed("get", netip.AddrPort{}, 0, err)
	}
	return mtu, nil
}

// mapped says that an IPv6 socket has an IPv4 peer.
func (u *UDPConn) mapped() bool {
	_, peer := sock.Ends(u.raw)
	return u.v6 && peer.Addr().Is4()
}

// SetWhole forbids fragments (IP_MTU_DISCOVER, IP_PMTUDISC_DO): what is larger than
// the path's MTU is then EMSGSIZE. By default larger datagrams go in fragments.
func (u *UDPConn) SetWhole(yes bool) error {
	err := sock.Whole(u.raw, u.v6, yes)
	if err == nil && u.v6 {
		_ = sock.Whole(u.raw, false, yes) // of an IPv4 peer; a socket that is IPv6 only has none
	}
	if err != nil {
		return u.failed("set", netip.AddrPort{}, 0, err)
	}
	return nil
}

// Close closes the socket.
func (u *UDPConn) Close() error { return u.conn.Close() }

// SetDeadline is net.Conn's, as are the next two.
func (u *UDPConn) SetDeadline(t time.Time) error { return u.conn.SetDeadline(t) }

// SetReadDeadline bounds Read and ReadFrom.
func (u *UDPConn) SetReadDeadline(t time.Time) error { return u.conn.SetReadDeadline(t) }

// SetWriteDeadline bounds Write and WriteTo.
func (u *UDPConn) SetWriteDeadline(t time.Time) error { return u.conn.SetWriteDeadline(t) }

// SyscallConn gives the descriptor, for [Send] and for options of the caller's.
func (u *UDPConn) SyscallConn() (syscall.RawConn, error) { return u.raw, nil }

// failed makes the error of a call: with what the error queue says of it, in
// package net's shape.
func (u *UDPConn) failed(op string, to netip.AddrPort, size int, err error) error {
	out := &net.OpError{Op: op, Net: "udp", Err: err}
	local, peer := sock.Ends(u.raw)
	if to.IsValid() {
		peer = to
	}
	if local.IsValid() {
		out.Source = net.UDPAddrFromAddrPort(local)
	}
	if peer.IsValid() {
		out.Addr = net.UDPAddrFromAddrPort(peer)
	}
	var own *net.OpError
	if errors.As(err, &own) {
		out.Err = own.Err // of the raw connection: a deadline, or closed
	}
	errno, is := err.(syscall.Errno)
	if !is {
		return out
	}
	e := &UDPError{Errno: errno}
	for _, i := range sock.QueuedErrors(u.raw) {
		if i.Errno == sock.ErrnoName(errno) {
			e.ICMP = i
		}
	}
	if errno == syscall.EMSGSIZE && size > 0 {
		u.measure(e, size, peer)
	}
	out.Err = e
	if errno == syscall.EDESTADDRREQ || errno == syscall.ENOTCONN {
		out.Addr = nil
	}
	return out
}

// measure says how large a datagram may be.
func (u *UDPConn) measure(e *UDPError, size int, peer netip.AddrPort) {
	v6 := peer.Addr().Is6()
	e.Size, e.Limit = size, sock.Largest(v6)
	if mtu, err := sock.PathMTU(u.raw, v6); err == nil {
		e.PathMTU = mtu
	} else if e.ICMP != nil {
		e.PathMTU = int(e.ICMP.MTU)
	}
	if size <= e.Limit && e.PathMTU > 0 {
		e.Limit = sock.Fits(e.PathMTU, v6)
	}
}
