package frame

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/internal/tcpstate"
	"github.com/dialscope/dialscope/internal/wire"
)

// piece is one fragment of a packet's payload.
type piece struct {
	from, to int
	more     bool
}

// pieces splits a payload after each of the places.
func pieces(length int, at ...int) (all []piece) {
	from := 0
	for _, to := range at {
		all = append(all, piece{from, to, true})
		from = to
	}
	return append(all, piece{from, length, false})
}

// fragmentOf makes one fragment of a packet without options or extension headers.
func fragmentOf(p []byte, id uint32, f piece) []byte {
	if p[0]>>4 == 4 {
		b := join(slices.Clone(p[:20]), p[20+f.from:20+f.to])
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[4:], uint16(id))
		word := uint16(f.from / 8)
		if f.more {
			word |= 0x2000
		}
		binary.BigEndian.PutUint16(b[6:], word)
		return b
	}
	word := f.from
	if f.more {
		word |= 1
	}
	b := join(slices.Clone(p[:40]), p[6], byte(0), word, id, p[40+f.from:40+f.to])
	b[6] = 44
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

// large is a packet of a TCP segment of 32 octets of header and 500 of data.
func large(t testing.TB, family int, flags wire.Flags) []byte {
	s := segment()
	s.Payload, s.Flags = make([]byte, 500), flags
	for i := range s.Payload {
		s.Payload[i] = byte(i)
	}
	return ip(t, family, s)
}

// told is what a decoder gave of each frame: "TCP 7:107", "rest 107:507 FIN", "-".
func told(d *Decoder, kind Kind) string {
	s := d.Segment
	text := fmt.Sprintf("%d:%d", s.Seq, s.Seq+s.Len)
	if s.Flags&tcpstate.FIN != 0 {
		text += " FIN"
	}
	switch kind {
	case TCP:
		return "TCP " + text
	case Rest:
		return "rest " + text
	}
	return "-"
}

func TestFragments(t *testing.T) {
	const whole = 532
	for _, c := range []struct {
		name   string
		pieces []piece
		want   string
		counts Fragments
	}{
		{"in order", pieces(whole, 104, 200), "TCP 7:79, rest 79:175, rest 175:507 FIN", Fragments{Packets: 1, Whole: 1}},
		{"two", pieces(whole, 480), "TCP 7:455, rest 455:507 FIN", Fragments{Packets: 1, Whole: 1}},
		{"the last one first, as old systems sent them", []piece{{200, whole, false}, {104, 200, true}, {0, 104, true}}, "-, -, TCP 7:507 FIN", Fragments{Packets: 1, Whole: 1, Later: 2}},
		{"the middle one late", []piece{{0, 104, true}, {200, whole, false}, {104, 200, true}}, "TCP 7:79, -, rest 79:507 FIN", Fragments{Packets: 1, Whole: 1, Later: 1}},
		{"the last one is missing", []piece{{0, 104, true}, {104, 200, true}}, "TCP 7:79, rest 79:175", Fragments{Packets: 1, Missing: 1}},
		{"only the first, as a filter for a port captures it", []piece{{0, 480, true}}, "TCP 7:455", Fragments{Packets: 1, Missing: 1}},
		{"the first one is missing", []piece{{104, 200, true}, {200, whole, false}}, "-, -", Fragments{Packets: 1, Missing: 1, Headless: 1}},
		{"each one twice", []piece{{0, 480, true}, {0, 480, true}, {480, whole, false}, {480, whole, false}}, "TCP 7:455, -, rest 455:507 FIN, -", Fragments{Packets: 1, Whole: 1, Copies: 2}},
		{"a header in two fragments (RFC 1858)", pieces(whole, 8), "-, TCP 7:507 FIN", Fragments{Packets: 1, Whole: 1, TinyHeaders: 1, Later: 1}},
		{"a header in four, out of order", []piece{{24, whole, false}, {8, 16, true}, {0, 8, true}, {16, 24, true}}, "-, -, -, TCP 7:507 FIN", Fragments{Packets: 1, Whole: 1, TinyHeaders: 1, Later: 3}},
		{"a header without its options", pieces(whole, 24, 32), "-, TCP 7:7, rest 7:507 FIN", Fragments{Packets: 1, Whole: 1, TinyHeaders: 1, Later: 1}},
		{"teardrop: one within another", []piece{{0, 104, true}, {24, 48, false}}, "TCP 7:79, -", Fragments{Packets: 1, Overlapping: 1}},
		{"the header written anew (RFC 1858 §4)", []piece{{0, 104, true}, {8, 200, true}, {200, whole, false}}, "TCP 7:79, -, -", Fragments{Packets: 1, Overlapping: 1}},
		{"overlap before the header is there", []piece{{104, 200, true}, {96, 112, true}, {0, 104, true}}, "-, -, -", Fragments{Packets: 1, Overlapping: 1, Later: 1}},
		{"behind the end", []piece{{0, 104, true}, {104, 200, false}, {200, whole, false}}, "TCP 7:79, rest 79:175 FIN, -", Fragments{Packets: 1, Whole: 1, Overlapping: 1}},
		{"two ends", []piece{{104, 200, true}, {8, 96, false}}, "-, -", Fragments{Packets: 1, Overlapping: 1, Later: 1}},
	} {
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("IPv%d, %s", family, c.name), func(t *testing.T) {
				d := NewDecoder()
				packet := large(t, family, wire.ACK|wire.FIN)
				var got []string
				frames, given := uint64(0), uint64(0)
				for i, p := range c.pieces {
					b := fragmentOf(packet, 77, p)
					kind := d.Frame(Raw, b, len(b), time.Duration(i), uint64(i+1))
					got = append(got, told(d, kind))
					frames++
					if kind != None {
						given++
						if s := d.Segment; s.SrcPort != 4000 || s.DstPort != 80 || s.TTL != 64 || s.Frame != uint64(i+1) {
							t.Errorf("frame %d: %+v", i+1, s)
						}
					}
				}
				if text := strings.Join(got, ", "); text != c.want {
					t.Errorf("%s\nwant %s", text, c.want)
				}
				if counts := d.Fragments(); counts != c.counts {
					t.Errorf("%+v\nwant %+v", counts, c.counts)
				}
				counted := given + d.Fragments().Later
				for _, s := range d.Skipped() {
					counted += s.Frames
				}
				if counted != frames {
					t.Errorf("%d frames, %d counted: %+v", frames, counted, d.Skipped())
				}
			})
		}
	}
}

