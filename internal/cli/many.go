package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/series"
	"github.com/dialscope/dialscope/internal/cli/target"
)

// ticket is one of many targets, in the order in which they were named.
type ticket struct {
	target target.Target
	dial   asked
	fault  error         // the line names no target, or the file broke off
	done   chan struct{} // closed when dial is set
}

// many dials several targets, a few at once, and tells of each in the order in
// which they were named, as soon as it and all before it are done. A line that
// names no target is reported in its place, and the others are dialed.
func (a *app) many(ctx context.Context, in *inputs) error {
	feeding, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan *ticket, a.options.parallel)
	go a.feed(feeding, in, queue)

	tally := new(series.Series)
	worst, faults := exitOpen, 0
	line, waiting := a.line(), new(waiting)
	stop := line.Start(waiting.words)
	defer stop()
	for t := range queue {
		if t.fault != nil {
			line.Erase()
			a.complain(t.fault.Error())
			faults++
			continue
		}
		waiting.begin(t.target)
		<-t.done
		waiting.end()
		line.Erase()
		if err := a.tell(t.dial, false); err != nil {
			return err
		}
		worst = max(worst, t.dial.status())
		if t.dial.failure == nil {
			tally.Add(series.Dial{Outcome: t.dial.verdict.Outcome, Cause: t.dial.verdict.Cause})
		}
	}
	stop()
	if err := a.total(tally); err != nil {
		return err
	}
	if faults > 0 {
		worst = exitUsage
	}
	return exit(interrupted(ctx, worst))
}

// feed starts the dials and queues them in order. When ctx ends it starts no
// more; those under way come to their end.
func (a *app) feed(ctx context.Context, in *inputs, queue chan<- *ticket) {
	defer close(queue)
	entries := make(chan *ticket)
	go a.read(ctx, in, entries)
	room := make(chan struct{}, a.options.parallel)
	for {
		var t *ticket
		var more bool
		select {
		case t, more = <-entries:
		case <-ctx.Done():
		}
		if !more {
			return
		}
		if t.fault == nil {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			t.done = make(chan struct{})
			go func() {
				defer func() { <-room }()
				defer close(t.done)
				t.dial = a.ask(ctx, t.target, nil)
			}()
		}
		select {
		case queue <- t:
		case <-ctx.Done():
			queue <- t // the one who takes them drains the queue
			return
		}
	}
}

// read gives every target in order. A read that blocks when ctx ends is left
// behind: nothing can end it but the program's own end.
func (a *app) read(ctx context.Context, in *inputs, entries chan<- *ticket) {
	defer close(entries)
	give := func(t *ticket) bool {
		select {
		case entries <- t:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for _, source := range in.sources {
		if source.lines == nil {
			if !give(&ticket{target: source.target}) {
				return
			}
			continue
		}
		for {
			next, err := source.lines.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				if err = a.options.checkTarget(next); err != nil {
					err = source.lines.Fault(err)
				}
			}
			if !give(&ticket{target: next, fault: err}) {
				return
			}
			var line *target.LineError
			if err != nil && !errors.As(err, &line) {
				break // the file itself cannot be read further
			}
		}
	}
}

// total ends the answers with how many ended how.
func (a *app) total(tally *series.Series) error {
	if a.options.quiet || a.options.json || tally.Dials < 2 {
		return nil
	}
	return a.print(fmt.Sprintf("\n%d targets: %s\n", tally.Dials, tallyWords(tally)))
}

func tallyWords(s *series.Series) string {
	var words []string
	for _, t := range s.Tallies() {
		words = append(words, fmt.Sprintf("%d %s", t.Count, answer.OutcomeWord(t.Outcome)))
	}
	return strings.Join(words, ", ")
}

// waiting says which of many targets the next answer waits for.
type waiting struct {
	mu     sync.Mutex
	done   int
	target string
	since  time.Time
}

func (w *waiting) begin(t target.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target, w.since = t.String(), time.Now()
}

func (w *waiting) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	w.target = ""
}

func (w *waiting) words(time.Duration) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.target == "" {
		return fmt.Sprintf("%d done; waiting for the next target", w.done)
	}
	return fmt.Sprintf("%d done; waiting for %s for %s", w.done, w.target, answer.Duration(time.Since(w.since)))
}
