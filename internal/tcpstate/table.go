package tcpstate

import "math/bits"

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

// hashOf mixes both ends with a seed, so that nobody can prepare a capture whose
// connections all collide. Both directions have the same.
func hashOf(src, dst Addr, srcPort, dstPort uint16, seed uint64) uint32 {
	a := mix(src.Lo^uint64(srcPort)<<48^mix0, src.Hi^seed)
	b := mix(dst.Lo^uint64(dstPort)<<48^mix0, dst.Hi^seed)
	h := mix(a+b, mix2)
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
	conn Conn
}

// sender says which end of the connection a segment between these is from;
// negative: it is another connection's. Where both ends are the same, both
// directions look alike.
func (c *Conn) sender(src, dst Addr, srcPort, dstPort uint16) int {
	a, b := &c.Ends[Initiator].Endpoint, &c.Ends[Responder].Endpoint
	switch {
	case a.Port == srcPort && b.Port == dstPort && a.Addr == src && b.Addr == dst:
		return Initiator
	case a.Port == dstPort && b.Port == srcPort && a.Addr == dst && b.Addr == src:
		return Responder
	}
	return -1
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

// find gives the slot of the connection between two ends, and which of them the
// first one is; or none.
func (t *table) find(src, dst Addr, srcPort, dstPort uint16, h uint32) (n uint32, s *slot, side int) {
	entries := t.entries
	mask := uint32(len(entries) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := entries[i]
		if e == 0 {
			return 0, nil, 0
		}
		if uint32(e>>32) == h {
			n = uint32(e) - 1
			s = t.at(n)
			if side = s.conn.sender(src, dst, srcPort, dstPort); side >= 0 {
				return n, s, side
			}
		}
	}
}

// fetch touches what find will look at. The loads do not wait for each other.
func (t *table) fetch(hashes []uint32) (sum uint32) {
	var found [together]uint64
	mask := uint32(len(t.entries) - 1)
	for i, h := range hashes {
		found[i&(together-1)] = t.entries[h&mask]
	}
	for i, h := range hashes {
		if e := found[i&(together-1)]; uint32(e>>32) == h && e != 0 {
			c := &t.at(uint32(e) - 1).conn
			sum += uint32(c.Number) + c.Ends[0].ack + c.Ends[1].Packets + uint32(c.Last)
		}
	}
	return sum
}

// add gives a connection that has none a slot; the caller fills in its ends.
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
