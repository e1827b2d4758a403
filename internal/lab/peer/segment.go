package peer

import (
	"net/netip"

	"github.com/dialscope/dialscope/internal/wire"
)

// join gives a segment its flow.
func (p *player) join(k *packet) {
	if !k.isSegment() {
		return
	}
	k.flow = p.flow(netip.AddrPortFrom(k.view.Src, k.clientPort), netip.AddrPortFrom(k.view.Dst, k.port))
	k.flow.number(k)
}

func (p *player) flow(client, host netip.AddrPort) *flow {
	key := flowKey{client, host}
	f := p.flows[key]
	if f == nil {
		f = &flow{}
		p.flows[key] = f
	}
	return f
}

// take lets the flow know of a segment that arrived.
func (p *player) take(k *packet) {
	if k.flow != nil {
		k.flow.take(k)
	}
}

// begin chooses an initial sequence number: easy to tell from the kernel's.
func (p *player) begin(f *flow) {
	if !f.began {
		p.begun++
		f.iss = p.begun * 1_000_000
		f.sndNxt, f.began = f.iss, true
	}
}

// segment fills in a TCP segment. at is the router that sends it in the host's
// place: it answers what it saw, which the host never will.
func (p *player) segment(o *outgoing, k *packet, at *node, src, dst netip.AddrPort) *wire.Segment {
	var f *flow
	if k != nil && k.flow != nil && !o.to.IsValid() && o.port == 0 && o.clientPort == 0 {
		f = k.flow
	} else {
		f = p.flow(dst, src)
	}
	p.begin(f)
	s := &wire.Segment{
		SrcPort: src.Port(), DstPort: dst.Port(), Flags: o.flags,
		Window: o.window, Urgent: o.urgent, Payload: o.payload,
	}
	s.Seq = o.seq.of(f.nextSeq(o.flags, k), f.iss, f.nextSeq(o.flags, k))
	if o.seq.base == absolute && o.flags&wire.SYN != 0 && !f.opened {
		f.iss, f.sndNxt = s.Seq, s.Seq
	}
	right, irs, captured := f.rcvNxt, f.irs, uint32(0)
	if k != nil {
		captured = k.tcp.Seq
		if at != nil || !f.synced {
			right, irs = k.tcp.Seq+k.tcp.Len(), k.tcp.Seq
		}
	}
	if o.flags&wire.ACK == 0 {
		right = 0
	}
	s.Ack = o.ack.of(right, irs, captured)
	if o.seq.base == unset || o.seq.base == absolute && o.flags&wire.SYN != 0 {
		f.sent(s)
	}
	for _, x := range o.options {
		s.Options = append(s.Options, p.fillIn(x, f, o.flags)...)
	}
	return s
}

// of is the number's value: the right one if nothing was written, and else
// counted from what it is relative to.
func (n number) of(right, isn, relativeTo uint32) uint32 {
	switch n.base {
	case absolute:
		return n.n
	case relative:
		return relativeTo + n.n
	case fromISN:
		return isn + n.n
	}
	return right
}

// nextSeq is the right sequence number of a segment with these flags. A SYN
// sent again has the same. A RST for a connection that was never opened has
// that of RFC 9293 §3.10.7.1.
func (f *flow) nextSeq(flags wire.Flags, k *packet) uint32 {
	switch {
	case flags&wire.SYN != 0:
		return f.iss
	case flags&wire.RST != 0 && !f.opened:
		if k != nil && k.tcp.Flags&wire.ACK != 0 {
			return k.tcp.Ack
		}
		return 0
	}
	return f.sndNxt
}

func (f *flow) sent(s *wire.Segment) {
	if s.Flags&wire.SYN != 0 {
		f.opened = true
	}
	if end := s.Seq + s.Len(); s.Flags&wire.RST == 0 && int32(end-f.sndNxt) > 0 {
		f.sndNxt = end
	}
}

// fillIn makes an option of what was written. A raw options field becomes
// fillers of its length, which spoil replaces.
func (p *player) fillIn(x option, f *flow, flags wire.Flags) wire.Options {
	if x.raw {
		fillers := make(wire.Options, (len(x.Data)+3)/4*4)
		for i := range fillers {
			fillers[i] = wire.NOP()
		}
		return fillers
	}
	if x.Kind != wire.TimestampOption {
		return wire.Options{x.Option}
	}
	// A clock of 1 ms (RFC 7323 §5.4), far enough from 0 to go back.
	now := uint32(p.clock().Sub(p.transcript.Began).Milliseconds()) + 1<<30
	echo := uint32(0)
	if flags&wire.ACK != 0 {
		echo = f.recent
	}
	return wire.Options{wire.Timestamps(x.value.of(now, now, now), x.echo.of(echo, echo, echo))}
}
