package sweep

import "math/bits"

// Order is a random order of the numbers from 0 to n-1 that needs no memory: a
// Feistel network over the smallest even number of bits that holds n, walked
// along its cycle until it comes back below n (Black and Rogaway, "Ciphers with
// Arbitrary Finite Domains", 2002). The same seed gives the same order.
type Order struct {
	n    uint64
	half uint // bits of one half
	mask uint64
	keys [rounds]uint64
}

// rounds beyond the four that make a network pseudorandom (Luby and Rackoff)
// even out small domains.
const rounds = 6

// NewOrder orders n numbers.
func NewOrder(n, seed uint64) Order {
	o := Order{n: n}
	if n > 1 {
		o.half = uint(bits.Len64(n-1)+1) / 2
	}
	o.mask = 1<<o.half - 1
	for i := range o.keys {
		seed = mix(seed + 0x9e3779b97f4a7c15)
		o.keys[i] = seed
	}
	return o
}

// At is the number at place i, for i below n.
func (o *Order) At(i uint64) uint64 {
	if o.n < 2 {
		return 0
	}
	for {
		i = o.permute(i)
		if i < o.n {
			return i
		}
	}
}

func (o *Order) permute(x uint64) uint64 {
	l, r := x>>o.half, x&o.mask
	for _, k := range o.keys {
		l, r = r, l^mix(r+k)&o.mask
	}
	return l<<o.half | r
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
