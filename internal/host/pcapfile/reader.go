package pcapfile

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Frame is one captured frame. Its octets are valid until the next one is read.
type Frame struct {
	Time   time.Duration // since 1970 UTC; 0 where the file has none
	Number uint64        // from 1
	Link   uint16        // LINKTYPE_ number
	Data   []byte
	Length int // octets on the wire; Data may be shorter
}

// Info is what a file says of itself, as far as it was read.
type Info struct {
	Format     string // "pcap", "pcapng"
	Compressed string // "gzip", or empty
	BigEndian  bool
	SnapLength uint32 // the largest announced; 0: no limit was announced
	Sections   int    // of pcapng
	Interfaces int    // of pcapng, all sections together
	Dropped    uint64 // what the capturing system says it lost (pcapng isb_ifdrop and isb_osdrop)
	Skipped    uint64 // pcapng blocks of kinds that carry no packets
}

// Broken says that a file ends too early or holds what cannot be: what was
// read before it is good.
type Broken struct {
	At   int64 // octets from the beginning (uncompressed)
	Text string
}

func (e *Broken) Error() string { return fmt.Sprintf("%s (at octet %d)", e.Text, e.At) }

// Foreign says that a file is not a capture that is read here.
type Foreign struct{ Text string }

func (e *Foreign) Error() string { return e.Text }

// maxRecord is more than any frame: libpcap refuses captured lengths above
// 262,144 octets, and segmentation offload hands on up to 512 KiB.
const maxRecord = 1 << 20

// Reader reads one capture file.
type Reader struct {
	in     *window
	info   Info
	order  binary.ByteOrder
	big    bool
	number uint64
	next   func(*Frame) error
	failed error

	// pcap
	link uint16
	unit time.Duration // of the second time word

	// pcapng
	interfaces []iface
}

// Open reads the beginning of a file. The error is a *[Foreign] where the file
// is no capture, a *[Broken] where it ends within its header.
func Open(in io.Reader) (*Reader, error) {
	return open(in, "")
}

func open(in io.Reader, compressed string) (*Reader, error) {
	r := &Reader{in: newWindow(in)}
	r.info.Compressed = compressed
	magic, err := r.in.peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			if len(magic) == 0 {
				return nil, &Foreign{"the file is empty"}
			}
			return nil, &Foreign{fmt.Sprintf("the file has only %d octets: no capture", len(magic))}
		}
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		if compressed != "" {
			return nil, &Foreign{"compressed twice: decompress it once with gzip -d"}
		}
		z, err := gzip.NewReader(r.in)
		if err != nil {
			return nil, &Broken{0, "the gzip header is broken: " + err.Error()}
		}
		return open(z, "gzip")
	case bytes.HasPrefix(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}):
		r.info.Format = "pcapng"
		r.next = r.nextBlock
		return r, r.firstSection()
	}
	if err := r.pcapHeader(magic); err != nil {
		return nil, err
	}
	return r, nil
}

// foreignMagics are files that are met in the place of captures.
var foreignMagics = []struct {
	magic []byte
	text  string
}{
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, "compressed by zstd, which is not read here: zstd -dc FILE | dialscope read -"},
	{[]byte{0xfd, '7', 'z', 'X'}, "compressed by xz, which is not read here: xz -dc FILE | dialscope read -"},
	{[]byte("BZh"), "compressed by bzip2, which is not read here: bzip2 -dc FILE | dialscope read -"},
	{[]byte{0x04, 0x22, 0x4d, 0x18}, "compressed by lz4, which is not read here: lz4 -dc FILE | dialscope read -"},
	{[]byte("PK\x03\x04"), "a zip archive: unpack it first"},
	{[]byte("snoo"), "a snoop file (Solaris): convert it with editcap -F pcap"},
	{[]byte("RTSS"), "a NetMon file: convert it with editcap -F pcap"},
	{[]byte("GMBU"), "a NetMon file: convert it with editcap -F pcap"},
	{[]byte{0x0a, 0x0d, 0x0d, 0x0d}, "a pcapng file that was damaged by a text-mode transfer"},
	{[]byte{0x0d, 0x0d, 0x0a, 0x0a}, "a pcapng file that was damaged by a text-mode transfer"},
}

func foreign(magic []byte) error {
	for _, f := range foreignMagics {
		if bytes.HasPrefix(magic, f.magic) {
			return &Foreign{f.text}
		}
	}
	return &Foreign{fmt.Sprintf("no capture file: it begins with % x, and not as pcap, pcapng or gzip do", magic)}
}

// Info is what was learned of the file so far.
func (r *Reader) Info() Info { return r.info }

// Offset is how many octets were read (uncompressed).
func (r *Reader) Offset() int64 { return r.in.offset() }

// Next reads the next frame. At the file's proper end it gives io.EOF; a
// *[Broken] tells that the file ends within a record, or that a record cannot
// be. After an error every call gives it again.
func (r *Reader) Next(f *Frame) error {
	if r.failed != nil {
		return r.failed
	}
	if err := r.next(f); err != nil {
		r.failed = err
		return err
	}
	r.number++
	f.Number = r.number
	return nil
}

// cut words an error of reading within something that had begun.
func (r *Reader) cut(err error, within string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Broken{r.in.offset(), "the file ends within " + within}
	}
	var damage flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &damage) {
		return &Broken{r.in.offset(), "the compressed file is damaged: " + err.Error()}
	}
	return err
}
