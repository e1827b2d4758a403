package pcapfile

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// What is written is read back, to the nanosecond.
func TestNgWriter(t *testing.T) {
	var out bytes.Buffer
	w, err := NewNgWriter(&out, "a test")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := w.Interface("lo", 101, 0)
	second, _ := w.Interface("a name of odd length", 1, 96)
	at := 1767323045*time.Second + 123456789
	var want []got
	for i, data := range []string{"", "a", "abcd", "abcdefg"} {
		number, link := first, uint16(101)
		if i%2 == 1 {
			number, link = second, 1
		}
		if err := w.Frame(number, at+time.Duration(i), []byte(data), 10, Direction(i%3)); err != nil {
			t.Fatal(err)
		}
		want = append(want, got{at + time.Duration(i), link, data, 10})
	}
	if err := w.Statistics(first, at, 100, 7); err != nil {
		t.Fatal(err)
	}
	frames, info, err := readAll(t, out.Bytes())
	if err != nil || !slices.Equal(frames, want) {
		t.Errorf("%v, %v\nwant %v", frames, err, want)
	}
	if info.Format != "pcapng" || info.Interfaces != 2 || info.Dropped != 7 || info.SnapLength != 96 {
		t.Errorf("%+v", info)
	}
}

type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("no space left")

func TestNgWriterFails(t *testing.T) {
	if _, err := NewNgWriter(&full{10}, ""); !errors.Is(err, errFull) {
		t.Error(err)
	}
	w, err := NewNgWriter(&full{200}, "")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := w.Interface("lo", 101, 0)
	failed := 0
	for range 10 {
		if err := w.Frame(n, 0, make([]byte, 30), 30, Inbound); errors.Is(err, errFull) {
			failed++
		} else if failed > 0 {
			t.Error("the error was forgotten")
		}
	}
	if failed == 0 {
		t.Error("no error")
	}
}
