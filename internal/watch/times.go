package watch

import (
	"math/bits"
	"time"
)

// Times are durations, counted by size: two for each doubling, so that a
// quantile is right within a third of its value.
type Times struct {
	N        uint64
	Min, Max time.Duration
	buckets  [128]uint64
}

// Add counts one.
func (h *Times) Add(d time.Duration) {
	d = max(d, 0)
	if h.N == 0 || d < h.Min {
		h.Min = d
	}
	h.Max = max(h.Max, d)
	h.N++
	h.buckets[bucketOf(d)]++
}

func bucketOf(d time.Duration) int {
	n := bits.Len64(uint64(d))
	if n < 2 {
		return n
	}
	return 2*(n-1) + int(uint64(d)>>(n-2)&1)
}

// Quantile is the size below which the share q of them is: the upper bound of
// its bucket, and within [Min, Max].
func (h *Times) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.N))
	for i, n := range h.buckets {
		if rank < n {
			return min(max(upper(i), h.Min), h.Max)
		}
		rank -= n
	}
	return h.Max
}

func upper(i int) time.Duration {
	if i < 2 {
		return time.Duration(i)
	}
	n := i/2 + 1
	return time.Duration(uint64(2+i&1+1)<<(n-2)) - 1
}
