package filter

// truth has three values.
type truth uint8

const (
	no truth = iota
	perhaps
	yes
)

func (t truth) not() truth { return yes - t }

// bits are octets of which single bits may be unknown; an unknown bit is 0 in val.
type bits struct{ val, known []byte }

func exactly(b []byte) bits {
	k := make([]byte, len(b))
	for i := range k {
		k[i] = 0xff
	}
	return bits{append([]byte(nil), b...), k}
}

func obscure(n int) bits { return bits{make([]byte, n), make([]byte, n)} }

// sure says that all bits are known.
func (b bits) sure() bool {
	for _, k := range b.known {
		if k != 0xff {
			return false
		}
	}
	return true
}

// low and high are the least and the greatest value that the octets can have.
func (b bits) low() []byte { return b.val }

func (b bits) high() []byte {
	h := make([]byte, len(b.val))
	for i := range h {
		h[i] = b.val[i] | ^b.known[i]
	}
	return h
}

// equal compares with octets that are known.
func (b bits) equal(v []byte) truth {
	if len(b.val) != len(v) {
		return perhaps
	}
	for i := range v {
		if (b.val[i]^v[i])&b.known[i] != 0 {
			return no
		}
	}
	return of2(b.sure())
}

// of2 is yes or perhaps.
func of2(sure bool) truth {
	if sure {
		return yes
	}
	return perhaps
}
