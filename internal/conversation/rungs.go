package conversation

// rungs keeps the first and the last packets of a connection.
type rungs struct {
	head    []Rung
	tail    []Rung // a ring
	at      int
	dropped int
	limit   int
}

// mostRungs bounds the packets that all ladders keep together: about 300 MB.
const mostRungs = 1 << 20

// keep adds a packet to a connection's ladder. When all ladders together are
// full, those that have begun keep what they hold, and others are told without.
func (r *Reading) keep(number uint64, rung Rung) {
	l := r.ladders[number]
	if l == nil {
		if r.kept >= mostRungs {
			return
		}
		l = &rungs{limit: r.Rungs}
		r.ladders[number] = l
	}
	if l.add(rung, r.kept < mostRungs) {
		r.kept++
	}
}

// forget drops a ladder.
func (r *Reading) forget(number uint64) {
	if l := r.ladders[number]; l != nil {
		r.kept -= len(l.head) + len(l.tail)
		delete(r.ladders, number)
	}
}

// add keeps a packet: one more, or where there is no room in place of an older
// one.
func (l *rungs) add(r Rung, room bool) (more bool) {
	half := max(l.limit/2, 1)
	switch {
	case room && l.dropped == 0 && len(l.head) < l.limit-half:
		l.head = append(l.head, r)
		return true
	case room && l.dropped == 0 && len(l.tail) < half, len(l.tail) == 0:
		l.tail = append(l.tail, r)
		return true
	default:
		l.tail[l.at] = r
		l.at = (l.at + 1) % len(l.tail)
		l.dropped++
	}
	return false
}

// all gives the packets in order; where some were left out, one without a
// frame says how many.
func (l *rungs) all() []Rung {
	all := append([]Rung(nil), l.head...)
	if l.dropped > 0 {
		all = append(all, Rung{Meaning: plural(l.dropped, "packet is", "packets are") + " not shown"})
	}
	all = append(all, l.tail[l.at:]...)
	return append(all, l.tail[:l.at]...)
}
