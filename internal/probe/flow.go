package probe

import (
	"context"
	"slices"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// flow is a series of probes with one four-tuple: routers that spread flows over
// several paths lead all of them the same way (RFC 2992). Two sockets cannot have
// the same four-tuple, so that one probe of a flow is under way at a time, and
// the next TTL follows its answer.
type flow struct {
	port    uint16 // 0: the first probe gets one from the kernel
	round   int
	ttl     int // the next to ask
	bound   int // the last TTL of a round, once the first has found it; 0: not yet
	silent  int // TTLs in a row that nobody answered
	pending *evidence.Probe
	until   time.Time // when pending is given up
	rest    time.Time // the next round begins
}

// flows asks the hops by several flows side by side; true when the run is to stop.
func (r *run) flows(ctx context.Context) (stop bool) {
	protocol := r.protocol()
	s := newSweep(shot{experiment: string(hops), protocol: protocol, to: r.Remote}, 1, 0)
	r.target = s
	all := make([]flow, r.Flows)
	for i := range all {
		all[i].ttl = 1
	}
	for {
		now := time.Now()
		running, next := false, now.Add(time.Hour)
		for i := range all {
			f := &all[i]
			r.settle(f, now)
			if f.pending == nil && f.round < max(1, r.Tries) && !now.Before(f.rest) && r.left() > 0 {
				r.step(f, s)
			}
			switch {
			case f.pending != nil:
				running = true
				next = earlier(next, f.until)
			case f.round < max(1, r.Tries) && r.left() > 0:
				running = true
				next = earlier(next, f.rest)
			}
		}
		if !running {
			return false
		}
		if !r.Deadline.IsZero() && !next.Before(r.Deadline) {
			next = r.Deadline
		}
		answered := func() bool {
			return slices.ContainsFunc(all, func(f flow) bool { return f.pending != nil && over(f.pending) })
		}
		if answered() {
			continue
		}
		if r.idle() {
			if pause(ctx, next) {
				return true
			}
		} else if r.wait(ctx, next, answered) {
			return true
		}
		if !r.Deadline.IsZero() && !time.Now().Before(r.Deadline) {
			return true
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// pause waits for a moment; true when the context has ended first.
func pause(ctx context.Context, until time.Time) bool {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}

func over(p *evidence.Probe) bool { return p.Answer != "" || p.Errno != "" }

// step sends a flow's next probe.
func (r *run) step(f *flow, s *sweep) {
	one := s.shot
	one.ttl, one.keep, one.from = f.ttl, true, f.port
	p := r.send(one)
	s.asked[f.ttl] = append(s.asked[f.ttl], p)
	s.next = max(s.next, f.ttl+1)
	if f.port == 0 {
		f.port = p.Source
	}
	f.pending = p
	f.until = time.Now().Add(min(max(4*slowest(r.log), r.Patience, minPatience), max(r.Limit, minPatience)))
}

// settle takes a probe's end: its answer, or that its time is over.
func (r *run) settle(f *flow, now time.Time) {
	p := f.pending
	if p == nil || !over(p) && now.Before(f.until) {
		return
	}
	f.pending = nil
	r.release(p)
	f.silent++
	if p.Answer != "" {
		f.silent = 0
	}
	last := p.Reached() || p.Answer != "" && !p.Expired() || f.ttl >= lastTTL || f.bound == 0 && f.silent >= silentHops || f.ttl == f.bound
	if !last {
		f.ttl++
		return
	}
	if f.bound == 0 {
		f.bound = max(1, f.ttl-f.silent)
		if f.silent > 0 {
			f.bound = min(f.bound+1, f.ttl) // the first silent hop is asked again
		}
	}
	f.round++
	f.ttl, f.silent, f.rest = 1, 0, now.Add(r.Interval)
}
