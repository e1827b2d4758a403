package peer

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/internal/wire"
)

// packet is one that came from the kernel.
type packet struct {
	at   time.Time
	raw  []byte
	view wire.View
	tcp  wire.TCPView
	udp  wire.UDPView
	icmp wire.ICMPView

	port, clientPort uint16
	flow             *flow // of TCP
	seq, ack         seqs
	entry            int // in the transcript
}

// seqs is one sequence number as the conditions of a script name it.
type seqs struct {
	absolute uint32
	relative uint32 // to what was to be expected when it came
	fromISN  uint32
}

func newPacket(at time.Time, raw []byte) *packet {
	k := &packet{at: at, raw: raw, view: wire.Look(raw)}
	if k.view.Fault&wire.LaterFragment != 0 {
		return k
	}
	switch k.view.Protocol {
	case wire.TCP:
		k.tcp = wire.LookTCP(k.view.Payload)
		k.port, k.clientPort = k.tcp.DstPort, k.tcp.SrcPort
	case wire.UDP:
		k.udp = wire.LookUDP(k.view.Payload)
		k.port, k.clientPort = k.udp.DstPort, k.udp.SrcPort
	case wire.ICMPv4, wire.ICMPv6:
		k.icmp = wire.LookICMP(k.view.Payload)
	}
	return k
}

func (k *packet) isSegment() bool {
	return k.view.Protocol == wire.TCP && k.view.Fault == 0 && k.tcp.Fault == 0
}

// isEcho reports whether it is an echo request.
func (k *packet) isEcho() bool {
	return k.view.Protocol == wire.ICMPv4 && k.icmp.Type == wire.EchoRequest && k.icmp.Fault == 0 ||
		k.view.Protocol == wire.ICMPv6 && k.icmp.Type == wire.V6EchoRequest && k.icmp.Fault == 0
}

// payload is the number of octets of data.
func (k *packet) payload() int {
	switch k.view.Protocol {
	case wire.TCP:
		return len(k.tcp.Payload)
	case wire.UDP:
		return len(k.udp.Payload)
	}
	return len(k.icmp.Body)
}

func (k *packet) options() wire.Options {
	o, _ := wire.ParseOptions(k.tcp.Options) // a broken one ends the list
	return o
}

func (m *match) takes(k *packet) bool {
	switch m.kind {
	case anySegment:
		if !k.isSegment() {
			return false
		}
	case flagged:
		if !k.isSegment() || !k.tcp.Flags.Has(m.set) || k.tcp.Flags&m.clear != 0 {
			return false
		}
	case data:
		if !k.isSegment() || len(k.tcp.Payload) == 0 {
			return false
		}
	case datagram:
		if k.view.Protocol != wire.UDP || k.udp.Fault != 0 {
			return false
		}
	case echo:
		if !k.isEcho() {
			return false
		}
	case icmp:
		typ, code, ok := m.icmp.number(k.view.Protocol)
		isICMP := k.view.Protocol == wire.ICMPv4 || k.view.Protocol == wire.ICMPv6
		if !ok || !isICMP || k.icmp.Type != typ || k.icmp.Code != code {
			return false
		}
	}
	for _, holds := range m.conditions {
		if !holds(k) {
			return false
		}
	}
	return true
}

// flowKey names a connection from the peer's side.
type flowKey struct{ client, host netip.AddrPort }

// flow is what the peer knows of a connection: RFC 9293 §3.3.1, in its words.
type flow struct {
	synced bool   // a segment came, so irs and rcvNxt are known
	irs    uint32 // the kernel's initial sequence number
	rcvNxt uint32
	began  bool   // iss and sndNxt are known
	opened bool   // a SYN was sent
	iss    uint32 // ours
	sndNxt uint32
	recent uint32 // TSval that came last: TS.Recent
}

// number fills in what a segment's numbers are to the flow, before it is taken in.
func (f *flow) number(k *packet) {
	irs, expected := f.irs, f.rcvNxt
	if !f.synced || k.isNewSYN(f) {
		irs, expected = k.tcp.Seq, k.tcp.Seq
	}
	k.seq = seqs{k.tcp.Seq, k.tcp.Seq - expected, k.tcp.Seq - irs}
	k.ack = seqs{k.tcp.Ack, k.tcp.Ack - f.sndNxt, k.tcp.Ack - f.iss}
}

// isNewSYN reports whether the segment begins another connection of the same
// four-tuple. iss is kept for a SYN that is merely sent again.
func (k *packet) isNewSYN(f *flow) bool {
	return k.tcp.Flags&wire.SYN != 0 && k.tcp.Seq != f.irs
}

// take advances the flow by a segment that arrived.
func (f *flow) take(k *packet) {
	t := &k.tcp
	switch {
	case !f.synced && t.Flags&wire.SYN != 0, f.synced && k.isNewSYN(f):
		f.irs, f.rcvNxt, f.synced = t.Seq, t.Seq+t.Len(), true
		if f.opened && t.Flags&wire.ACK == 0 && f.sndNxt != f.iss+1 {
			f.began, f.opened = false, false
		}
	case !f.synced: // a connection that the peer has not seen begin
		f.irs, f.rcvNxt, f.synced = t.Seq-1, t.Seq+t.Len(), true
		if t.Flags&wire.ACK != 0 && !f.began {
			f.iss, f.sndNxt, f.began, f.opened = t.Ack-1, t.Ack, true, true
		}
	case int32(t.Seq-f.rcvNxt) <= 0 && int32(t.Seq+t.Len()-f.rcvNxt) > 0:
		f.rcvNxt = t.Seq + t.Len()
	}
	if value, _, ok := k.options().Timestamps(); ok {
		f.recent = value
	}
}
