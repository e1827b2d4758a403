package reactor

import "time"

// deadlines is the queue of the attempts in flight. All have the same time
// allowed, so that the order in which they began is that of their deadlines: a
// timer wheel of a single spoke, kept as links between the slots.
type deadlines struct {
	head, tail int32
	n          int
}

var noDeadlines = deadlines{head: -1, tail: -1}

// first is when the oldest began.
func (d *deadlines) first(slots []slot) (began time.Duration, ok bool) {
	if d.n == 0 {
		return 0, false
	}
	return slots[d.head].began, true
}

func (d *deadlines) push(slots []slot, i int32) {
	s := &slots[i]
	s.prev, s.next = d.tail, -1
	if d.tail >= 0 {
		slots[d.tail].next = i
	} else {
		d.head = i
	}
	d.tail = i
	d.n++
}

func (d *deadlines) remove(slots []slot, i int32) {
	s := &slots[i]
	if s.prev >= 0 {
		slots[s.prev].next = s.next
	} else {
		d.head = s.next
	}
	if s.next >= 0 {
		slots[s.next].prev = s.prev
	} else {
		d.tail = s.prev
	}
	d.n--
}

// early decides whether to look at a socket right after connect(2). Within
// this host, over veth and loopback, the answer is processed before connect(2)
// returns, and a look then spares the event; on a longer way it is wasted.
type early struct {
	on       bool
	looks    uint32
	hits, of uint32
}

// trial is after how many attempts one is looked at all the same.
const trial = 64

func (e *early) worthwhile() bool {
	e.looks++
	return e.on || e.looks%trial == 0
}

// seen counts a look and passes its result on.
func (e *early) seen(hit bool) bool {
	e.of++
	if hit {
		e.hits++
	}
	if e.of >= trial || !e.on && e.of >= 4 {
		e.on = 2*e.hits > e.of
		e.hits, e.of = 0, 0
	}
	return hit
}
