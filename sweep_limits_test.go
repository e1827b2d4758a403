package dialscope

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/reactor"
	"github.com/dialscope/dialscope/internal/sweep"
)

// fakeLimits are tables that a test fills. The kernel's tables of neighbours are
// one for all namespaces: filling them would disturb every other test.
type fakeLimits struct {
	neighbours netlink.NeighbourTables
	conntrack  *evidence.Conntrack
	err        error
}

func (f *fakeLimits) limits() *limits {
	return &limits{
		conntrack:  func() (*evidence.Conntrack, error) { return f.conntrack, f.err },
		neighbours: func() (*netlink.NeighbourTables, error) { n := f.neighbours; return &n, f.err },
		counters:   func(string) (*netlink.Snapshot, error) { return nil, errors.ErrUnsupported },
	}
}

func TestLimits(t *testing.T) {
	f := &fakeLimits{neighbours: netlink.NeighbourTables{Entries: 24, Limit: 1024, Fulls: 7}}
	l := f.limits()
	for _, step := range []struct {
		say     string
		change  func()
		full    string
		dropped bool
	}{
		{"what was dropped before the sweep began is not counted", func() {}, "", false},
		{"eight tenths of what was free", func() { f.neighbours.Entries = 824 }, "", false},
		{"nine tenths", func() { f.neighbours.Entries = 924 }, pausedNeighbours, false},
		{"and something was thrown away", func() { f.neighbours.Fulls = 8 }, pausedNeighbours, true},
		{"nothing since", func() {}, pausedNeighbours, false},
		{"there is room again", func() { f.neighbours.Entries = 100 }, "", false},
		{"connections are tracked, too", func() { f.conntrack = &evidence.Conntrack{Count: 100, Max: 200} }, "", false},
		{"and fill their table", func() { f.conntrack.Count = 180 }, pausedConntrack, false},
		{"a kernel that says nothing", func() { f.err = errors.ErrUnsupported }, "", false},
	} {
		step.change()
		if full, dropped := l.look(); full != step.full || dropped != step.dropped {
			t.Errorf("%s: %q, dropped %v", step.say, full, dropped)
		}
	}
	for _, c := range []struct {
		count, first, limit int
		want                bool
	}{{0, 0, 10, false}, {8, 0, 10, false}, {9, 0, 10, true}, {10, 10, 10, true}, {9, 9, 10, false}, {10, 9, 10, true}, {950, 900, 1000, false}, {990, 900, 1000, true}} {
		if got := nearly(c.count, c.first, c.limit); got != c.want {
			t.Errorf("%d of %d, %d at first: %v", c.count, c.limit, c.first, got)
		}
	}
}

