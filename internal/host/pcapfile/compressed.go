package pcapfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow is how much of what was decompressed a zstd file may refer back
// to: what the zstd program itself allows without --long (RFC 8878 §3.1.1.1.2
// recommends 8 MB at least).
const maxZstdWindow = 128 << 20

// compression is one way in which captures are compressed.
type compression struct {
	name string
	is   func(magic []byte) bool
	open func(io.Reader) (io.Reader, error)
}

var compressions = [...]compression{
	{"gzip", isGzip, func(in io.Reader) (io.Reader, error) { return gzip.NewReader(in) }},
	{"zstd", isZstd, func(in io.Reader) (io.Reader, error) {
		// One thread, so that nothing is left running when a reader is dropped.
		return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	}},
}

func isGzip(magic []byte) bool { return bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) }

// isZstd knows a zstd frame, and a skippable one, which some programs write
// first (RFC 8878 §3.1.2).
func isZstd(magic []byte) bool {
	return bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
}

// compressed is how a file is compressed that begins so; nil: it is not.
func compressed(magic []byte) *compression {
	for i := range compressions {
		if compressions[i].is(magic) {
			return &compressions[i]
		}
	}
	return nil
}

// decompress opens what a file holds. An error of reading stays what it is, and
// every other one is the file's fault.
func (c *compression) decompress(from *window) (*Reader, error) {
	z, err := c.open(from)
	if err != nil {
		return nil, c.damage(from, 0, err)
	}
	r := &Reader{in: newWindow(z), outer: from, compression: c}
	r.info.Compressed = c.name
	if _, err = r.in.peek(4); err != nil && !errors.Is(err, io.EOF) {
		return nil, c.damage(from, 0, err)
	}
	return r, r.begin()
}

// damage words what a decompressor complains of, at an octet of what it gave.
func (c *compression) damage(from *window, at int64, err error) error {
	if from.err != nil && !errors.Is(from.err, io.EOF) {
		return from.err
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Broken{at, fmt.Sprintf("the file ends before its %s data does", c.name)}
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &Broken{at, fmt.Sprintf("it was compressed with zstd --long and more than %d MiB of window: zstd --long=31 -dc FILE | dialscope read -", maxZstdWindow>>20)}
	}
	return &Broken{at, fmt.Sprintf("its %s data is damaged: %v", c.name, err)}
}
