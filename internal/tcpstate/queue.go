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
}

// due says that the first entry's time has come.
func (q *queue) due(now time.Duration) bool {
	if len(q.chunks) == 0 || len(q.chunks) == 1 && q.head == q.tail {
		return false
	}
	return q.chunks[0][q.head].at <= now
}

// pop takes the first entry; there must be one.
func (q *queue) pop() entry {
	e := q.chunks[0][q.head]
	if q.head++; q.head == queueChunk {
		q.spare, q.head = q.chunks[0], 0
		q.chunks = q.chunks[1:]
	}
	return e
}
