package netlink

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// PortsToward counts the ephemeral ports (ip_local_port_range, ip(7)) that a
// new TCP connection to one destination cannot take: the ports of sockets of
// any state, TIME_WAIT included, that have this remote end (and the source
// address src, if valid), and those on which a socket listens or, since Linux
// 6.8, is merely bound (__inet_hash_connect).
//
// Each port counts once. Waits counts those that only TIME_WAIT takes; the
// kernel may reuse such a port after a second (tcp_tw_reuse). Reserved ports
// (ip_local_reserved_ports) lie in the range, are never chosen and do not count.
func PortsToward(src netip.Addr, to netip.AddrPort) (*evidence.Ports, error) {
	return PortsWithin(src, to, "tcp", 0, 0)
}

// PortsWithin is [PortsToward] for network "tcp" or "udp" and for a socket with
// IP_LOCAL_PORT_RANGE, which narrows the host's range; a bound that is 0 or
// outside the host's range does not narrow it (inet_sk_get_local_port_range).
// For UDP every socket's port counts that shares the address family: connect(2)
// binds to the wildcard first (inet_autobind, udp_lib_get_port).
func PortsWithin(src netip.Addr, to netip.AddrPort, network string, low, high uint16) (*evidence.Ports, error) {
	protocol, err := protocolOf(network)
	if err == nil && (!to.IsValid() || to.Port() == 0) {
		err = os.ErrInvalid
	}
	p := &evidence.Ports{Toward: to, Source: src.Unmap().WithZone("")}
	if err == nil {
		err = readPortRange(p)
	}
	if err == nil {
		if p.Low <= low && low <= p.High {
			p.Low = low
		}
		if p.Low <= high && high <= p.High {
			p.High = high
		}
		err = countPorts(p, protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("ports toward %v: %w", to, err)
	}
	return p, nil
}

func protocolOf(network string) (uint8, error) {
	switch network {
	case "tcp":
		return syscall.IPPROTO_TCP, nil
	case "udp":
		return syscall.IPPROTO_UDP, nil
	}
	return 0, fmt.Errorf("network %q: %w", network, os.ErrInvalid)
}

func countPorts(p *evidence.Ports, protocol uint8) error {
	reserved, err := readReservedPorts()
	if err != nil {
		return err
	}
	c, err := sys.OpenSockDiag()
	if err != nil {
		return err
	}
	defer c.Close()
	var taken, waits portSet
	if protocol == syscall.IPPROTO_UDP {
		err = udpPorts(c, p, &taken)
	} else {
		err = tcpPorts(c, p, &taken, &waits)
	}
	if err != nil {
		return err
	}
	for n := int(p.Low); n <= int(p.High); n++ {
		switch port := uint16(n); {
		case reserved.has(port):
		case taken.has(port):
			p.InUse++
		case waits.has(port):
			p.InUse++
			p.Waits++
		}
	}
	return nil
}

func tcpPorts(c *sys.Netlink, p *evidence.Ports, taken, waits *portSet) error {
	remote := p.Toward.Addr().Unmap().WithZone("")
	q := sys.SockQuery{Protocol: syscall.IPPROTO_TCP, States: sys.AnyState, RemotePort: p.Toward.Port(), Remote: remote}
	err := eachFamily(c, q, remote, func(s *sys.DiagSocket) {
		switch {
		case p.Source.IsValid() && s.Local.Addr().Unmap() != p.Source:
		case s.State == sys.StateTimeWait:
			waits.add(s.Local.Port())
		default:
			taken.add(s.Local.Port())
		}
	})
	if err != nil {
		return err
	}
	q = sys.SockQuery{Protocol: syscall.IPPROTO_TCP, States: 1<<sys.StateListen | 1<<sys.StateBoundInactive}
	return eachFamily(c, q, netip.IPv6Unspecified(), func(s *sys.DiagSocket) { taken.add(s.Local.Port()) })
}

func udpPorts(c *sys.Netlink, p *evidence.Ports, taken *portSet) error {
	any := netip.IPv6Unspecified()
	if p.Toward.Addr().Unmap().Is4() {
		any = netip.IPv4Unspecified()
	}
	q := sys.SockQuery{Protocol: syscall.IPPROTO_UDP, States: sys.AnyState}
	return eachFamily(c, q, any, func(s *sys.DiagSocket) {
		if conflicts(s, any) {
			taken.add(s.Local.Port())
		}
	})
}

// portSet is a set of ports.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(port uint16)      { s[port/64] |= 1 << (port % 64) }
func (s *portSet) has(port uint16) bool { return s[port/64]&(1<<(port%64)) != 0 }

func readPortRange(p *evidence.Ports) error {
	const file = "/proc/sys/net/ipv4/ip_local_port_range"
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fields := strings.Fields(string(content))
	if len(fields) == 2 {
		low, errLow := strconv.ParseUint(fields[0], 10, 16)
		high, errHigh := strconv.ParseUint(fields[1], 10, 16)
		if errLow == nil && errHigh == nil {
			p.Low, p.High = uint16(low), uint16(high)
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not a range of ports", file, content)
}

func readReservedPorts() (*portSet, error) {
	content, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
	if err != nil {
		return nil, err
	}
	return parsePortList(strings.TrimSpace(string(content)))
}

// parsePortList reads "1,7-9", the form of proc_do_large_bitmap.
func parsePortList(list string) (*portSet, error) {
	set := new(portSet)
	for item := range strings.SplitSeq(list, ",") {
		if item == "" {
			continue
		}
		from, to, isRange := strings.Cut(item, "-")
		if !isRange {
			to = from
		}
		low, errLow := strconv.ParseUint(from, 10, 16)
		high, errHigh := strconv.ParseUint(to, 10, 16)
		if errLow != nil || errHigh != nil || low > high {
			return nil, fmt.Errorf("%q is not a list of ports", list)
		}
		for port := low; port <= high; port++ {
			set.add(uint16(port))
		}
	}
	return set, nil
}
