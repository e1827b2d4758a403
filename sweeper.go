package dialscope

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/reactor"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/sweep"
)

// Sweeper is a sweep that has been prepared: its targets are read, its names
// resolved. [Sweep] does without one; a Sweeper tells its progress.
type Sweeper struct {
	options SweepOptions
	busy    int
	input   *sweepInput
	more    iter.Seq2[string, error]
	digest  uint64
	judge   *sweepJudge

	portable bool // engines of goroutines, as where there is no epoll

	mu       sync.Mutex
	schedule *sweep.Schedule
	ready    []reactor.Outcome // final, and not yet yielded
	spare    []reactor.Outcome // the slice that was yielded last, to be filled again
	began    time.Time
	ended    time.Duration
	paused   string
	err      error
	samples  []netip.Addr // had a route when the sweep began
	lookedAt time.Duration
	dropped  time.Duration // when this host was last seen to have thrown packets away; -1: never
	without  atomic.Int32  // engines for which this host has no room; one is enough
	limits   *limits
	limitsAt time.Duration // when they were last looked at
	news     chan struct{} // holds one when ready has grown, or the engines have ended
	confirm  uint16        // the first of the ports that the kernel gives sockets
}

// NewSweeper reads the targets and resolves the names among them. Nothing is
// sent to them yet. An error is one of input, of the context, or of options
// that cannot be.
func NewSweeper(ctx context.Context, t SweepTargets, o SweepOptions) (*Sweeper, error) {
	if o.Shards < 0 || o.Shard < 0 || o.Shard > max(o.Shards, 1) || o.Shards > 0 && o.Shard == 0 {
		return nil, errShard(o.Shard, o.Shards)
	}
	in, err := newSweepInput(t)
	if err != nil {
		return nil, err
	}
	space, err := in.space(ctx, t.Hosts)
	if err != nil {
		return nil, err
	}
	if t.More == nil && space.Total() == 0 && len(in.failed) == 0 {
		return nil, ErrNoTargets
	}
	o, busy := o.withDefaults()
	s := &Sweeper{options: o, busy: busy, input: in, more: t.More, news: make(chan struct{}, 1), judge: newSweepJudge(o.Timeout), confirm: firstEphemeral(), dropped: -1, limits: newLimits()}
	s.schedule = sweep.NewSchedule(sweep.Options{
		Limits: sweep.Limits{
			Rate: max(0, o.Rate), InFlight: o.InFlight, HostRate: o.HostRate, HostInFlight: o.HostInFlight,
			NetRate: o.NetRate, NetInFlight: o.NetInFlight, Retries: max(0, o.Retries),
		},
		Seed: o.Seed, Shard: o.Shard, Shards: o.Shards, Skip: o.Skip,
	})
	s.digest = space.Digest()
	s.add(space)
	if s.more == nil {
		s.schedule.Close()
	}
	return s, nil
}

// withDefaults makes every zero what it stands for. busy is how many engines
// work from the beginning: others only make more attempts in flight possible.
func (o SweepOptions) withDefaults() (all SweepOptions, busy int) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultSweepTimeout
	}
	if o.Rate == 0 {
		o.Rate = DefaultSweepRate
	}
	if o.Retries == 0 {
		o.Retries = 1
	}
	if o.Engines <= 0 {
		o.Engines = runtime.GOMAXPROCS(0)
	}
	table := descriptorsFree()
	if o.InFlight <= 0 {
		o.InFlight = table
		if o.Rate < 0 {
			o.InFlight = max(table, usualInFlight())
		}
	}
	o.InFlight = min(o.InFlight, mostInFlight)
	busy = min(o.Engines, o.InFlight)
	if o.InFlight > table {
		if runtime.GOOS != "linux" {
			o.InFlight = table
		}
		o.Engines = max(o.Engines, (o.InFlight+table-1)/table)
	}
	o.Engines = min(o.Engines, o.InFlight)
	return o, busy
}

// firstEphemeral is where the ports begin that the kernel gives sockets (ip(7),
// ip_local_port_range).
func firstEphemeral() uint16 {
	if f, err := procfs.Sysctl("net.ipv4.ip_local_port_range"); err == nil {
		n := 0
		for _, c := range f.Value {
			if c < '0' || c > '9' {
				break
			}
			n = 10*n + int(c-'0')
		}
		if n > 0 && n < 1<<16 {
			return uint16(n)
		}
	}
	return 1024
}

// Digest identifies the targets that Hosts and Ports name, exclusions applied:
// the same targets, the same digest. With the same seed a place means the same.
func (s *Sweeper) Digest() uint64 { return s.digest }

// add hands a space to the schedule and notes which of its networks have a route.
func (s *Sweeper) add(space *sweep.Space) {
	const samples = 64
	for _, a := range space.Firsts() {
		if len(s.samples) >= samples {
			break
		}
		if routed(a) {
			s.samples = append(s.samples, a)
		}
	}
	s.schedule.Add(space)
}

