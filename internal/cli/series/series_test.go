package series

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/cause"
)

func of(outcome cause.Outcome, took ...time.Duration) *Series {
	s := new(Series)
	for _, t := range took {
		s.Add(Dial{Outcome: outcome, Cause: cause.IsOpen, Took: t})
	}
	return s
}

func TestEmpty(t *testing.T) {
	s := new(Series)
	if s.Loss() != 0 || s.Histogram() != nil || s.Times() != (Times{}) || len(s.Tallies()) != 0 {
		t.Errorf("an empty series says something: %+v", s)
	}
}

func TestCounts(t *testing.T) {
	s := new(Series)
	s.Add(Dial{cause.Open, cause.IsOpen, time.Millisecond, 0})
	s.Add(Dial{cause.Open, cause.PacketLoss, time.Second, 1})
	s.Add(Dial{cause.Refused, cause.PortClosed, 2 * time.Millisecond, 0})
	s.Add(Dial{cause.Timeout, cause.HostSilent, 5 * time.Second, 4})
	if s.Loss() != 0.25 || s.Resent != 5 || s.Dials != 4 {
		t.Errorf("loss %v, resent %d, dials %d; want 0.25, 5, 4", s.Loss(), s.Resent, s.Dials)
	}
	want := []Tally{{cause.Open, 2}, {cause.Refused, 1}, {cause.Timeout, 1}}
	if diff := cmp.Diff(want, s.Tallies()); diff != "" {
		t.Errorf("tallies (-want +got):\n%s", diff)
	}
	if got := s.Times(); got.Count != 3 || got.Max != time.Second {
		t.Errorf("the timeout's time is counted: %+v", got)
	}
}

// A failure of this host or of the name is no loss on the way.
func TestOnlyTimeoutsAreLoss(t *testing.T) {
	for _, o := range []cause.Outcome{cause.LocalFault, cause.Unresolved, cause.Unreachable, cause.Denied, cause.Refused} {
		if got := of(o, time.Second).Loss(); got != 0 {
			t.Errorf("%s: loss %v", o, got)
		}
	}
	if got := of(cause.Timeout, time.Second).Loss(); got != 1 {
		t.Errorf("timeout: loss %v", got)
	}
}

func TestQuantilesByNearestRank(t *testing.T) {
	var hundred []time.Duration
	for i := 100; i >= 1; i-- {
		hundred = append(hundred, time.Duration(i))
	}
	for _, c := range []struct {
		times []time.Duration
		want  Times
	}{
		{[]time.Duration{7}, Times{1, 7, 7, 7, 7}},
		{[]time.Duration{3, 1}, Times{2, 1, 1, 3, 3}},
		{[]time.Duration{5, 1, 3}, Times{3, 1, 3, 5, 5}},
		{hundred, Times{100, 1, 50, 99, 100}},
	} {
		if got := of(cause.Open, c.times...).Times(); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.times, got, c.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	us := time.Microsecond
	got := of(cause.Open, 30*us, 49*us, 50*us, 120*us, 900*us).Histogram()
	want := []Bin{
		{20 * us, 50 * us, 2}, {50 * us, 100 * us, 1}, {100 * us, 200 * us, 1},
		{200 * us, 500 * us, 0}, {500 * us, 1000 * us, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := of(cause.Open, 0).Histogram(); len(got) != 1 || got[0] != (Bin{0, us, 1}) {
		t.Errorf("zero: %+v", got)
	}
}

// Every answered dial stands in exactly one bin, and the quantiles are ordered.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := new(Series)
		for _, n := range rapid.SliceOf(rapid.Int64Range(0, int64(200*time.Second))).Draw(t, "times") {
			s.Add(Dial{Outcome: cause.Open, Took: time.Duration(n)})
		}
		sum := 0
		for i, b := range s.Histogram() {
			sum += b.Count
			if i > 0 && b.From != s.Histogram()[i-1].To {
				t.Fatalf("a gap before %v", b)
			}
		}
		times := s.Times()
		if sum != s.Dials || times.Count != s.Dials {
			t.Fatalf("%d dials, %d in bins, %d timed", s.Dials, sum, times.Count)
		}
		if times.Min > times.Median || times.Median > times.P99 || times.P99 > times.Max {
			t.Fatalf("quantiles out of order: %+v", times)
		}
	})
}
