package frame

import (
	"bytes"
	"slices"
	"time"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// Fragments counts IP packets that came in fragments, whatever was in them.
type Fragments struct {
	Packets     uint64 `json:"packets"`      // begun, or of which any fragment came
	Whole       uint64 `json:"whole"`        // of them, those whose fragments all came
	Missing     uint64 `json:"missing"`      // those that lack fragments: their receiver never had them either, unless the capture lost them
	Headless    uint64 `json:"headless"`     // of those, the ones whose first fragment, with the ports, is not there
	Overlapping uint64 `json:"overlapping"`  // those with fragments that overlap: receivers discard them
	Copies      uint64 `json:"copies"`       // fragments that were there before
	GivenUp     uint64 `json:"given_up"`     // of the missing, those dropped for want of room
	TinyHeaders uint64 `json:"tiny_headers"` // TCP headers that were spread over fragments (RFC 1858)
	Odd         uint64 `json:"odd_lengths"`  // first fragments whose length is no multiple of 8: receivers discard them
	Later       uint64 `json:"later"`        // fragments that gave neither a segment nor a [Rest], and are not among [Decoder.Skipped]
}

// How long fragments wait for each other, on the capture's clock: Linux's
// net.ipv4.ipfrag_time and net.ipv6.ip6frag_time are 30 s and 60 s (RFC 8200
// §4.5); RFC 1122 §3.3.2 allows up to 120 s.
const fragmentsWait = 60 * time.Second

// Bounds of what is remembered of fragments: about 1.5 MB.
const (
	maxDatagrams = 1024 // packets at a time; the oldest gives way
	maxFragments = 128  // of a packet; 64 KiB over links of 576 octets make 119
)

// fragmentKey is what a receiver puts fragments together by (RFC 791 §3.2, RFC
// 8200 §4.5), and the wrapping, so that a packet seen on two VLANs is two.
type fragmentKey struct {
	src, dst tcpstate.Addr
	id       uint32
	path     uint16
	protocol uint8
	version  uint8
}

// span is the place of a fragment's octets within the packet.
type span struct{ from, to int32 }

// datagram is an IP packet of which fragments came. Its data is not kept: the
// TCP header is all that is read.
type datagram struct {
	key    fragmentKey
	first  time.Duration
	spans  []span // in order of from
	length int32  // of the payload; -1: the last fragment did not come

	head    []byte // the first octets, until the TCP header is whole
	cut     int    // from which octet on the capture lacks some of them
	headed  bool   // the segment was given out
	seq     uint32 // of the octet after what was given out
	given   int32  // octets of the payload that were given out
	flags   uint16
	src     uint16 // ports
	dst     uint16
	broken  bool // fragments overlap: nothing more of it is believed
	counted bool // it is whole, or was counted as missing
}

// fragment takes up one fragment. A TCP segment is given out as soon as its
// header is there, with the octets that are there without a gap; those that
// come later are a [Rest]. Of another protocol the first fragment alone is
// read: what it carries names its own length.
func (d *Decoder) fragment(in *inner, protocol uint8, id uint32, offset int, more bool, b []byte) Kind {
	if more && in.length%8 != 0 || in.length == 0 || offset+in.length > 1<<16-1 {
		if offset == 0 && in.length > 0 { // what it holds can be told, though nobody puts it together
			d.fragments.Odd++
			return d.transport(in, protocol, b)
		}
		return d.skip(whyFragment)
	}
	d.forget(d.Segment.Time)
	key := fragmentKey{in.src, in.dst, id, d.intern(&d.path), protocol, in.version}
	g := d.datagrams[key]
	at := span{int32(offset), int32(offset + in.length)}
	if g != nil && g.counted && offset == 0 && !g.begins(b) {
		d.drop(g) // the identification was used again
		g = nil
	}
	if g == nil {
		g = d.newDatagram(key)
	}
	switch g.add(at, more) {
	case isCopy:
		d.fragments.Copies++
		return d.skip(whyFragmentCopy)
	case tooMany:
		g.broken = true
		return d.skip(whyFragmentMany)
	case overlaps:
		if !g.broken {
			g.broken = true
			d.fragments.Overlapping++
		}
		return d.skip(whyOverlap)
	}
	if g.broken {
		return d.skip(whyOverlap)
	}
	if whole := g.length >= 0 && g.together() == g.length; whole && !g.counted {
		g.counted = true
		d.fragments.Whole++
	}
	if protocol != protoTCP {
		if offset != 0 {
			return d.later()
		}
		g.head = append(g.head[:0], b[:min(len(b), headRoom)]...)
		d.end += 1<<16 - in.length
		return d.transport(in, protocol, b)
	}
	return d.segmentOf(g, in, offset, b)
}

func (d *Decoder) later() Kind {
	d.fragments.Later++
	return None
}

// headRoom is the largest TCP header (RFC 9293 §3.1).
const headRoom = 60

// segmentOf gives out what has become known of a TCP segment.
func (d *Decoder) segmentOf(g *datagram, in *inner, offset int, b []byte) Kind {
	together := g.together()
	if g.headed {
		return d.rest(g, in, together)
	}
	if offset < headRoom {
		g.keep(offset, in.length, b)
	}
	header := int32(20)
	if len(g.head) > 12 {
		header = max(header, int32(g.head[12]>>4)*4)
	}
	switch {
	case g.spans[0].from != 0:
		return d.later() // the first fragment is still to come
	case together < header && (g.length < 0 || g.length > together):
		return d.later() // so is the rest of the header
	}
	if g.spans[0].to < header {
		d.fragments.TinyHeaders++
	}
	whole := *in
	whole.length = int(together)
	kind := d.tcp(&whole, g.head[:min(len(g.head), int(together), g.cut)])
	if kind != TCP {
		g.broken = true
		return kind
	}
	s := d.Segment
	g.headed, g.given = true, together
	g.src, g.dst, g.flags = s.SrcPort, s.DstPort, s.Flags
	g.seq = s.Seq + s.Len
	if s.Flags&tcpstate.SYN != 0 {
		g.seq++
	}
	if together != g.length {
		s.Flags &^= tcpstate.FIN // its number is known with the last octet
	}
	return TCP
}

// rest gives out octets that follow a segment's first ones.
func (d *Decoder) rest(g *datagram, in *inner, together int32) Kind {
	if together == g.given {
		return d.later() // a fragment before it is still to come
	}
	s := d.Segment
	*s = tcpstate.Segment{Time: s.Time, Frame: s.Frame, Src: in.src, Dst: in.dst, SrcPort: g.src, DstPort: g.dst,
		Seq: g.seq, Len: uint32(together - g.given), ID: in.id, TTL: in.ttl, Path: g.key.path}
	if together == g.length {
		s.Flags = g.flags & tcpstate.FIN
	}
	g.seq += s.Len
	g.given = together
	return Rest
}

// keep copies octets of the header that is not whole yet, of which the capture
// may have cut some off.
func (g *datagram) keep(offset, length int, b []byte) {
	n := min(offset+len(b), headRoom)
	if len(b) < length {
		g.cut = min(g.cut, n)
	}
	if len(g.head) < n {
		g.head = append(g.head, make([]byte, n-len(g.head))...)
	}
	copy(g.head[offset:n], b)
}

// begins says that a first fragment's octets are those that were seen.
func (g *datagram) begins(b []byte) bool {
	n := min(len(b), len(g.head))
	return n > 0 && bytes.Equal(g.head[:n], b[:n])
}

type addition uint8

const (
	isNew addition = iota
	isCopy
	overlaps
	tooMany
)

// add notes a fragment. Overlapping ones make receivers discard the packet (RFC
// 5722 §3; Linux inet_frag_queue_insert, for IPv4 too, since 4.19).
func (g *datagram) add(at span, more bool) addition {
	i, _ := slices.BinarySearchFunc(g.spans, at, func(a, b span) int { return int(a.from - b.from) })
	if i < len(g.spans) && g.spans[i] == at {
		return isCopy
	}
	if i > 0 && g.spans[i-1].to > at.from || i < len(g.spans) && g.spans[i].from < at.to ||
		g.length >= 0 && (at.to > g.length || !more) {
		return overlaps
	}
	if len(g.spans) == maxFragments {
		return tooMany
	}
	if !more {
		if n := len(g.spans); n > 0 && g.spans[n-1].to > at.to {
			return overlaps
		}
		g.length = at.to
	}
	g.spans = slices.Insert(g.spans, i, at)
	return isNew
}

// together is how many octets there are from the first on without a gap.
func (g *datagram) together() int32 {
	end := int32(0)
	for _, s := range g.spans {
		if s.from != end {
			break
		}
		end = s.to
	}
	return end
}

func (d *Decoder) newDatagram(key fragmentKey) *datagram {
	if len(d.datagrams) == maxDatagrams {
		d.fragments.GivenUp++
		d.drop(d.waiting[0])
	}
	g := new(datagram)
	if n := len(d.spare); n > 0 {
		g = d.spare[n-1]
		d.spare = d.spare[:n-1]
	}
	*g = datagram{key: key, first: d.Segment.Time, length: -1, cut: headRoom, spans: g.spans[:0], head: g.head[:0]}
	if d.datagrams == nil {
		d.datagrams = make(map[fragmentKey]*datagram)
	}
	d.datagrams[key] = g
	d.waiting = append(d.waiting, g)
	d.fragments.Packets++
	return g
}

// forget drops packets that waited too long for their fragments.
func (d *Decoder) forget(now time.Duration) {
	for len(d.waiting) > 0 && now-d.waiting[0].first > fragmentsWait {
		d.drop(d.waiting[0])
	}
}

// drop counts a packet that is not whole as such, and frees its record.
func (d *Decoder) drop(g *datagram) {
	if !g.counted && !g.broken {
		d.fragments.Missing++
		if len(g.spans) == 0 || g.spans[0].from != 0 {
			d.fragments.Headless++
			for range g.spans {
				d.fragments.Later--
				d.skip(whyLater)
			}
		}
	}
	delete(d.datagrams, g.key)
	i := slices.Index(d.waiting, g)
	d.waiting = slices.Delete(d.waiting, i, i+1)
	d.spare = append(d.spare, g)
}

// Fragments counts the fragments so far. Packets that still wait for theirs
// count as missing them.
func (d *Decoder) Fragments() Fragments {
	for len(d.waiting) > 0 {
		d.drop(d.waiting[0])
	}
	return d.fragments
}
