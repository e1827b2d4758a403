package tcpstate

import "time"

// entry is a connection that is to be looked at again.
type entry struct {
	slot   uint32
	number uint32 // the lower half of its number: enough to know a slot that was given to another
	at     time.Duration
}

const queueChunk = 1 << 10

// queue holds entries in the order in which they were pushed, which is that of
// their times. Its chunks are never copied.
type queue struct {
	chunks     []*[queueChunk]entry
	spare      *[queueChunk]entry
	head, tail int // in the first chunk, in the last
	length     int
}

func (q *queue) push(e entry) {
	if len(q.chunks) == 0 || q.tail == queueChunk {
		if q.spare == nil {
			q.spare = new([queueChunk]entry)
		}
		q.chunks = append(q.chunks, q.spare)
		q.spare, q.tail = nil, 0
	}
	q.chunks[len(q.chunks)-1][q.tail] = e
	q.tail++
	q.length++
}

// due says that the first entry's time has come.
func (q *queue) due(now time.Duration) bool { return q.length > 0 && q.chunks[0][q.head].at <= now }

// first is the time of the first entry, or a later one where there is none.
func (q *queue) first(none time.Duration) time.Duration {
	if q.length == 0 {
		return none
	}
	return min(q.chunks[0][q.head].at, none)
}

// keep drops the entries that are not to be kept.
func (q *queue) keep(keep func(entry) bool) {
	for range q.length {
		if e := q.pop(); keep(e) {
			q.push(e)
		}
	}
}

// pop takes the first entry; there must be one.
func (q *queue) pop() entry {
	e := q.chunks[0][q.head]
	q.length--
	if q.head++; q.head == queueChunk {
		q.spare, q.head = q.chunks[0], 0
		q.chunks = q.chunks[1:]
	}
	return e
}
