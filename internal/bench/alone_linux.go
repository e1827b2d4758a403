package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"text/tabwriter"
	"time"
)

// figures are what one contestant showed, a value a round.
type figures struct {
	p50, p99 spread // µs
	wall     spread // µs a dial, of the whole turn; only where dials overlap
	mallocs  float64
	bytes    float64
}

// alone compares dials made one after the other. The first contestant is the
// one that the others are set against.
func alone(where string, cs []contestant, address string, o options, open bool) error {
	fmt.Printf("\none dial, %s: %d rounds of %d dials\n", where, o.rounds, o.dials)
	fs := make([]figures, len(cs))
	for round := range o.rounds + 1 {
		for _, who := range order(len(cs), round) {
			took, err := cs[who].turn(address, o.dials, open)
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				fs[who].p50 = append(fs[who].p50, micros(quantile(took, 0.50)))
				fs[who].p99 = append(fs[who].p99, micros(quantile(took, 0.99)))
			}
		}
	}
	for i, c := range cs {
		if c.dial != nil {
			if err := countAllocations(&fs[i], c, address, o.dials, open); err != nil {
				return err
			}
		}
	}

	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\tp50\tp99\tp50 : net.Dialer\tallocations\tbytes\n")
	for i, c := range cs {
		f := fs[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t", c.name, f.p50.format(1), f.p99.format(0), f.p50.ratio(fs[0].p50).format(2))
		if c.dial != nil {
			fmt.Fprintf(t, "%.1f\t%.0f\n", f.mallocs, f.bytes)
		} else {
			fmt.Fprintf(t, "–\t–\n")
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if open {
		goal("DialReport's p50 : net.Dialer's", fs[1].p50.ratio(fs[0].p50).median(), 0.75)
	}
	return nil
}

// countAllocations counts what a dial and its close take from the heap.
func countAllocations(f *figures, c contestant, address string, n int, open bool) error {
	var before, after runtime.MemStats
	ctx := context.Background()
	runtime.ReadMemStats(&before)
	for range n {
		conn, err := c.dial(ctx, address)
		if err := settle(conn, err, open); err != nil {
			return err
		}
	}
	runtime.ReadMemStats(&after)
	f.mallocs = float64(after.Mallocs-before.Mallocs) / float64(n)
	f.bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
