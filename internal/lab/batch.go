package lab

import (
	"context"
	"sync"
)

// Job is a scenario to be run at a level.
type Job struct {
	Scenario *Scenario
	Level    Level
}

// Jobs are the scenarios at the levels, in that order.
func Jobs(scenarios []*Scenario, levels ...Level) []Job {
	var jobs []Job
	for _, s := range scenarios {
		for _, l := range levels {
			jobs = append(jobs, Job{s, l})
		}
	}
	return jobs
}

// SideBySide is how many scenarios are run at once: most of one is waiting.
const SideBySide = 16

// RunAll runs jobs, several at once, and returns their results in the order of
// the jobs. Done, if not nil, is told of each as it ends, one call at a time.
// What has not ended when ctx does is left out: its
// result is nil.
func RunAll(ctx context.Context, jobs []Job, program Program, done func(*Result)) []*Result {
	results := make([]*Result, len(jobs))
	next := make(chan int)
	var running sync.WaitGroup
	var mu sync.Mutex
	for range min(SideBySide, len(jobs)) {
		running.Go(func() {
			for i := range next {
				r := Run(ctx, jobs[i].Scenario, jobs[i].Level, program)
				if ctx.Err() != nil {
					continue
				}
				mu.Lock()
				results[i] = r
				if done != nil {
					done(r)
				}
				mu.Unlock()
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	running.Wait()
	return results
}