func routed(a netip.Addr) bool {
	r, err := netlink.RouteTo(netlink.Query{To: a, Protocol: syscall.IPPROTO_TCP})
	return err == nil && r.Errno == ""
}

// Progress says how far the sweep is. It may be called at any time.
func (s *Sweeper) Progress() SweepProgress {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.schedule.Stats()
	p := SweepProgress{
		Targets: st.Targets, Complete: s.schedule.Closed(), Skipped: st.Skipped, Done: st.Done, Attempts: st.Begun,
		Retried: st.Retried, Faults: st.Faults, InFlight: st.InFlight, Window: st.Window,
		Paused: s.paused, Loss: st.Loss(), Missed: st.Missed(), Elapsed: s.ended,
	}
	if p.Elapsed == 0 && !s.began.IsZero() {
		p.Elapsed = time.Since(s.began)
	}
	return p
}

// Groups are the explanations found so far, in the order in which they were.
// It is for the goroutine that reads Results.
func (s *Sweeper) Groups() []SweepGroup { return s.judge.groups }

// Results makes the sweep and yields each target's result as it is found, in
// no order. It can be used once. An error is the last thing it yields: the
// context's, one of the input, or that this host cannot sweep. Results that
// were found before the context ended are yielded first.
func (s *Sweeper) Results(ctx context.Context) iter.Seq2[SweepResult, error] {
	return func(yield func(SweepResult, error) bool) {
		running, stop := context.WithCancel(ctx)
		ended := s.start(running)
		defer func() { stop(); <-ended }()
		for over := false; !over; {
			select {
			case <-ended:
				over = true
			case <-s.news:
			}
			if !s.yield(ctx, yield) {
				return
			}
		}
		err := s.err
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(SweepResult{}, err)
		}
	}
}

// yield gives what is ready.
func (s *Sweeper) yield(ctx context.Context, yield func(SweepResult, error) bool) bool {
	s.mu.Lock()
	ready := s.ready
	s.ready, s.spare = s.spare[:0], nil
	s.mu.Unlock()
	defer s.withLock(func() { s.spare = ready })
	for i := range ready {
		r := s.judge.result(&ready[i])
		r.Name = s.input.nameOf(r.Addr.Addr())
		if !yield(r, nil) {
			return false
		}
	}
	for _, t := range s.input.takeFailed() {
		if ctx.Err() == nil && !yield(s.judge.unresolved(ctx, t, s.input.ports), nil) {
			return false
		}
	}
	return true
}

// start runs the engines, and returns a channel that is closed when they have ended.
func (s *Sweeper) start(ctx context.Context) <-chan struct{} {
	s.withLock(func() {
		s.began = time.Now()
		s.lookAtLimits()
	})
	kind := map[SweepEngine]reactor.Kind{EngineEpoll: reactor.Epoll, EngineRing: reactor.Ring}[s.options.Engine]
	c := reactor.Config{
		Kind: kind, Beyond: s.options.InFlight > descriptorsFree(),
		Timeout: s.options.Timeout, Clock: s.clock,
		NewEach: s.options.NewSockets || !reactor.Reusable(),
		Scope:   func(a netip.Addr) uint32 { return sock.ZoneIndex(a.Zone()) },
		Confirm: func(a netip.AddrPort) bool { return a.Port() >= s.confirm },
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	for i := range s.options.Engines {
		own, source := c, sweepSource{Sweeper: s}
		if i >= s.busy {
			source.after = s.options.InFlight / s.options.Engines * s.busy
		}
		own.InFlight = s.options.InFlight / s.options.Engines
		if i < s.options.InFlight%s.options.Engines {
			own.InFlight++
		}
		running.Go(func() {
			err := errors.ErrUnsupported
			if !s.portable {
				err = reactor.Run(ctx, own, source)
			}
			if errors.Is(err, errors.ErrUnsupported) && s.options.Engine == EngineAuto {
				err = runPortable(ctx, own, source)
			}
			if err != nil && (!lacking(err) || s.without.Add(1) == int32(s.options.Engines)) {
				s.fail(err)
				stop()
			}
		})
	}
	var beside sync.WaitGroup
	beside.Go(func() { s.watch(ctx) })
	if s.more != nil {
		beside.Go(func() { s.stream(ctx) })
	}
	ended := make(chan struct{})
	go func() {
		running.Wait()
		stop()
		beside.Wait()
		s.withLock(func() { s.ended = s.clock() })
		close(ended)
	}()
	return ended
}

// lacking says that an engine could not be made because this host has no
// descriptor or memory for it.
func lacking(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

func (s *Sweeper) clock() time.Duration { return time.Since(s.began) }

func (s *Sweeper) withLock(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// fail notes the first error; the engines end when they next ask for work.
func (s *Sweeper) fail(err error) {
	s.withLock(func() {
		if s.err == nil && !errors.Is(err, context.Canceled) {
			s.err = err
		}
	})
}