// However a segment is cut into fragments, in whatever order they come and
// however often, it is given out once, whole.
func TestAnyFragments(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		family := rapid.SampledFrom([]int{4, 6}).Draw(rt, "family")
		packet := large(t, family, wire.ACK|wire.FIN)
		var cuts []int
		for at := 8; at < 528; at += 8 {
			if rapid.IntRange(0, 9).Draw(rt, "cut") == 0 {
				cuts = append(cuts, at)
			}
		}
		if len(cuts) == 0 {
			cuts = []int{264}
		}
		all := pieces(532, cuts...)
		for range rapid.IntRange(0, 3).Draw(rt, "copies") {
			all = append(all, rapid.SampledFrom(all).Draw(rt, "copy"))
		}
		all = rapid.Permutation(all).Draw(rt, "order")
		d := NewDecoder()
		next, segments, fins := uint32(7), 0, 0
		for i, p := range all {
			b := fragmentOf(packet, 5, p)
			switch d.Frame(Raw, b, len(b), 0, uint64(i+1)) {
			case TCP:
				segments++
			case Rest:
			default:
				continue
			}
			if d.Segment.Seq != next {
				rt.Fatalf("octets from %d, want %d", d.Segment.Seq, next)
			}
			next += d.Segment.Len
			if d.Segment.Flags&tcpstate.FIN != 0 {
				fins++
				if next != 507 {
					rt.Fatalf("FIN at %d", next)
				}
			}
		}
		if segments != 1 || next != 507 || fins != 1 {
			rt.Fatalf("%d segments up to %d, %d FINs", segments, next, fins)
		}
		if f := d.Fragments(); f.Whole != 1 || f.Packets != 1 || f.Overlapping != 0 {
			rt.Fatalf("%+v", f)
		}
	})
}

