package tcpstate

import "math/bits"

// flow is what a segment's connection is found by: both ends, the lower first,
// so that both directions have the same.
type flow struct {
	low, high         Addr
	lowPort, highPort uint16
}

// flowOf gives the flow, and whether the source is the higher end.
func flowOf(src, dst Addr, srcPort, dstPort uint16) (f flow, swapped bool) {
	if dst.less(src) || dst == src && dstPort < srcPort {
		return flow{dst, src, dstPort, srcPort}, true
	}
	return flow{src, dst, srcPort, dstPort}, false
}

// The multipliers are those of wyhash: odd, with evenly spread bits.
const (
	mix0 = 0xa0761d6478bd642f
	mix1 = 0xe7037ed1a0b428db
	mix2 = 0x8ebc6af09c88c6e3
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash mixes the flow with a seed, so that nobody can prepare a capture whose
// flows all collide.
func (f *flow) hash(seed uint64) uint32 {
	h := mix(f.low.Lo^mix0^seed, f.high.Lo^mix1)
	if f.low.Hi|f.high.Hi != 0 {
		h ^= mix(f.low.Hi^mix1, f.high.Hi^mix2^seed)
	}
	h = mix(h^uint64(f.lowPort)<<16^uint64(f.highPort), mix2^seed)
	return uint32(h ^ h>>32)
}

const (
	chunkBits = 9
	chunkSize = 1 << chunkBits
)

// slot is a connection in the slab, with what finds it.
type slot struct {
	hash uint32
	used bool
	flip bool // the initiator is the higher end
	conn Conn
}

// is says that a slot is of this flow.
func (s *slot) is(f *flow) bool {
	low, high := &s.conn.Ends[0].Endpoint, &s.conn.Ends[1].Endpoint
	if s.flip {
		low, high = high, low
	}
	return low.Addr == f.low && high.Addr == f.high && low.Port == f.lowPort && high.Port == f.highPort
}

// table finds connections. Entries are the hash in the upper half and the
// slot's number plus 1 in the lower; 0 is empty. Collisions go to the next
// entry, and a removal closes the gap (Knuth, TAOCP vol. 3 §6.4, algorithm R).
type table struct {
	entries []uint64
	chunks  []*[chunkSize]slot
	free    []uint32
	made    uint32
	live    int
	seed    uint64
}

func newTable(seed uint64) table { return table{entries: make([]uint64, 1<<10), seed: seed} }

func (t *table) at(i uint32) *slot { return &t.chunks[i>>chunkBits][i&(chunkSize-1)] }

// find gives a flow's slot, or none.
func (t *table) find(f *flow, h uint32) (uint32, *slot) {
	mask := uint32(len(t.entries) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := t.entries[i]
		if e == 0 {
			return 0, nil
		}
		if uint32(e>>32) == h {
			n := uint32(e) - 1
			if s := t.at(n); s.is(f) {
				return n, s
			}
		}
	}
}

// add gives a flow that has none a slot; the caller fills in its ends.
func (t *table) add(h uint32) (uint32, *slot) {
	if (t.live+1)*3 > len(t.entries)*2 {
		t.grow()
	}
	var n uint32
	if last := len(t.free) - 1; last >= 0 {
		n = t.free[last]
		t.free = t.free[:last]
	} else {
		n = t.made
		t.made++
		if int(n>>chunkBits) == len(t.chunks) {
			t.chunks = append(t.chunks, new([chunkSize]slot))
		}
	}
	t.insert(h, n)
	t.live++
	s := t.at(n)
	s.hash, s.used = h, true
	return n, s
}

func (t *table) insert(h, n uint32) {
	mask := uint32(len(t.entries) - 1)
	i := h & mask
	for t.entries[i] != 0 {
		i = (i + 1) & mask
	}
	t.entries[i] = uint64(h)<<32 | uint64(n+1)
}

func (t *table) grow() {
	old := t.entries
	t.entries = make([]uint64, 2*len(old))
	for _, e := range old {
		if e != 0 {
			t.insert(uint32(e>>32), uint32(e)-1)
		}
	}
}

// remove frees a slot.
func (t *table) remove(n uint32) {
	s := t.at(n)
	mask := uint32(len(t.entries) - 1)
	i := s.hash & mask
	for uint32(t.entries[i])-1 != n || t.entries[i] == 0 {
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		e := t.entries[j]
		if e == 0 {
			break
		}
		if home := uint32(e>>32) & mask; (j-home)&mask >= (j-i)&mask {
			t.entries[i] = e
			i = j
		}
	}
	t.entries[i] = 0
	s.used = false
	t.free = append(t.free, n)
	t.live--
}
