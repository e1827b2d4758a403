package sweep

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Limits bound a sweep. Zero bounds nothing, but for InFlight, which must be set.
type Limits struct {
	Rate         float64 // attempts a second, retries included
	InFlight     int     // attempts at once
	HostRate     float64 // attempts a second to one address
	HostInFlight int
	NetRate      float64 // attempts a second to one network: an IPv4 /24, an IPv6 /64
	NetInFlight  int
	Retries      int // how often a silent target is tried again
}

// bucket paces one stream of attempts: the virtual scheduling form of the
// generic cell rate algorithm (ITU-T I.371). Its state is the time at which
// the next one is due.
type bucket struct {
	interval, burst time.Duration
}

// maxBurst is how much unused time may be caught up with. It hides the coarse
// clock of the engines' waits, and little enough comes of it at once.
const maxBurst = 10 * time.Millisecond

func newBucket(rate float64) bucket {
	if rate <= 0 {
		return bucket{}
	}
	i := max(1, time.Duration(float64(time.Second)/rate))
	return bucket{i, max(maxBurst, i) - i}
}

// early is how long before it may go an attempt is; 0: now.
func (b bucket) early(due *time.Duration, now time.Duration) time.Duration {
	if b.interval == 0 {
		return 0
	}
	return max(0, *due-b.burst-now)
}

func (b bucket) take(due *time.Duration, now time.Duration) {
	if b.interval > 0 {
		*due = max(*due, now-b.burst) + b.interval
	}
}

// cells is the power of two of addresses and networks told apart. Two that
// share a cell share its limit, which errs on the gentle side.
const cells = 1 << 16

// fair holds the limits of one kind of neighbourhood.
type fair struct {
	mask4, mask6 int // prefix lengths
	bucket
	most  int
	due   []time.Duration
	count []uint16
}

func newFair(mask4, mask6 int, rate float64, most int) *fair {
	if rate <= 0 && most <= 0 {
		return nil
	}
	f := &fair{mask4: mask4, mask6: mask6, bucket: newBucket(rate), most: min(most, 1<<16-1)}
	if rate > 0 {
		f.due = make([]time.Duration, cells)
	}
	if most > 0 {
		f.count = make([]uint16, cells)
	}
	return f
}

func (f *fair) cell(a netip.Addr) int {
	if a.Is4() {
		b := a.As4()
		return int(mix(uint64(binary.BigEndian.Uint32(b[:])>>(32-f.mask4))) % cells)
	}
	b := a.As16()
	h := mix(binary.BigEndian.Uint64(b[:8]))
	if f.mask6 > 64 {
		h = mix(h ^ binary.BigEndian.Uint64(b[8:]))
	}
	return int(h % cells)
}

// wait is how long an attempt at a has to wait; 0: it may go. At the limit of
// attempts at once that is not known, and a short time is given.
func (f *fair) wait(a netip.Addr, now time.Duration) time.Duration {
	if f == nil {
		return 0
	}
	c := f.cell(a)
	if f.count != nil && int(f.count[c]) >= f.most {
		return time.Millisecond
	}
	if f.due == nil {
		return 0
	}
	return f.early(&f.due[c], now)
}

func (f *fair) begin(a netip.Addr, now time.Duration) {
	if f == nil {
		return
	}
	c := f.cell(a)
	if f.count != nil {
		f.count[c]++
	}
	if f.due != nil {
		f.take(&f.due[c], now)
	}
}

func (f *fair) end(a netip.Addr) {
	if f != nil && f.count != nil {
		f.count[f.cell(a)]--
	}
}
