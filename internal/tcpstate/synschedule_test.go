package tcpstate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The tables of ip-sysctl.rst and of tcp_timer.c, worked by hand and observed
// on Linux 6.18.
func TestSchedule(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, tt := range []struct {
		name   string
		params SYNParams
		want   SYNSchedule
	}{
		{"3 retries", SYNParams{Retries: 3}, SYNSchedule{seconds(1, 3, 7), 15 * time.Second, "retries"}},
		{"4 retries", SYNParams{Retries: 4}, SYNSchedule{seconds(1, 3, 7, 15), 31 * time.Second, "retries"}},
		{"5 retries", SYNParams{Retries: 5}, SYNSchedule{seconds(1, 3, 7, 15, 31), 63 * time.Second, "retries"}},
		{"6 retries", SYNParams{Retries: 6}, SYNSchedule{seconds(1, 3, 7, 15, 31, 63), 127 * time.Second, "retries"}},
		{"3 retries, linear 4", SYNParams{Retries: 3, Linear: 4}, SYNSchedule{seconds(1, 2, 3, 4, 5, 7, 11), 19 * time.Second, "retries"}},
		{"4 retries, linear 4", SYNParams{Retries: 4, Linear: 4}, SYNSchedule{seconds(1, 2, 3, 4, 5, 7, 11, 19), 35 * time.Second, "retries"}},
		{"6 retries, linear 4", SYNParams{Retries: 6, Linear: 4}, SYNSchedule{seconds(1, 2, 3, 4, 5, 7, 11, 19, 35, 67), 131 * time.Second, "retries"}},
		{"1 retry, linear 4: the modelled time ends it first", SYNParams{Retries: 1, Linear: 4}, SYNSchedule{seconds(1, 2), 3 * time.Second, "elapsed"}},
		{"2 retries, linear 4", SYNParams{Retries: 2, Linear: 4}, SYNSchedule{seconds(1, 2, 3, 4, 5), 7 * time.Second, "elapsed"}},
		{"user timeout 2.5 s", SYNParams{Retries: 6, Linear: 4, UserTimeout: ms(2500)}, SYNSchedule{seconds(1, 2), ms(2500), "user_timeout"}},
		{"user timeout under the first RTO ends one jiffy after it", SYNParams{Retries: 6, Linear: 4, UserTimeout: ms(500)}, SYNSchedule{seconds(1), ms(1004), "user_timeout"}},
		{"RTO ceiling", SYNParams{Retries: 5, MaxRTO: 4 * time.Second}, SYNSchedule{seconds(1, 3, 7, 11, 15), 19 * time.Second, "retries"}},
		{"no retry", SYNParams{Retries: 0}, SYNSchedule{nil, time.Second, "retries"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.params.Schedule()); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", tt.params, diff)
			}
		})
	}
}

func TestScheduleIsBoundedAndAscending(t *testing.T) {
	for retries := 0; retries <= 127; retries++ { // TCP_SYNCNT's whole range, MAX_TCP_SYNCNT
		for _, linear := range []int{0, 1, 4, 127} {
			s := SYNParams{Retries: retries, Linear: linear}.Schedule()
			if len(s.Resend) > retries+linear {
				t.Fatalf("retries %d, linear %d: %d resends", retries, linear, len(s.Resend))
			}
			last := time.Duration(0)
			for _, at := range append(s.Resend, s.End) {
				if at <= last {
					t.Fatalf("retries %d, linear %d: %v after %v", retries, linear, at, last)
				}
				last = at
			}
		}
	}
}

func TestSentBy(t *testing.T) {
	s := SYNParams{Retries: 6, Linear: 4}.Schedule()
	for at, want := range map[time.Duration]int{
		0: 1, 999 * time.Millisecond: 1, time.Second: 2, 5 * time.Second: 6, 6 * time.Second: 6, time.Hour: 11,
	} {
		if got := s.SentBy(at); got != want {
			t.Errorf("SentBy(%v) = %d, want %d", at, got, want)
		}
	}
}
