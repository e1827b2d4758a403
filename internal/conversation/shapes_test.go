package conversation

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/testcapture"
)

// order is a byte order that appends, too.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcapOf writes a pcap file by hand: byte order, magic number, unit of the
// fraction, octets that a record's header has more, and the snap length.
func pcapOf(o order, magic uint32, unit time.Duration, more, snap int, link uint32, header []byte, packets []testcapture.Packet) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = o.AppendUint32(append(b, make([]byte, 8)...), uint32(snap))
	b = o.AppendUint32(b, link)
	for _, p := range packets {
		data := append(bytes.Clone(header), p.Data...)
		b = o.AppendUint32(b, uint32(p.At/time.Second))
		b = o.AppendUint32(b, uint32(p.At%time.Second/unit))
		b = o.AppendUint32(b, uint32(min(len(data), snap)))
		b = o.AppendUint32(b, uint32(len(data)))
		b = append(b, make([]byte, more)...)
		b = append(b, data[:min(len(data), snap)]...)
	}
	return b
}

// block is one block of pcapng.
func block(o order, typ uint32, body []byte) []byte {
	body = append(body, make([]byte, -len(body)&3)...)
	length := uint32(len(body) + 12)
	b := o.AppendUint32(o.AppendUint32(nil, typ), length)
	return o.AppendUint32(append(b, body...), length)
}

func section(o order) []byte {
	b := o.AppendUint32(nil, 0x1a2b3c4d)
	b = o.AppendUint16(o.AppendUint16(b, 1), 0)
	return block(o, 0x0a0d0d0a, append(b, bytes.Repeat([]byte{0xff}, 8)...)) // of unknown length
}

// described is an interface with its options, each padded.
func described(o order, link uint16, options ...[]byte) []byte {
	b := o.AppendUint16(nil, link)
	b = append(b, make([]byte, 6)...)
	for _, option := range options {
		b = append(append(b, option...), make([]byte, -len(option)&3)...)
	}
	return block(o, 1, b)
}

func option(o order, code uint16, value ...byte) []byte {
	return append(o.AppendUint16(o.AppendUint16(nil, code), uint16(len(value))), value...)
}

func enhanced(o order, iface uint32, units uint64, data []byte) []byte {
	b := o.AppendUint32(nil, iface)
	b = o.AppendUint32(o.AppendUint32(b, uint32(units>>32)), uint32(units))
	b = o.AppendUint32(o.AppendUint32(b, uint32(len(data))), uint32(len(data)))
	return block(o, 6, append(b, data...))
}

var (
	little order = binary.LittleEndian
	big    order = binary.BigEndian
)

var etherIP = append(make([]byte, 12), 8, 0)

