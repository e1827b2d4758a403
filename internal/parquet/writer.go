// Package parquet writes tables in the Parquet format (parquet-format 2.10): flat
// columns of integers and strings, values in plain encoding, pages compressed
// by gzip, a group of rows at a time. That is what every reader knows, and all
// that results need; reading is for others.
package parquet

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Kind is what a column holds.
type Kind uint8

// The kinds.
const (
	Int64  Kind = iota
	Uint64      // INT64 that is told to have no sign
	Uint16      // INT32 that is told to be small
	String      // UTF-8
)

// Numbers of the format's parquet.thrift.
const (
	physicalInt32, physicalInt64, physicalBytes           = 1, 2, 6
	convertedUTF8, convertedUint16, convertedUint64       = 0, 12, 14
	repetitionRequired, repetitionOptional                = 0, 1
	encodingPlain, encodingRLE, codecGzip, pageData int32 = 0, 3, 2, 0
)

func (k Kind) physical() int32 {
	switch k {
	case Uint16:
		return physicalInt32
	case String:
		return physicalBytes
	}
	return physicalInt64
}

func (k Kind) converted() (c int32, ok bool) {
	switch k {
	case Uint16:
		return convertedUint16, true
	case Uint64:
		return convertedUint64, true
	case String:
		return convertedUTF8, true
	}
	return 0, false
}

// Column is one of a table's.
type Column struct {
	Name     string
	Kind     Kind
	Optional bool // a row may lack it
}

// rowsTogether is how many rows make a group: what is held in memory, about 5 MB
// of results.
const rowsTogether = 1 << 15

const magic = "PAR1"

// Writer writes a table row by row. Every column is set once a row, in order.
type Writer struct {
	out     io.Writer
	written int64
	columns []column
	at      int // the column that is set next
	rows    int // in this group
	groups  []group
	gzip    *gzip.Writer
	page    bytes.Buffer
	raw     []byte
}

type column struct {
	Column
	values  []byte // plain
	present []bool // of an optional column, a row each
	n       int    // rows so far
}

type group struct {
	rows   int
	chunks []chunk
}

type chunk struct {
	offset            int64
	plain, compressed int64 // with the page's head
}

// NewWriter begins a table.
func NewWriter(out io.Writer, columns []Column) (*Writer, error) {
	w := &Writer{out: out}
	for _, c := range columns {
		w.columns = append(w.columns, column{Column: c})
	}
	var err error
	if w.gzip, err = gzip.NewWriterLevel(&w.page, gzip.BestSpeed); err != nil {
		return nil, err
	}
	return w, w.write([]byte(magic))
}

func (w *Writer) write(b []byte) error {
	n, err := w.out.Write(b)
	w.written += int64(n)
	return err
}

// next is the column that is set now.
func (w *Writer) next(present bool, kinds ...Kind) *column {
	c := &w.columns[w.at]
	ok := !present && c.Optional
	for _, k := range kinds {
		ok = ok || c.Kind == k
	}
	if !ok {
		panic(fmt.Sprintf("parquet: column %q is given what it does not hold", c.Name))
	}
	w.at++
	c.n++
	if c.Optional {
		c.present = append(c.present, present)
	}
	return c
}

// Int sets an integer.
func (w *Writer) Int(v int64) {
	c := w.next(true, Int64, Uint64, Uint16)
	if c.Kind == Uint16 {
		c.values = binary.LittleEndian.AppendUint32(c.values, uint32(v))
		return
	}
	c.values = binary.LittleEndian.AppendUint64(c.values, uint64(v))
}

// Text sets a string.
func (w *Writer) Text(s string) {
	c := w.next(true, String)
	c.values = append(binary.LittleEndian.AppendUint32(c.values, uint32(len(s))), s...)
}

// Null leaves an optional column without a value.
func (w *Writer) Null() { w.next(false) }

// EndRow ends a row of which every column was set.
func (w *Writer) EndRow() error {
	if w.at != len(w.columns) {
		panic(fmt.Sprintf("parquet: %d of %d columns were set", w.at, len(w.columns)))
	}
	w.at = 0
	if w.rows++; w.rows < rowsTogether {
		return nil
	}
	return w.flush()
}

