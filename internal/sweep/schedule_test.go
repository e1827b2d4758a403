package sweep

import (
	"net/netip"
	"testing"
	"time"
)

// drive plays a sweep in virtual time: every attempt takes what answer says.
// It returns the final results by target.
func drive(t *testing.T, s *Schedule, answer func(now time.Duration, a Attempt) (Ending, int, time.Duration)) (results map[netip.AddrPort]Attempt, took time.Duration) {
	t.Helper()
	type flying struct {
		Attempt
		ends time.Duration
		how  Ending
		syns int
	}
	results = map[netip.AddrPort]Attempt{}
	var air []flying
	now := time.Duration(0)
	batch := make([]Attempt, 64)
	for steps := 0; !s.Finished(); steps++ {
		if steps > 10_000_000 {
			t.Fatal("it does not end")
		}
		n, wait := s.Take(now, batch)
		for _, a := range batch[:n] {
			e, syns, d := answer(now, a)
			air = append(air, flying{a, now + d, e, syns})
		}
		if n == len(batch) {
			continue
		}
		now += max(wait, 10*time.Microsecond)
		kept := air[:0]
		for _, f := range air {
			if f.ends > now {
				kept = append(kept, f)
				continue
			}
			if s.Done(now, f.Attempt, f.how, f.syns) {
				if _, twice := results[f.Addr]; twice {
					t.Fatalf("two results of %v", f.Addr)
				}
				results[f.Addr] = f.Attempt
			}
		}
		air = kept
	}
	return results, now
}

func refusedAtOnce(time.Duration, Attempt) (Ending, int, time.Duration) {
	return Answered, 1, 100 * time.Microsecond
}

func scheduleOf(t *testing.T, o Options, words ...string) *Schedule {
	if o.InFlight == 0 {
		o.InFlight = 10000
	}
	s := NewSchedule(o)
	s.Add(space(t, words, []uint16{1, 2, 3, 4}))
	s.Close()
	return s
}

func TestEveryTargetOnce(t *testing.T) {
	results, _ := drive(t, scheduleOf(t, Options{}, "10.0.0.0/22"), refusedAtOnce)
	if len(results) != 1022*4 {
		t.Errorf("%d results", len(results))
	}
}

// The shards of a sweep have every target, once.
func TestShards(t *testing.T) {
	all := map[netip.AddrPort]bool{}
	for k := 1; k <= 3; k++ {
		s := scheduleOf(t, Options{Seed: 5, Shard: k, Shards: 3}, "10.0.0.0/24")
		targets := s.Stats().Targets
		results, _ := drive(t, s, refusedAtOnce)
		if uint64(len(results)) != targets {
			t.Errorf("shard %d: %d results of %d targets", k, len(results), targets)
		}
		for a := range results {
			if all[a] {
				t.Errorf("%v is in two shards", a)
			}
			all[a] = true
		}
	}
	if len(all) != 254*4 {
		t.Errorf("%d of %d", len(all), 254*4)
	}
}

func TestRate(t *testing.T) {
	s := scheduleOf(t, Options{Limits: Limits{Rate: 500}}, "10.0.0.0/24")
	_, took := drive(t, s, refusedAtOnce)
	if want := 1016 * 2 * time.Millisecond; took < want-20*time.Millisecond || took > want+100*time.Millisecond {
		t.Errorf("1016 attempts at 500 a second took %v, want %v", took, want)
	}
}

func TestInFlight(t *testing.T) {
	most := 0
	s := scheduleOf(t, Options{Limits: Limits{InFlight: 37}}, "10.0.0.0/24")
	drive(t, s, func(time.Duration, Attempt) (Ending, int, time.Duration) {
		most = max(most, s.Stats().InFlight)
		return Answered, 1, 5 * time.Millisecond
	})
	if most > 37 || most < 30 {
		t.Errorf("%d in flight at most, want 37", most)
	}
}

