package sys

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// extended is a struct sock_extended_err (linux/errqueue.h) with an offender.
func extended(errno syscall.Errno, origin, typ, code uint8, info uint32, offender []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(errno))
	b = append(b, origin, typ, code, 0)
	b = binary.NativeEndian.AppendUint32(b, info)
	b = append(b, 0, 0, 0, 0) // ee_data
	return append(b, offender...)
}

// sockaddr is an address as the kernel lays it out.
func sockaddr(a string, scope uint32) []byte {
	var s Sockaddr
	addr := netip.MustParseAddr(a)
	family := AFInet6
	if addr.Is4() {
		family = AFInet
	}
	s.Set(family, netip.AddrPortFrom(addr, 0), scope)
	return s.raw[:s.len]
}

func TestDecodeQueuedError(t *testing.T) {
	mapped := append([]byte(nil), sockaddr("::ffff:192.0.2.1", 0)...)
	for _, tt := range []struct {
		name string
		b    []byte
		want QueuedError
	}{
		{"ICMP", extended(syscall.EHOSTUNREACH, OriginICMP, 3, 13, 0, sockaddr("192.0.2.1", 0)),
			QueuedError{Errno: syscall.EHOSTUNREACH, Origin: OriginICMP, Type: 3, Code: 13, Offender: netip.MustParseAddr("192.0.2.1")}},
		{"ICMPv6", extended(syscall.EACCES, OriginICMP6, 1, 1, 0, sockaddr("2001:db8::1", 0)),
			QueuedError{Errno: syscall.EACCES, Origin: OriginICMP6, Type: 1, Code: 1, Offender: netip.MustParseAddr("2001:db8::1")}},
		{"packet too big", extended(syscall.EMSGSIZE, OriginICMP6, 2, 0, 1280, sockaddr("2001:db8::1", 3)),
			QueuedError{Errno: syscall.EMSGSIZE, Origin: OriginICMP6, Type: 2, Info: 1280, Offender: netip.MustParseAddr("2001:db8::1")}},
		{"the stack's own word", extended(syscall.EMSGSIZE, OriginLocal, 0, 0, 1500, nil),
			QueuedError{Errno: syscall.EMSGSIZE, Origin: OriginLocal, Info: 1500}},
		{"no offender: AF_UNSPEC", extended(syscall.EMSGSIZE, OriginLocal, 0, 0, 1500, make([]byte, 16)),
			QueuedError{Errno: syscall.EMSGSIZE, Origin: OriginLocal, Info: 1500}},
		{"IPv4 in an IPv6 address", extended(syscall.ECONNREFUSED, OriginICMP, 3, 3, 0, mapped),
			QueuedError{Errno: syscall.ECONNREFUSED, Origin: OriginICMP, Type: 3, Code: 3, Offender: netip.MustParseAddr("192.0.2.1")}},
		{"half an offender", extended(syscall.EACCES, OriginICMP6, 1, 1, 0, sockaddr("2001:db8::1", 0)[:23]),
			QueuedError{Errno: syscall.EACCES, Origin: OriginICMP6, Type: 1, Code: 1}},
		{"a beginning of an offender", extended(syscall.EHOSTUNREACH, OriginICMP, 3, 1, 0, sockaddr("192.0.2.1", 0)[:7]),
			QueuedError{Errno: syscall.EHOSTUNREACH, Origin: OriginICMP, Type: 3, Code: 1}},
	} {
		var got QueuedError
		got.decode(tt.b)
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Whatever the kernel puts behind the fixed part: no panic, and an offender is
// only told when all of it was there.
func FuzzDecodeQueuedError(f *testing.F) {
	f.Add(extended(syscall.EHOSTUNREACH, OriginICMP, 3, 13, 0, sockaddr("192.0.2.1", 0)))
	f.Add(extended(syscall.EACCES, OriginICMP6, 1, 1, 0, sockaddr("2001:db8::1", 0)))
	f.Add(extended(syscall.EMSGSIZE, OriginLocal, 0, 0, 1500, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 16 {
			t.Skip() // ReadErrqueue passes no less than a struct sock_extended_err
		}
		var q QueuedError
		q.decode(b)
		if q.Errno != syscall.Errno(binary.NativeEndian.Uint32(b)) || q.Type != b[5] || q.Code != b[6] {
			t.Errorf("%+v of %x", q, b)
		}
		if q.Offender.IsValid() && (len(b) < 24 || !q.Offender.Is4() && len(b) < 40 || q.Offender.Is4In6()) {
			t.Errorf("offender %v of %d octets", q.Offender, len(b))
		}
	})
}

func TestErrqueueOfAFreshSocket(t *testing.T) {
	fd, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	if _, errno := ReadErrqueue(fd); errno != syscall.EAGAIN {
		t.Errorf("an empty queue: %v", errno)
	}
	if _, errno := ReadErrqueue(-1); errno != syscall.EBADF {
		t.Errorf("no descriptor: %v", errno)
	}
}

// The error that a datagram to a port without a socket brings back, on the
// loopback: the offender is the address it was sent to.
func TestReadErrqueue(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		a := netip.MustParseAddr(host)
		family, level, option, origin := AFInet, SolIP, IPRecvErr, uint8(OriginICMP)
		if a.Is6() {
			family, level, option, origin = AFInet6, SolIPv6, IPv6RecvErr, OriginICMP6
		}
		fd, _ := boundUDP(t, family, a)
		defer Close(fd)
		nobody, to := boundUDP(t, family, a)
		Close(nobody)
		if errno := SetsockoptInt(fd, level, option, 1); errno != 0 {
			t.Fatal(errno)
		}
		var sa Sockaddr
		sa.Set(family, to, 0)
		if errno := Connect(fd, &sa); errno != 0 {
			t.Fatal(errno)
		}
		if n, errno := Send(fd, []byte("anybody?")); n != 8 || errno != 0 {
			t.Fatal(n, errno)
		}
		if revents, errno := Readiness(fd); revents&PollErr == 0 || errno != 0 {
			t.Errorf("readiness %#x, %v", revents, errno)
		}
		q, errno := ReadErrqueue(fd)
		if errno != 0 {
			t.Fatal(errno)
		}
		if q.Errno != syscall.ECONNREFUSED || q.Origin != origin || q.Offender != a || q.To != to || string(q.Payload) != "anybody?" {
			t.Errorf("%+v", q)
		}
		if _, errno := ReadErrqueue(fd); errno != syscall.EAGAIN {
			t.Errorf("the queue had one entry, and then: %v", errno)
		}
	}
}

func boundUDP(t *testing.T, family int, a netip.Addr) (fd int, at netip.AddrPort) {
	t.Helper()
	fd, errno := Socket(family, SockDgram, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	var sa Sockaddr
	sa.Set(family, netip.AddrPortFrom(a, 0), 0)
	if errno := Bind(fd, &sa); errno != 0 {
		t.Fatal(errno)
	}
	if errno := Getsockname(fd, &sa); errno != 0 {
		t.Fatal(errno)
	}
	at, _ = sa.AddrPort()
	return fd, at
}