// What a snap length cuts from a fragment is not made up from the next one.
func TestCutFragment(t *testing.T) {
	packet := large(t, 4, wire.ACK)
	d := NewDecoder()
	first, second := fragmentOf(packet, 1, piece{0, 16, true}), fragmentOf(packet, 1, piece{16, 532, false})
	if kind := d.Frame(Raw, first[:30], len(first), 0, 1); kind != None {
		t.Errorf("kind %v", kind)
	}
	if kind := d.Frame(Raw, second, len(second), 0, 2); kind != None {
		t.Errorf("a header with a hole: %+v", d.Segment)
	}
	if all := d.Skipped(); len(all) != 1 || !strings.Contains(all[0].What, "cut before the end") {
		t.Errorf("%+v", all)
	}
	d = NewDecoder() // data alone may be cut
	first = fragmentOf(packet, 1, piece{0, 304, true})
	if kind := d.Frame(Raw, first[:60], len(first), 0, 1); kind != TCP || d.Segment.Len != 304-32 {
		t.Errorf("kind %v, %d octets", kind, d.Segment.Len)
	}
}

// A tunnel's outer packet may be fragmented: what is in the first fragment
// names its own length.
func TestFragmentedTunnel(t *testing.T) {
	outer := ip(t, 4, udp(4789, uint32(0x08000000), uint32(42<<8), ethernet(0x0800, large(t, 4, wire.ACK))))
	d := NewDecoder()
	all := pieces(len(outer)-20, 304)
	first, second := fragmentOf(outer, 9, all[0]), fragmentOf(outer, 9, all[1])
	if kind := d.Frame(Raw, first, len(first), 0, 1); kind != TCP || d.Segment.Len != 500 || d.PathText(d.Segment.Path) != "VXLAN 42" {
		t.Errorf("kind %v, %+v, %v", kind, d.Segment, d.Skipped())
	}
	if kind := d.Frame(Raw, second, len(second), 0, 2); kind != None || d.Fragments() != (Fragments{Packets: 1, Whole: 1, Later: 1}) {
		t.Errorf("kind %v, %+v", kind, d.Fragments())
	}
	inner := large(t, 4, wire.ACK) // fragments within a tunnel
	d = NewDecoder()
	var got []string
	for _, p := range pieces(532, 200) {
		b := ip(t, 4, other(47, 0, 0x0800, fragmentOf(inner, 3, p)))
		got = append(got, told(d, d.Frame(Raw, b, len(b), 0, 1))+" "+d.PathText(d.Segment.Path))
	}
	if text := strings.Join(got, ", "); text != "TCP 7:175 GRE, rest 175:507 GRE" {
		t.Error(text)
	}
}

func TestImpossibleFragments(t *testing.T) {
	packet := large(t, 4, wire.ACK)
	death := fragmentOf(packet, 1, piece{0, 400, true})
	binary.BigEndian.PutUint16(death[6:], 0x1fff) // the last of 8 KiB octets: beyond 65,535
	empty := fragmentOf(packet, 2, piece{0, 8, true})[:20]
	binary.BigEndian.PutUint16(empty[2:], 20)
	for name, b := range map[string][]byte{"ping of death": death, "nothing in it": empty} {
		d := NewDecoder()
		if kind := d.Frame(Raw, b, len(b), 0, 1); kind != None || len(d.Skipped()) != 1 || d.Skipped()[0].What != "IP fragment with an impossible length" {
			t.Errorf("%s: kind %v, %v", name, kind, d.Skipped())
		}
	}
	d := NewDecoder() // a first one is told for what it holds
	odd := fragmentOf(packet, 4, piece{0, 100, true})
	if kind := d.Frame(Raw, odd, len(odd), 0, 1); kind != TCP || d.Segment.Len != 68 || d.Fragments().Odd != 1 {
		t.Errorf("kind %v, %+v, %+v", kind, d.Segment, d.Fragments())
	}
	d = NewDecoder()
	big := ip(t, 4, &wire.Segment{SrcPort: 1, DstPort: 2, Payload: make([]byte, 8*maxFragments+100)})
	for i := range maxFragments + 2 {
		b := fragmentOf(big, 3, piece{8 * i, 8*i + 8, true})
		kind := d.Frame(Raw, b, len(b), 0, uint64(i+1))
		if kind == None && i > 1 && i < maxFragments {
			t.Fatalf("fragment %d: %v", i, d.Skipped())
		}
	}
	if all := d.Skipped(); len(all) != 1 || !strings.Contains(all[0].What, "in more than 128") || all[0].Frames != 2 {
		t.Errorf("%v", all)
	}
}

