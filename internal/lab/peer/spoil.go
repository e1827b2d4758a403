package peer

import (
	"encoding/binary"

	"github.com/dialscope/dialscope/internal/wire"
)

// spoil gives a right packet the faults that were written. A wrong options
// field or data offset keeps the checksum right, so that it is the only fault.
func (o *outgoing) spoil(b []byte) []byte {
	v := wire.Look(b)
	t := v.Payload
	if v.Protocol == wire.TCP {
		changed := false
		for _, x := range o.options {
			if x.raw {
				copy(t[20:], x.Data)
				clear(t[20+len(x.Data) : len(t)-len(o.payload)])
				changed = true
			}
		}
		if o.dataOffset != nil {
			t[12] = t[12]&0xf | *o.dataOffset<<4
			changed = true
		}
		if changed {
			binary.BigEndian.PutUint16(t[16:], 0)
			binary.BigEndian.PutUint16(t[16:], wire.TransportChecksum(v.Src, v.Dst, wire.TCP, t))
		}
	}
	if o.badSum {
		falsify(t[map[wire.Protocol]int{wire.TCP: 16, wire.UDP: 6, wire.ICMPv4: 2, wire.ICMPv6: 2}[v.Protocol]:])
	}
	if o.badIPSum && v.Version == 4 {
		falsify(b[10:])
	}
	return b[:max(len(b)-o.cut, 1)]
}

// falsify makes a checksum wrong. One that differs in one bit is never the same
// number in one's complement; 0 would say to UDP that there is none.
func falsify(sum []byte) {
	sum[1] ^= 1
	if sum[0] == 0 && sum[1] == 0 {
		sum[1] = 2
	}
}
