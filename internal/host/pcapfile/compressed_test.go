package pcapfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// packers compress as the programs of their names do.
var packers = map[string]func(t testing.TB, b []byte) []byte{
	"gzip": func(t testing.TB, b []byte) []byte {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		return written(t, w, &z, b)
	},
	"zstd": func(t testing.TB, b []byte) []byte {
		var z bytes.Buffer
		w, err := zstd.NewWriter(&z, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return written(t, w, &z, b)
	},
}

func written(t testing.TB, w io.WriteCloser, z *bytes.Buffer, b []byte) []byte {
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// some is a capture of n frames that do not compress to nothing.
func some(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var records []record
	for i := range n {
		data := make([]byte, 40)
		for j := range data {
			data[j] = byte(rng.IntN(60))
		}
		records = append(records, record{uint32(i), 0, 40, string(data)})
	}
	return pcap(binary.LittleEndian, magicMicro, 0, records...)
}

func TestCompressed(t *testing.T) {
	plain := some(100)
	ng := ngFile(binary.LittleEndian)
	for name, pack := range packers {
		t.Run(name, func(t *testing.T) {
			packed := pack(t, plain)
			frames, info, err := readAll(t, packed)
			if len(frames) != 100 || info.Compressed != name || info.Format != "pcap" || err != nil {
				t.Errorf("%d frames, %+v, %v", len(frames), info, err)
			}
			want, _, _ := readAll(t, ng)
			if frames, info, err := readAll(t, pack(t, ng)); len(frames) != len(want) || info.Compressed != name || info.Format != "pcapng" || err != nil {
				t.Errorf("pcapng: %d frames, %+v, %v", len(frames), info, err)
			}
			// Parts that were compressed apart and joined, as a rotating capture leaves them.
			half := len(plain) / 2
			if frames, _, err := readAll(t, append(pack(t, plain[:half]), pack(t, plain[half:])...)); len(frames) != 100 || err != nil {
				t.Errorf("two parts: %d frames, %v", len(frames), err)
			}
			for text, b := range map[string][]byte{
				"compressed twice":      pack(t, packed),
				"nothing is compressed": pack(t, nil),
				"only 3 octets":         pack(t, []byte("abc")),
				"begins with 23 21":     pack(t, []byte("#!/bin/sh\n")),
			} {
				var foreign *Foreign
				if _, _, err := readAll(t, b); !errors.As(err, &foreign) || !strings.Contains(err.Error(), text) {
					t.Errorf("%s: %v", text, err)
				}
			}
		})
	}
}

// zstd files may begin with a frame that holds no data (RFC 8878 §3.1.2).
func TestSkippableFrame(t *testing.T) {
	b := append([]byte{0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'}, packers["zstd"](t, some(3))...)
	if frames, info, err := readAll(t, b); len(frames) != 3 || info.Compressed != "zstd" || err != nil {
		t.Errorf("%d frames, %+v, %v", len(frames), info, err)
	}
}

// A window that would take more memory than a reader may is refused, with the
// way around it.
func TestLongWindow(t *testing.T) {
	// A frame header with a window of 2 GiB (RFC 8878 §3.1.1.1.2): exponent 21.
	b := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3}, make([]byte, 40)...)
	var broken *Broken
	if _, _, err := readAll(t, b); !errors.As(err, &broken) || !strings.Contains(err.Error(), "--long=31") {
		t.Error(err)
	}
}

// Wherever a compressed file ends or is damaged, what stands before is read and
// the end is said to be none.
func TestCompressedBreaksOff(t *testing.T) {
	want, _, _ := readAll(t, some(100))
	for name, pack := range packers {
		t.Run(name, func(t *testing.T) {
			whole := pack(t, some(100))
			check := func(what string, b []byte) {
				t.Helper()
				frames, _, err := readAll(t, b)
				var broken *Broken
				if !errors.As(err, &broken) {
					t.Errorf("%s: %d frames, %v", what, len(frames), err)
				}
				for i := range frames {
					if i >= len(want) || frames[i] != want[i] {
						t.Fatalf("%s: frame %d: %+v", what, i, frames[i])
					}
				}
			}
			for n := 5; n < len(whole); n += 11 {
				check(fmt.Sprintf("the first %d of %d octets", n, len(whole)), whole[:n])
			}
			flipped := bytes.Clone(whole)
			flipped[len(flipped)-5] ^= 0xff // of the checksum, or just before it
			check("a wrong checksum", flipped)
		})
	}
	whole := packers["gzip"](t, some(3))
	if _, _, err := readAll(t, whole[:len(whole)-2]); err == nil || !strings.Contains(err.Error(), "ends before its gzip data does") {
		t.Errorf("it is not said why: %v", err)
	}
}

// An error of reading is not taken for damage, nor for an end.
func TestCompressedCannotBeRead(t *testing.T) {
	fails := errors.New("the disk is on fire")
	for name, pack := range packers {
		whole := pack(t, some(2000))
		for _, n := range []int{5, len(whole) / 2, len(whole) - 4} {
			r, err := Open(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(fails)))
			var f Frame
			for err == nil {
				err = r.Next(&f)
			}
			if !errors.Is(err, fails) {
				t.Errorf("%s, after %d octets: %v", name, n, err)
			}
		}
	}
}

// FuzzCompressed: octets behind a compression's magic are read or refused.
func FuzzCompressed(f *testing.F) {
	for _, pack := range packers {
		f.Add(pack(f, some(3)))
		f.Add(pack(f, nil))
	}
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Open(bytes.NewReader(b))
		var frame Frame
		for n := 0; err == nil && n < 1<<16; n++ {
			err = r.Next(&frame)
		}
		var foreign *Foreign
		var broken *Broken
		if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &foreign) && !errors.As(err, &broken) {
			t.Fatalf("%T: %v", err, err)
		}
	})
}
