package dialscope

import (
	"context"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/reactor"
)

const (
	mostInFlight = 1 << 20 // more than the memory for sockets of most hosts

	// Where nothing else is asked for a sweep that goes as fast as it can has
	// so many in flight, or as many as an eighth of the free memory has room
	// for: of the kernel's about five thousand octets each (ADR 017).
	fastInFlight   = 1 << 16
	memoryShare    = 8
	memoryInFlight = 6 << 10
)

func usualInFlight() int {
	free, err := procfs.MemoryFree()
	if err != nil {
		return 0
	}
	return int(min(fastInFlight, free/memoryShare/memoryInFlight))
}

// descriptorsFree is how many sockets a sweep may have: what RLIMIT_NOFILE
// leaves (the runtime has raised the soft limit), less some for everything else.
func descriptorsFree() int {
	const others, fallback = 128, 1024
	l, err := procfs.NoFile()
	if err != nil || l.Soft < l.Used+2*others {
		return fallback - others
	}
	return int(min(l.Soft-l.Used-others, 1<<20))
}

// Why a sweep pauses.
const (
	pausedNetwork    = "the network is away"
	pausedConntrack  = "the connection tracking table of this host is nearly full"
	pausedNeighbours = "the neighbour table of this host is nearly full"
)

// limits are tables of this host that fail in silence: with one full a SYN is
// thrown away on its way out, and connect(2) is not told.
type limits struct {
	conntrack  func() (*evidence.Conntrack, error)
	neighbours func() (*netlink.NeighbourTables, error)
	counters   func(string) (*netlink.Snapshot, error)

	looked             bool
	trackedAt, knownAt int // entries when the sweep began
	fulls              uint64
	before             *netlink.Snapshot
}

func newLimits() *limits {
	return &limits{conntrack: procfs.Conntrack, neighbours: netlink.NeighbourTablesOf, counters: netlink.TakeCounters}
}

// look says which table is nearly full, if one is, and whether packets were
// thrown away for that since the last look.
func (l *limits) look() (full string, dropped bool) {
	if n, err := l.neighbours(); err == nil && n.Limit > 0 {
		if !l.looked {
			l.knownAt, l.fulls = n.Entries, n.Fulls
		}
		if nearly(n.Entries, l.knownAt, n.Limit) {
			full = pausedNeighbours
		}
		dropped = n.Fulls > l.fulls
		l.fulls = n.Fulls
	}
	if c, err := l.conntrack(); err == nil && c != nil && c.Max > 0 {
		if !l.looked {
			l.trackedAt = c.Count
		}
		if nearly(c.Count, l.trackedAt, c.Max) {
			full = pausedConntrack
		}
		dropped = l.trackDropped() || dropped
	}
	l.looked = true
	return full, dropped
}

// nearly says that nine tenths of what was free at first are taken.
func nearly(count, first, limit int) bool {
	return count >= limit || first < limit && count-first >= (limit-first)-(limit-first)/10
}

func (l *limits) trackDropped() bool {
	now, err := l.counters("")
	if err != nil {
		return false
	}
	before := l.before
	l.before = now
	if before == nil {
		return false
	}
	for _, c := range before.Rise(now) {
		if c.Scope == "conntrack" && c.Rise["drop"] > 0 {
			return true
		}
	}
	return false
}

// watch looks after limits of this host that fail in silence, and after a
// network that is away.
func (s *Sweeper) watch(ctx context.Context) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.withLock(s.lookAtLimits)
		}
	}
}

// doubtful says that an attempt that stayed silent may never have left this
// host. Whoever decides that must have looked after the attempt began.
func (s *Sweeper) doubtful(o *reactor.Outcome) bool {
	if s.limitsAt <= o.Began {
		s.lookAtLimits()
	}
	return o.Began <= s.dropped
}

// lookAtLimits pauses for what it sees, or ends a pause.
func (s *Sweeper) lookAtLimits() {
	now := s.clock()
	full, dropped := s.limits.look()
	s.limitsAt = now
	if dropped {
		s.dropped = now
		s.schedule.Slow(now)
	}
	switch {
	case full != "":
		s.paused = full
		s.schedule.Pause(now + 2*recheck)
	case s.paused == pausedNetwork:
		for _, a := range s.samples {
			if routed(a) {
				s.paused = ""
				return
			}
		}
		s.schedule.Pause(now + 2*recheck)
	default:
		s.paused = ""
	}
}
