package conversation

// rungs keeps the first and the last packets of a connection.
type rungs struct {
	head    []Rung
	tail    []Rung // a ring
	at      int
	dropped int
	limit   int
}

// keep adds a packet to a connection's ladder.
func (r *Reading) keep(number uint64, rung Rung) {
	l := r.ladders[number]
	if l == nil {
		l = &rungs{limit: r.Rungs}
		r.ladders[number] = l
	}
	l.add(rung)
}

func (l *rungs) add(r Rung) {
	half := max(l.limit/2, 1)
	switch {
	case len(l.head) < l.limit-half:
		l.head = append(l.head, r)
	case len(l.tail) < half:
		l.tail = append(l.tail, r)
	default:
		l.tail[l.at] = r
		l.at = (l.at + 1) % half
		l.dropped++
	}
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
