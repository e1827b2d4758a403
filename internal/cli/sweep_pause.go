package cli

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pauseEvery is how often a sweep is asked whether it pauses.
const pauseEvery = 100 * time.Millisecond

// tellPauses says on the error stream when the sweep pauses, and when it goes
// on. On a terminal the line of progress says so. stop returns when nothing
// will be said any more.
func (s *sweeping) tellPauses(ctx context.Context) (stop func()) {
	if s.quiet || s.line != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(pauseEvery)
		defer tick.Stop()
		said := ""
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := s.sweeper.Progress().Paused
			if text := pauseWords(said, now); text != "" {
				fmt.Fprintln(s.stderr, text)
			}
			said = now
		}
	})
	return func() { cancel(); running.Wait() }
}

// pauseWords is what there is to say when the reason for a pause changes.
func pauseWords(before, now string) string {
	switch now {
	case before:
		return ""
	case "":
		return "dialscope: the sweep goes on"
	}
	return "dialscope: the sweep pauses: " + now
}
