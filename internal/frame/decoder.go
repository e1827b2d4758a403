package frame

import (
	"encoding/binary"
	"time"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// Kind says what a frame held.
type Kind uint8

// The kinds.
const (
	None Kind = iota // nothing of TCP; counted in [Decoder.Skipped]
	TCP              // a segment, in [Decoder.Segment]
	ICMP             // an ICMP error about a segment, in [Decoder.ICMP]
	Rest             // octets, perhaps the FIN, of a segment that came in IP fragments, in [Decoder.Segment]: no segment of its own
)

// Decoder takes frames apart, one after the other. It is not for several
// goroutines at once.
type Decoder struct {
	Segment *tcpstate.Segment  // of the last frame, when its kind is TCP or Rest; the caller may set where the next one goes
	ICMP    tcpstate.ICMPError // of the last frame, when its kind is ICMP

	end        int // wire less the first octet's cap: cap(b) + end is what the wire had from b on
	path       path
	lastPath   path
	lastNumber uint16
	paths      [][]string
	numbers    map[path]uint16
	skipped    map[why]uint64

	datagrams map[fragmentKey]*datagram
	waiting   []*datagram // in order of their first fragments
	spare     []*datagram
	fragments Fragments
}

// NewDecoder makes a decoder.
func NewDecoder() *Decoder {
	return &Decoder{Segment: new(tcpstate.Segment), paths: make([][]string, 1), numbers: make(map[path]uint16), skipped: make(map[why]uint64)}
}

// Frame takes one frame apart. Its octets are b, which a capture may have cut
// from wire octets; the segment's options share memory with them.
func (d *Decoder) Frame(link LinkType, b []byte, wire int, at time.Duration, number uint64) Kind {
	d.end = wire - cap(b)
	d.Segment.Time, d.Segment.Frame = at, number
	d.path.n = 0
	if link == Ethernet && len(b) > 14 && binary.BigEndian.Uint16(b[12:]) == etherIPv4 && b[14]>>4 == 4 {
		return d.ip4(b[14:])
	}
	return d.link(link, b)
}

func (d *Decoder) link(link LinkType, b []byte) Kind {
	switch link {
	case Ethernet:
		return d.ethernet(b)
	case Raw, Raw12, Raw14, IPv4, IPv6:
		return d.ip(b)
	case Cooked:
		return d.cooked(b, 14, 16)
	case CookedV2:
		return d.cooked(b, 0, 20)
	case Null, Loop:
		return d.loopback(b)
	case PPP, PPPHDLC:
		return d.ppp(b)
	case PPPoE:
		return d.pppoe(b)
	case CiscoHDLC:
		if len(b) < 4 {
			return d.skip(whyCut)
		}
		return d.etherType(binary.BigEndian.Uint16(b[2:]), b[4:])
	case WiFi:
		return d.wifi(b)
	case Radiotap:
		return d.behind(link, b, 2, binary.LittleEndian)
	}
	return d.rare(link, b)
}

// Bare takes a frame apart that begins with its IP header. The VLAN tags that
// were taken from it stand beside it, outermost first; 0 is none.
func (d *Decoder) Bare(tags []uint16, b []byte, wire int, at time.Duration, number uint64) Kind {
	d.end = wire - cap(b)
	d.Segment.Time, d.Segment.Frame = at, number
	d.path.n = 0
	for _, tag := range tags {
		if tag != 0 && !d.path.push(layerVLAN|layer(tag&0xfff)) {
			return d.skip(whyDepth)
		}
	}
	return d.ip(b)
}
