package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

// Filter is a choice of packets: those that one of its parts wants. An ICMP
// error is wanted where it quotes a packet that is. An empty filter wants every
// IPv4 and IPv6 packet.
//
// What a kernel filter cannot look into is let through where the addresses fit:
// IPv6 packets with extension headers, and quotations of such. Later fragments
// of IPv4 packets have no ports, and fit no part that names any.
type Filter []Packets

// Packets is one part of a filter. Zero fields want any.
type Packets struct {
	Protocol uint8        // IP protocol number: TCP, UDP, or ICMP for echo requests and replies of both versions
	Hosts    []netip.Addr // one end is one of these
	Ports    []uint16     // one end is one of these; TCP and UDP only
	Flags    uint8        // TCP: at least one of these control bits is set; not asked of what an ICMP error quotes
}

// IP protocol numbers (IANA protocol-numbers).
const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	icmpv6 = 58
)

// What the kernel says of a frame beside its octets.
const (
	packetOutgoing   = 4   // PACKET_OUTGOING, linux/if_packet.h
	hardwareLoopback = 772 // ARPHRD_LOOPBACK, linux/if_arp.h

	ethertypeIPv4 = 0x0800
	ethertypeIPv6 = 0x86dd
	// Tags may still stand within a frame: the kernel takes the outermost one
	// away where the link does so (skb_vlan_untag).
	ethertypeVLAN = 0x8100 // IEEE 802.1Q
	ethertypeQinQ = 0x88a8 // IEEE 802.1ad
	mostTags      = 2

	maxFilter = 4096 // instructions, BPF_MAXINSNS
)

// compile makes the filter's program for frames that begin at the network layer,
// as SOCK_DGRAM has them. Snap octets of a wanted frame are kept; up to so many
// VLAN tags are looked behind.
func (f Filter) compile(snap, tags int) ([]bpf.Instruction, error) {
	for i := range f {
		if err := f[i].check(); err != nil {
			return nil, err
		}
	}
	a := &assembler{code: make([]instruction, 0, 256), target: make([]int, 0, 128)}
	accept, reject, begin := a.label(), a.label(), a.label()
	// lo shows each packet twice: as it goes out and as it comes in.
	a.add(bpf.LoadExtension{Num: bpf.ExtType})
	a.unless(packetOutgoing, begin)
	a.add(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	a.when(hardwareLoopback, reject)
	a.place(begin)
	a.add(bpf.LoadExtension{Num: bpf.ExtProto})
	for n := range tags + 1 {
		base := uint32(4 * n)
		v4, v6, tagged := a.label(), a.label(), a.label()
		a.when(ethertypeIPv4, v4)
		a.when(ethertypeIPv6, v6)
		if n < tags {
			a.when(ethertypeVLAN, tagged)
			a.when(ethertypeQinQ, tagged)
		}
		a.jump(reject)
		a.place(v4)
		f.version(a, layout4, base, accept, reject)
		a.place(v6)
		f.version(a, layout6, base, accept, reject)
		a.place(tagged)
		if n < tags {
			a.add(bpf.LoadAbsolute{Off: base + 2, Size: 2}) // the ethertype behind the tag
		}
	}
	a.place(reject)
	a.add(bpf.RetConstant{Val: 0})
	a.place(accept)
	a.add(bpf.RetConstant{Val: uint32(snap)})
	program := a.link()
	if len(program) > maxFilter {
		return nil, fmt.Errorf("the capture filter needs %d instructions, and the kernel takes %d: name fewer hosts or ports", len(program), maxFilter)
	}
	return program, nil
}

func (p *Packets) check() error {
	switch p.Protocol {
	case 0, TCP:
	case UDP, ICMP:
		if p.Flags != 0 {
			return fmt.Errorf("capture filter: only TCP has flags")
		}
		if p.Protocol == ICMP && len(p.Ports) > 0 {
			return fmt.Errorf("capture filter: ICMP has no ports")
		}
	default:
		return fmt.Errorf("capture filter: protocol %d is none of TCP, UDP and ICMP", p.Protocol)
	}
	return nil
}

// layout is where an IP header has its fields.
type layout struct {
	v6             bool
	protocol       uint32
	src, dst, size uint32
	icmp           uint32
	echo, errors   []uint32 // ICMP types
	extensions     []uint32 // header numbers that this filter does not look behind
}

var (
	layout4 = &layout{
		protocol: 9, src: 12, dst: 16, size: 4, icmp: ICMP,
		echo: []uint32{0, 8}, errors: []uint32{3, 4, 5, 11, 12}, // RFC 792
	}
	layout6 = &layout{
		v6: true, protocol: 6, src: 8, dst: 24, size: 16, icmp: icmpv6,
		echo: []uint32{128, 129}, errors: []uint32{1, 2, 3, 4}, // RFC 4443
		extensions: []uint32{0, 43, 44, 51, 60, 135}, // RFC 8200 §4.1, IANA ipv6-parameters
	}
)

const headerV6 = 40 // octets, RFC 8200 §3

// version ends with a jump for every frame of one version.
func (f Filter) version(a *assembler, l *layout, base uint32, accept, reject label) {
	if len(f) == 0 {
		a.jump(accept)
		return
	}
	for i := range f {
		p := &f[i]
		hosts := p.hosts(l.v6)
		if len(p.Hosts) > 0 && len(hosts) == 0 {
			continue // they are of the other version
		}
		next, quote := a.label(), a.label()
		p.packet(a, l, base, hosts, accept, quote, next)
		a.place(quote)
		p.quoted(a, l, base, hosts, accept, next)
		a.place(next)
	}
	a.jump(reject)
}

func (p *Packets) hosts(v6 bool) (words [][]uint32) {
	for _, h := range p.Hosts {
		if h = h.Unmap(); h.Is6() != v6 {
			continue
		}
		var w []uint32
		for b := h.AsSlice(); len(b) > 0; b = b[4:] {
			w = append(w, binary.BigEndian.Uint32(b))
		}
		words = append(words, w)
	}
	return words
}

// packet looks at the frame's own headers.
func (p *Packets) packet(a *assembler, l *layout, base uint32, hosts [][]uint32, accept, quote, next label) {
	load := func(off uint32, size int) { a.add(bpf.LoadAbsolute{Off: base + off, Size: size}) }
	matchHosts(a, l, hosts, load, quote)
	if p.Protocol == 0 && len(p.Ports) == 0 && p.Flags == 0 {
		a.jump(accept)
		return
	}
	load(l.protocol, 1)
	for _, n := range l.extensions {
		a.when(n, accept)
	}
	protocol := p.Protocol
	if protocol == 0 && p.Flags != 0 {
		protocol = TCP
	}
	fits := a.label()
	switch protocol {
	case 0:
		a.when(TCP, fits)
		a.unless(UDP, quote)
	case ICMP:
		a.unless(l.icmp, quote)
	default:
		a.unless(uint32(protocol), quote)
	}
	a.place(fits)
	if !l.v6 {
		load(6, 2)
		a.whenBits(0x1fff, next) // a later fragment
		a.add(bpf.LoadMemShift{Off: base})
	} else {
		a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: headerV6})
	}
	within := func(off uint32, size int) { a.add(bpf.LoadIndirect{Off: base + off, Size: size}) }
	if protocol == ICMP {
		within(0, 1)
		for _, n := range l.echo {
			a.when(n, accept)
		}
		a.jump(quote)
		return
	}
	p.matchPorts(a, within, next)
	if p.Flags != 0 {
		within(13, 1)
		a.whenBits(uint32(p.Flags), accept)
		a.jump(next)
		return
	}
	a.jump(accept)
}

