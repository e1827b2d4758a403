package dialscope

import (
	"context"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/reactor"
	"github.com/dialscope/dialscope/internal/sweep"
)

// backlog is how many results may wait to be read before no attempts are begun.
const backlog = 1 << 16

// idleEngine is how often an engine that is not needed asks whether it is.
const idleEngine = 5 * time.Millisecond

// sweepSource is a Sweeper as one of its engines sees it.
type sweepSource struct {
	*Sweeper
	after int // how many attempts are in flight before this engine begins any
}

// Take deals out work.
func (s sweepSource) Take(now time.Duration, into []sweep.Attempt) (n int, wait time.Duration, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return 0, 0, true
	case len(s.ready) >= backlog:
		return 0, time.Millisecond, false
	case s.after > 0 && s.without.Load() == 0 && s.schedule.InFlight() < s.after:
		return 0, idleEngine, s.schedule.Finished()
	}
	n, wait = s.schedule.Take(now, into)
	return n, wait, n == 0 && s.schedule.Finished()
}

// Done takes results.
func (s sweepSource) Done(now time.Duration, ended []reactor.Outcome) {
	s.mu.Lock()
	for i := range ended {
		o := &ended[i]
		switch {
		case met(o), s.wentAway(now, o):
			s.schedule.Return(now, o.Attempt)
			continue
		}
		ending := endingOf(o)
		if ending == sweep.Silent && s.doubtful(o) {
			ending = sweep.Lost
		}
		if s.schedule.Done(now, o.Attempt, ending, sent(o)) {
			s.ready = append(s.ready, *o)
		}
	}
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// sent is how many SYNs an attempt sent: none if connect(2) failed at once.
func sent(o *reactor.Outcome) int {
	if o.Call == reactor.Handshake || o.Call == reactor.Expired {
		return o.SYNs
	}
	return 0
}

// endingOf tells limits of this host, which pass, from results.
func endingOf(o *reactor.Outcome) sweep.Ending {
	switch {
	case o.Call == reactor.Expired, o.Call == reactor.Handshake && o.Errno == syscall.ETIMEDOUT:
		return sweep.Silent
	case o.Call == reactor.Handshake:
		return sweep.Answered
	}
	switch o.Errno {
	case syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, // no source port is free (__inet_hash_connect)
		syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOSPC,
		syscall.EMFILE, syscall.ENFILE:
		return sweep.Fault
	}
	return sweep.Answered
}

// met says that a socket may have met itself, or another of this sweep:
// simultaneous open (RFC 9293 §3.5) between two ports of this host, which looks
// like an open port. Such a target is tried once more, as [Dialer] does; that
// two strangers meet twice is as good as impossible.
func met(o *reactor.Outcome) bool {
	if !o.Local.IsValid() || o.Local.Addr() != o.Addr.Addr().WithZone("") {
		return false
	}
	if o.Local.Port() == o.Addr.Port() && o.Faults < 3 || o.Faults == 0 {
		o.Faults++
		return true
	}
	return false
}

// recheck is how long an answer to "is the network away" holds.
const recheck = 200 * time.Millisecond

// wentAway says that an attempt found no route because this host's network has
// gone since the sweep began; the sweep then pauses until it is back.
func (s *Sweeper) wentAway(now time.Duration, o *reactor.Outcome) bool {
	if o.Call != reactor.Connect || o.Errno != syscall.ENETUNREACH && o.Errno != syscall.ENETDOWN || len(s.samples) == 0 {
		return false
	}
	if s.paused == "" || now-s.lookedAt > recheck {
		s.lookedAt = now
		for _, a := range s.samples {
			if routed(a) {
				s.paused = ""
				return false
			}
		}
		s.paused = pausedNetwork
		s.schedule.Pause(now + recheck)
	}
	return true
}

// awaitRoom waits until the schedule has few targets left.
func (s *Sweeper) awaitRoom(ctx context.Context) bool {
	const enough = 4 * chunk
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var waiting uint64
		s.withLock(func() { waiting = s.schedule.Waiting() })
		if waiting < enough {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
