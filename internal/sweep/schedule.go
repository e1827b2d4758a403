package sweep

import (
	"net/netip"
	"time"
)

// Attempt is one connect to be made.
type Attempt struct {
	Place  uint64 // of the target in the sweep's order
	Addr   netip.AddrPort
	Try    uint8  // silent attempts at this target before
	Faults uint8  // times it met a limit of this host
	SYNs   uint16 // sent by the attempts before
}

// Ending is how an attempt ended, as far as the plan is concerned.
type Ending uint8

// The endings.
const (
	Answered Ending = iota // by the peer, by a router, or at once by the kernel's routing or policy
	Silent                 // nothing came in the time allowed
	Fault                  // this host had no port, descriptor or memory left
	Lost                   // silence, but this host may have thrown the SYN away
)

// maxFaults is how often a target may meet a limit of this host before that is
// its result: five seconds of it, in which the attempts that hold what there is
// end. lostCounts is what a lost one counts: it took its whole time.
const (
	maxFaults  = 100
	lostCounts = maxFaults / 8
)

// faultDelay is how long a target that met a limit of this host waits.
const faultDelay = 50 * time.Millisecond

// Schedule deals out attempts. It is not safe for concurrent use.
type Schedule struct {
	limits    Limits
	window    window
	rate      bucket
	due       time.Duration
	host, net *fair

	spaces  []part
	closed  bool
	places  uint64 // of the spaces added so far
	cursor  uint64 // within spaces[0], in steps of shards
	shard   uint64
	shards  uint64
	seed    uint64
	skip    func(place uint64) bool
	retries queue // silent ones, to be tried again at once
	faults  queue // in the order of their time
	held    queue // those that their host's or network's limit holds back
	until   time.Duration

	stats Stats
}

type part struct {
	*Space
	Order
	base uint64
}

// Stats is what a schedule has counted.
type Stats struct {
	Targets  uint64 // of the spaces added, this shard's, those skipped included
	Skipped  uint64 // done in an earlier run
	Begun    uint64 // attempts
	Done     uint64 // targets with a result
	Retried  uint64 // attempts at targets that were silent before
	Faults   uint64 // attempts that met a limit of this host
	InFlight int
	Window   int // attempts that may be in flight

	answeredSYNs, lostSYNs uint64
	silentSYNs, silent     uint64
}

// Loss estimates how many of a hundred SYNs or their answers are lost on the
// way, from the targets that did answer: an answer to the second SYN means
// that the first, or its answer, was lost (or came late).
func (s *Stats) Loss() float64 {
	if s.answeredSYNs == 0 {
		return 0
	}
	return float64(s.lostSYNs) / float64(s.answeredSYNs)
}

// Missed estimates the share of the targets that do answer and are taken for
// silent: the chance that all SYNs of a silent target were lost.
func (s *Stats) Missed() float64 {
	p := s.Loss()
	if s.silent == 0 || p == 0 {
		return 0
	}
	m := 1.0
	for range s.silentSYNs / s.silent {
		m *= p
	}
	return m
}

// Options of a schedule.
type Options struct {
	Limits
	Seed   uint64
	Shard  int                     // 1 to Shards; 0: the whole
	Shards int                     // 0: one
	Skip   func(place uint64) bool // places done before; nil: none
}

// NewSchedule makes a schedule without targets: see Add.
func NewSchedule(o Options) *Schedule {
	return &Schedule{
		limits: o.Limits, window: newWindow(o.InFlight), rate: newBucket(o.Rate),
		host: newFair(32, 128, o.HostRate, o.HostInFlight),
		net:  newFair(24, 64, o.NetRate, o.NetInFlight),
		seed: o.Seed, shard: uint64(max(o.Shard, 1) - 1), shards: uint64(max(o.Shards, 1)), skip: o.Skip,
	}
}

// Add appends a space, which is dealt out when those before it are.
func (s *Schedule) Add(space *Space) {
	n := space.Total()
	if n == 0 {
		return
	}
	if len(s.spaces) == 0 {
		s.cursor = s.shard
	}
	s.spaces = append(s.spaces, part{space, NewOrder(n, s.seed^mix(s.places)), s.places})
	s.places += n
	if n > s.shard {
		s.stats.Targets += (n-s.shard-1)/s.shards + 1
	}
}

// Close says that there are no more spaces.
func (s *Schedule) Close() { s.closed = true }

// Waiting is how many targets have been added and not yet been dealt out,
// about.
func (s *Schedule) Waiting() uint64 {
	var n uint64
	for i, p := range s.spaces {
		left := p.Total()
		if i == 0 {
			left -= min(left, s.cursor)
		}
		n += left / s.shards
	}
	return n
}

// Finished says that every target has its result.
func (s *Schedule) Finished() bool {
	return s.closed && len(s.spaces) == 0 && s.stats.InFlight == 0 &&
		s.retries.len()+s.faults.len()+s.held.len() == 0
}

// Stats gives the counts so far.
func (s *Schedule) Stats() Stats {
	st := s.stats
	st.Window = s.window.size
	return st
}

// Pause deals nothing out until the time given.
func (s *Schedule) Pause(until time.Duration) { s.until = max(s.until, until) }