// flush writes the rows so far as a group: a chunk of one page for each column.
func (w *Writer) flush() error {
	g := group{rows: w.rows}
	for i := range w.columns {
		c := &w.columns[i]
		w.raw = append(levels(w.raw[:0], c), c.values...)
		if len(w.raw) > math.MaxInt32 {
			return fmt.Errorf("parquet: column %q: a page of %d octets is too large", c.Name, len(w.raw))
		}
		w.page.Reset()
		w.gzip.Reset(&w.page)
		w.gzip.Write(w.raw) //nolint:errcheck // a buffer takes everything
		w.gzip.Close()      //nolint:errcheck // likewise
		var head compact
		head.open()
		head.i32(1, pageData)
		head.i32(2, int32(len(w.raw)))
		head.i32(3, int32(w.page.Len()))
		head.child(5) // data_page_header
		head.i32(1, int32(c.n))
		head.i32(2, encodingPlain)
		head.i32(3, encodingRLE) // of definition levels
		head.i32(4, encodingRLE) // of repetition levels, of which there are none
		head.end()
		head.end()
		g.chunks = append(g.chunks, chunk{w.written, int64(len(head.b) + len(w.raw)), int64(len(head.b) + w.page.Len())})
		if err := w.write(head.b); err != nil {
			return err
		}
		if err := w.write(w.page.Bytes()); err != nil {
			return err
		}
		c.values, c.present, c.n = c.values[:0], c.present[:0], 0
	}
	w.groups = append(w.groups, g)
	w.rows = 0
	return nil
}

// levels appends which rows of an optional column have a value: definition
// levels of one bit, in runs (RLE of Encodings.md), their length before them.
func levels(b []byte, c *column) []byte {
	if !c.Optional {
		return b
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for i := 0; i < len(c.present); {
		n := 1
		for i+n < len(c.present) && c.present[i+n] == c.present[i] {
			n++
		}
		b = binary.AppendUvarint(b, uint64(n)<<1)
		if c.present[i] {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
		i += n
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// Close writes what is left and the table's description, without which nobody
// takes the file for whole. The underlying writer stays open.
func (w *Writer) Close() error {
	if w.at != 0 {
		panic("parquet: a row was not ended")
	}
	if w.rows > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	foot := w.footer()
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(foot)))
	return w.write(append(foot, magic...))
}

// footer is FileMetaData.
func (w *Writer) footer() []byte {
	var c compact
	rows := 0
	for _, g := range w.groups {
		rows += g.rows
	}
	c.open()
	c.i32(1, 1) // version
	c.list(2, 1+len(w.columns), typeStruct)
	c.open() // the root of the schema
	c.text(4, "results")
	c.i32(5, int32(len(w.columns)))
	c.end()
	for i := range w.columns {
		col := &w.columns[i]
		c.open()
		c.i32(1, col.Kind.physical())
		repetition := int32(repetitionRequired)
		if col.Optional {
			repetition = repetitionOptional
		}
		c.i32(3, repetition)
		c.text(4, col.Name)
		if converted, ok := col.Kind.converted(); ok {
			c.i32(6, converted)
		}
		c.end()
	}
	c.i64(3, int64(rows))
	c.list(4, len(w.groups), typeStruct)
	for _, g := range w.groups {
		w.group(&c, g)
	}
	c.text(6, "dialscope")
	c.end()
	return c.b
}

// group is RowGroup.
func (w *Writer) group(c *compact, g group) {
	c.open()
	c.list(1, len(g.chunks), typeStruct)
	var plain int64
	for i, k := range g.chunks {
		plain += k.plain
		c.open()
		c.i64(2, k.offset)
		c.child(3) // ColumnMetaData
		c.i32(1, w.columns[i].Kind.physical())
		c.list(2, 2, typeI32)
		c.b = binary.AppendVarint(c.b, int64(encodingPlain))
		c.b = binary.AppendVarint(c.b, int64(encodingRLE))
		c.list(3, 1, typeBinary)
		c.string(w.columns[i].Name)
		c.i32(4, codecGzip)
		c.i64(5, int64(g.rows))
		c.i64(6, k.plain)
		c.i64(7, k.compressed)
		c.i64(9, k.offset)
		c.end()
		c.end()
	}
	c.i64(2, plain)
	c.i64(3, int64(g.rows))
	c.end()
}