// The limits of a host and of a network hold, and others are not kept waiting.
func TestHostAndNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		limits Limits
		key    func(netip.Addr) netip.Prefix
		most   int
	}{
		"host":    {Limits{HostInFlight: 2}, func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 32) }, 2},
		"network": {Limits{NetInFlight: 5}, func(a netip.Addr) netip.Prefix { p, _ := a.Prefix(24); return p }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			s := scheduleOf(t, Options{Limits: c.limits}, "10.0.0.0/28", "10.0.1.0/28")
			busy := map[netip.Prefix][]time.Duration{}
			results, _ := drive(t, s, func(now time.Duration, a Attempt) (Ending, int, time.Duration) {
				k := c.key(a.Addr.Addr())
				var still []time.Duration
				for _, end := range busy[k] {
					if end > now {
						still = append(still, end)
					}
				}
				busy[k] = append(still, now+3*time.Millisecond)
				if len(busy[k]) > c.most {
					t.Errorf("%d at once to %v", len(busy[k]), k)
				}
				return Answered, 1, 3 * time.Millisecond
			})
			if len(results) != 2*14*4 {
				t.Errorf("%d results", len(results))
			}
		})
	}
}

func TestHostRate(t *testing.T) {
	s := scheduleOf(t, Options{Limits: Limits{HostRate: 10}}, "10.0.0.1", "10.0.0.2")
	last := map[netip.Addr]time.Duration{}
	drive(t, s, func(now time.Duration, a Attempt) (Ending, int, time.Duration) {
		if before, ok := last[a.Addr.Addr()]; ok && now-before < 90*time.Millisecond {
			t.Errorf("%v again after %v", a.Addr, now-before)
		}
		last[a.Addr.Addr()] = now
		return Answered, 1, 0
	})
}

// Silence is tried again as often as asked, and only silence.
func TestRetries(t *testing.T) {
	attempts := map[netip.AddrPort]int{}
	s := scheduleOf(t, Options{Limits: Limits{Retries: 2}}, "10.0.0.0/26")
	silent := func(a netip.AddrPort) bool { return a.Port() == 1 }
	late := func(a netip.AddrPort) bool { return a.Port() == 2 }
	results, _ := drive(t, s, func(_ time.Duration, a Attempt) (Ending, int, time.Duration) {
		attempts[a.Addr]++
		if silent(a.Addr) || late(a.Addr) && a.Try == 0 {
			return Silent, 2, time.Second
		}
		return Answered, 1, time.Millisecond
	})
	for a, n := range attempts {
		want := 1
		if silent(a) {
			want = 3
		} else if late(a) {
			want = 2
		}
		if n != want || int(results[a].Try) != want-1 {
			t.Errorf("%v: %d attempts, want %d (%+v)", a, n, want, results[a])
		}
	}
	st := s.Stats()
	// Of what answered: port 2 after two lost SYNs, ports 3 and 4 at once.
	if want := 2.0 * 62 / (3*62 + 2*62); st.Loss() < want-0.001 || st.Loss() > want+0.001 {
		t.Errorf("loss %v, want %v", st.Loss(), want)
	}
	if m := st.Missed(); m <= 0 || m > st.Loss() {
		t.Errorf("missed %v", m)
	}
	if st.Retried != 62*3 || st.Done != 62*4 {
		t.Errorf("%+v", st)
	}
}

// A limit of this host slows the sweep and becomes nobody's result; one that
// does not pass does in the end.
func TestFaults(t *testing.T) {
	s := scheduleOf(t, Options{Limits: Limits{InFlight: 4096}}, "10.0.0.0/22")
	const ports = 100
	results, _ := drive(t, s, func(now time.Duration, a Attempt) (Ending, int, time.Duration) {
		if a.Addr.String() == "10.0.0.1:1" || s.Stats().InFlight > ports {
			return Fault, 0, 0
		}
		return Answered, 1, 20 * time.Millisecond
	})
	if len(results) != 1022*4 {
		t.Errorf("%d results", len(results))
	}
	for a, r := range results {
		if (r.Faults >= maxFaults-1) != (a.String() == "10.0.0.1:1") {
			t.Errorf("%v: %+v", a, r)
		}
	}
	if w := s.Stats().Window; w > 4*ports {
		t.Errorf("the window is %d, where %d fit", w, ports)
	}
}

