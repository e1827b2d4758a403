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
	r.header = pcapRecord + extra
	return nil
}

// nextRecord reads a record: seconds, fraction, captured and real length.
func (r *Reader) nextRecord(f *Frame) error {
	b := r.in.rest()
	if len(b) < pcapRecord || len(b)-r.header < r.captured(b) {
		var err error
		if b, err = r.moreOfRecord(); err != nil {
			return err
		}
	}
	var seconds, fraction, captured, length uint32
	if h := b[:pcapRecord]; r.big {
		seconds, fraction = binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
		captured, length = binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	} else {
		seconds, fraction = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		captured, length = binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	}
	end := r.header + int(captured)
	r.in.begin += end
	f.Time = time.Duration(seconds)*time.Second + time.Duration(fraction)*r.unit
	f.Link = r.link
	f.Data = b[r.header:end]
	f.Length = int(min(max(length, captured), 1<<31-1))
	return nil
}

// captured is the length in a record's header.
func (r *Reader) captured(h []byte) int {
	if r.big {
		return int(binary.BigEndian.Uint32(h[8:]))
	}
	return int(binary.LittleEndian.Uint32(h[8:]))
}

// moreOfRecord gets a record that is not whole in the window.
func (r *Reader) moreOfRecord() ([]byte, error) {
	h, err := r.in.peek(r.header)
	if err != nil {
		if errors.Is(err, io.EOF) && len(h) == 0 {
			return nil, io.EOF
		}
		return nil, r.cut(err, "a record's header")
	}
	captured := r.captured(h)
	if captured > maxRecord {
		return nil, &Broken{r.in.offset(), fmt.Sprintf("a record announces %d octets, more than any frame has", captured)}
	}
	b, err := r.in.peek(r.header + captured)
	if err != nil {
		return nil, r.cut(err, "a packet")
	}
	return b, nil
}
