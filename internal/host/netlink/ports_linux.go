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
// new TCP connection to one destination cannot take: those of sockets of any
// state, TIME_WAIT included, that have this remote end (and the source address
// src, if valid); those on which a socket listens or, since Linux 6.8, is
// merely bound; and the reserved ones (ip_local_reserved_ports). Each port
// counts once; Waits counts those taken by TIME_WAIT alone. The kernel may
// reuse such a port after a second (tcp_tw_reuse).
func PortsToward(src netip.Addr, to netip.AddrPort) (*evidence.Ports, error) {
	if !to.IsValid() || to.Port() == 0 {
		return nil, fmt.Errorf("ports toward %v: %w", to, os.ErrInvalid)
	}
	p, err := portsToward(src.Unmap().WithZone(""), to)
	if err != nil {
		return nil, fmt.Errorf("ports toward %v: %w", to, err)
	}
	return p, nil
}

func portsToward(src netip.Addr, to netip.AddrPort) (*evidence.Ports, error) {
	p := &evidence.Ports{Toward: to, Source: src}
	if err := readPortRange(p); err != nil {
		return nil, err
	}
	taken, err := readReservedPorts()
	if err != nil {
		return nil, err
	}
	c, err := sys.OpenSockDiag()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	remote := to.Addr().Unmap().WithZone("")
	var waits portSet
	q := sys.SockQuery{Protocol: syscall.IPPROTO_TCP, States: sys.AnyState, RemotePort: to.Port(), Remote: remote}
	err = eachFamily(c, q, remote, func(s *sys.DiagSocket) {
		switch {
		case src.IsValid() && s.Local.Addr().Unmap() != src:
		case s.State == sys.StateTimeWait:
			waits.add(s.Local.Port())
		default:
			taken.add(s.Local.Port())
		}
	})
	if err != nil {
		return nil, err
	}
	q = sys.SockQuery{Protocol: syscall.IPPROTO_TCP, States: 1<<sys.StateListen | 1<<sys.StateBoundInactive}
	err = eachFamily(c, q, netip.IPv6Unspecified(), func(s *sys.DiagSocket) { taken.add(s.Local.Port()) })
	if err != nil {
		return nil, err
	}
	for port := int(p.Low); port <= int(p.High); port++ {
		switch {
		case taken.has(uint16(port)):
			p.InUse++
		case waits.has(uint16(port)):
			p.InUse++
			p.Waits++
		}
	}
	return p, nil
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
