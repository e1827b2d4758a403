// Package series sums up many dials of one target: how many were answered, how
// long the answers took, and how those times are spread.
package series

import (
	"maps"
	"slices"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// Dial is one dial of the series.
type Dial struct {
	Outcome cause.Outcome
	Cause   cause.ID
	Took    time.Duration // from the first SYN to the answer; without one, the whole dial
	Resent  int           // SYNs sent again
}

// Answered says that the far end, or a device before it, gave an answer whose
// time means something: open, refused, reset or closed.
func (d Dial) Answered() bool {
	switch d.Outcome {
	case cause.Open, cause.Refused, cause.Reset, cause.Closed:
		return true
	}
	return false
}

// Series is a growing sum. The zero value is empty.
type Series struct {
	Dials    int
	Lost     int // outcome timeout: no answer came
	Resent   int // SYNs sent again, over all dials
	Outcomes map[cause.Outcome]int
	Causes   map[cause.ID]int

	times []time.Duration // of the answered dials, as they came
}

// Add counts one dial.
func (s *Series) Add(d Dial) {
	if s.Outcomes == nil {
		s.Outcomes = map[cause.Outcome]int{}
		s.Causes = map[cause.ID]int{}
	}
	s.Dials++
	s.Resent += d.Resent
	s.Outcomes[d.Outcome]++
	s.Causes[d.Cause]++
	if d.Outcome == cause.Timeout {
		s.Lost++
	}
	if d.Answered() {
		s.times = append(s.times, d.Took)
	}
}

// Loss is the share of dials that no answer came to, 0 to 1.
func (s *Series) Loss() float64 {
	if s.Dials == 0 {
		return 0
	}
	return float64(s.Lost) / float64(s.Dials)
}

// Tally is an outcome and how many dials ended in it.
type Tally struct {
	Outcome cause.Outcome
	Count   int
}

// Tallies lists the outcomes, the most frequent first.
func (s *Series) Tallies() []Tally {
	all := make([]Tally, 0, len(s.Outcomes))
	for _, o := range slices.Sorted(maps.Keys(s.Outcomes)) {
		all = append(all, Tally{o, s.Outcomes[o]})
	}
	slices.SortStableFunc(all, func(a, b Tally) int { return b.Count - a.Count })
	return all
}

// Times sums up how long the answers took.
type Times struct {
	Count                 int
	Min, Median, P99, Max time.Duration
}

// Times gives quantiles by nearest rank: each is a time that was measured.
func (s *Series) Times() Times {
	if len(s.times) == 0 {
		return Times{}
	}
	sorted := slices.Sorted(slices.Values(s.times))
	rank := func(percent int) time.Duration {
		return sorted[max(0, (percent*len(sorted)+99)/100-1)]
	}
	return Times{
		Count:  len(sorted),
		Min:    sorted[0],
		Median: rank(50),
		P99:    rank(99),
		Max:    sorted[len(sorted)-1],
	}
}

// Bin is one row of the histogram: times from From up to, not including, To.
type Bin struct {
	From, To time.Duration
	Count    int
}

// Histogram puts the answers' times into steps of 1, 2 and 5 times a power of
// ten, from the fastest's to the slowest's, empty ones between them included.
func (s *Series) Histogram() []Bin {
	if len(s.times) == 0 {
		return nil
	}
	lowest, highest := slices.Min(s.times), slices.Max(s.times)
	var bins []Bin
	from := time.Duration(0)
	for to := range steps {
		if to > lowest {
			bins = append(bins, Bin{From: from, To: to})
		}
		if to > highest {
			break
		}
		from = to
	}
	for _, t := range s.times {
		for i := range bins {
			if t < bins[i].To {
				bins[i].Count++
				break
			}
		}
	}
	return bins
}

// steps yields 1, 2, 5, 10, 20, 50, ... microseconds, up to 5000 seconds.
func steps(yield func(time.Duration) bool) {
	for decade := time.Microsecond; decade <= 1000*time.Second; decade *= 10 {
		for _, m := range []time.Duration{1, 2, 5} {
			if !yield(m * decade) {
				return
			}
		}
	}
}
