package pcapfile

import (
	"bytes"
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
	Compressed string // "gzip", "zstd", or empty
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
	outer  *window // what a compressed file is read through
	info   Info
	order  binary.ByteOrder
	big    bool
	number uint64
	failed error

	compression *compression // nil: none

	// pcap
	header int // octets before a record's data; 0: it is pcapng
	link   uint16
	unit   time.Duration // of the second time word

	// pcapng
	interfaces []iface
}

// Open reads the beginning of a file. The error is a *[Foreign] where the file
// is no capture, a *[Broken] where it ends within its header or is compressed
// and damaged there.
func Open(in io.Reader) (*Reader, error) {
	r := &Reader{in: newWindow(in)}
	if magic, err := r.in.peek(4); err == nil {
		if c := compressed(magic); c != nil {
			return c.decompress(r.in)
		}
	}
	return r, r.begin()
}

// begin tells the format by the first octets and reads its header.
func (r *Reader) begin() error {
	magic, err := r.in.peek(4)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case len(magic) == 0 && r.compression != nil:
		return &Foreign{"nothing is compressed in the file"}
	case len(magic) == 0:
		return &Foreign{"the file is empty"}
	case err != nil:
		return &Foreign{fmt.Sprintf("the file has only %d octets: no capture", len(magic))}
	case compressed(magic) != nil:
		return &Foreign{"compressed twice: decompress it once"}
	case bytes.HasPrefix(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}):
		r.info.Format = "pcapng"
		return r.firstSection()
	}
	return r.pcapHeader(magic)
}

// foreignMagics are files that are met in the place of captures.
var foreignMagics = []struct {
	magic []byte
	text  string
}{
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
	return &Foreign{fmt.Sprintf("no capture file: it begins with % x, and not as pcap, pcapng, gzip or zstd do", magic)}
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
	var err error
	if r.header > 0 {
		err = r.nextRecord(f)
	} else {
		err = r.nextBlock(f)
	}
	if err != nil {
		r.failed = err
		return err
	}
	r.number++
	f.Number = r.number
	return nil
}

// cut words an error of reading within something that had begun.
func (r *Reader) cut(err error, within string) error {
	switch {
	case errors.Is(err, io.EOF):
		return &Broken{r.in.offset(), "the file ends within " + within}
	case r.compression != nil:
		return r.compression.damage(r.outer, r.in.offset(), err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Broken{r.in.offset(), "the file ends within " + within}
	}
	return err
}
