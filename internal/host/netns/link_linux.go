package netns

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// LinkOptions say how two hosts are joined. The zero value is a link with
// names chosen by the Net and without IPv4 addresses.
type LinkOptions struct {
	A, B End
	MTU  int // octets; 0: 1500
}

// End is one host's end of a link.
type End struct {
	// Name of the interface, at most 15 octets. Empty: the first free of
	// eth0, eth1, ...
	Name string
	// Addrs are the addresses with the prefix length of the link. Every end
	// has an IPv6 link-local address besides.
	Addrs []netip.Prefix
	// HardwareAddr is the MAC address. Nil: the kernel chooses.
	HardwareAddr net.HardwareAddr
}

// Link is a pair of joined interfaces (veth(4)).
type Link struct {
	A, B *Interface
	mu   sync.Mutex // held while an end changes
}

// Interface is one end of a link.
type Interface struct {
	Host         *Host
	Name         string
	Index        int
	HardwareAddr net.HardwareAddr
	Addrs        []netip.Prefix // without the link-local one
	LinkLocal    netip.Addr     // with the interface's name as its zone

	link *Link
	up   bool
}

// Link joins two hosts. When it returns, both ends have carrier and every
// address can be used at once.
func (n *Net) Link(a, b *Host, opts LinkOptions) (*Link, error) {
	l, err := n.link(a, b, opts)
	if err != nil {
		return nil, fmt.Errorf("link %s–%s: %w", a.name, b.name, err)
	}
	return l, nil
}

func (n *Net) link(a, b *Host, opts LinkOptions) (*Link, error) {
	nameA, err := a.reserve(opts.A.Name)
	if err != nil {
		return nil, err
	}
	nameB, err := b.reserve(opts.B.Name)
	if err != nil {
		a.release(nameA)
		return nil, err
	}
	l := &Link{
		A: newInterface(a, nameA, opts.A, n.index.Add(1)),
		B: newInterface(b, nameB, opts.B, n.index.Add(1)),
	}
	l.A.link, l.B.link = l, l
	if err := addVeth(l, opts.MTU); err != nil {
		a.release(nameA)
		b.release(nameB)
		return nil, err
	}
	a.adopt(l.A)
	b.adopt(l.B)
	return l, l.change(true, l.A, l.B)
}

// reserve keeps an interface name of the host for a link to come.
func (h *Host) reserve(name string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == "" {
		for i := 0; ; i++ {
			name = fmt.Sprintf("eth%d", i)
			if _, taken := h.ifaces[name]; !taken {
				break
			}
		}
	}
	if _, taken := h.ifaces[name]; taken || name == "lo" {
		return "", fmt.Errorf("host %s: interface %s: the name is taken", h.name, name)
	}
	h.ifaces[name] = nil
	return name, nil
}

func (h *Host) release(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ifaces, name)
}

// newInterface fills in what the end leaves open. The MAC address is a locally
// administered one (RFC 9542 §2.1) that ends in the index.
func newInterface(h *Host, name string, e End, index int32) *Interface {
	mac := e.HardwareAddr
	if mac == nil {
		mac = net.HardwareAddr{2, 0, 0, 0, byte(index >> 8), byte(index)}
	}
	return &Interface{
		Host: h, Name: name, Index: int(index), HardwareAddr: mac,
		Addrs: slices.Clone(e.Addrs), LinkLocal: linkLocal(mac).WithZone(name),
	}
}

func (h *Host) adopt(i *Interface) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ifaces[i.Name] = i
}

// linkLocal is the address that SLAAC forms of a MAC address (RFC 4291
// appendix A, RFC 4862 §5.3).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// Interface returns the host's interface of that name, nil if it has none.
func (h *Host) Interface(name string) *Interface {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ifaces[name]
}