// quoted looks at what an ICMP error quotes.
func (p *Packets) quoted(a *assembler, l *layout, base uint32, hosts [][]uint32, accept, next label) {
	a.add(bpf.LoadAbsolute{Off: base + l.protocol, Size: 1})
	a.unless(l.icmp, next)
	if l.v6 {
		a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: headerV6})
	} else {
		a.add(bpf.LoadAbsolute{Off: base + 6, Size: 2})
		a.whenBits(0x1fff, next)
		a.add(bpf.LoadMemShift{Off: base})
	}
	is := a.label()
	a.add(bpf.LoadIndirect{Off: base, Size: 1})
	for _, n := range l.errors {
		a.when(n, is)
	}
	a.jump(next)
	a.place(is)
	base += 8 // the ICMP header, RFC 792
	load := func(off uint32, size int) { a.add(bpf.LoadIndirect{Off: base + off, Size: size}) }
	matchHosts(a, l, hosts, load, next)
	if p.Protocol == 0 && len(p.Ports) == 0 && p.Flags == 0 {
		a.jump(accept)
		return
	}
	load(l.protocol, 1)
	for _, n := range l.extensions {
		a.when(n, accept)
	}
	protocol := uint32(p.Protocol)
	if protocol == 0 && p.Flags != 0 {
		protocol = TCP
	}
	fits := a.label()
	switch protocol {
	case 0:
		a.when(TCP, fits)
		a.unless(UDP, next)
	case ICMP:
		a.unless(l.icmp, next)
	default:
		a.unless(protocol, next)
	}
	a.place(fits)
	if len(p.Ports) > 0 {
		if l.v6 {
			a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 2 * headerV6})
		} else {
			load(6, 2)
			a.whenBits(0x1fff, next)
			load(0, 1)
			a.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf})
			a.add(bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2})
			a.add(bpf.ALUOpX{Op: bpf.ALUOpAdd})
			a.add(bpf.TAX{})
		}
		p.matchPorts(a, load, next)
	}
	a.jump(accept)
}

// matchHosts goes on where source or destination is one of the hosts.
func matchHosts(a *assembler, l *layout, hosts [][]uint32, load func(off uint32, size int), otherwise label) {
	if len(hosts) == 0 {
		return
	}
	found := a.label()
	for _, end := range []uint32{l.src, l.dst} {
		for _, h := range hosts {
			differs := a.label()
			for i, word := range h {
				load(end+uint32(4*i), 4)
				a.unless(word, differs)
			}
			a.jump(found)
			a.place(differs)
		}
	}
	a.jump(otherwise)
	a.place(found)
}

// matchPorts goes on where one of the ports fits, or none was named.
func (p *Packets) matchPorts(a *assembler, load func(off uint32, size int), otherwise label) {
	if len(p.Ports) == 0 {
		return
	}
	found := a.label()
	for _, end := range []uint32{0, 2} {
		load(end, 2)
		for _, port := range p.Ports {
			a.when(uint32(port), found)
		}
	}
	a.jump(otherwise)
	a.place(found)
}
