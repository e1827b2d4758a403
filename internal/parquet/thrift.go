package parquet

import "encoding/binary"

// compact writes Thrift's compact protocol: the part of it that Parquet's
// metadata needs (thrift-compact-protocol.md of Apache Thrift).
type compact struct {
	b    []byte
	last []int16 // the field written last, of each struct that is open
}

// Types of the compact protocol.
const (
	typeI32    = 5
	typeI64    = 6
	typeBinary = 8
	typeList   = 9
	typeStruct = 12
)

func (c *compact) open() { c.last = append(c.last, 0) }

func (c *compact) end() {
	c.b = append(c.b, 0)
	c.last = c.last[:len(c.last)-1]
}

// field writes a field's head: the difference of its number to the last one's
// where that is small.
func (c *compact) field(id int16, typ byte) {
	last := &c.last[len(c.last)-1]
	if d := id - *last; d > 0 && d <= 15 {
		c.b = append(c.b, byte(d)<<4|typ)
	} else {
		c.b = binary.AppendVarint(append(c.b, typ), int64(id))
	}
	*last = id
}

func (c *compact) i32(id int16, v int32) {
	c.field(id, typeI32)
	c.b = binary.AppendVarint(c.b, int64(v)) // zigzag, as Go's varint
}

func (c *compact) i64(id int16, v int64) {
	c.field(id, typeI64)
	c.b = binary.AppendVarint(c.b, v)
}

func (c *compact) text(id int16, s string) {
	c.field(id, typeBinary)
	c.string(s)
}

func (c *compact) string(s string) {
	c.b = append(binary.AppendUvarint(c.b, uint64(len(s))), s...)
}

// list writes the head of a list of n elements, which follow.
func (c *compact) list(id int16, n int, typ byte) {
	c.field(id, typeList)
	if n < 15 {
		c.b = append(c.b, byte(n)<<4|typ)
		return
	}
	c.b = binary.AppendUvarint(append(c.b, 0xf0|typ), uint64(n))
}

// child begins a struct that is a field's value.
func (c *compact) child(id int16) {
	c.field(id, typeStruct)
	c.open()
}
