package peer

import (
	"time"

	"github.com/dialscope/dialscope/internal/wire"
)

// arrive takes a packet from the kernel along its way: past the routers, to the
// host that it is for. It reports whether want took it.
func (p *player) arrive(k *packet, want func(*packet) verdict) (taken bool, err error) {
	k.entry = p.transcript.add(k.at, false, k.raw, "")
	if !k.view.Dst.IsValid() {
		p.transcript.note(k.entry, "not an IP packet")
		return false, nil
	}
	p.join(k)
	for _, r := range p.script.routers {
		if find([]*node{r}, k.view.Dst) != nil {
			return p.deliver(k, want)
		}
		goesOn, err := p.pass(k, r)
		if !goesOn || err != nil {
			return false, err
		}
	}
	if find(p.script.hosts, k.view.Dst) == nil {
		p.transcript.note(k.entry, "no host has this address")
		return false, nil
	}
	return p.deliver(k, want)
}

// pass is what a router does with a packet that is not for itself. It reports
// whether the packet goes on.
func (p *player) pass(k *packet, r *node) (goesOn bool, err error) {
	if int(k.view.TTL) <= r.hop { // what arrives here is 1 or less: RFC 1812 §5.3.1
		p.transcript.note(k.entry, "its TTL ends at hop %d", r.hop)
		return false, p.report(k, r, "time-exceeded", 0)
	}
	if r.mtu > 0 && len(k.raw) > r.mtu {
		p.transcript.note(k.entry, "larger than the MTU behind hop %d", r.hop)
		return false, p.report(k, r, "fragmentation-needed", uint32(r.mtu))
	}
	rule := p.ruleFor(k, r)
	if rule == nil || rule.forward {
		return true, nil
	}
	return false, p.apply(rule, k)
}

// report sends the ICMP error that a router sends of its own accord. No error
// is sent about an error (RFC 1122 §3.2.2, RFC 4443 §2.4).
func (p *player) report(k *packet, r *node, name string, mtu uint32) error {
	isICMP := k.view.Protocol == wire.ICMPv4 || k.view.Protocol == wire.ICMPv6
	if r.silent || isICMP && k.icmp.IsError(k.view.Protocol) || !p.usage(r).admit(r.rate, k.at) {
		return nil
	}
	s := &sendStep{out: outgoing{
		kind: icmp, icmp: icmpKind{name: name}, mtu: mtu,
		times: 1, quote: quote{octets: -1},
	}}
	return p.send(s, k, r, s.out.earliest(k, k.at))
}

// deliver hands a packet to the step that waits for it, or to the first rule
// for it, or keeps it for a later step.
func (p *player) deliver(k *packet, want func(*packet) verdict) (taken bool, err error) {
	if want != nil {
		switch want(k) {
		case captured:
			p.take(k)
			return true, nil
		case lost:
			return true, nil
		}
	}
	if r := p.ruleFor(k, nil); r != nil {
		if !r.lose {
			p.take(k)
		}
		return false, p.apply(r, k)
	}
	p.take(k)
	switch {
	case !p.finished:
		if len(p.inbox) == maxInbox {
			p.inbox = p.inbox[1:]
		}
		p.inbox = append(p.inbox, k)
	case p.script.idle == idleReset:
		return false, p.reset(k)
	}
	return false, nil
}

// ruleFor finds the first rule for a packet at a router, or at its destination
// (nil), that has not been used up.
func (p *player) ruleFor(k *packet, at *node) *rule {
	for _, r := range p.script.rules {
		if r.at != at || !r.match.takes(k) {
			continue
		}
		u := p.usage(r)
		if r.first > 0 && u.count >= r.first {
			continue
		}
		u.count++
		return r
	}
	return nil
}

func (p *player) apply(r *rule, k *packet) error {
	p.transcript.note(k.entry, "line %d", r.line)
	if r.lose || !p.usage(r).admit(r.rate, k.at) {
		p.transcript.note(k.entry, "line %d: ignored", r.line)
		return nil
	}
	at := k.at
	for _, s := range r.actions {
		at = s.out.earliest(k, at.Add(s.after))
		if err := p.send(s, k, r.at, at); err != nil {
			return err
		}
	}
	return nil
}

// reset answers as a host that does not know of a connection: RFC 9293
// §3.10.7.1.
func (p *player) reset(k *packet) error {
	if !k.isSegment() || k.tcp.Flags&wire.RST != 0 {
		return nil
	}
	o := outgoing{kind: flagged, flags: wire.RST, times: 1}
	if k.tcp.Flags&wire.ACK != 0 {
		o.seq = number{absolute, k.tcp.Ack}
	} else {
		o.flags |= wire.ACK
		o.seq, o.ack = number{base: absolute}, number{absolute, k.tcp.Seq + k.tcp.Len()}
	}
	return p.send(&sendStep{out: o}, k, nil, k.at)
}

// usage counts what a rule or router did.
type usage struct {
	count  int
	tokens float64
	filled time.Time
}

// usage is of a *rule or a *node.
func (p *player) usage(of any) *usage {
	u := p.used[of]
	if u == nil {
		u = &usage{}
		p.used[of] = u
	}
	return u
}

// admit takes one from the bucket of a rate; a nil rate always has one.
func (u *usage) admit(r *rate, now time.Time) bool {
	if r == nil {
		return true
	}
	capacity := float64(r.n)
	if u.filled.IsZero() {
		u.tokens = capacity
	} else {
		u.tokens = min(capacity, u.tokens+capacity*float64(now.Sub(u.filled))/float64(r.per))
	}
	u.filled = now
	if u.tokens < 1 {
		return false
	}
	u.tokens--
	return true
}