// Slow says that this host threw packets away: fewer are sent at once.
func (s *Schedule) Slow(now time.Duration) { s.window.fault(now, s.stats.InFlight) }

// InFlight is how many attempts have been dealt out and not taken back.
func (s *Schedule) InFlight() int { return s.stats.InFlight }

// idle is how long to wait where only an attempt's end can bring news.
const idle = 10 * time.Millisecond

// Take deals out up to len(into) attempts that may begin now. With fewer, wait
// is when to ask again unless an attempt ends before.
func (s *Schedule) Take(now time.Duration, into []Attempt) (n int, wait time.Duration) {
	if now < s.until {
		return 0, s.until - now
	}
	wait = idle
	if s.stats.InFlight >= s.window.size {
		s.window.full(now)
	}
	room := min(len(into), s.window.size-s.stats.InFlight)
	tries := room + holdMost // looks at held targets are bounded too
	for n < room && tries > 0 {
		tries--
		if early := s.rate.early(&s.due, now); early > 0 {
			return n, min(wait, early)
		}
		a, ok := s.next(now, &wait)
		if !ok {
			break
		}
		if w := max(s.host.wait(a.Addr.Addr(), now), s.net.wait(a.Addr.Addr(), now)); w > 0 {
			wait = min(wait, w)
			s.held.push(delayed{a, now + w})
			continue
		}
		s.rate.take(&s.due, now)
		s.host.begin(a.Addr.Addr(), now)
		s.net.begin(a.Addr.Addr(), now)
		s.stats.InFlight++
		s.stats.Begun++
		if a.Try > 0 {
			s.stats.Retried++
		}
		into[n] = a
		n++
	}
	return n, wait
}

// holdMost is how many targets may be held back for their host's sake. When so
// many are, no new ones are dealt out.
const holdMost = 1024

func (s *Schedule) next(now time.Duration, wait *time.Duration) (Attempt, bool) {
	for _, q := range []*queue{&s.faults, &s.held, &s.retries} {
		if q.len() == 0 {
			continue
		}
		if at := q.first().at; at > now {
			*wait = min(*wait, at-now)
			continue
		}
		return q.pop().Attempt, true
	}
	if s.held.len() >= holdMost {
		return Attempt{}, false
	}
	for len(s.spaces) > 0 {
		p := &s.spaces[0]
		if s.cursor >= p.Total() {
			s.spaces = s.spaces[1:]
			s.cursor = s.shard
			continue
		}
		at := s.cursor
		s.cursor += s.shards
		place := p.base + at
		if s.skip != nil && s.skip(place) {
			s.stats.Skipped++
			s.stats.Done++
			continue
		}
		return Attempt{Place: place, Addr: p.Space.At(p.Order.At(at))}, true
	}
	return Attempt{}, false
}

// Done takes an attempt back that has ended. syns is how many SYNs it sent. It
// returns true when that is the target's result; otherwise the target will be
// tried again.
func (s *Schedule) Done(now time.Duration, a Attempt, e Ending, syns int) (final bool) {
	s.stats.InFlight--
	s.host.end(a.Addr.Addr())
	s.net.end(a.Addr.Addr())
	switch e {
	case Fault, Lost:
		s.stats.Faults++
		s.window.fault(now, s.stats.InFlight)
		if e == Lost {
			a.Faults += lostCounts - 1
		}
		if a.Faults++; a.Faults < maxFaults {
			s.faults.push(delayed{a, now + faultDelay})
			return false
		}
	case Silent:
		s.window.done(now, false, false)
		a.SYNs += uint16(min(syns, 1<<10))
		if int(a.Try) < s.limits.Retries {
			a.Try++
			s.retries.push(delayed{a, now})
			return false
		}
		s.stats.silent++
		s.stats.silentSYNs += uint64(a.SYNs)
	case Answered:
		// An attempt that failed at once sent no SYN.
		s.window.done(now, syns > 0, syns > 1)
		if syns > 0 {
			s.stats.answeredSYNs += uint64(a.SYNs) + uint64(syns)
			s.stats.lostSYNs += uint64(a.SYNs) + uint64(syns) - 1
		}
	}
	s.stats.Done++
	return true
}

// Return takes an attempt back that could not be judged: it will be made
// again, as if it had not been.
func (s *Schedule) Return(now time.Duration, a Attempt) {
	s.stats.InFlight--
	s.host.end(a.Addr.Addr())
	s.net.end(a.Addr.Addr())
	s.faults.push(delayed{a, now})
}

// delayed is an attempt that waits.
type delayed struct {
	Attempt
	at time.Duration
}

// queue is a ring of those that wait.
type queue struct {
	ring []delayed
	head int
	n    int
}

func (q *queue) len() int        { return q.n }
func (q *queue) first() *delayed { return &q.ring[q.head] }

func (q *queue) push(d delayed) {
	if q.n == len(q.ring) {
		ring := make([]delayed, max(64, 2*q.n))
		for i := range q.n {
			ring[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = d
	q.n++
}

func (q *queue) pop() delayed {
	d := q.ring[q.head]
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return d
}

// Closed says that all spaces have been added.
func (s *Schedule) Closed() bool { return s.closed }
