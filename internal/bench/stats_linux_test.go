package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		values []int
		q      float64
		want   int
	}{
		{[]int{7}, 0.5, 7},
		{[]int{1, 2, 3}, 0.5, 2},
		{[]int{1, 2, 3, 4}, 0.5, 2},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.99, 10},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0, 1},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 1, 10},
	} {
		if got := quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("quantile(%v, %v) = %d, want %d", tt.values, tt.q, got, tt.want)
		}
	}
}

func TestSpread(t *testing.T) {
	ours, base := spread{30, 10, 20}, spread{60, 40, 40}
	if got, want := ours.format(1), "20.0 (10.0–30.0)"; got != want {
		t.Errorf("format = %q, want %q", got, want)
	}
	if got, want := (spread)(nil).format(1), "–"; got != want {
		t.Errorf("format of nothing = %q, want %q", got, want)
	}
	if diff := cmp.Diff(spread{0.5, 0.25, 0.5}, ours.ratio(base)); diff != "" {
		t.Errorf("ratio round by round (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(spread{30, 10, 20}, ours); diff != "" {
		t.Errorf("median sorted its receiver (-want +got):\n%s", diff)
	}
}
