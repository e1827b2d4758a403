package pcapfile

import (
	"errors"
	"io"
)

// window is a large buffer over a stream, whose octets are used in place.
type window struct {
	in         io.Reader
	buf        []byte
	begin, end int
	before     int64 // octets of the stream before buf[0]
	err        error
}

const (
	firstWindow = 1 << 18
	maxEmpty    = 100 // reads in a row that give nothing
)

func newWindow(in io.Reader) *window { return &window{in: in, buf: make([]byte, firstWindow)} }

func (w *window) offset() int64 { return w.before + int64(w.begin) }

// rest gives the octets that are there.
func (w *window) rest() []byte { return w.buf[w.begin:w.end] }

// peek gives the next n octets without taking them. With an error it gives
// those that there are.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.begin < n {
		if err := w.fill(n); err != nil {
			return w.buf[w.begin:w.end], err
		}
	}
	return w.buf[w.begin : w.begin+n], nil
}

// take gives the next n octets. They hold until the next call.
func (w *window) take(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err != nil {
		return b, err
	}
	w.begin += n
	return b, nil
}

// fill reads until n octets are there.
func (w *window) fill(n int) error {
	if w.begin > 0 {
		w.before += int64(w.begin)
		w.end = copy(w.buf, w.buf[w.begin:w.end])
		w.begin = 0
	}
	if n > len(w.buf) {
		w.buf = append(w.buf[:w.end], make([]byte, n-w.end)...)
	}
	for empty := 0; w.end < n; {
		if w.err != nil {
			return w.err
		}
		got, err := w.in.Read(w.buf[w.end:])
		w.end += got
		w.err = err
		if got == 0 && err == nil {
			if empty++; empty == maxEmpty {
				w.err = io.ErrNoProgress
			}
		}
	}
	return nil
}

// drop passes over n octets, however many.
func (w *window) drop(n int64) error {
	for n > 0 {
		here := min(n, int64(len(w.buf)))
		if _, err := w.take(int(here)); err != nil {
			return err
		}
		n -= here
	}
	return nil
}

// Read lets a decompressor read on from here.
func (w *window) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if w.begin == w.end {
		if _, err := w.peek(1); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return 0, io.EOF
			}
			return 0, err
		}
	}
	n := copy(p, w.buf[w.begin:w.end])
	w.begin += n
	return n, nil
}
