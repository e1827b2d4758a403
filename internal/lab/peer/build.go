package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/internal/wire"
)

var errNobodyAsked = errors.New("nobody has asked yet: say to whom, as in \"to 192.0.2.2:80 port 1024\"")

// send does a send statement in answer to k, which may be nil. at is the router
// that sends, nil for a host. Where the sender has a round trip time the packet
// is built and written when that is over.
func (p *player) send(s *sendStep, k *packet, at *node, when time.Time) error {
	sender := p.sender(&s.out, k, at)
	when = when.Add(sender.rtt)
	if when.After(p.clock()) && !p.reversing {
		p.schedule(when, func() error { return p.sendNow(s, k, at, sender) })
		return nil
	}
	return p.sendNow(s, k, at, sender)
}

// icmpDelay is the least time between a packet and an ICMP message about it.
// One that comes while connect(2) still owns the socket, as it would from a TUN
// device within microseconds, does not end the attempt (tcp_v4_err,
// sock_owned_by_user): no network is that fast.
const icmpDelay = 5 * time.Millisecond

// earliest is when a packet in answer to k leaves that is to leave at a time.
func (o *outgoing) earliest(k *packet, when time.Time) time.Time {
	if o.kind == icmp && k != nil && when.Before(k.at.Add(icmpDelay)) {
		return k.at.Add(icmpDelay)
	}
	return when
}

func (p *player) sendNow(s *sendStep, k *packet, at, sender *node) error {
	b := s.out.raw
	if s.out.kind != anyPacket {
		var err error
		if b, err = p.build(&s.out, k, at, sender); err != nil {
			return fmt.Errorf("line %d: send: %w", s.line, err)
		}
	}
	if b == nil {
		return nil
	}
	for range s.out.times {
		if p.reversing {
			p.held = append(p.held, b)
			continue
		}
		if err := p.write(b, s.line); err != nil {
			return err
		}
	}
	return nil
}

// write hands a packet to the kernel. Line 0 is what routers and idle hosts do
// of their own accord.
func (p *player) write(b []byte, line int) error {
	note := ""
	if line > 0 {
		note = fmt.Sprintf("line %d", line)
	}
	p.transcript.add(p.clock(), true, b, note)
	_, err := p.dev.Write(b)
	return err
}

// sender is the node that a packet comes from, also when it forges another's
// address.
func (p *player) sender(o *outgoing, k *packet, at *node) *node {
	if n := p.script.owner(o.from); n != nil {
		return n
	}
	if at != nil {
		return at
	}
	if k != nil {
		if n := p.script.owner(k.view.Dst); n != nil {
			return n
		}
	}
	return p.script.hosts[0]
}

// build fills a template in. It returns nil for a packet that does not reach
// the kernel, because its TTL ends on the way, or because its sender has no
// address of the family.
func (p *player) build(o *outgoing, k *packet, at, sender *node) ([]byte, error) {
	src, dst, err := p.ends(o, k, at, sender)
	if err != nil || !src.Addr().IsValid() {
		return nil, err
	}
	packet := wire.Packet{IP: wire.IP{Src: src.Addr(), Dst: dst.Addr(), TTL: sender.ttl, TOS: o.tos}}
	packet.DontFragment = o.kind == flagged && !o.mayFragment
	packet.ID = p.identify(o, sender)
	if o.ttl != nil {
		packet.TTL = *o.ttl
	}
	hop := sender.hop
	if o.hop > 0 {
		hop = o.hop
	}
	if hop > 1 && int(packet.TTL) < hop { // each router on the way takes one
		return nil, nil
	}
	packet.TTL -= uint8(hop - 1)
	switch o.kind {
	case flagged:
		packet.Transport = p.segment(o, k, at, src, dst)
	case datagram:
		packet.Transport = &wire.Datagram{SrcPort: src.Port(), DstPort: dst.Port(), Payload: o.payload}
	case echo:
		packet.Transport, err = echoReply(k)
	case icmp:
		packet.Transport, err = message(o, k, src.Addr(), hop)
	}
	if err != nil {
		return nil, err
	}
	b, err := packet.Marshal()
	if err != nil {
		return nil, err
	}
	return o.spoil(b), nil
}

// ends returns both ends of a packet. The source is invalid if the sender has
// no address of the destination's family.
func (p *player) ends(o *outgoing, k *packet, at, sender *node) (src, dst netip.AddrPort, err error) {
	switch {
	case o.to.IsValid():
		dst = o.to
	case k == nil:
		return src, dst, errNobodyAsked
	default:
		dst = netip.AddrPortFrom(k.view.Src, k.clientPort)
	}
	if o.clientPort != 0 {
		dst = netip.AddrPortFrom(dst.Addr(), o.clientPort)
	}
	port := o.port
	if port == 0 && k != nil {
		port = k.port
	}
	own := sender.address(dst.Addr().Is4())
	switch {
	case o.from.IsValid():
		own = o.from
	case k != nil && !(at != nil && o.kind == icmp):
		own = k.view.Dst // a router that sends segments forges the host's
	}
	if own.IsValid() && own.Is4() != dst.Addr().Is4() {
		return src, dst, fmt.Errorf("from %v to %v: not of one family", own, dst.Addr())
	}
	return netip.AddrPortFrom(own, port), dst, nil
}

func (n *node) address(is4 bool) netip.Addr {
	for _, a := range n.addrs {
		if a.Is4() == is4 {
			return a
		}
	}
	return netip.Addr{}
}

func (p *player) identify(o *outgoing, sender *node) uint16 {
	switch {
	case o.id != nil:
		return *o.id
	case sender.ipid == idFixed:
		return sender.id
	case sender.ipid == idZero:
		return 0
	}
	p.ids[sender]++
	return p.ids[sender]
}

func echoReply(k *packet) (wire.Transport, error) {
	if k == nil || !k.isEcho() {
		return nil, errors.New("what was captured is no echo request")
	}
	m := &wire.Message{Type: wire.EchoReply, Rest: k.icmp.Rest, Body: k.icmp.Body}
	if k.view.Version == 6 {
		m.Type = wire.V6EchoReply
	}
	return m, nil
}
