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
	atLocation = 16
	atCgroup   = 24
	atAcked    = 32
	atReceived = 40
	atLocal    = 48
	atRemote   = 64
	atSrc      = 80
	atDst      = 96
	atComm     = 112
	atFunction = 128
	atNetwork  = 168
	atPID      = 172
	atUID      = 176
	atReason   = 180
	atErr      = 184
	atIndex    = 188
	atSeq      = 192
	atAck      = 196
	atSRTT     = 200
	atRetrans  = 204
	atLength   = 208
	atLPort    = 210
	atRPort    = 212
	atSPort    = 214
	atDPort    = 216
	atKind     = 218
	atProtocol = 219
	atFlags    = 220
	atOld      = 221
	atNew      = 222
	atTCPFlags = 223
	atTTL      = 224
	atICMPType = 225
	atICMPCode = 226
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
// nothing.
func (s *Session) decode(b []byte, e *Event) {
	le := binary.LittleEndian
	b = b[:recordSize]
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
		Location: le.Uint64(b[atLocation:]), function: [functionSize]byte(b[atFunction:]),
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
		return
	}
	e.Errno = uint16(le.Uint32(b[atErr:]))
	if e.HasPacket {
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
}

// place makes an address of its mapped form (RFC 4291 §2.5.5.2).
func place(addr []byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addr)).Unmap(), port)
}