// The identification is used again for another packet, at once or later.
func TestIdentificationReused(t *testing.T) {
	d := NewDecoder()
	for n := range 3 {
		s := segment()
		s.Seq, s.Payload = uint32(1000*n), make([]byte, 500)
		var got []string
		for _, p := range pieces(532, 200) {
			b := fragmentOf(ip(t, 4, s), 7, p)
			got = append(got, told(d, d.Frame(Raw, b, len(b), time.Duration(n), 1)))
		}
		if want := fmt.Sprintf("TCP %d:%d, rest %d:%d", 1000*n, 1000*n+168, 1000*n+168, 1000*n+500); strings.Join(got, ", ") != want {
			t.Errorf("packet %d: %v, want %s", n, got, want)
		}
	}
	if f := d.Fragments(); f.Packets != 3 || f.Whole != 3 {
		t.Errorf("%+v", f)
	}
	d = NewDecoder() // and the fragments of the first one never came
	packet := large(t, 4, wire.ACK)
	first, second := fragmentOf(packet, 7, piece{0, 200, true}), fragmentOf(packet, 7, piece{200, 532, false})
	d.Frame(Raw, first, len(first), 0, 1)
	if kind := d.Frame(Raw, second, len(second), fragmentsWait+1, 2); kind != None {
		t.Error("put together after more than the wait")
	}
	if f := d.Fragments(); f.Packets != 2 || f.Missing != 2 || f.Headless != 1 {
		t.Errorf("%+v", f)
	}
}

// A flood of first fragments takes no more memory than it may.
func TestFragmentsAreBounded(t *testing.T) {
	d := NewDecoder()
	packet := large(t, 6, wire.ACK)
	for i := range 5 * maxDatagrams {
		b := fragmentOf(packet, uint32(i), piece{104, 200, true})
		d.Frame(Raw, b, len(b), 0, uint64(i+1))
	}
	if len(d.datagrams) != maxDatagrams || len(d.waiting) != maxDatagrams || len(d.spare) > maxDatagrams {
		t.Errorf("%d held, %d waiting, %d spare", len(d.datagrams), len(d.waiting), len(d.spare))
	}
	if f := d.Fragments(); f.Packets != 5*maxDatagrams || f.Missing != f.Packets || f.GivenUp != 4*maxDatagrams {
		t.Errorf("%+v", f)
	}
	if all := d.Skipped(); len(all) != 1 || all[0].Frames != 5*maxDatagrams {
		t.Errorf("%v", all)
	}
}

// FuzzFragments: the octets are a list of fragments' places and contents;
// whatever they are, no octet of a segment is given out twice.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 13, 1, 13, 50, 0}, true)
	f.Add([]byte{13, 50, 0, 0, 13, 1, 0, 13, 1}, false)
	f.Add([]byte{0, 1, 1, 1, 2, 1, 3, 60, 0}, true)
	f.Fuzz(func(t *testing.T, list []byte, four bool) {
		family := 6
		if four {
			family = 4
		}
		packet := large(t, family, wire.ACK|wire.FIN)
		header := len(packet) - 532
		d := NewDecoder()
		next, frames := uint32(0), uint64(0)
		for ; len(list) >= 3 && frames < 200; list = list[3:] {
			from := int(list[0]) % 66 * 8
			to := min(from+int(list[1])*8, len(packet)-header)
			if to <= from {
				continue
			}
			b := fragmentOf(packet, uint32(list[2]>>4), piece{from, to, list[2]&1 != 0})
			frames++
			switch d.Frame(Raw, b, len(b), time.Duration(frames)*time.Second, frames) {
			case TCP:
				next = d.Segment.Seq + d.Segment.Len
			case Rest:
				if list[2]>>4 == 0 && d.Segment.Len > 500 {
					t.Fatalf("%d octets of 500", d.Segment.Len)
				}
			}
		}
		if next > 507 {
			t.Fatalf("octets up to %d of 507", next)
		}
		counts := d.Fragments()
		if counts.Packets < counts.Whole || counts.Missing < counts.Headless || counts.Later > frames {
			t.Fatalf("%+v", counts)
		}
	})
}
