package pcapfile

import (
	"encoding/binary"
	"io"
	"time"
)

// Options that are written.
const (
	optName     = 2 // if_name
	optUserAppl = 4 // shb_userappl
	optEPBFlags = 2 // epb_flags
	optIfRecv   = 4 // isb_ifrecv
	nanoseconds = 9 // if_tsresol: 10 to the minus 9th
)

// Direction is which way a packet went (epb_flags, draft-ietf-opsawg-pcapng
// §4.3.1).
type Direction uint32

// The directions.
const (
	AnyDirection Direction = iota // it is not known
	Inbound
	Outbound
)

// NgWriter writes a pcapng file of one section, with times in nanoseconds. Its
// first error stays, and every call gives it.
type NgWriter struct {
	out        io.Writer
	buf        []byte
	interfaces uint32
	err        error
}

// NewNgWriter begins a file that names the program which writes it.
func NewNgWriter(out io.Writer, program string) (*NgWriter, error) {
	w := &NgWriter{out: out}
	b := w.begin(blockSection)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = append(b, 1, 0, 0, 0)                                     // version 1.0
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // the section's length is not known
	b = appendOption(b, optUserAppl, []byte(program))
	return w, w.end(appendOption(b, optEnd, nil))
}

// Interface describes an interface, and gives its number. Snap is how many
// octets of a frame are kept at most; 0: all.
func (w *NgWriter) Interface(name string, link uint16, snap uint32) (number uint32, err error) {
	b := w.begin(blockInterface)
	b = binary.LittleEndian.AppendUint16(b, link)
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, snap)
	b = appendOption(b, optName, []byte(name))
	b = appendOption(b, optTSResol, []byte{nanoseconds})
	w.interfaces++
	return w.interfaces - 1, w.end(appendOption(b, optEnd, nil))
}

// Frame writes a frame, captured at a time since 1970 from so many octets.
func (w *NgWriter) Frame(number uint32, at time.Duration, data []byte, length int, d Direction) error {
	b := w.begin(blockEnhanced)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = appendTime(b, at)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(max(length, len(data))))
	b = pad(append(b, data...))
	if d != AnyDirection {
		b = appendOption(b, optEPBFlags, binary.LittleEndian.AppendUint32(nil, uint32(d)))
		b = appendOption(b, optEnd, nil)
	}
	return w.end(b)
}

// Statistics writes how many packets an interface received, and how many of
// them the system lost.
func (w *NgWriter) Statistics(number uint32, at time.Duration, received, dropped uint64) error {
	b := w.begin(blockStatistics)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = appendTime(b, at)
	b = appendOption(b, optIfRecv, binary.LittleEndian.AppendUint64(nil, received))
	b = appendOption(b, optOSDrop, binary.LittleEndian.AppendUint64(nil, dropped))
	return w.end(appendOption(b, optEnd, nil))
}

// begin leaves room for a block's type and length.
func (w *NgWriter) begin(typ uint32) []byte {
	return append(binary.LittleEndian.AppendUint32(w.buf[:0], typ), 0, 0, 0, 0)
}

func (w *NgWriter) end(b []byte) error {
	w.buf = binary.LittleEndian.AppendUint32(b, uint32(len(b)+4))
	binary.LittleEndian.PutUint32(w.buf[4:], uint32(len(w.buf)))
	if w.err == nil {
		_, w.err = w.out.Write(w.buf)
	}
	return w.err
}

func appendTime(b []byte, at time.Duration) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(uint64(at)>>32))
	return binary.LittleEndian.AppendUint32(b, uint32(at))
}

func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to 32 bits; what precedes it is a multiple already.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
