package dialscope

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sock"
)

const (
	// attemptDelay is RFC 8305 §5: "recommended value for a default delay is
	// 250 milliseconds".
	attemptDelay = 250 * time.Millisecond
	// saneMinimum is net.Dialer's share for one of several addresses that are
	// tried one after the other (net.partialDeadline).
	saneMinimum = 2 * time.Second
)

// named resolves a name and dials its addresses: raced as RFC 8305 says, or one
// after the other, or every one of them.
func (r *run) named(ctx context.Context, host string, port uint16, service string) (net.Conn, error) {
	if !r.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.deadline)
		defer cancel()
	}
	names := r.resolve(ctx, host, port, service)
	ra := &race{run: r, names: names, results: make(chan result), delay: r.FallbackDelay}
	if ra.delay == 0 {
		ra.delay = attemptDelay
	}
	switch {
	case r.EveryAddress:
		return ra.every(ctx)
	case r.FallbackDelay < 0:
		return ra.inTurn(ctx)
	}
	return ra.run8305(ctx)
}

// race dials several addresses of one name.
type race struct {
	*run
	names   *names
	delay   time.Duration
	results chan result
	flying  int
	first   result // the first failure, which speaks for the dial
	won     result
}

type result struct {
	conn    net.Conn
	attempt int
	err     error
}

func (ra *race) start(ctx context.Context, remote netip.AddrPort) {
	ra.flying++
	i := ra.enter(remote)
	go func() {
		conn, i, err := ra.try(ctx, i, remote, ra.deadline, ra.scope)
		ra.results <- result{conn, i, err}
	}()
}

// take files one result; true when it is the winner. Later connections are closed.
func (ra *race) take(res result) bool {
	ra.flying--
	switch {
	case res.err != nil:
		if ra.first.err == nil {
			ra.first = res
		}
	case ra.won.conn != nil:
		res.conn.Close()
	default:
		ra.won = res
		ra.winner = res.attempt
		return true
	}
	return false
}

// run8305 is Happy Eyeballs: one attempt at a time joins the race, when the
// delay has passed since the last one began or as soon as all under way have failed.
func (ra *race) run8305(parent context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	tick := time.NewTimer(0)
	defer tick.Stop()
	var next time.Time // when the next attempt may begin beside those under way
	for {
		now := time.Now()
		ready, at := ra.names.ready(now)
		if ready && ra.names.pending() && (ra.flying == 0 || !now.Before(next)) && ctx.Err() == nil {
			remote := ra.names.pop()
			ra.others.Store(ra.names.pending() || !ra.names.done)
			ra.start(ctx, remote)
			next = time.Now().Add(ra.delay)
			continue
		}
		if ra.flying == 0 && ((!ra.names.pending() && ra.names.done) || ctx.Err() != nil) {
			return ra.lost(parent)
		}
		wait := time.Duration(-1)
		switch {
		case !ra.names.pending():
		case !ready:
			wait = at.Sub(now)
		default:
			wait = next.Sub(now)
		}
		var ticked <-chan time.Time
		if wait >= 0 {
			tick.Reset(wait)
			ticked = tick.C
		}
		var ended <-chan struct{}
		if ra.flying == 0 {
			ended = ctx.Done() // with attempts under way, they report the end themselves
		}
		select {
		case a, more := <-ra.names.answers:
			ra.names.add(a, more)
		case <-ticked:
		case <-ended:
		case res := <-ra.results:
			if ra.take(res) {
				cancel(sock.ErrLostRace)
				return ra.finish()
			}
		}
	}
}

// finish waits for the losers, whose sockets close at once, so that the report is whole.
func (ra *race) finish() (net.Conn, error) {
	for ra.flying > 0 {
		ra.take(<-ra.results)
	}
	ra.names.stop()
	if ra.won.conn == nil {
		return nil, ra.run.failed(ra.first.attempt, ra.first.err)
	}
	return ra.won.conn, nil
}

// lost ends a dial without a connection.
func (ra *race) lost(ctx context.Context) (net.Conn, error) {
	ra.names.stop()
	if ra.first.err != nil {
		// net.Dialer returns the primary address's error: the first one tried.
		return nil, ra.run.failed(ra.first.attempt, ra.first.err)
	}
	return nil, ra.unresolved(ctx)
}

// unresolved is the error of a name without a usable address. As with
// net.Dialer, a deadline or a cancellation stands inside the DNSError.
func (ra *race) unresolved(ctx context.Context) error {
	dns := ra.names.dnsError()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		ra.observe(evidence.FromCaller, &evidence.Cancelled{By: "caller"})
		dns.Err, dns.UnwrapErr, dns.IsTimeout, dns.IsNotFound = cancelledError{}.Error(), cancelledError{}, false, false
	case ctx.Err() != nil:
		ra.observe(evidence.FromTimer, &evidence.Expired{Limit: time.Since(ra.Start), Scope: ra.scope})
		dns.Err, dns.UnwrapErr, dns.IsTimeout, dns.IsNotFound = timeoutError{}.Error(), timeoutError{}, true, false
	}
	return &Error{Op: ra.opError(nil, dns), Report: ra.Report}
}

// all waits until the name is resolved.
func (ra *race) all(ctx context.Context) {
	for !ra.names.done {
		select {
		case a, more := <-ra.names.answers:
			ra.names.add(a, more)
		case <-ctx.Done():
			return
		}
	}
}

// inTurn tries one address after the other, each with its share of the time.
func (ra *race) inTurn(ctx context.Context) (net.Conn, error) {
	ra.all(ctx)
	for ra.names.pending() && ctx.Err() == nil && !ra.late() {
		deadline, scope := ra.deadline, ra.scope
		if share := ra.share(); !share.IsZero() {
			deadline, scope = share, "share"
		}
		remote := ra.names.pop()
		ra.flying++
		conn, i, err := ra.try(ctx, ra.enter(remote), remote, deadline, scope)
		if ra.take(result{conn, i, err}) {
			return ra.finish()
		}
	}
	return ra.lost(ctx)
}

// late says that the dial's deadline has passed.
func (ra *race) late() bool { return !ra.deadline.IsZero() && !time.Now().Before(ra.deadline) }

// share divides what is left of the time among the addresses that are left,
// with a minimum (net.partialDeadline). Zero: no deadline, or the last address.
func (ra *race) share() time.Time {
	left := len(ra.names.queue)
	if ra.deadline.IsZero() || left <= 1 {
		return time.Time{}
	}
	now := time.Now()
	whole := ra.deadline.Sub(now)
	part := whole / time.Duration(left)
	if part < saneMinimum {
		part = min(whole, saneMinimum)
	}
	return now.Add(part)
}

// every tries all addresses at once, each to its own end.
func (ra *race) every(ctx context.Context) (net.Conn, error) {
	ra.all(ctx)
	if !ra.names.pending() {
		return ra.lost(ctx)
	}
	for ra.names.pending() {
		for ra.names.pending() && ra.flying < 64 {
			ra.start(ctx, ra.names.pop())
		}
		ra.take(<-ra.results)
	}
	return ra.finish()
}