// shapes are ways in which the same packets can be written.
var shapes = map[string]func(packets []testcapture.Packet) []byte{
	"little-endian, microseconds": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b2c3d4, time.Microsecond, 0, 1<<18, 101, nil, p)
	},
	"big-endian": func(p []testcapture.Packet) []byte {
		return pcapOf(big, 0xa1b2c3d4, time.Microsecond, 0, 1<<18, 101, nil, p)
	},
	"nanoseconds": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b23c4d, time.Nanosecond, 0, 1<<18, 101, nil, p)
	},
	"big-endian, nanoseconds": func(p []testcapture.Packet) []byte {
		return pcapOf(big, 0xa1b23c4d, time.Nanosecond, 0, 1<<18, 1, etherIP, p)
	},
	"Kuznetzov's": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b2cd34, time.Microsecond, 8, 1<<18, 1, etherIP, p)
	},
	"frame check sequences announced": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b2c3d4, time.Microsecond, 0, 1<<18, 0x4400_0000|1, etherIP, p)
	},
	"headers alone, as tcpdump -s 96": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b2c3d4, time.Microsecond, 0, 96, 1, etherIP, p)
	},
	"cooked": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b2c3d4, time.Microsecond, 0, 1<<18, 113, append(make([]byte, 14), 8, 0), p)
	},
	"cooked v2": func(p []testcapture.Packet) []byte {
		return pcapOf(little, 0xa1b2c3d4, time.Microsecond, 0, 1<<18, 276, append([]byte{8, 0}, make([]byte, 18)...), p)
	},
	"pcapng": func(p []testcapture.Packet) []byte {
		b := append(section(little), described(little, 101)...)
		for i := range p {
			b = append(b, enhanced(little, 0, uint64(p[i].At/time.Microsecond), p[i].Data)...)
		}
		return b
	},
	"pcapng, big-endian, nanoseconds, blocks that are not known": func(p []testcapture.Packet) []byte {
		b := append(section(big), described(big, 1, option(big, 2, 'e', 't', 'h', '0'), option(big, 9, 9), option(big, 0))...)
		for i := range p {
			b = append(b, block(big, 0x0bad, []byte("whatever"))...)
			b = append(b, enhanced(big, 0, uint64(p[i].At), append(bytes.Clone(etherIP), p[i].Data...))...)
		}
		return b
	},
	"pcapng, each packet by another interface": func(p []testcapture.Packet) []byte {
		// Microseconds; nanoseconds; 2^-20 s cannot hold them; seconds before, that an offset adds.
		b := append(section(little), described(little, 101)...)
		b = append(b, described(little, 1, option(little, 9, 9))...)
		b = append(b, described(little, 113, option(little, 9, 6), option(little, 14, little.AppendUint64(nil, 1000)...))...)
		for i := range p {
			switch i % 3 {
			case 0:
				b = append(b, enhanced(little, 0, uint64(p[i].At/time.Microsecond), p[i].Data)...)
			case 1:
				b = append(b, enhanced(little, 1, uint64(p[i].At), append(bytes.Clone(etherIP), p[i].Data...))...)
			default:
				b = append(b, enhanced(little, 2, uint64((p[i].At-1000*time.Second)/time.Microsecond), append(append(make([]byte, 14), 8, 0), p[i].Data...))...)
			}
		}
		return b
	},
	"pcapng, each packet in a section of another byte order": func(p []testcapture.Packet) (b []byte) {
		for i := range p {
			o := little
			if i%2 == 1 {
				o = big
			}
			b = append(append(b, section(o)...), described(o, 101, option(o, 9, 9))...)
			b = append(b, enhanced(o, 0, uint64(p[i].At), p[i].Data)...)
		}
		return b
	},
}

// However the packets are written, the document is the same.
func TestShapes(t *testing.T) {
	for _, story := range stories {
		packets := testcapture.Packets(testcapture.Script{Lines: story.lines})
		var want string
		for _, shape := range append([]string{"little-endian, microseconds"}, keys(shapes)...) {
			b, err := json.MarshalIndent(readBytes(t, shapes[shape](packets), new(Reading)), "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want = string(b)
			}
			if diff := cmp.Diff(want, string(b)); diff != "" {
				t.Errorf("%s, %s:\n%s", story.name, shape, diff)
			}
		}
	}
}

func keys[V any](m map[string]V) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// In a capture of one direction alone nothing is certain, and nothing that would
// need the other direction is claimed.
func TestOneDirection(t *testing.T) {
	for _, story := range stories {
		for side, from := range []string{"10.0.0.1", "10.0.0.2"} {
			var left []testcapture.Packet
			for _, p := range testcapture.Packets(testcapture.Script{Lines: story.lines}) {
				if p.Data[9] == 6 && (p.Data[15] == from[len(from)-1]-'0') {
					left = append(left, p)
				}
			}
			if len(left) == 0 {
				continue
			}
			for _, r := range judged(t, left) {
				if r.Confidence == "certain" || r.Handshake == "complete" {
					t.Errorf("%s, only from end %d: %s, %s (%s)", story.name, side, r.Handshake, r.Cause, r.Confidence)
				}
			}
		}
	}
}
