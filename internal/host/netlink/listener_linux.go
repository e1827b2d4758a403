package netlink

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// loopbackIndex is LOOPBACK_IFINDEX: packets of this host to itself arrive there.
const loopbackIndex = 1

// ListenerAt looks for the TCP socket of this network namespace that would take
// a connection from this host to dst: one bound to that address or to the
// wildcard, an IPv6 wildcard taking IPv4 too unless IPV6_V6ONLY is set. A
// socket that is bound to an interface other than the loopback or dst's zone
// does not take it (inet_lhash2_lookup). None is a result: Found is false.
//
// The process that owns it is looked for in proc(5), which takes time that
// grows with the descriptors of this host; [ListenerSocket] does not.
func ListenerAt(dst netip.AddrPort) (*evidence.Listener, error) {
	l, inode, err := listenerAt(dst)
	if err == nil && l.Found {
		l.PID, l.Command = processOf(inode)
	}
	return l, err
}

// ListenerSocket is [ListenerAt] without the process.
func ListenerSocket(dst netip.AddrPort) (*evidence.Listener, error) {
	l, _, err := listenerAt(dst)
	return l, err
}

func listenerAt(dst netip.AddrPort) (l *evidence.Listener, inode uint32, err error) {
	if !dst.IsValid() || dst.Port() == 0 {
		return nil, 0, fmt.Errorf("listener at %v: %w", dst, os.ErrInvalid)
	}
	c, err := sys.OpenSockDiag()
	if err != nil {
		return nil, 0, fmt.Errorf("listener at %v: %w", dst, err)
	}
	defer c.Close()
	addr := dst.Addr().Unmap()
	zone, _, err := interfaceIndex(addr.Zone())
	if err != nil {
		return nil, 0, fmt.Errorf("listener at %v: %w", dst, err)
	}
	addr = addr.WithZone("")
	l = &evidence.Listener{Addr: dst}
	best := 0
	q := sys.SockQuery{Protocol: syscall.IPPROTO_TCP, States: 1 << sys.StateListen, LocalPort: dst.Port()}
	err = eachFamily(c, q, addr, func(s *sys.DiagSocket) {
		score := bindScore(s, addr)
		if s.Device != 0 && score > 0 {
			if s.Device != loopbackIndex && s.Device != uint32(zone) {
				return
			}
			score++ // decides between equals only: scores are odd
		}
		if score > best {
			best, inode = score, s.Inode
			l.Found, l.Bound = true, unmap(s.Local)
			l.QueueLen, l.Backlog = int(s.RecvQ), int(s.SendQ)
		}
	})
	if err != nil {
		return nil, 0, fmt.Errorf("listener at %v: %w", dst, err)
	}
	return l, inode, nil
}

// bindScore says how closely a socket's local address fits addr: 0 not at all,
// then the IPv6 wildcard for an IPv4 address, the wildcard, the address itself
// (compute_score in inet_hashtables.c).
func bindScore(s *sys.DiagSocket, addr netip.Addr) int {
	local := s.Local.Addr().Unmap()
	switch {
	case local == addr:
		return 7
	case !local.IsUnspecified():
		return 0
	case local.Is4() == addr.Is4():
		return 5
	case addr.Is4() && !s.V6Only:
		return 3
	}
	return 0
}

// eachFamily asks for the sockets of every family that can hold addr: an IPv6
// socket can hold an IPv4 address, mapped.
func eachFamily(c *sys.Netlink, q sys.SockQuery, addr netip.Addr, each func(*sys.DiagSocket)) error {
	families := []uint8{syscall.AF_INET6, syscall.AF_INET}
	if addr.Is6() && !addr.IsUnspecified() {
		families = families[:1]
	}
	for _, q.Family = range families {
		seen := 0
		err := c.Sockets(q, func(s *sys.DiagSocket) bool {
			each(s)
			seen++
			return seen < dumpLimit
		})
		if err != nil {
			return err
		}
		if seen >= dumpLimit {
			return fmt.Errorf("more than %d sockets", dumpLimit)
		}
	}
	return nil
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
