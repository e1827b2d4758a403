package main

import (
	"cmp"
	"fmt"
	"slices"
)

// quantile is the smallest value that at least the share q of sorted values
// do not exceed (the nearest-rank definition). NaN never occurs: values is not
// empty.
func quantile[T cmp.Ordered](sorted []T, q float64) T {
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// spread is a figure measured once a round.
type spread []float64

func (s spread) median() float64 { return quantile(slices.Sorted(slices.Values(s)), 0.5) }

// format prints median (min–max) with a number of decimals.
func (s spread) format(decimals int) string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.median(), decimals, slices.Min(s), decimals, slices.Max(s))
}

// ratio divides round by round, so that a machine whose speed drifts between
// rounds does not move it.
func (s spread) ratio(base spread) spread {
	r := make(spread, 0, len(s))
	for i := range s {
		r = append(r, s[i]/base[i])
	}
	return r
}
