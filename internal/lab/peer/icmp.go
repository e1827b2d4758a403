package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/dialscope/dialscope/internal/wire"
)

// The largest ICMP errors: RFC 1812 §4.3.2.3, RFC 4443 §2.4 (c).
const (
	maxICMPError  = 576 - 20 - 8
	maxICMP6Error = 1280 - 40 - 8
)

func message(o *outgoing, k *packet, src netip.Addr, hop int) (wire.Transport, error) {
	protocol := wire.ICMPv6
	if src.Is4() {
		protocol = wire.ICMPv4
	}
	typ, code, ok := o.icmp.number(protocol)
	if !ok {
		return nil, fmt.Errorf("%v has no message %s", protocol, o.icmp.name)
	}
	m := &wire.Message{Type: typ, Code: code, Rest: o.mtu}
	if o.pointer > 0 {
		m.Rest = uint32(o.pointer)
		if protocol == wire.ICMPv4 {
			m.Rest <<= 24
		}
	}
	view := wire.ICMPView{Type: typ}
	if o.quote.none || !view.IsError(protocol) {
		m.Body = o.payload
		return m, nil
	}
	if k == nil {
		return nil, errors.New("nothing was captured that it could quote")
	}
	m.Body = o.quote.of(k, hop)
	limit := maxICMPError
	if protocol == wire.ICMPv6 {
		limit = maxICMP6Error
	}
	m.Body = m.Body[:min(len(m.Body), limit)]
	return m, nil
}

// of is the packet as it was when it came to the given hop, changed as written.
// Its header checksum is right for what it has become; that of the transport is
// left as the kernel made it, as by a device that rewrites nothing else.
func (q *quote) of(k *packet, hop int) []byte {
	b := slices.Clone(k.raw)
	header := min(len(k.view.Header), len(b))
	ttl := uint8(max(int(k.view.TTL)-(hop-1), 0))
	replace := func(at int, a netip.Addr) {
		if a.IsValid() && a.Is4() == (k.view.Version == 4) {
			copy(b[at:], a.AsSlice())
		}
	}
	if k.view.Version == 4 {
		b[8] = ttl
		replace(12, q.from)
		replace(16, q.to)
		binary.BigEndian.PutUint16(b[10:], 0)
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:header]))
	} else {
		b[7] = ttl
		replace(8, q.from)
		replace(24, q.to)
	}
	if t := b[header:]; len(t) >= 8 {
		if q.clientPort != 0 {
			binary.BigEndian.PutUint16(t, q.clientPort)
		}
		if q.port != 0 {
			binary.BigEndian.PutUint16(t[2:], q.port)
		}
		if q.seq.base != unset {
			seq := binary.BigEndian.Uint32(t[4:])
			var irs uint32
			if k.flow != nil {
				irs = k.flow.irs
			}
			binary.BigEndian.PutUint32(t[4:], q.seq.of(seq, irs, seq))
		}
	}
	if q.octets >= 0 {
		b = b[:min(len(b), header+q.octets)]
	}
	return b
}
