package cause

import (
	"slices"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// ending is how an established connection ended for its user, read once from
// the ends in a log. A nil *ending: the log is about a beginning.
type ending struct {
	at    time.Duration  // of what decided
	by    string         // evidence.By…: what decided
	errno evidence.Errno // of the first call that failed
	limit time.Duration
	eof   bool // a read gave 0, and this end had not closed that direction
	shut  bool // this end closed its sending direction before anything else happened
	ours  bool // this end had closed its sending direction before a write failed

	closedBefore bool // the peer's FIN came before the call that failed

	flow  evidence.Flow // the last; its State is empty where none was read
	alive *evidence.Alive
	again *evidence.Probe // a new connection tried after the end; nil: none was
}

// readEnd gathers the ends of a log. The first error decides; without one the
// end of file does, and then whatever else ended it.
func readEnd(log evidence.Log) *ending {
	var e *ending
	shutRead := false
	for _, entry := range log {
		switch f := entry.Fact.(type) {
		case *evidence.End:
			if e == nil {
				e = &ending{}
			}
			decide := func() { e.at, e.by, e.limit = entry.At, f.By, f.Limit }
			failed := e.errno != ""
			switch {
			case f.By == evidence.ByShutdown:
				e.ours = e.ours || !failed
				e.shut = e.shut || !failed && !e.eof
			case f.By == evidence.ByCloseRead:
				shutRead = true
			case f.EOF && shutRead:
				// This end's own doing (shutdown(2), SHUT_RD).
			case f.EOF:
				if !failed {
					e.eof = true
					decide()
				}
			case f.Errno != "" && !failed:
				e.errno = f.Errno
				e.closedBefore = e.eof
				decide()
			case f.Errno == "" && !failed && !e.eof && e.by == "":
				decide()
			}
		case *evidence.Flow:
			if e != nil || f.State != "" {
				e = orNew(e)
				e.flow = *f
			}
		case *evidence.Alive:
			e = orNew(e)
			e.alive = f
		case *evidence.Probe:
			if e != nil && f.Experiment == "second-source-port" {
				e.again = f
			}
		}
	}
	if e == nil || !slices.ContainsFunc(log, func(l evidence.Entry) bool { _, is := l.Fact.(*evidence.End); return is }) {
		return nil
	}
	return e
}

func orNew(e *ending) *ending {
	if e == nil {
		return &ending{}
	}
	return e
}

// known says that the traffic was looked at.
func (e *ending) known() bool { return e.flow.State != "" }

// judge is what the connection's user saw.
func (e *ending) judge() (Outcome, evidence.Errno) {
	switch {
	case e.errno != "":
		return OutcomeOf(e.errno), e.errno
	case e.eof:
		return Closed, ""
	case e.by == evidence.BySignal:
		return Cancelled, ""
	case e.by == evidence.ByLimit && e.stuck():
		return Timeout, ""
	}
	return Open, ""
}

// stuck says that data waits for the peer, and why: its window is closed, or
// it acknowledges nothing.
func (e *ending) stuck() bool { return e.windowClosed() || e.unanswered() }

// windowClosed says that the peer takes nothing more: there is data to send and
// no window for it.
func (e *ending) windowClosed() bool {
	f := &e.flow
	return f.WindowKnown && f.Window == 0 && f.Unacked > 0 && f.Unsent > 0
}

// answeredProbes says that the peer's kernel still answers. Window probes go at
// intervals of the RTO, doubled with each (tcp_probe_timer), and every answer
// counts as an acknowledgment.
func (e *ending) answeredProbes() bool {
	f := &e.flow
	switch {
	case f.Probes > 1:
		return false
	case e.errno == "ETIMEDOUT":
		// The timer's backoff went with the connection (tcp_write_queue_purge).
		// Without a user timeout only unanswered probes end it.
		return e.alive != nil && e.alive.UserTimeout > 0 && f.SinceAck < e.probedSince(e.alive.UserTimeout)
	}
	interval := min(max(f.RTO, 200*time.Millisecond)<<min(f.Backoff, 16), 2*time.Minute)
	return f.SinceAck <= 2*interval
}

// answeredOne says that a window probe was answered before a user timeout ended
// the connection: without any the last acknowledgment is older by an RTO. A
// kernel answers no more than two probes a second (tcp_invalid_ratelimit), so
// that the later ones may go unanswered by a peer that is well.
func (e *ending) answeredOne() bool {
	return e.answeredProbes() || e.flow.Probes <= 1 && e.alive != nil && e.alive.UserTimeout > 0 && e.flow.SinceAck < e.alive.UserTimeout+e.flow.RTO/2
}

// probedSince is how long ago the last window probe was at most, when a user
// timeout ended the connection: probes go at 0, 2, 6, 14 ... RTOs from the first
// (tcp_probe0_when), and half the last interval is left for late timers. An
// older acknowledgment answered an earlier one.
func (e *ending) probedSince(limit time.Duration) time.Duration {
	step, last := 2*max(e.flow.RTO, 200*time.Millisecond), time.Duration(0)
	for last+step < limit {
		last, step = last+step, 2*step
	}
	return limit - last + step/4
}

// unanswered says that data was sent again, and nothing was heard.
func (e *ending) unanswered() bool {
	return e.flow.Timeouts >= 2 && e.flow.Unacked > 0
}

// sentAgain says that data was sent again, once, and nothing was heard yet: a
// segment may be lost.
func (e *ending) sentAgain() bool {
	return e.flow.Timeouts == 1 && e.flow.Unacked > 0
}

// neverLeft says that this host itself failed to send again, from the first time
// on: the timer ran out, and no segment was ever sent again
// (__tcp_retransmit_skb returns before it counts when there is no route).
func (e *ending) neverLeft() bool {
	return e.flow.Timeouts > 0 && e.flow.Retransmitted == 0
}

// patience is what counts as a silence before data: a pause in a conversation
// is shorter, or is over after a few round trips.
const patience = time.Second

// idle is how long nothing had passed before what this end sent last, or before
// keepalive asked; 0 where something was acknowledged since.
func (e *ending) idle() time.Duration {
	const tick = 5 * time.Millisecond // the kernel's times are in jiffies
	f := &e.flow
	switch {
	case f.SinceQuiet > 0 && f.Unacked > 0 && f.SinceAck+tick >= f.SinceQuiet:
		return f.Quiet
	case e.probedIdle():
		return f.SinceAck
	}
	return 0
}

// silence is how long nothing had come from the peer before the end: the idle
// time, or that in which data was sent again in vain.
func (e *ending) silence() time.Duration {
	f := &e.flow
	if d := e.idle(); d > 0 || f.Unacked == 0 || f.SinceAck < f.SinceSent {
		return d
	}
	return f.SinceAck - f.SinceSent
}

// probedIdle says that keepalive asked an idle connection: nothing waits for an
// acknowledgment, and the last one is as old as TCP_KEEPIDLE.
func (e *ending) probedIdle() bool {
	a := e.alive
	return a != nil && a.KeepAlive && a.Idle > 0 && e.flow.Unacked == 0 && e.flow.SinceAck >= a.Idle
}

// forgotten says that the RST answered something that came after a silence and
// that was not acknowledged: whoever sent it did not take what it answered.
func (e *ending) forgotten() bool {
	return e.errno == "ECONNRESET" && !e.closedBefore && e.silence() >= patience && (e.flow.Unacked > 0 || e.probedIdle())
}

// reachable says that a new connection to the same place was answered by TCP.
func (e *ending) reachable() bool {
	return e.again != nil && (e.again.Answer == evidence.AnswerSYNACK || e.again.Answer == evidence.AnswerRST)
}

// unreachable says that a new connection got no answer at all.
func (e *ending) unreachable() bool {
	return e.again != nil && e.again.Sent > 0 && e.again.Answer == "" && e.again.Errno == ""
}
