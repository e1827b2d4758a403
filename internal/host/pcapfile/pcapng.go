package pcapfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// Block types (draft-ietf-opsawg-pcapng §10.1).
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

const byteOrderMagic uint32 = 0x1a2b3c4d

// Options of an interface and of its statistics.
const (
	optEnd     = 0
	optTSResol = 9
	optTSOffs  = 14
	optIfDrop  = 5
	optOSDrop  = 7
)

// maxInterfaces bounds the memory that a file of interface descriptions takes.
const maxInterfaces = 1 << 16

// iface is one interface of a section.
type iface struct {
	link    uint16
	snap    uint32
	perUnit uint64        // time stamp units in a second
	offset  time.Duration // added to every time stamp
}

func (r *Reader) firstSection() error {
	h, err := r.in.peek(12)
	if err != nil {
		return r.cut(err, "its header")
	}
	if order := binary.LittleEndian.Uint32(h[8:]); order != byteOrderMagic && bits.ReverseBytes32(order) != byteOrderMagic {
		return &Foreign{fmt.Sprintf("no pcapng file: its byte-order magic is % x", h[8:12])}
	}
	return nil
}

// section begins anew: byte order and interfaces are the section's own.
func (r *Reader) section() error {
	h, err := r.in.peek(12)
	if err != nil {
		return r.cut(err, "a section header")
	}
	switch byteOrderMagic {
	case binary.LittleEndian.Uint32(h[8:]):
		r.order = binary.LittleEndian
	case binary.BigEndian.Uint32(h[8:]):
		r.order, r.info.BigEndian = binary.BigEndian, true
	default:
		return &Broken{r.in.offset(), fmt.Sprintf("a section whose byte-order magic is % x", h[8:12])}
	}
	r.interfaces = r.interfaces[:0]
	r.info.Sections++
	return nil
}

// nextBlock reads blocks up to the next one with a packet.
func (r *Reader) nextBlock(f *Frame) error {
	for {
		h, err := r.in.peek(8)
		if err != nil {
			if errors.Is(err, io.EOF) && len(h) == 0 {
				return io.EOF
			}
			return r.cut(err, "a block's header")
		}
		if binary.LittleEndian.Uint32(h) == blockSection { // it reads the same in both orders
			if err := r.section(); err != nil {
				return err
			}
			h, _ = r.in.peek(8)
		}
		typ, length := r.order.Uint32(h), r.order.Uint32(h[4:])
		if length < 12 || length%4 != 0 {
			return &Broken{r.in.offset(), fmt.Sprintf("a block announces %d octets, which no block can have", length)}
		}
		if !isRead(typ) {
			r.info.Skipped++
			if err := r.in.drop(int64(length)); err != nil {
				return r.cut(err, "a block")
			}
			continue
		}
		if length > maxRecord {
			return &Broken{r.in.offset(), fmt.Sprintf("a block announces %d octets, more than any frame has", length)}
		}
		at := r.in.offset()
		b, err := r.in.take(int(length))
		if err != nil {
			return r.cut(err, "a block")
		}
		found, text := r.block(typ, b[8:length-4], f)
		if text != "" {
			return &Broken{at, text}
		}
		if found {
			return nil
		}
	}
}

func isRead(typ uint32) bool {
	return typ == blockSection || typ == blockInterface || typ == blockPacket || typ == blockSimple ||
		typ == blockStatistics || typ == blockEnhanced
}

