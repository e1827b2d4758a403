package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	reader "github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

var columns = []Column{
	{Name: "name", Kind: String},
	{Name: "port", Kind: Uint16},
	{Name: "offset", Kind: Int64},
	{Name: "place", Kind: Uint64},
	{Name: "word", Kind: String, Optional: true},
	{Name: "code", Kind: Uint16, Optional: true},
	{Name: "more", Kind: Int64, Optional: true},
}

// row is the same for the other implementation.
type row struct {
	Name   string  `parquet:"name"`
	Port   uint16  `parquet:"port"`
	Offset int64   `parquet:"offset"`
	Place  uint64  `parquet:"place"`
	Word   *string `parquet:"word,optional"`
	Code   *uint16 `parquet:"code,optional"`
	More   *int64  `parquet:"more,optional"`
}

func write(t testing.TB, rows []row) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, columns)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		w.Text(r.Name)
		w.Int(int64(r.Port))
		w.Int(r.Offset)
		w.Int(int64(r.Place))
		if r.Word == nil {
			w.Null()
		} else {
			w.Text(*r.Word)
		}
		if r.Code == nil {
			w.Null()
		} else {
			w.Int(int64(*r.Code))
		}
		if r.More == nil {
			w.Null()
		} else {
			w.Int(*r.More)
		}
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readBack reads with parquet-go, which shares no line with the writer.
func readBack(b []byte) ([]row, error) {
	return reader.Read[row](bytes.NewReader(b), int64(len(b)))
}

func ref[T any](v T) *T { return &v }

func TestReadBack(t *testing.T) {
	long := strings.Repeat("é\x00", 5000)
	for name, rows := range map[string][]row{
		"none": nil,
		"one":  {{Name: "a", Port: 65535, Offset: math.MinInt64, Place: math.MaxUint64, Word: ref(""), Code: ref(uint16(0)), More: ref(int64(math.MaxInt64))}},
		"gaps": {{}, {Word: ref("x")}, {Code: ref(uint16(7))}, {More: ref(int64(-1))}, {Name: long, Word: ref(long)}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readBack(write(t, rows))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(len(rows), len(got)); diff != "" {
				t.Fatal(diff)
			}
			for i := range rows {
				if diff := cmp.Diff(rows[i], got[i]); diff != "" {
					t.Errorf("row %d: %s", i, diff)
				}
			}
		})
	}
}

// Groups end in the middle, and at the end, of what is written.
func TestReadBackGroups(t *testing.T) {
	for _, n := range []int{rowsTogether - 1, rowsTogether, rowsTogether + 1, 2*rowsTogether + 5} {
		rows := make([]row, n)
		for i := range rows {
			rows[i] = row{Name: "10.0.0.1", Port: uint16(i), Offset: int64(-i), Place: uint64(i)}
			if i%3 == 0 {
				rows[i].Word = ref("open")
			}
		}
		b := write(t, rows)
		f, err := reader.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if want := (n + rowsTogether - 1) / rowsTogether; len(f.RowGroups()) != want || f.NumRows() != int64(n) {
			t.Errorf("%d rows: %d groups, want %d; %d rows read", n, len(f.RowGroups()), want, f.NumRows())
		}
		got, err := readBack(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if !reflect.DeepEqual(rows[i], got[i]) { // cmp.Equal takes a minute for as many
				t.Fatalf("row %d of %d: %s", i, n, cmp.Diff(rows[i], got[i]))
			}
		}
	}
}

func TestReadBackAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []row
		for range rapid.IntRange(0, 200).Draw(t, "rows") {
			r := row{
				Name: rapid.String().Draw(t, "name"), Port: rapid.Uint16().Draw(t, "port"),
				Offset: rapid.Int64().Draw(t, "offset"), Place: rapid.Uint64().Draw(t, "place"),
			}
			if rapid.Bool().Draw(t, "has word") {
				r.Word = ref(rapid.String().Draw(t, "word"))
			}
			if rapid.Bool().Draw(t, "has code") {
				r.Code = ref(rapid.Uint16().Draw(t, "code"))
			}
			if rapid.Bool().Draw(t, "has more") {
				r.More = ref(rapid.Int64().Draw(t, "more"))
			}
			rows = append(rows, r)
		}
		var b bytes.Buffer
		w, err := NewWriter(&b, columns)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			w.Text(r.Name)
			w.Int(int64(r.Port))
			w.Int(r.Offset)
			w.Int(int64(r.Place))
			for _, set := range []struct {
				is bool
				do func()
			}{
				{r.Word != nil, func() { w.Text(*r.Word) }}, {r.Code != nil, func() { w.Int(int64(*r.Code)) }}, {r.More != nil, func() { w.Int(*r.More) }},
			} {
				if set.is {
					set.do()
				} else {
					w.Null()
				}
			}
			if err := w.EndRow(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := readBack(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(rows) {
			t.Fatalf("%d rows, want %d", len(got), len(rows))
		}
		for i := range rows {
			if !reflect.DeepEqual(rows[i], got[i]) { // cmp.Equal takes a minute for as many
				t.Fatalf("row %d: %s", i, cmp.Diff(rows[i], got[i]))
			}
		}
	})
}

// A file that was cut off anywhere is not taken for whole.
func TestTorn(t *testing.T) {
	b := write(t, []row{{Name: "a"}, {Name: "b", Word: ref("c")}})
	if foot := binary.LittleEndian.Uint32(b[len(b)-8:]); string(b[:4]) != magic || string(b[len(b)-4:]) != magic || int(foot) > len(b)-12 {
		t.Errorf("a footer of %d octets in %d: %q … %q", foot, len(b), b[:4], b[len(b)-4:])
	}
	for n := range len(b) {
		if rows, err := readBack(b[:n]); err == nil {
			t.Errorf("%d of %d octets are a table of %d rows", n, len(b), len(rows))
		}
	}
}

// short takes so many octets and then no more, as a full disk.
type short int

var errFull = errors.New("no space left")

func (s *short) Write(b []byte) (int, error) {
	if len(b) > int(*s) {
		n := int(*s)
		*s = 0
		return n, errFull
	}
	*s -= short(len(b))
	return len(b), nil
}

func TestFullDisk(t *testing.T) {
	whole := len(write(t, []row{{Name: "a"}}))
	for room := range whole {
		out := short(room)
		w, err := NewWriter(&out, columns)
		if err == nil {
			for _, c := range columns {
				switch {
				case c.Optional:
					w.Null()
				case c.Kind == String:
					w.Text("a")
				default:
					w.Int(0)
				}
			}
			if err = w.EndRow(); err == nil {
				err = w.Close()
			}
		}
		if !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d octets: %v", room, whole, err)
		}
	}
}

// What does not fit the columns is a mistake of the program.
func TestMisuse(t *testing.T) {
	for name, use := range map[string]func(w *Writer){
		"text for an integer":   func(w *Writer) { w.Text("a"); w.Text("b") },
		"an integer for text":   func(w *Writer) { w.Int(1) },
		"nothing where it must": func(w *Writer) { w.Null() },
		"a row half set":        func(w *Writer) { w.Text("a"); w.EndRow() },
		"a row not ended":       func(w *Writer) { w.Text("a"); w.Close() },
	} {
		w, err := NewWriter(io.Discard, columns)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s went through", name)
				}
			}()
			use(w)
		}()
	}
}

func BenchmarkWrite(b *testing.B) {
	w, err := NewWriter(io.Discard, columns)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		w.Text("10.20.30.40")
		w.Int(443)
		w.Int(int64(i) * 1000)
		w.Int(int64(i))
		w.Text("refused")
		w.Null()
		w.Null()
		if err := w.EndRow(); err != nil {
			b.Fatal(err)
		}
	}
}
