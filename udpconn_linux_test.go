package dialscope

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

var _ net.Conn = (*UDPConn)(nil)

// peerAt is a datagram socket on the loopback.
func peerAt(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func where(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// udpTo opens a connection to an address of a host, or of the loopback.
func udpTo(t *testing.T, h *netns.Host, to string) *UDPConn {
	t.Helper()
	var c net.Conn
	var err error
	if h == nil {
		c, err = net.Dial("udp", to)
	} else {
		c, err = h.DialContext(context.Background(), "udp", to)
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := NewUDPConn(c.(*net.UDPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	u.SetDeadline(time.Now().Add(10 * time.Second))
	return u
}

func tell(t *testing.T, c interface{ Write([]byte) (int, error) }, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); err != nil || n != len(text) {
		t.Errorf("write %q: %d, %v", text, n, err)
	}
}

func expect(t *testing.T, c interface{ Read([]byte) (int, error) }, want string) {
	t.Helper()
	b := make([]byte, 64)
	if n, err := c.Read(b); err != nil || string(b[:n]) != want {
		t.Errorf("read %q, %v; want %q", b[:n], err, want)
	}
}

// wants checks an error's errno and that it has package net's shape.
func wants(t *testing.T, what string, err error, errno syscall.Errno) *UDPError {
	t.Helper()
	var op *net.OpError
	var own *UDPError
	if !errors.Is(err, errno) || !errors.As(err, &op) || !errors.As(err, &own) || own.Errno != errno {
		t.Errorf("%s: %v (%T); want %v", what, err, err, errno)
		return new(UDPError)
	}
	return own
}

// B1: only the peer's datagrams come through. B2: after Reconnect only the new
// one's, from the same port; what had come before is still there.
func TestUDPConnReconnect(t *testing.T) {
	a, b, stranger := peerAt(t), peerAt(t), peerAt(t)
	u, r, err := new(Dialer).DialUDP(t.Context(), "udp", where(a).String())
	if err != nil || r == nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.SetDeadline(time.Now().Add(10 * time.Second))
	me := u.LocalAddr().(*net.UDPAddr).AddrPort()

	stranger.WriteToUDPAddrPort([]byte("from a stranger"), me)
	tell(t, u, "to a")
	expect(t, a, "to a")
	a.WriteToUDPAddrPort([]byte("from a"), me)
	expect(t, u, "from a")

	a.WriteToUDPAddrPort([]byte("early"), me)
	if err := u.Reconnect(where(b)); err != nil {
		t.Fatal(err)
	}
	if got := u.LocalAddr().(*net.UDPAddr).AddrPort(); got != me {
		t.Errorf("the local address is %v now, it was %v", got, me)
	}
	if got := u.RemoteAddr().String(); got != where(b).String() {
		t.Errorf("the peer is %s", got)
	}
	a.WriteToUDPAddrPort([]byte("late"), me)
	tell(t, u, "to b")
	expect(t, b, "to b")
	b.WriteToUDPAddrPort([]byte("from b"), me)
	expect(t, u, "early")
	buf := make([]byte, 64)
	if n, from, err := u.ReadFrom(buf); err != nil || string(buf[:n]) != "from b" || from != where(b) {
		t.Errorf("%q from %v, %v", buf[:n], from, err)
	}
}

// B2: without a peer the kernel says EDESTADDRREQ, whoever writes is read, and a
// port that nobody bound is given up.
func TestUDPConnDisconnect(t *testing.T) {
	a, b := peerAt(t), peerAt(t)
	u := udpTo(t, nil, where(a).String())
	for range 2 { // the second time there is nothing to dissolve
		if err := u.Disconnect(); err != nil {
			t.Fatal(err)
		}
	}
	if port := u.LocalAddr().(*net.UDPAddr).Port; port != 0 {
		t.Errorf("port %d is still there", port)
	}
	_, err := u.Write([]byte("to nobody"))
	if e := wants(t, "write", err, syscall.EDESTADDRREQ); e.ICMP != nil || e.Limit != 0 {
		t.Errorf("%+v", e)
	}
	if u.RemoteAddr() != nil {
		t.Errorf("the peer is %v", u.RemoteAddr())
	}
	_, err = u.PathMTU()
	wants(t, "path MTU", err, syscall.ENOTCONN)
	if _, err := u.WriteTo([]byte("hello"), where(b)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, from, err := b.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	a.WriteToUDPAddrPort([]byte("anybody may"), from)
	expect(t, u, "anybody may")
	if err := u.Reconnect(where(a)); err != nil {
		t.Fatal(err)
	}
	tell(t, u, "again")
	expect(t, a, "again")

	// A bound port stays, and so does its address.
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, net.UDPAddrFromAddrPort(where(a)))
	if err != nil {
		t.Fatal(err)
	}
	// Go binds port 0: the kernel's choice is not locked (SOCK_BINDPORT_LOCK).
	port := c.LocalAddr().(*net.UDPAddr).Port
	c.Close()
	if c, err = net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, net.UDPAddrFromAddrPort(where(a))); err != nil {
		t.Skip(err) // somebody else has taken it meanwhile
	}
	bound, err := NewUDPConn(c)
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	if err := bound.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if got := bound.LocalAddr().(*net.UDPAddr); got.Port != port || got.IP.String() != "127.0.0.1" {
		t.Errorf("%v, want port %d", got, port)
	}
}

// B1: port unreachable is the error of the next call, with its sender, and then
// it is over (errno-facts: refused, then OK).
func TestUDPConnPortUnreachable(t *testing.T) {
	gone := peerAt(t)
	u := udpTo(t, nil, where(gone).String())
	gone.Close()
	for range 2 {
		tell(t, u, "anybody?")
		_, err := u.Read(make([]byte, 1))
		e := wants(t, "read", err, syscall.ECONNREFUSED)
		if e.ICMP == nil || e.ICMP.Offender.String() != "127.0.0.1" || !strings.Contains(err.Error(), "(ICMP from 127.0.0.1: port unreachable)") {
			t.Errorf("%v, %+v", err, e.ICMP)
		}
	}
	tell(t, u, "the error of a write")
	late := time.Now().Add(5 * time.Second)
	for {
		_, err := u.Write([]byte("again"))
		if err != nil {
			if e := wants(t, "write", err, syscall.ECONNREFUSED); e.ICMP == nil {
				t.Errorf("%v: no sender", err)
			}
			break
		}
		if time.Now().After(late) {
			t.Fatal("no error")
		}
	}
}

// What connect(2) and send(2) refuse, and that a refused Reconnect leaves the
// old peer.
func TestUDPConnErrnos(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	four, six := c.Server4.String(), "["+c.Server6.String()+"]"
	u := udpTo(t, c.Client, four+":9")
	for _, tt := range []struct {
		to    netip.AddrPort
		errno syscall.Errno
	}{
		{netip.MustParseAddrPort("198.51.100.9:9"), syscall.ENETUNREACH},
		{netip.AddrPortFrom(c.Server6, 9), syscall.EAFNOSUPPORT},
		{netip.AddrPort{}, syscall.EINVAL},
	} {
		wants(t, tt.to.String(), u.Reconnect(tt.to), tt.errno)
		if got := u.RemoteAddr(); got == nil || got.String() != four+":9" {
			t.Errorf("after %v the peer is %v", tt.to, got)
		}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	broadcast := netip.MustParseAddrPort("192.0.2.255:9")
	if err := u.Reconnect(broadcast); err != nil { // package net sets SO_BROADCAST
		t.Error(err)
	}
	raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0) })
	wants(t, "broadcast", u.Reconnect(broadcast), syscall.EACCES)
	// A socket with a source address needs no route for it: its interface is that
	// address's (ip_route_output_key_hash_rcu). One without has ENETUNREACH.
	wants(t, "limited broadcast", u.Reconnect(netip.MustParseAddrPort("255.255.255.255:9")), syscall.EACCES)
	if err := u.Reconnect(netip.AddrPortFrom(c.Server4, 0)); err != nil {
		t.Errorf("port 0: %v", err)
	}
	_, err = u.WriteTo([]byte("x"), netip.AddrPortFrom(c.Server4, 0))
	wants(t, "write to port 0", err, syscall.EINVAL)

	u6 := udpTo(t, c.Client, six+":9")
	if err := u6.Reconnect(netip.AddrPortFrom(c.Server4, 9)); err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Error(err) // as IPV6_V6ONLY allows
	}
	u6.Close()
	_, err = u6.Write([]byte("x"))
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	u.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := u.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	if _, _, err := new(Dialer).DialUDP(t.Context(), "tcp", four+":9"); err == nil {
		t.Error("DialUDP took tcp")
	}
}

