package probe

import (
	"net/netip"

	"golang.org/x/net/bpf"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/wire"
)

// segment makes the TCP segment of a form by hand, from a source port that this
// host holds. The number is any: nobody knows of it.
func segment(form string, from, to netip.AddrPort, number uint32) ([]byte, error) {
	s := &wire.Segment{SrcPort: from.Port(), DstPort: to.Port(), Seq: number, Window: 65535}
	switch form {
	case evidence.FormACK:
		s.Flags, s.Ack = wire.ACK, number
	default:
		s.Flags = wire.SYN
	}
	packet, err := (&wire.Packet{IP: wire.IP{Src: from.Addr().WithZone(""), Dst: to.Addr().WithZone("")}, Transport: s}).Marshal()
	if err != nil {
		return nil, err
	}
	v := wire.Look(packet)
	return v.Payload, nil // the kernel makes the IP header (raw(7))
}

// answerOf reads what a raw socket received as an answer to a segment; "" where
// it is none.
func answerOf(packet []byte, v6 bool) string {
	if !v6 { // IPv4 has its header, IPv6 has not (raw(7), RFC 3542 §3)
		v := wire.Look(packet)
		packet = v.Payload
	}
	t := wire.LookTCP(packet)
	switch {
	case t.Fault&wire.Truncated != 0 && len(packet) < 20:
		return ""
	case t.Flags&wire.RST != 0:
		return evidence.AnswerRST
	case t.Flags.Has(wire.SYN | wire.ACK):
		return evidence.AnswerSYNACK
	}
	return ""
}

// between lets only the segments from one port to another through to a raw
// socket, which gets every TCP packet of this host otherwise.
func between(from, to uint16, v6 bool) []bpf.Instruction {
	load := func(off uint32) bpf.Instruction { return bpf.LoadIndirect{Off: off, Size: 2} }
	begin := bpf.Instruction(bpf.LoadMemShift{Off: 0})
	if v6 {
		begin = bpf.LoadConstant{Dst: bpf.RegX, Val: 0}
	}
	return []bpf.Instruction{
		begin,
		load(0),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(from), SkipTrue: 3},
		load(2),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(to), SkipTrue: 1},
		bpf.RetConstant{Val: 256},
		bpf.RetConstant{Val: 0},
	}
}