// planned is a sweep of one address's ports whose engines a test plays.
func planned(t *testing.T, f *fakeLimits, ports ...uint16) sweepSource {
	t.Helper()
	s, err := NewSweeper(t.Context(), SweepTargets{Hosts: []string{"192.0.2.1"}, Ports: ports}, SweepOptions{Rate: -1, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	s.limits = f.limits()
	s.samples = nil
	s.began = time.Now()
	s.lookAtLimits()
	return sweepSource{Sweeper: s}
}

func silentOutcome(a sweep.Attempt, began time.Duration) reactor.Outcome {
	return reactor.Outcome{Attempt: a, Call: reactor.Expired, Began: began, Took: time.Second, SYNs: 1}
}

// Silence while this host threw packets away is no result: the target is tried
// again, and nothing is begun until there is room.
func TestSilenceOfAFullTableIsNoResult(t *testing.T) {
	f := &fakeLimits{neighbours: netlink.NeighbourTables{Entries: 10, Limit: 1024}}
	s := planned(t, f, 80)
	var jobs [4]sweep.Attempt
	n, _, _ := s.Take(s.clock(), jobs[:])
	if n != 1 {
		t.Fatalf("%d attempts", n)
	}
	began := s.clock()
	f.neighbours.Entries, f.neighbours.Fulls = 1024, 1
	s.Done(s.clock(), []reactor.Outcome{silentOutcome(jobs[0], began)})
	if p := s.Progress(); p.Done != 0 || p.Faults != 1 || p.Paused != pausedNeighbours {
		t.Fatalf("%+v", p)
	}
	if n, wait, done := s.Take(s.clock(), jobs[:]); n != 0 || wait <= 0 || done {
		t.Errorf("beside a full table: %d attempts, wait %v, done %v", n, wait, done)
	}
	f.neighbours.Entries = 10
	s.withLock(s.lookAtLimits)
	if p := s.Progress(); p.Paused != "" {
		t.Errorf("still paused: %s", p.Paused)
	}
	later := s.clock() + time.Second
	if n, _, _ := s.Take(later, jobs[:]); n != 1 || jobs[0].Faults == 0 {
		t.Fatalf("%d attempts, %+v", n, jobs[0])
	}
	s.Done(later, []reactor.Outcome{silentOutcome(jobs[0], later)})
	if p := s.Progress(); p.Done != 1 || len(s.ready) != 1 {
		t.Errorf("%+v", p)
	}
}

// A table that never has room again is told in the end: silence, not a wait for
// ever.
func TestFullTableForEver(t *testing.T) {
	f := &fakeLimits{neighbours: netlink.NeighbourTables{Entries: 10, Limit: 1024}}
	s := planned(t, f, 80)
	var jobs [1]sweep.Attempt
	for round := range 50 {
		now := time.Duration(round) * time.Minute
		if n, _, _ := s.Take(now, jobs[:]); n == 1 {
			f.neighbours.Fulls++
			s.limitsAt = -1
			s.Done(now, []reactor.Outcome{silentOutcome(jobs[0], s.clock()-1)})
		}
		if p := s.Progress(); p.Done == 1 {
			return
		}
	}
	t.Errorf("%+v", s.Progress())
}

// Which errors of this host pass, and which are results.
func TestEndingOf(t *testing.T) {
	for _, c := range []struct {
		call  reactor.Call
		errno syscall.Errno
		want  sweep.Ending
	}{
		{reactor.Expired, 0, sweep.Silent},
		{reactor.Handshake, syscall.ETIMEDOUT, sweep.Silent},
		{reactor.Handshake, 0, sweep.Answered},
		{reactor.Handshake, syscall.ECONNREFUSED, sweep.Answered},
		{reactor.Handshake, syscall.EHOSTUNREACH, sweep.Answered},
		{reactor.Connect, syscall.ENETUNREACH, sweep.Answered},
		{reactor.Connect, syscall.EACCES, sweep.Answered},
		{reactor.Connect, syscall.EADDRNOTAVAIL, sweep.Fault},
		{reactor.Connect, syscall.EADDRINUSE, sweep.Fault},
		{reactor.Connect, syscall.EAGAIN, sweep.Fault},
		{reactor.Connect, syscall.ENOBUFS, sweep.Fault},
		{reactor.Connect, syscall.ENOMEM, sweep.Fault},
		{reactor.Socket, syscall.EMFILE, sweep.Fault},
		{reactor.Socket, syscall.ENFILE, sweep.Fault},
		{reactor.Socket, syscall.ENOSPC, sweep.Fault},
		{reactor.Socket, syscall.EAFNOSUPPORT, sweep.Answered},
	} {
		if got := endingOf(&reactor.Outcome{Call: c.call, Errno: c.errno}); got != c.want {
			t.Errorf("call %d, %v: %d, want %d", c.call, c.errno, got, c.want)
		}
	}
}

// An engine that only makes more in flight possible begins when those before
// it have all they can; where one of those could not be made, at once.
func TestIdleEngine(t *testing.T) {
	f := &fakeLimits{}
	s := planned(t, f, 80, 81, 82)
	s.after = 2
	var jobs [1]sweep.Attempt
	if n, wait, done := s.Take(0, jobs[:]); n != 0 || wait <= 0 || done {
		t.Errorf("%d attempts, wait %v, done %v", n, wait, done)
	}
	first := sweepSource{Sweeper: s.Sweeper}
	for range 2 {
		if n, _, _ := first.Take(0, jobs[:]); n != 1 {
			t.Fatal("no work for the first engine")
		}
	}
	if n, _, _ := s.Take(0, jobs[:]); n != 1 {
		t.Error("no work for the one that is needed")
	}
	s.without.Add(1)
	for range 3 {
		s.Done(0, []reactor.Outcome{{Attempt: jobs[0], Errno: syscall.ECONNREFUSED, Answered: true, SYNs: 1}})
	}
	if _, _, done := s.Take(0, jobs[:]); !done {
		t.Error("it does not end")
	}
}

// A sweep that goes as fast as it can has more in flight than there are
// descriptors for; a gentle one does not, and what is asked for holds.
func TestInFlightByDefault(t *testing.T) {
	table := descriptorsFree()
	gentle, busy := SweepOptions{}.withDefaults()
	if gentle.InFlight != table || gentle.Engines != busy {
		t.Errorf("%d in flight with %d engines, %d busy; the table has %d", gentle.InFlight, gentle.Engines, busy, table)
	}
	fast, busy := SweepOptions{Rate: -1, Engines: 1}.withDefaults()
	if fast.InFlight < table || fast.InFlight > max(table, fastInFlight) || busy != 1 || fast.Engines*table < fast.InFlight && fast.Engines > 1 {
		t.Errorf("%d in flight with %d engines, %d busy; the table has %d", fast.InFlight, fast.Engines, busy, table)
	}
	asked, busy := SweepOptions{Rate: -1, InFlight: 3, Engines: 8}.withDefaults()
	if asked.InFlight != 3 || asked.Engines != 3 || busy != 3 {
		t.Errorf("%d in flight with %d engines, %d busy", asked.InFlight, asked.Engines, busy)
	}
	if o, _ := (SweepOptions{InFlight: 1 << 30}).withDefaults(); o.InFlight > mostInFlight {
		t.Errorf("%d in flight", o.InFlight)
	}
}

// A sweep without its own addresses meets itself as a dial may: tried again.
func TestMet(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		local, to string
		faults    uint8
		want      bool
	}{
		{"127.0.0.1:40000", "127.0.0.1:40000", 0, true},
		{"127.0.0.1:40000", "127.0.0.1:40000", 3, false},
		{"127.0.0.1:40001", "127.0.0.1:40000", 0, true},
		{"127.0.0.1:40001", "127.0.0.1:40000", 1, false},
		{"192.0.2.1:40000", "192.0.2.2:40000", 0, false},
	} {
		o := reactor.Outcome{Attempt: sweep.Attempt{Addr: at(c.to), Faults: c.faults}, Local: at(c.local)}
		if got := met(&o); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if met(&reactor.Outcome{}) {
		t.Error("met without a local address")
	}
}
