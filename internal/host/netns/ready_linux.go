package netns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	vnetns "github.com/vishvananda/netns"
)

// readyTimeout is how long the kernel may take over work that it does within
// a millisecond on an idle machine.
const readyTimeout = 10 * time.Second

// The operational state of an interface (RFC 2863, linux/if.h).
const (
	iflaOperState = 16 // IFLA_OPERSTATE
	operUp        = 6  // IF_OPER_UP
)

// readiness follows what the kernel tells of one interface (rtnetlink(7)
// groups): the work queues that switch carrier on and that join an IPv6
// address to its solicited-node group run some time after the request is
// answered. Before the latter a neighbour solicitation would go unheard, and
// be repeated a second later (RFC 4861 §7.2.2).
type readiness struct {
	iface   *Interface
	events  *nl.NetlinkSocket
	timeout *time.Timer
	carrier bool
	pending map[netip.Addr]bool // IPv6 addresses not announced yet
}

// watch begins to follow the interface, before anything is asked of it.
func watch(i *Interface, addrs ...netip.Prefix) (*readiness, error) {
	const groupLink, groupIPv6Addr = 1, 9 // RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR
	s, err := nl.SubscribeAt(vnetns.NsHandle(i.Host.fd), vnetns.None(), syscall.NETLINK_ROUTE, groupLink, groupIPv6Addr)
	if err != nil {
		return nil, fmt.Errorf("host %s: link events: %w", i.Host.name, err)
	}
	r := &readiness{iface: i, events: s, pending: map[netip.Addr]bool{}}
	for _, p := range addrs {
		if p.Addr().Is6() {
			r.pending[p.Addr()] = true
		}
	}
	r.timeout = time.AfterFunc(readyTimeout, s.Close)
	return r, nil
}

func (r *readiness) close() {
	r.timeout.Stop()
	r.events.Close()
}

// had takes back an address that needs no announcement.
func (r *readiness) had(a netip.Addr) { delete(r.pending, a) }

func (r *readiness) awaitAddrs() error {
	return r.await("addresses", func() bool { return len(r.pending) == 0 })
}

func (r *readiness) awaitCarrier(want bool) error {
	return r.await("carrier", func() bool { return r.carrier == want })
}

func (r *readiness) await(what string, done func() bool) error {
	for !done() {
		msgs, _, err := r.events.Receive()
		if err != nil {
			return fmt.Errorf("host %s: %s: waiting for %s: %w", r.iface.Host.name, r.iface.Name, what, err)
		}
		for _, m := range msgs {
			r.take(m)
		}
	}
	return nil
}

// take reads a message's fixed header, ifinfomsg or ifaddrmsg, and attributes
// (rtnetlink(7)).
func (r *readiness) take(m syscall.NetlinkMessage) {
	const header = 8 // both have the interface's index in octets 4 to 7
	if len(m.Data) < header || int(binary.NativeEndian.Uint32(m.Data[4:])) != r.iface.Index {
		return
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return
	}
	for _, a := range attrs {
		switch {
		case m.Header.Type == syscall.RTM_NEWLINK && a.Attr.Type == iflaOperState:
			// IFF_RUNNING will not do: it is set while the state is unknown,
			// and packets are still discarded then.
			r.carrier = len(a.Value) == 1 && a.Value[0] == operUp
		case m.Header.Type == syscall.RTM_NEWADDR && a.Attr.Type == syscall.IFA_ADDRESS:
			if addr, ok := netip.AddrFromSlice(a.Value); ok {
				r.had(addr)
			}
		}
	}
}
