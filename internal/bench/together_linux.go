package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// concurrent is how many dials are in flight at once, under the accept
// backlog's 4096: a SYN that the listener drops would be measured as a second.
const concurrent = 1000

// together compares dials by a thousand goroutines that begin at once.
func together(where string, cs []contestant, address string, o options) error {
	each := max(o.dials/100, 1)
	rounds := max(o.rounds/4, 3) // each has many more dials than one of the other comparisons
	fmt.Printf("\n%d dials at once, %s: %d rounds, each goroutine dials %d times\n", concurrent, where, rounds, each)
	fs := make([]figures, len(cs))
	for round := range rounds + 1 {
		for _, who := range order(len(cs), round) {
			took, wall, err := cs[who].crowd(address, each)
			if err != nil {
				return fmt.Errorf("%s to %s: %w", cs[who].name, address, err)
			}
			if round > 0 {
				fs[who].wall = append(fs[who].wall, micros(wall)/float64(len(took)))
				fs[who].p50 = append(fs[who].p50, micros(quantile(took, 0.50)))
				fs[who].p99 = append(fs[who].p99, micros(quantile(took, 0.99)))
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\ttime a dial\ttime : net.Dialer\tp50\tp99\n")
	for i, c := range cs {
		f := fs[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.name, f.wall.format(1), f.wall.ratio(fs[0].wall).format(2),
			f.p50.format(0), f.p99.format(0))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// Not slower, with the five hundredths that two equal dialers differ by here.
	goal("DialReport's time : net.Dialer's", fs[1].wall.ratio(fs[0].wall).median(), 1.05)
	return nil
}

// crowd returns what each dial took, sorted, and how long all of it took, the
// closes included.
func (c contestant) crowd(address string, each int) (took []time.Duration, wall time.Duration, err error) {
	runtime.GC()
	took = make([]time.Duration, concurrent*each)
	errs := make([]error, concurrent)
	gate := make(chan struct{})
	var ready, done sync.WaitGroup
	for g := range concurrent {
		ready.Add(1)
		done.Go(func() {
			ctx := context.Background()
			ready.Done()
			<-gate
			for i := range each {
				began := time.Now()
				conn, err := c.dial(ctx, address)
				took[g*each+i] = time.Since(began)
				if err := settle(conn, err, true); err != nil {
					errs[g] = err
					return
				}
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(gate)
	done.Wait()
	wall = time.Since(began)
	slices.Sort(took)
	return took, wall, errors.Join(errs...)
}
