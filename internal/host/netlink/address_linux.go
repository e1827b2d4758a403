package netlink

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

const (
	ifaFlags = 8 // IFA_FLAGS: ifa_flags in 32 bits

	ifaTentative  = 0x40 // IFA_F_TENTATIVE
	ifaOptimistic = 0x04 // IFA_F_OPTIMISTIC
)

// Address says whether a socket of this host could use a as its own address,
// by the test that bind(2) applies: for IPv4 the entries of the local routing
// table (inet_addr_type, so that all of 127.0.0.0/8 is local), for IPv6 the
// addresses of the interfaces (ipv6_chk_addr). A tentative IPv6 address is
// Local, and not yet usable. An interface that is down keeps its IPv4
// addresses local. The unspecified address is local on no interface; multicast
// and broadcast addresses, which bind(2) takes too, are not local.
func Address(a netip.Addr) (*evidence.HostAddr, error) {
	if !a.IsValid() {
		return nil, fmt.Errorf("no address: %w", os.ErrInvalid)
	}
	h := &evidence.HostAddr{Addr: a, Local: a.IsUnspecified()}
	if h.Local {
		return h, nil
	}
	c, err := sys.OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("address %v: %w", a, err)
	}
	defer c.Close()
	index := 0
	if plain := a.Unmap(); plain.Is4() {
		index, err = fillAddress4(c, plain, h)
	} else {
		index, err = fillAddress6(c, plain, h)
	}
	if err == nil && index > 0 {
		var link *evidence.Link
		if link, err = askLink(c, index, ""); err == nil {
			h.Interface = link.Name
		}
	}
	if err != nil {
		return nil, fmt.Errorf("address %v: %w", a, err)
	}
	return h, nil
}

func fillAddress4(c *sys.Netlink, a netip.Addr, h *evidence.HostAddr) (index int, err error) {
	best := -1
	err = dumpRoutes(c, syscall.AF_INET, syscall.RT_TABLE_LOCAL, syscall.RTN_LOCAL, func(m *routeMsg) {
		if m.prefix.Contains(a) && m.prefix.Bits() > best {
			best, index, h.Local = m.prefix.Bits(), m.oif, true
		}
	})
	return index, err
}

func addressIsLocal(c *sys.Netlink, a netip.Addr) (bool, error) {
	local := false
	err := dumpRoutes(c, syscall.AF_INET, syscall.RT_TABLE_LOCAL, syscall.RTN_LOCAL, func(m *routeMsg) {
		local = local || m.prefix.Contains(a)
	})
	return local, err
}

func fillAddress6(c *sys.Netlink, a netip.Addr, h *evidence.HostAddr) (index int, err error) {
	body := make([]byte, syscall.SizeofIfAddrmsg, 32)
	body[0] = syscall.AF_INET6
	zone, exists, err := interfaceIndex(a.Zone())
	if err != nil || !exists {
		return 0, err
	}
	binary.NativeEndian.PutUint32(body[4:], uint32(zone))
	body = appendAttr(body, syscall.IFA_LOCAL, a.WithZone("").AsSlice())
	err = c.Ask(syscall.RTM_GETADDR, 0, body, func(_ uint16, payload []byte) bool {
		if _, flags, on, ok := parseAddress(payload); ok {
			index, h.Local = on, true
			h.Tentative = flags&ifaTentative != 0 && flags&ifaOptimistic == 0
		}
		return false
	})
	switch err {
	case syscall.EADDRNOTAVAIL, syscall.ENODEV, syscall.EAFNOSUPPORT, syscall.EOPNOTSUPP:
		return 0, nil // no such address, no such zone, no IPv6 in this kernel
	}
	return index, err
}

// parseAddress reads the payload of an RTM_NEWADDR message.
func parseAddress(b []byte) (p netip.Prefix, flags uint32, index int, ok bool) {
	if len(b) < syscall.SizeofIfAddrmsg {
		return p, 0, 0, false
	}
	var a netip.Addr
	flags, index = uint32(b[2]), int(binary.NativeEndian.Uint32(b[4:]))
	var peer netip.Addr
	for typ, v := range attrs(b[syscall.SizeofIfAddrmsg:]) {
		switch typ {
		case syscall.IFA_LOCAL:
			a = address(v)
		case syscall.IFA_ADDRESS: // without IFA_LOCAL: the address itself (IPv6)
			peer = address(v)
		case ifaFlags:
			flags = word(v)
		}
	}
	if !a.IsValid() {
		a = peer
	}
	p = netip.PrefixFrom(a, int(b[1]))
	return p, flags, index, p.IsValid()
}