// B3: EMSGSIZE with what would have gone. RFC 768, RFC 791 §3.1: 65,507 octets; over
// IPv6 65,527.
func TestUDPConnTooLarge(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	for _, tt := range []struct {
		to    netip.Addr
		limit int
	}{{c.Server4, 65507}, {c.Server6, 65527}} {
		u := udpTo(t, c.Client, netip.AddrPortFrom(tt.to, 9).String())
		if _, err := u.Write(make([]byte, tt.limit)); err != nil {
			t.Errorf("%v: %d bytes: %v", tt.to, tt.limit, err)
		}
		for _, size := range []int{tt.limit + 1, 70000} {
			_, err := u.Write(make([]byte, size))
			e := wants(t, tt.to.String(), err, syscall.EMSGSIZE)
			if e.Size != size || e.Limit != tt.limit || e.PathMTU != 1500 {
				t.Errorf("%v: %+v", tt.to, e)
			}
			if want := "at most 655"; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "(path MTU 1500)") {
				t.Errorf("%v", err)
			}
		}
		// Without fragments the path's MTU is the limit.
		if err := u.SetWhole(true); err != nil {
			t.Fatal(err)
		}
		fits := 1500 - 28
		if tt.to.Is6() {
			fits = 1500 - 48
		}
		if _, err := u.Write(make([]byte, fits)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v: %d bytes: %v", tt.to, fits, err)
		}
		_, err := u.Write(make([]byte, fits+1))
		for errors.Is(err, syscall.ECONNREFUSED) { // nobody listens there: that is of the one before
			_, err = u.Write(make([]byte, fits+1))
		}
		if e := wants(t, "whole", err, syscall.EMSGSIZE); e.Limit != fits || e.PathMTU != 1500 {
			t.Errorf("%v: %+v", tt.to, e)
		}
		if err := u.SetWhole(false); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(make([]byte, fits+1)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v: in fragments: %v", tt.to, err)
		}
	}
}

