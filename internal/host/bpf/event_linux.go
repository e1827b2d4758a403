//go:build amd64 || arm64

package bpf

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// offset of the members of struct event (record.h); TestRecord compares.
const (
	atTime     = 0
	atCookie   = 8
	atCgroup   = 16
	atAcked    = 24
	atReceived = 32
	atLocal    = 40
	atRemote   = 56
	atComm     = 72
	atNetwork  = 88
	atPID      = 92
	atUID      = 96
	atReason   = 100
	atErr      = 104
	atSRTT     = 108
	atRetrans  = 112
	atLPort    = 116
	atRPort    = 118
	atKind     = 120
	atProtocol = 121
	atFlags    = 122
	atOld      = 123
	atNew      = 124
	headSize   = 128 // a record without a packet ends here

	atSrc      = 128
	atDst      = 144
	atLocation = 160
	atFunction = 168
	atIndex    = 208
	atSeq      = 212
	atAck      = 216
	atLength   = 220
	atSPort    = 222
	atDPort    = 224
	atTCPFlags = 226
	atTTL      = 227
	atICMPType = 228
	atICMPCode = 229
	recordSize = 232
)

// enum flag (record.h).
const (
	hasSocket = 1 << iota
	hasPacket
	arrived
	quoted
)

// decode reads a record: both ends of the ring are little-endian. It allocates
// nothing. It is false for one that is too short.
func (s *Session) decode(b []byte, e *Event) bool {
	if len(b) < headSize {
		return false
	}
	le := binary.LittleEndian
	flags := b[atFlags]
	*e = Event{
		Kind:   Kind(b[atKind]),
		Time:   s.base.Add(time.Duration(le.Uint64(b[atTime:])) - s.baseClock),
		Cookie: le.Uint64(b[atCookie:]), Cgroup: le.Uint64(b[atCgroup:]), Network: le.Uint32(b[atNetwork:]),
		Protocol: b[atProtocol], HasSocket: flags&hasSocket != 0, HasPacket: flags&hasPacket != 0,
		PID: le.Uint32(b[atPID:]), UID: le.Uint32(b[atUID:]), comm: [16]byte(b[atComm:]),
		Old: State(b[atOld]), New: State(b[atNew]),
		RTT: time.Duration(le.Uint32(b[atSRTT:])) * time.Microsecond, Retransmissions: le.Uint32(b[atRetrans:]),
		Acked: le.Uint64(b[atAcked:]), Received: le.Uint64(b[atReceived:]),
	}
	reason := le.Uint32(b[atReason:])
	switch e.Kind {
	case Drop:
		e.Reason = s.drops.of(reason)
	case ResetSent:
		if s.resetReasons {
			e.Reason = s.resets.of(reason)
		}
	case Forked:
		e.Parent = reason
	case Exited:
		e.ExitCode = le.Uint32(b[atErr:])
		return true
	}
	e.Errno = uint16(le.Uint32(b[atErr:]))
	if e.HasPacket {
		if len(b) < recordSize {
			return false
		}
		e.Location, e.function = le.Uint64(b[atLocation:]), [functionSize]byte(b[atFunction:])
		e.Packet = Packet{
			Src: place(b[atSrc:], le.Uint16(b[atSPort:])), Dst: place(b[atDst:], le.Uint16(b[atDPort:])),
			Arrived: flags&arrived != 0, Index: le.Uint32(b[atIndex:]),
			TTL: b[atTTL], Length: le.Uint16(b[atLength:]), Flags: b[atTCPFlags],
			Seq: le.Uint32(b[atSeq:]), Ack: le.Uint32(b[atAck:]),
			Quoted: flags&quoted != 0, ICMPType: b[atICMPType], ICMPCode: b[atICMPCode],
		}
	}
	switch {
	case e.HasSocket && !(e.HasPacket && le.Uint16(b[atRPort:]) == 0): // a listener's peer stands in the packet
		e.Local, e.Remote = place(b[atLocal:], le.Uint16(b[atLPort:])), place(b[atRemote:], le.Uint16(b[atRPort:]))
	case e.HasPacket && e.Packet.Arrived != e.Packet.Quoted: // an ICMP error quotes what was sent
		e.Local, e.Remote = e.Packet.Dst, e.Packet.Src
	case e.HasPacket:
		e.Local, e.Remote = e.Packet.Src, e.Packet.Dst
	}
	return true
}

// place makes an address of its mapped form (RFC 4291 §2.5.5.2).
func place(addr []byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addr)).Unmap(), port)
}
