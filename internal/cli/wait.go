package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/target"
)

// errWaitedLongEnough ends a wait when the time of --for has passed.
var errWaitedLongEnough = errors.New("the time of --for has passed")

// wait dials until the target is open, or open no more. Each change of the
// verdict is a line on the way.
func (a *app) wait(ctx context.Context, t target.Target) error {
	began := time.Now()
	bounded := ctx
	if a.options.bound > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, time.Duration(a.options.bound), errWaitedLongEnough)
		defer cancel()
	}
	line := a.line()
	var last asked
	dials, reached := 0, false
	stop := line.Start(func(since time.Duration) string {
		return fmt.Sprintf("waiting for %s for %s", t, answer.Duration(since))
	})
	defer stop()
	err := a.pace(bounded, func(int) (bool, error) {
		d := a.ask(bounded, t, nil)
		// A dial that --for cut short says nothing of the target; the dial's own
		// timer may fire before the context's.
		cut := bounded.Err() != nil || a.options.bound > 0 && time.Since(began) >= time.Duration(a.options.bound)
		if cut && last.report != nil {
			return false, nil // the verdict before it says more
		}
		dials++
		changed := last.report == nil || d.verdict.Outcome != last.verdict.Outcome || d.verdict.Cause != last.verdict.Cause
		last = d
		if d.failure != nil {
			return false, nil
		}
		reached = !cut && a.reached(d.verdict.Outcome)
		if reached || cut {
			return false, nil
		}
		if changed && !a.options.quiet && !a.options.json {
			line.Erase()
			return true, a.print(answer.Row(a.style(), dials, time.Since(began), a.answerOf(d)))
		}
		return true, nil
	})
	stop()
	if err != nil {
		return err
	}
	return a.tellWait(ctx, last, reached, dials, time.Since(began))
}

// reached says that the wait has come to its end. What says nothing of the
// target (a name that is not resolved, a fault of this host) ends no wait.
func (a *app) reached(o cause.Outcome) bool {
	if a.options.untilOpen {
		return o == cause.Open
	}
	switch o {
	case cause.Refused, cause.Reset, cause.Closed, cause.Timeout, cause.Unreachable:
		return true
	}
	return false
}

// tellWait prints how the wait ended: a line when it was worth it, else the
// whole answer of the last dial.
func (a *app) tellWait(ctx context.Context, last asked, reached bool, dials int, waited time.Duration) error {
	status := last.status()
	switch {
	case last.failure != nil, last.report == nil:
	case reached:
		status = exitOpen
	case status == exitOpen: // --until-closed, and it is open still
		status = exitTimeout
	}
	if last.report == nil && last.failure == nil {
		return exit(interrupted(ctx, exitCancelled))
	}
	switch {
	case last.failure != nil || a.options.quiet || a.options.json:
		if err := a.tell(last, true); err != nil {
			return err
		}
	case reached:
		brief := answer.Headline(a.style(), a.answerOf(last))
		if err := a.print(brief + a.style().Text(fmt.Sprintf("  after %s, %d dials\n", answer.Duration(waited), dials))); err != nil {
			return err
		}
	default:
		if err := a.print(a.style().Text(fmt.Sprintf("\ngiven up after %s, %d dials; the last of them:\n\n", answer.Duration(waited), dials))); err != nil {
			return err
		}
		if err := a.tell(last, true); err != nil {
			return err
		}
	}
	return exit(interrupted(ctx, status))
}
