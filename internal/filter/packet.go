package filter

import (
	"encoding/binary"
	"net/netip"
)

// Packet is what is known of a packet: the first of a connection or a datagram,
// the answer to one, or a later one of an established connection. A zero port or address is not known.
type Packet struct {
	Protocol uint8 // IPPROTO_TCP, IPPROTO_UDP
	Src, Dst netip.AddrPort
	Answer   bool   // what comes back for it: Src is the other end
	Later    bool   // of TCP: data or an acknowledgment of an established connection
	Mark     uint32 // SO_MARK
	TOS      uint8
	UID, GID uint32    // whose socket sends it
	Out, In  Interface // by which it leaves, or comes
}

// Interface is a network interface; without a name it is not known.
type Interface struct {
	Name  string
	Index int
}

// Protocols (IANA, Assigned Internet Protocol Numbers).
const (
	tcp = 6
	udp = 17
)

// Bits of conntrack's state (enum ip_conntrack_info, NF_CT_STATE_BIT).
const (
	stateInvalid     = 1
	stateEstablished = 2
	stateNew         = 8
	stateUntracked   = 64
)

// conntrackPriority is where connection tracking looks at a packet
// (NF_IP_PRI_CONNTRACK).
const conntrackPriority = -200

// way is a packet at one moment of its way: rules may change it.
type way struct {
	*Packet
	hook      Hook
	priority  int32
	network   bits // its IP header, without options
	transport bits // its TCP or UDP header, without options
	mark      bits
	state     bits // conntrack's
	rerouted  bool
}

func newWay(p *Packet) *way {
	w := &way{Packet: p, mark: exactly(native32(p.Mark)), state: exactly(native32(stateNew))}
	if p.Answer {
		w.mark = exactly(native32(0))
	}
	if p.Answer || p.Later {
		w.state = exactly(native32(stateEstablished))
	}
	w.network, w.transport = w.networkHeader(), w.transportHeader()
	return w
}

func native32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func (w *way) v4() bool { return w.Dst.Addr().Is4() || w.Src.Addr().Is4() }

// networkHeader is RFC 791 §3.1 or RFC 8200 §3. Options are not sent by
// sockets unless they ask for them.
func (w *way) networkHeader() bits {
	if !w.v4() {
		h := obscure(40)
		h.put(0, []byte{0x60}, 0xf0)
		h.put(6, []byte{w.Protocol}, 0xff)
		h.address(8, w.Src.Addr())
		h.address(24, w.Dst.Addr())
		return h
	}
	h := obscure(20)
	h.put(0, []byte{0x45}, 0xff)
	if !w.Answer {
		h.put(1, []byte{w.TOS}, 0xfc) // TCP has the ECN bits for itself
	}
	h.put(6, []byte{0}, 0xbf) // no fragment; DF is the path MTU discovery's
	h.put(7, []byte{0}, 0xff)
	h.put(9, []byte{w.Protocol}, 0xff)
	h.address(12, w.Src.Addr())
	h.address(16, w.Dst.Addr())
	return h
}

// transportHeader is RFC 9293 §3.1 or RFC 768.
func (w *way) transportHeader() bits {
	n := 20
	if w.Protocol == udp {
		n = 8
	}
	h := obscure(n)
	h.port(0, w.Src.Port())
	h.port(2, w.Dst.Port())
	if w.Protocol != tcp {
		return h
	}
	const fin, syn, ack, others = 0x01, 0x02, 0x10, 0x28 // others: PSH, URG
	switch {
	case w.Later:
		h.put(13, []byte{ack}, fin|syn|0x04|ack|0x20) // PSH or not
	case w.Answer:
		h.put(13, []byte{ack}, fin|ack|others) // a SYN-ACK or a RST; ECN is anybody's guess
	default:
		h.put(8, []byte{0, 0, 0, 0}, 0xff)
		h.put(13, []byte{syn}, fin|syn|0x04|ack|others)
	}
	h.put(12, []byte{0}, 0x0e) // reserved
	h.put(18, []byte{0, 0}, 0xff)
	return h
}

// put writes octets of which the bits of a mask are known.
func (b bits) put(at int, v []byte, mask byte) {
	for i, o := range v {
		b.val[at+i], b.known[at+i] = o&mask, mask
	}
}

func (b bits) address(at int, a netip.Addr) {
	if a.IsValid() {
		b.put(at, a.AsSlice(), 0xff)
	}
}

func (b bits) port(at int, p uint16) {
	if p != 0 {
		b.put(at, binary.BigEndian.AppendUint16(nil, p), 0xff)
	}
}

// part copies octets; what lies outside is not known.
func (b bits) part(at, n int) bits {
	p := obscure(n)
	for i := range n {
		if k := at + i; k >= 0 && k < len(b.val) {
			p.val[i], p.known[i] = b.val[k], b.known[k]
		}
	}
	return p
}

// forget makes octets unknown.
func (b bits) forget(at, n int) {
	for i := at; i < at+n && i < len(b.val); i++ {
		b.val[i], b.known[i] = 0, 0
	}
}

// translate forgets an end of the packet that a translation has changed.
func (w *way) translate(destination bool) {
	address, size, port := 12, 4, 0
	if !w.v4() {
		address, size = 8, 16
	}
	if destination {
		address, port = address+size, 2
	}
	w.network.forget(address, size)
	w.transport.forget(port, 2)
	w.rerouted = w.rerouted || destination
}