// B1 with routers: host unreachable and prohibited reach this socket, with the
// router's address; package net's socket hears nothing of the kind.
func TestUDPConnHearsRouters(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	match := netns.Match{Protocol: netns.UDP, Dport: 9}
	if _, err := c.Routers[0].Firewall(
		netns.Rule{Hook: netns.Forward, Match: match, Verdict: netns.RejectICMP(netns.HostUnreachable)},
		netns.Rule{Hook: netns.Forward, Match: match, Verdict: netns.RejectICMPv6(netns.AdminProhibited6)},
	); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		to, from netip.Addr
		errno    syscall.Errno
	}{{c.Server4, c.Hops4[0], syscall.EHOSTUNREACH}, {c.Server6, c.Hops6[0], syscall.EACCES}} {
		u := udpTo(t, c.Client, netip.AddrPortFrom(tt.to, 9).String())
		tell(t, u, "hello")
		_, err := u.Read(make([]byte, 1))
		if e := wants(t, "read", err, tt.errno); e.ICMP == nil || e.ICMP.Offender != tt.from {
			t.Errorf("%v: %+v", err, e.ICMP)
		}
	}
	plain, err := c.Client.DialContext(t.Context(), "udp", netip.AddrPortFrom(c.Server4, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	tell(t, plain, "hello")
	plain.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := plain.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a plain socket heard %v", err)
	}
}
