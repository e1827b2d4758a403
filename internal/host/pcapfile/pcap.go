package pcapfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The magic numbers of pcap, in the byte order of who wrote the file.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // Kuznetzov's patch: records have 8 octets more
)

const (
	pcapHeader = 24
	pcapRecord = 16
)

func (r *Reader) pcapHeader(magic []byte) error {
	extra := 0
	r.order = binary.LittleEndian
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(magic) {
		case magicMicro:
			r.unit = time.Microsecond
		case magicNano:
			r.unit = time.Nanosecond
		case magicModified:
			r.unit, extra = time.Microsecond, 8
		default:
			continue
		}
		r.order = order
		r.info.BigEndian = order == binary.ByteOrder(binary.BigEndian)
	}
	if r.unit == 0 {
		return foreign(magic)
	}
	r.big = r.info.BigEndian
	r.info.Format = "pcap"
	h, err := r.in.take(pcapHeader)
	if err != nil {
		return r.cut(err, "its header")
	}
	if major := r.order.Uint16(h[4:]); major != 2 {
		return &Foreign{fmt.Sprintf("a pcap file of version %d, which is not known: 2 is", major)}
	}
	r.info.SnapLength = r.order.Uint32(h[16:])
	r.link = uint16(r.order.Uint32(h[20:])) // the upper bits tell of frame check sequences
	r.next = func(f *Frame) error { return r.nextRecord(f, extra) }
	return nil
}

// nextRecord reads a record: seconds, fraction, captured and real length.
func (r *Reader) nextRecord(f *Frame, extra int) error {
	header := pcapRecord + extra
	h, err := r.in.peek(header)
	if err != nil {
		if errors.Is(err, io.EOF) && len(h) == 0 {
			return io.EOF
		}
		return r.cut(err, "a record's header")
	}
	var seconds, fraction, captured, length uint32
	if r.big {
		seconds, fraction = binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
		captured, length = binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	} else {
		seconds, fraction = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		captured, length = binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	}
	if captured > maxRecord {
		return &Broken{r.in.offset(), fmt.Sprintf("a record announces %d octets, more than any frame has", captured)}
	}
	b, err := r.in.take(header + int(captured))
	if err != nil {
		return r.cut(err, "a packet")
	}
	f.Time = time.Duration(seconds)*time.Second + time.Duration(fraction)*r.unit
	f.Link = r.link
	f.Data = b[header:]
	f.Length = max(int(length), int(captured))
	return nil
}
