package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// SetLink takes the host's interface down or up and returns when both ends
// have noticed. An interface that goes down loses its routes and its IPv6
// addresses, as everywhere; up gives the addresses back, not the routes.
func (h *Host) SetLink(name string, up bool) error {
	i, err := h.iface(name)
	if err != nil {
		return err
	}
	return i.link.change(up, i)
}

// AddAddr gives the interface another address, usable when it returns.
func (h *Host) AddAddr(name string, addr netip.Prefix) error {
	i, err := h.iface(name)
	if err != nil {
		return err
	}
	i.link.mu.Lock()
	defer i.link.mu.Unlock()
	r, err := watch(i, addr)
	if err != nil {
		return err
	}
	defer r.close()
	if err := i.addAddr(addr); err != nil {
		return err
	}
	i.Addrs = append(i.Addrs, addr)
	return r.awaitAddrs()
}

// change takes some of the link's ends up or down. Addresses come before
// carrier, so that little of what IPv6 then announces is ever sent.
func (l *Link) change(up bool, ends ...*Interface) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var moved []*Interface
	for _, i := range ends {
		if i.up != up {
			moved = append(moved, i)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	carrier := l.A.up && l.B.up
	var both []*readiness
	for _, i := range []*Interface{l.A, l.B} {
		r, err := watch(i)
		if err != nil {
			return err
		}
		defer r.close()
		both = append(both, r)
		r.carrier = carrier
	}
	for _, i := range moved {
		if err := i.set(up); err != nil {
			return err
		}
	}
	for _, r := range both {
		if err := r.awaitCarrier(l.A.up && l.B.up); err != nil {
			return err
		}
	}
	return nil
}

// set does not wait for carrier, which takes both ends.
func (i *Interface) set(up bool) error {
	act := i.Host.rt.LinkSetDown
	if up {
		act = i.Host.rt.LinkSetUp
		if err := i.restoreAddrs(); err != nil {
			return err
		}
	}
	if err := act(i.device()); err != nil {
		return fmt.Errorf("host %s: set %s: %w", i.Host.name, i.Name, err)
	}
	i.up = up
	return nil
}

func (i *Interface) restoreAddrs() error {
	all := append([]netip.Prefix{netip.PrefixFrom(i.LinkLocal.WithZone(""), 64)}, i.Addrs...)
	r, err := watch(i, all...)
	if err != nil {
		return err
	}
	defer r.close()
	for _, p := range all {
		switch err := i.addAddr(p); {
		case errors.Is(err, syscall.EEXIST): // IPv4, or given while the link was down
			r.had(p.Addr())
		case err != nil:
			return err
		}
	}
	return r.awaitAddrs()
}

func (i *Interface) device() netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: i.Index, Name: i.Name}}
}

// addAddr fails with EEXIST if the interface has the address. IFA_F_NODAD
// makes an IPv6 address usable at once (rtnetlink(7)).
func (i *Interface) addAddr(p netip.Prefix) error {
	const ifaNoDAD = 0x02 // IFA_F_NODAD, linux/if_addr.h
	a := &netlink.Addr{IPNet: ipNet(p), LinkIndex: i.Index}
	if p.Addr().Is6() {
		a.Flags = ifaNoDAD
	}
	if err := i.Host.rt.AddrAdd(nil, a); err != nil {
		return fmt.Errorf("host %s: %s: add %s: %w", i.Host.name, i.Name, p, err)
	}
	return nil
}

// ipNet keeps the host bits, which name the address.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
