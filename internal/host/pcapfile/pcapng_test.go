package pcapfile

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ng writes pcapng blocks.
type ng struct {
	binary.AppendByteOrder
	b []byte
}

func (n *ng) block(typ uint32, body []byte) *ng {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	length := uint32(12 + len(body))
	n.b = n.AppendUint32(n.b, typ)
	n.b = n.AppendUint32(n.b, length)
	n.b = append(n.b, body...)
	n.b = n.AppendUint32(n.b, length)
	return n
}

func (n *ng) section() *ng {
	body := n.AppendUint32(nil, byteOrderMagic)
	body = n.AppendUint16(body, 1)
	body = n.AppendUint16(body, 0)
	return n.block(blockSection, n.AppendUint64(body, 1<<64-1))
}

func (n *ng) option(code uint16, value ...byte) []byte {
	b := n.AppendUint16(nil, code)
	b = append(n.AppendUint16(b, uint16(len(value))), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (n *ng) iface(link uint16, snap uint32, options ...[]byte) *ng {
	body := n.AppendUint16(nil, link)
	body = n.AppendUint32(n.AppendUint16(body, 0), snap)
	for _, o := range options {
		body = append(body, o...)
	}
	return n.block(blockInterface, body)
}

func (n *ng) packet(iface uint32, units uint64, length uint32, data string) *ng {
	body := n.AppendUint32(nil, iface)
	body = n.AppendUint32(n.AppendUint32(body, uint32(units>>32)), uint32(units))
	body = n.AppendUint32(n.AppendUint32(body, uint32(len(data))), length)
	return n.block(blockEnhanced, append(body, data...))
}

func (n *ng) simple(length uint32, data string) *ng {
	return n.block(blockSimple, append(n.AppendUint32(nil, length), data...))
}

// ngFile has two sections with different interfaces and resolutions.
func ngFile(order binary.AppendByteOrder) []byte {
	n := &ng{AppendByteOrder: order}
	n.section().iface(1, 0).iface(101, 96, n.option(optTSResol, 9))
	n.packet(0, 1_000_005, 5, "hello").packet(1, 2_000_000_007, 60, "cut")
	n.block(0x0bad, []byte("a block of another kind"))
	stats := append(make([]byte, 12), n.option(optIfDrop, n.AppendUint64(nil, 3)...)...)
	n.block(blockStatistics, append(stats, n.option(optOSDrop, n.AppendUint64(nil, 4)...)...))
	n.section().iface(113, 4, n.option(optTSResol, 0x80|10), n.option(optTSOffs, n.AppendUint64(nil, 100)...))
	n.packet(0, 3*1024+512, 3, "two").simple(9, "abcdefghi")
	return n.b
}

func TestPcapng(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		frames, info, err := readAll(t, ngFile(order))
		want := []got{
			{time.Second + 5*time.Microsecond, 1, "hello", 5},
			{2*time.Second + 7, 101, "cut", 60},
			{103*time.Second + 500*time.Millisecond, 113, "two", 3}, // units of 1/1024 s, 100 s offset
			{0, 113, "abcd", 9},                                     // a simple packet has no time; the snap length cuts it
		}
		if diff := cmp.Diff(want, frames); diff != "" || err != nil {
			t.Errorf("%v: %v\n%s", order, err, diff)
		}
		if info.Sections != 2 || info.Interfaces != 3 || info.Dropped != 7 || info.Skipped != 1 || info.Format != "pcapng" {
			t.Errorf("%v: %+v", order, info)
		}
	}
}

// The order may change from section to section.
func TestMixedOrders(t *testing.T) {
	b := append(ngFile(binary.LittleEndian), ngFile(binary.BigEndian)...)
	frames, info, err := readAll(t, b)
	if len(frames) != 8 || info.Sections != 4 || err != nil {
		t.Errorf("%d frames, %+v, %v", len(frames), info, err)
	}
}

func TestObsoletePacketBlock(t *testing.T) {
	n := &ng{AppendByteOrder: binary.LittleEndian}
	n.section().iface(1, 0)
	body := n.AppendUint16(n.AppendUint16(nil, 0), 2) // interface, drops
	body = n.AppendUint32(n.AppendUint32(body, 0), 1_000_000)
	body = n.AppendUint32(n.AppendUint32(body, 3), 3)
	n.block(blockPacket, append(body, "abc"...))
	frames, _, err := readAll(t, n.b)
	if diff := cmp.Diff([]got{{time.Second, 1, "abc", 3}}, frames); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestBrokenPcapng(t *testing.T) {
	fresh := func() *ng { return (&ng{AppendByteOrder: binary.LittleEndian}).section().iface(1, 0) }
	for _, c := range []struct {
		name, text string
		b          []byte
	}{
		{"unknown interface", "interface 7, which was not described", fresh().packet(7, 0, 3, "abc").b},
		{"short packet block", "without room for its header", fresh().block(blockEnhanced, make([]byte, 8)).b},
		{"short interface", "without room for its header", (&ng{AppendByteOrder: binary.LittleEndian}).section().block(blockInterface, make([]byte, 4)).b},
		{"simple without an interface", "without an interface", (&ng{AppendByteOrder: binary.LittleEndian}).section().simple(3, "abc").b},
		{"more data than the block", "in a block with room for", func() []byte {
			b := fresh().packet(0, 0, 3, "abc").b
			binary.LittleEndian.PutUint32(b[len(b)-4-4-8:], 4000)
			return b
		}()},
		{"length 8", "announces 8 octets", append(fresh().b, 6, 0, 0, 0, 8, 0, 0, 0)},
		{"enormous length", "more than any frame", append(fresh().b, 6, 0, 0, 0, 0xfc, 0xff, 0xff, 0x7f)},
		{"ends within a block", "ends within a block", append(fresh().b, 6, 0, 0, 0, 40, 0, 0, 0, 1)},
		{"ends within a header", "ends within a block's header", append(fresh().b, 6, 0, 0)},
		{"unknown block is cut", "ends within a block", append(fresh().b, 77, 0, 0, 0, 0xfc, 0xff, 0xff, 0x7f)},
		{"second section of no order", "byte-order magic", append(fresh().b, 0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4)},
	} {
		_, _, err := readAll(t, c.b)
		var broken *Broken
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// if_tsresol: powers of ten and of two; what does not fit is microseconds.
func TestResolution(t *testing.T) {
	for v, want := range map[byte]uint64{0: 1, 3: 1e3, 6: 1e6, 9: 1e9, 19: 1e19, 20: 1e6, 0x80: 1, 0x80 | 10: 1024, 0x80 | 63: 1 << 63, 0x80 | 64: 1e6} {
		if got := resolution(v); got != want {
			t.Errorf("%#x: %d, want %d", v, got, want)
		}
	}
	in := iface{perUnit: 1e19}
	if got := in.time(15e18); got != 1500*time.Millisecond {
		t.Errorf("1.5 s in units of 1e-19: %v", got)
	}
}
