package results

// Places is a set of places in a sweep's order. They come nearly in order, so
// a bit each is little.
type Places struct{ bits []uint64 }

// Add puts a place in, and says whether it is new.
func (p *Places) Add(place uint64) bool {
	at := place / 64
	for uint64(len(p.bits)) <= at {
		p.bits = append(p.bits, make([]uint64, max(64, len(p.bits)/4))...)
	}
	bit := uint64(1) << (place % 64)
	isNew := p.bits[at]&bit == 0
	p.bits[at] |= bit
	return isNew
}

// Has says whether a place is in the set.
func (p *Places) Has(place uint64) bool {
	at := place / 64
	return at < uint64(len(p.bits)) && p.bits[at]&(1<<(place%64)) != 0
}
