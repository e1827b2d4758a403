package pcapfile

import (
	"encoding/binary"
	"io"
	"time"
)

// Writer writes a pcap file with times in nanoseconds.
type Writer struct {
	out io.Writer
	buf []byte
}

// NewWriter begins a file of frames of one link layer (LINKTYPE_ number).
func NewWriter(out io.Writer, link uint16) (*Writer, error) {
	h := binary.LittleEndian.AppendUint32(nil, magicNano)
	h = binary.LittleEndian.AppendUint16(h, 2) // version 2.4
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...)
	h = binary.LittleEndian.AppendUint32(h, 262144) // no frame is cut
	h = binary.LittleEndian.AppendUint32(h, uint32(link))
	_, err := out.Write(h)
	return &Writer{out: out}, err
}

// Frame writes one frame, captured at a time since 1970.
func (w *Writer) Frame(at time.Duration, data []byte) error {
	b := binary.LittleEndian.AppendUint32(w.buf[:0], uint32(at/time.Second))
	b = binary.LittleEndian.AppendUint32(b, uint32(at%time.Second))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	w.buf = append(b, data...)
	_, err := w.out.Write(w.buf)
	return err
}