// block reads a block's body; found: it was a packet. A text says what is wrong.
func (r *Reader) block(typ uint32, b []byte, f *Frame) (found bool, text string) {
	switch typ {
	case blockInterface:
		return false, r.describe(b)
	case blockStatistics:
		if len(b) >= 12 {
			r.statistics(b[12:])
		}
	case blockEnhanced:
		if len(b) < 20 {
			return false, "a packet block without room for its header"
		}
		return true, r.packet(f, r.order.Uint32(b), b[4:], b[20:])
	case blockPacket:
		if len(b) < 20 {
			return false, "a packet block without room for its header"
		}
		return true, r.packet(f, uint32(r.order.Uint16(b)), b[4:], b[20:])
	case blockSimple:
		if len(b) < 4 || len(r.interfaces) == 0 {
			return false, "a simple packet block without an interface"
		}
		in := &r.interfaces[0]
		length := r.order.Uint32(b)
		captured := min(uint64(length), uint64(len(b)-4))
		if in.snap > 0 {
			captured = min(captured, uint64(in.snap))
		}
		f.Time, f.Link, f.Data, f.Length = 0, in.link, b[4:4+captured], int(min(length, 1<<31-1))
		return true, ""
	}
	return false, ""
}

// packet reads what enhanced and old packet blocks share: time stamp, lengths,
// octets.
func (r *Reader) packet(f *Frame, number uint32, h, data []byte) (text string) {
	if uint64(number) >= uint64(len(r.interfaces)) {
		return fmt.Sprintf("a packet of interface %d, which was not described", number)
	}
	in := &r.interfaces[number]
	captured, length := r.order.Uint32(h[8:]), r.order.Uint32(h[12:])
	if uint64(captured) > uint64(len(data)) {
		return fmt.Sprintf("a packet of %d octets in a block with room for %d", captured, len(data))
	}
	f.Time = in.time(uint64(r.order.Uint32(h))<<32 | uint64(r.order.Uint32(h[4:])))
	f.Link, f.Data = in.link, data[:captured]
	f.Length = int(min(max(length, captured), 1<<31-1))
	return ""
}

// time turns a time stamp into the time since 1970.
func (in *iface) time(units uint64) time.Duration {
	switch in.perUnit {
	case 1e6:
		return time.Duration(units)*time.Microsecond + in.offset
	case 1e9:
		return time.Duration(units) + in.offset
	}
	seconds, rest := units/in.perUnit, units%in.perUnit
	hi, lo := bits.Mul64(rest, uint64(time.Second))
	fraction, _ := bits.Div64(hi, lo, in.perUnit) // rest < perUnit, so it fits
	return time.Duration(seconds)*time.Second + time.Duration(fraction) + in.offset
}

func (r *Reader) describe(b []byte) (text string) {
	if len(b) < 8 {
		return "an interface description without room for its header"
	}
	if len(r.interfaces) == maxInterfaces {
		return fmt.Sprintf("more than %d interfaces in one section", maxInterfaces)
	}
	in := iface{link: r.order.Uint16(b), snap: r.order.Uint32(b[4:]), perUnit: 1e6}
	r.options(b[8:], func(code uint16, value []byte) {
		switch {
		case code == optTSResol && len(value) == 1:
			in.perUnit = resolution(value[0])
		case code == optTSOffs && len(value) == 8:
			in.offset = time.Duration(int64(r.order.Uint64(value))) * time.Second
		}
	})
	r.interfaces = append(r.interfaces, in)
	r.info.Interfaces++
	r.info.SnapLength = max(r.info.SnapLength, in.snap)
	return ""
}

// resolution reads if_tsresol: a power of 10, or of 2 with the highest bit set.
// What does not fit is taken as microseconds.
func resolution(v byte) uint64 {
	power := uint64(v & 0x7f)
	if v&0x80 != 0 {
		if power > 63 {
			return 1e6
		}
		return 1 << power
	}
	if power > 19 {
		return 1e6
	}
	per := uint64(1)
	for range power {
		per *= 10
	}
	return per
}

func (r *Reader) statistics(options []byte) {
	r.options(options, func(code uint16, value []byte) {
		if (code == optIfDrop || code == optOSDrop) && len(value) == 8 {
			r.info.Dropped += r.order.Uint64(value)
		}
	})
}

// options walks a block's options; what does not fit ends them.
func (r *Reader) options(b []byte, each func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, length := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		b = b[4:]
		if code == optEnd || length > len(b) {
			return
		}
		each(code, b[:length])
		b = b[min((length+3)&^3, len(b)):]
	}
}