// Answers that come only to a second SYN halve the window; a clean path opens
// it to the limit.
func TestWindowFollowsLoss(t *testing.T) {
	clean := scheduleOf(t, Options{}, "10.0.0.0/19")
	drive(t, clean, refusedAtOnce)
	if w := clean.Stats().Window; w != 10000 {
		t.Errorf("on a clean path the window is %d", w)
	}
	const fits = 700
	s := scheduleOf(t, Options{}, "10.0.0.0/18")
	drive(t, s, func(_ time.Duration, a Attempt) (Ending, int, time.Duration) {
		if s.Stats().InFlight > fits {
			return Answered, 2, 1020 * time.Millisecond
		}
		return Answered, 1, 20 * time.Millisecond
	})
	if w := s.Stats().Window; w > 4*fits {
		t.Errorf("where %d fit the window is %d", fits, w)
	}
}

// A few losses at random do not throttle the sweep.
func TestWindowBearsRandomLoss(t *testing.T) {
	s := scheduleOf(t, Options{}, "10.0.0.0/18")
	n := 0
	drive(t, s, func(time.Duration, Attempt) (Ending, int, time.Duration) {
		if n++; n%100 == 0 {
			return Answered, 2, 1020 * time.Millisecond
		}
		return Answered, 1, 20 * time.Millisecond
	})
	if w := s.Stats().Window; w < 4000 {
		t.Errorf("1%% loss brought the window to %d", w)
	}
}

func TestSkipAndReturn(t *testing.T) {
	s := scheduleOf(t, Options{Skip: func(place uint64) bool { return place%2 == 0 }}, "10.0.0.0/24")
	returned := 0
	batch := make([]Attempt, 1)
	n, _ := s.Take(0, batch)
	if n != 1 || batch[0].Place%2 == 0 {
		t.Fatalf("%+v", batch)
	}
	s.Return(0, batch[0])
	results, _ := drive(t, s, func(_ time.Duration, a Attempt) (Ending, int, time.Duration) {
		if a.Place%2 == 0 {
			returned++
		}
		return Answered, 1, time.Millisecond
	})
	if st := s.Stats(); len(results) != 508 || st.Skipped != 508 || st.Done != 1016 || returned != 0 {
		t.Errorf("%d results, %+v", len(results), st)
	}
}

func TestPause(t *testing.T) {
	s := scheduleOf(t, Options{}, "10.0.0.1")
	s.Pause(time.Second)
	batch := make([]Attempt, 4)
	if n, wait := s.Take(0, batch); n != 0 || wait != time.Second {
		t.Errorf("%d attempts, wait %v", n, wait)
	}
	if n, _ := s.Take(time.Second, batch); n != 4 {
		t.Errorf("%d attempts after the pause", n)
	}
}

// Spaces that come one after the other are dealt out one after the other, and
// no place is given twice.
func TestStream(t *testing.T) {
	s := NewSchedule(Options{Limits: Limits{InFlight: 100}})
	s.Add(space(t, []string{"10.0.0.0/28"}, []uint16{1}))
	s.Add(space(t, []string{"10.0.1.0/28"}, []uint16{1}))
	if s.Finished() || s.Waiting() != 28 {
		t.Errorf("waiting %d", s.Waiting())
	}
	s.Close()
	places := map[uint64]bool{}
	results, _ := drive(t, s, refusedAtOnce)
	for _, r := range results {
		if places[r.Place] || r.Place >= 28 || (r.Place >= 14) != (r.Addr.Addr().As4()[2] == 1) {
			t.Errorf("%+v", r)
		}
		places[r.Place] = true
	}
	if len(results) != 28 {
		t.Errorf("%d results", len(results))
	}
}
