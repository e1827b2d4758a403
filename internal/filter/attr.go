package filter

import (
	"encoding/binary"
	"iter"
)

// Attributes of nfnetlink: length and type in host order, the value in network
// order, each padded to four octets.

const (
	attrHeader   = 4
	attrTypeMask = 0x3fff // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
)

// attributes yields what stands in b, and stops at the first that does not fit.
func attributes(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for len(b) >= attrHeader {
			length := int(binary.NativeEndian.Uint16(b))
			if length < attrHeader || length > len(b) {
				return
			}
			if !yield(int(binary.NativeEndian.Uint16(b[2:])&attrTypeMask), b[attrHeader:length]) {
				return
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}

// attribute is the value of the first attribute of a type; nil: there is none.
func attribute(b []byte, typ int) []byte {
	for t, v := range attributes(b) {
		if t == typ {
			return v[:len(v):len(v)]
		}
	}
	return nil
}

// number reads an attribute of 32 bits; 0 and false where there is none.
func number(b []byte, typ int) (uint32, bool) {
	v := attribute(b, typ)
	if len(v) < 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// n32 is number with 0 for none.
func n32(b []byte, typ int) uint32 {
	n, _ := number(b, typ)
	return n
}

func n64(v []byte) uint64 {
	if len(v) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// text reads a NUL-terminated string.
func text(v []byte) string {
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

// value is the octets of a nested NFTA_DATA_VALUE.
func value(b []byte, typ int) []byte { return attribute(attribute(b, typ), dataValue) }
