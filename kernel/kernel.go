// Package kernel lets a dial hear what the kernel of this host does with its
// packets: a SYN that the host's own filter drops, an answer that reverse path
// filtering throws away, and the reason of each.
//
//	events := kernel.WhenOverdue()
//	defer events.Close()
//	d := &dialscope.Dialer{Kernel: events}
//
// It loads BPF programs, which needs CAP_BPF and CAP_PERFMON (capabilities(7)) on
// Linux, and some 55 ms of CPU time once. A program that does not import this
// package links nothing of it. Without the privilege a dial goes on as before,
// and its report says what was missing.
package kernel

import (
	"net/netip"
	"sync"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/bpf"
)

// Overdue is how long a handshake under [WhenOverdue] waits for its answer
// before the programs are loaded. The SYN is sent again after a second.
const Overdue = 150 * time.Millisecond

// Events hears kernel events for any number of dials at once.
type Events struct {
	overdue time.Duration // 0: it is open already

	opening sync.Once
	ready   chan struct{} // closed when session or err is set

	mu      sync.Mutex
	session *bpf.Session
	err     error
	closed  bool
	since   time.Time // when the session began to hear
	names   []string  // of the tracepoints heard
	follows map[*follower]struct{}
}

// Open loads the programs now, so that a dial's first packet is heard of, too.
// The error says what is missing: a privilege, a kernel's feature.
func Open() (*Events, error) {
	e := newEvents(0)
	e.open()
	if e.err != nil {
		return nil, e.err
	}
	return e, nil
}

// WhenOverdue loads the programs when the first dial has waited for [Overdue]
// without an answer, beside it: a SYN is sent again, and what becomes of it is
// heard. A dial that is answered at once pays nothing. A datagram is not sent
// again: for UDP use [Open]. Where the programs cannot be loaded, the dials'
// reports say why.
func WhenOverdue() *Events {
	e := newEvents(Overdue)
	if err := bpf.Permitted(); err != nil {
		e.opening.Do(func() {
			e.err = err
			close(e.ready)
		})
	}
	return e
}

func newEvents(overdue time.Duration) *Events {
	return &Events{overdue: overdue, ready: make(chan struct{}), follows: map[*follower]struct{}{}}
}

// kinds are what a dial makes use of.
var kinds = []bpf.Kind{bpf.Drop, bpf.Retransmit, bpf.ResetSent, bpf.ResetReceived}

func (e *Events) open() {
	e.opening.Do(func() {
		defer close(e.ready)
		s, err := bpf.Open(bpf.Options{Own: true, Kinds: kinds})
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.closed && s != nil {
			s.Close()
			return
		}
		e.session, e.err, e.since = s, err, time.Now()
		if err != nil {
			return
		}
		for _, source := range s.Sources() {
			if source.Err == nil {
				e.names = append(e.names, source.Name)
			}
		}
		for f := range e.follows {
			f.begin()
		}
	})
}

// Ready is closed when the programs are loaded, or cannot be: what they need is
// not needed any more.
func (e *Events) Ready() <-chan struct{} { return e.ready }

// Close detaches the programs. It does not wait for a loading that is under
// way, which then ends by itself.
func (e *Events) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.session == nil {
		return nil
	}
	s := e.session
	e.session = nil
	return s.Close()
}

// Follow implements [dialscope.KernelEvents].
func (e *Events) Follow(remote netip.AddrPort) dialscope.KernelFollower {
	f := &follower{events: e, remote: netip.AddrPortFrom(remote.Addr().WithZone(""), remote.Port())}
	if inode, err := bpf.ThisNetwork(); err == nil {
		f.network = inode
	} else {
		f.err = err
		return f
	}
	e.mu.Lock()
	e.follows[f] = struct{}{}
	if e.session != nil {
		f.begin()
	}
	e.mu.Unlock()
	if e.overdue > 0 {
		f.timer = time.AfterFunc(e.overdue, e.open)
	}
	return f
}

// follower collects the events of one attempt.
type follower struct {
	events  *Events
	network uint32
	remote  netip.AddrPort
	timer   *time.Timer // nil: none
	begun   time.Time   // when the kernel was told of it; zero: not yet
	err     error
	said    bool
	heard   []bpf.Event
}

// begin tells the kernel; events.mu is held.
func (f *follower) begin() {
	if f.err = f.events.session.Follow(f.network, f.remote); f.err == nil {
		f.begun = time.Now()
	}
}

// Heard implements [dialscope.KernelFollower].
func (f *follower) Heard(local netip.AddrPort, began time.Time) (log evidence.Log, err error) {
	e := f.events
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.err != nil:
		return nil, e.err
	case f.err != nil:
		return nil, f.err
	case e.session == nil:
		return nil, nil
	}
	e.drain()
	if !f.said {
		f.said = true
		lost, _ := e.session.Lost()
		log.Add(max(0, f.begun.Sub(began)), evidence.FromTracepoint, &evidence.KernelWatch{Tracepoints: e.names, Lost: lost})
	}
	for i := range f.heard {
		if ev := &f.heard[i]; ev.Local.Port() == local.Port() {
			if fact := fact(ev); fact != nil {
				log.Add(ev.Time.Sub(began), evidence.FromTracepoint, fact)
			}
		}
	}
	f.heard = f.heard[:0]
	return log, nil
}

// drain gives each follower what the ring holds; mu is held.
func (e *Events) drain() {
	e.session.SetDeadline(time.Unix(1, 0)) // what is there, without waiting
	var ev bpf.Event
	for e.session.Read(&ev) == nil {
		for f := range e.follows {
			if one := ev; f.isAbout(&one) && len(f.heard) < most {
				f.heard = append(f.heard, one)
			}
		}
	}
}

// most events of an attempt are kept: its few SYNs and their answers make some.
const most = 1000

// isAbout says that an event is about a socket that goes to the follower's
// place, and makes that socket's end the local one: a packet to this host itself
// that is dropped on its way in has met no socket, and looks like a stranger's.
func (f *follower) isAbout(ev *bpf.Event) bool {
	switch {
	case ev.Network != f.network:
		return false
	case ev.Remote == f.remote:
		return true
	case ev.Kind == bpf.Drop && ev.Local == f.remote:
		ev.Local, ev.Remote = ev.Remote, ev.Local
		return true
	}
	return false
}

// Close implements [dialscope.KernelFollower].
func (f *follower) Close() {
	if f.timer != nil {
		f.timer.Stop()
	}
	e := f.events
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.follows, f)
	if e.session == nil || f.begun.IsZero() {
		return
	}
	for other := range e.follows {
		if other.network == f.network && other.remote == f.remote {
			return
		}
	}
	_ = e.session.Unfollow(f.network, f.remote) // it may have been pushed out by newer ones
}
