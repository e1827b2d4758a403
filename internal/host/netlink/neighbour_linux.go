package netlink

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

const (
	ndmsgSize = 12 // sizeof(struct ndmsg), linux/neighbour.h
	ndaDst    = 1  // NDA_DST
	ndaLLAddr = 2  // NDA_LLADDR
)

// neighbourStates names ndm_state, a set in which one bit stands (NUD_*).
var neighbourStates = []struct {
	bit  uint16
	name string
}{
	{0x01, "INCOMPLETE"}, {0x02, "REACHABLE"}, {0x04, "STALE"}, {0x08, "DELAY"},
	{0x10, "PROBE"}, {0x20, "FAILED"}, {0x40, "NOARP"}, {0x80, "PERMANENT"},
}

// NeighbourOf looks up the ARP or ND entry of addr on an interface (arp(7)). gateway is
// kept in the fact. An entry that is not there is a result: its State is "NONE".
func NeighbourOf(addr netip.Addr, ifindex int, gateway bool) (*evidence.Neighbour, error) {
	if !addr.IsValid() || ifindex <= 0 {
		return nil, fmt.Errorf("neighbour %v on interface index %d: %w", addr, ifindex, os.ErrInvalid)
	}
	c, err := sys.OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("neighbour %v: %w", addr, err)
	}
	defer c.Close()
	link, err := askLink(c, ifindex, "")
	if err != nil {
		return nil, fmt.Errorf("neighbour %v: %w", addr, err)
	}
	n := &evidence.Neighbour{Addr: addr, Interface: link.Name, State: "NONE", Gateway: gateway}
	if !link.Exists {
		return nil, fmt.Errorf("neighbour %v on interface index %d: %w", addr, ifindex, syscall.ENODEV)
	}
	if err := askNeighbour(c, addr.Unmap().WithZone(""), ifindex, n); err != nil {
		return nil, fmt.Errorf("neighbour %v on %s: %w", addr, link.Name, err)
	}
	return n, nil
}

func askNeighbour(c *sys.Netlink, addr netip.Addr, ifindex int, n *evidence.Neighbour) error {
	b := make([]byte, ndmsgSize, 64)
	b[0] = syscall.AF_INET
	if addr.Is6() {
		b[0] = syscall.AF_INET6
	}
	binary.NativeEndian.PutUint32(b[4:], uint32(ifindex))
	keep := func(payload []byte) bool {
		if dst, index, state, lladdr, ok := parseNeighbour(payload); ok && dst == addr && index == ifindex {
			n.State, n.LinkAddr = state, lladdr
			return false
		}
		return true
	}
	err := c.Ask(syscall.RTM_GETNEIGH, 0, appendAttr(b, ndaDst, addr.AsSlice()),
		func(_ uint16, payload []byte) bool { return keep(payload) })
	switch err {
	case syscall.ENOENT: // neigh_get
		return nil
	case syscall.EOPNOTSUPP: // Linux before 5.0 can only dump
		return ask(c, syscall.RTM_GETNEIGH, b, func() {}, keep)
	}
	return err
}

// parseNeighbour reads the payload of an RTM_NEWNEIGH message.
func parseNeighbour(b []byte) (dst netip.Addr, index int, state, lladdr string, ok bool) {
	if len(b) < ndmsgSize {
		return dst, 0, "", "", false
	}
	index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	bits := binary.NativeEndian.Uint16(b[8:])
	state = "NONE"
	for _, s := range neighbourStates {
		if bits&s.bit != 0 {
			state = s.name
		}
	}
	for typ, v := range attrs(b[ndmsgSize:]) {
		switch typ {
		case ndaDst:
			dst = address(v)
		case ndaLLAddr:
			lladdr = net.HardwareAddr(v).String()
		}
	}
	return dst, index, state, lladdr, dst.IsValid()
}
