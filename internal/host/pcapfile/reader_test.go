package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// got is a frame as the tests compare it.
type got struct {
	At     time.Duration
	Link   uint16
	Data   string
	Length int
}

// readAll gives every frame, the info, and the error that ended it (nil at the
// proper end).
func readAll(t testing.TB, b []byte) ([]got, Info, error) {
	t.Helper()
	r, err := Open(bytes.NewReader(b))
	if err != nil {
		return nil, Info{}, err
	}
	var all []got
	var f Frame
	for {
		if err := r.Next(&f); err != nil {
			if again := r.Next(&f); !errors.Is(again, err) {
				t.Errorf("after %v: %v", err, again)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, r.Info(), err
		}
		if f.Number != uint64(len(all)+1) {
			t.Errorf("frame %d has number %d", len(all)+1, f.Number)
		}
		all = append(all, got{f.Time, f.Link, string(f.Data), f.Length})
	}
}

// pcap builds a file by hand: magic, byte order, records of (seconds, fraction,
// announced length, data).
func pcap(order binary.AppendByteOrder, magic uint32, extra int, records ...record) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, 1)
	for _, r := range records {
		b = order.AppendUint32(b, r.sec)
		b = order.AppendUint32(b, r.frac)
		b = order.AppendUint32(b, uint32(len(r.data)))
		b = order.AppendUint32(b, r.length)
		b = append(b, make([]byte, extra)...)
		b = append(b, r.data...)
	}
	return b
}

type record struct {
	sec, frac, length uint32
	data              string
}

func TestPcap(t *testing.T) {
	records := []record{{10, 5, 5, "hello"}, {11, 999, 1500, "cut"}}
	for _, c := range []struct {
		name  string
		order binary.AppendByteOrder
		magic uint32
		extra int
		unit  time.Duration
	}{
		{"little, micro", binary.LittleEndian, magicMicro, 0, time.Microsecond},
		{"big, micro", binary.BigEndian, magicMicro, 0, time.Microsecond},
		{"little, nano", binary.LittleEndian, magicNano, 0, time.Nanosecond},
		{"big, nano", binary.BigEndian, magicNano, 0, time.Nanosecond},
		{"modified", binary.LittleEndian, magicModified, 8, time.Microsecond},
	} {
		frames, info, err := readAll(t, pcap(c.order, c.magic, c.extra, records...))
		want := []got{{10*time.Second + 5*c.unit, 1, "hello", 5}, {11*time.Second + 999*c.unit, 1, "cut", 1500}}
		if diff := cmp.Diff(want, frames); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
		if info.Format != "pcap" || info.SnapLength != 65535 || info.BigEndian != (c.order == binary.AppendByteOrder(binary.BigEndian)) {
			t.Errorf("%s: %+v", c.name, info)
		}
	}
}

// What was read before a file breaks off counts, and the error says where.
func TestBroken(t *testing.T) {
	whole := pcap(binary.LittleEndian, magicMicro, 0, record{1, 0, 3, "abc"}, record{2, 0, 3, "def"})
	for _, c := range []struct {
		name   string
		b      []byte
		frames int
		text   string
	}{
		{"within a packet", whole[:len(whole)-1], 1, "the file ends within a packet"},
		{"within a record's header", whole[:len(whole)-10], 1, "the file ends within a record's header"},
		{"a length that cannot be", append(bytes.Clone(whole), 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0), 2, "announces 2147483647 octets"},
		{"within its header", whole[:20], 0, "the file ends within its header"},
	} {
		frames, _, err := readAll(t, c.b)
		var broken *Broken
		if len(frames) != c.frames || !errors.As(err, &broken) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %d frames, %v", c.name, len(frames), err)
		}
	}
	if frames, _, err := readAll(t, whole[:pcapHeader]); len(frames) != 0 || err != nil {
		t.Errorf("a capture without packets: %v, %v", frames, err)
	}
}

func TestForeign(t *testing.T) {
	for text, b := range map[string][]byte{
		"empty":         {},
		"only 3 octets": {1, 2, 3},
		"xz":            {0xfd, '7', 'z', 'X', 'Z', 0, 0, 0},
		"bzip2":         []byte("BZh91AY&"),
		"lz4":           {0x04, 0x22, 0x4d, 0x18, 0},
		"zip":           []byte("PK\x03\x04...."),
		"snoop":         []byte("snoop\x00\x00\x00"),
		"NetMon":        []byte("GMBU...."),
		"text-mode":     {0x0a, 0x0d, 0x0d, 0x0d, 0, 0},
		"no capture":    []byte("#!/bin/sh\n"),
		"version 7":     append(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(nil, magicMicro), 7), make([]byte, 20)...),
		"byte-order":    append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, make([]byte, 24)...),
	} {
		_, _, err := readAll(t, b)
		var foreign *Foreign
		if !errors.As(err, &foreign) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A pipe gives what it has, one octet at a time; an error of its own is not
// taken for an end.
func TestSlowPipe(t *testing.T) {
	b := pcap(binary.BigEndian, magicMicro, 0, record{1, 0, 3, "abc"}, record{2, 0, 3, "def"})
	r, err := Open(iotest.OneByteReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	for range 2 {
		if err := r.Next(&f); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Next(&f); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	r, err = Open(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(b))))
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("%v %v", r, err)
	}
	if _, err := Open(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, 101)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Frame(5*time.Second+7, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	frames, _, err := readAll(t, b.Bytes())
	if diff := cmp.Diff([]got{{5*time.Second + 7, 101, "abc", 3}}, frames); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// Frames beyond the first window's size are read whole.
func TestLargeFrames(t *testing.T) {
	large := strings.Repeat("x", firstWindow+1000)
	frames, _, err := readAll(t, pcap(binary.LittleEndian, magicMicro, 0, record{1, 0, 9, "a"}, record{1, 0, 9, large}, record{1, 0, 9, "b"}))
	if err != nil || len(frames) != 3 || frames[1].Data != large || frames[2].Data != "b" {
		t.Errorf("%d frames, %v", len(frames), err)
	}
}

// FuzzReader: any octets are read or refused, in bounded time and memory.
func FuzzReader(f *testing.F) {
	f.Add(pcap(binary.LittleEndian, magicMicro, 0, record{1, 0, 3, "abc"}))
	f.Add(pcap(binary.BigEndian, magicNano, 0, record{1, 0, 3, "abc"}))
	f.Add(ngFile(binary.LittleEndian))
	f.Add(ngFile(binary.BigEndian))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, _, _ := readAll(t, b)
		total := 0
		for _, f := range frames {
			total += len(f.Data)
			if f.Length < 0 || f.Length < len(f.Data) && f.At != 0 {
				t.Fatalf("%d octets of %d", len(f.Data), f.Length)
			}
		}
		if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) && total > len(b) {
			t.Fatalf("%d octets of frames in a file of %d", total, len(b))
		}
	})
}
