package tcpstate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// shareGiven is the share of the connections, 1 in so many, that are chosen at
// once to give way: choosing looks at all of them.
const shareGiven = 16

// sampled is how many connections tell what the longest silent share of all is.
const sampled = 1024

// evict gives up one connection: one that is over, or else one of those that
// were silent for longest.
func (t *Tracker) evict() {
	for {
		if len(t.victims) == 0 {
			t.choose()
		}
		e := t.victims[len(t.victims)-1]
		t.victims = t.victims[:len(t.victims)-1]
		sl := t.held(e)
		if sl == nil || e.at >= 0 && sl.conn.Last > e.at {
			continue // it is no more, or spoke since
		}
		if !sl.conn.closed {
			sl.conn.Evicted = true
			t.Evicted++
		}
		t.finish(e.slot, sl)
		return
	}
}

// choose lists who gives way next, by a pass over all connections.
func (t *Tracker) choose() {
	share := max(t.table.live/shareGiven, 1)
	stride := uint32(max(int(t.table.made)/sampled, 1))
	var sample []time.Duration
	for n := uint32(0); n < t.table.made; n += stride {
		if sl := t.table.at(n); sl.used {
			sample = append(sample, sl.conn.worth())
		}
	}
	slices.Sort(sample)
	bound := time.Duration(math.MaxInt64)
	if len(sample) > 0 {
		bound = sample[min(len(sample)*share/t.table.live, len(sample)-1)]
	}
	for n := range t.table.made {
		sl := t.table.at(n)
		if worth := sl.conn.worth(); sl.used && worth <= bound {
			t.victims = append(t.victims, entry{n, uint32(sl.conn.Number), worth})
			if len(t.victims) >= 2*share {
				break
			}
		}
	}
	slices.SortFunc(t.victims, func(a, b entry) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.number, a.number)) })
}

// worth orders connections by who gives way first: those that are over, then the
// longest silent.
func (c *Conn) worth() time.Duration {
	if c.closed {
		return -1
	}
	return max(c.Last, 0)
}
