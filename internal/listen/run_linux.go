package listen

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Run serves until the context ends or Count connections have ended, closes what
// is open, and sums up. It is called once; afterwards all descriptors are closed.
func (s *Server) Run(ctx context.Context) *Summary {
	s.began = time.Now()
	var first []Event
	for _, a := range s.addrs {
		first = append(first, Event{Kind: Listening, At: s.began, Local: a})
	}
	s.tell(first)
	stop := context.AfterFunc(ctx, s.wake)
	if len(s.shards) == 1 {
		s.shards[0].run(ctx) // in the caller's thread, which may be in another network namespace than the program
	} else {
		var all sync.WaitGroup
		for _, sh := range s.shards {
			all.Go(func() { sh.run(ctx) })
		}
		all.Wait()
	}
	stop()
	sum := &Summary{Event: "summary", At: time.Now(), Local: s.addrs, Took: time.Since(s.began), Reason: "interrupted", Counters: s.Counters()}
	select {
	case <-s.finished:
		sum.Reason = "count"
	default:
		if ctx.Err() == context.DeadlineExceeded {
			sum.Reason = "for"
		}
	}
	sum.Ends = s.sumEnds()
	return sum
}

// sumEnds counts the ends of all threads, the most frequent first.
func (s *Server) sumEnds() (ends []Ends) {
	counts := map[Ends]uint64{}
	for _, sh := range s.shards {
		for i, n := range sh.ends {
			if n > 0 {
				e := &endings[i]
				counts[Ends{By: e.who, How: e.how, Cause: ending(i).plain().Cause}] += n
			}
		}
		for e, n := range sh.judged {
			counts[e] += n
		}
	}
	for e, n := range counts {
		e.Count = n
		ends = append(ends, e)
	}
	slices.SortFunc(ends, func(a, b Ends) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.By, b.By), cmp.Compare(a.How, b.How), cmp.Compare(a.Cause, b.Cause))
	})
	return ends
}

// wake makes every thread look around.
func (s *Server) wake() {
	for _, sh := range s.shards {
		sh.ring()
	}
}

// tell hands events over, one call at a time.
func (s *Server) tell(events []Event) {
	if s.Each == nil || len(events) == 0 {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Each(events)
}

// ticket reserves the right to accept one connection.
func (s *Server) ticket() bool {
	if !s.limited {
		return true
	}
	if s.tickets.Add(-1) >= 0 {
		return true
	}
	s.tickets.Add(1)
	return false
}

func (s *Server) giveBack() {
	if s.limited {
		s.tickets.Add(1)
	}
}

// arrived counts a connection; where it is the last one, the sockets are closed.
func (s *Server) arrived() (id uint64) {
	id = s.accepted.Add(1)
	atLeast(&s.mostOpen, s.open.Add(1))
	if s.limited && int64(id) == s.most && s.refusing.CompareAndSwap(false, true) {
		s.wake()
	}
	return id
}

// left counts an end; after the last of Count the server is done.
func (s *Server) left() {
	s.open.Add(-1)
	if n := s.ended.Add(1); s.Count > 0 && n >= uint64(s.Count) {
		s.finish.Do(func() { close(s.finished); s.wake() })
	}
}

func (s *Server) done() bool {
	select {
	case <-s.finished:
		return true
	default:
		return false
	}
}

func atLeast(a *atomic.Int64, n int64) {
	for {
		old := a.Load()
		if n <= old || a.CompareAndSwap(old, n) {
			return
		}
	}
}

// limitEvery is how often a lack of descriptors is told at most.
const limitEvery = time.Second

// limitEvent tells of a lack of descriptors, if it was not told a moment ago.
func (s *Server) limitEvent(errno string, now time.Time) (e Event, told bool) {
	last := s.limitAt.Load()
	if at := now.UnixNano(); last != 0 && at-last < int64(limitEvery) || !s.limitAt.CompareAndSwap(last, now.UnixNano()) {
		return e, false
	}
	e = Event{Kind: LimitHit, At: now, Errno: evidence.Errno(errno)}
	if errno == "EMFILE" {
		if l, err := procfs.NoFile(); err == nil {
			e.Limit, e.Waiting = l.Soft, int(min(l.Used, l.Soft))
		}
	}
	return e, true
}

// listener is one listening socket of one thread.
type listener struct {
	fd     int32 // -1: closed
	family int
	addr   netip.AddrPort
}

// shard is one thread's part: its sockets, its connections, its clock.
type shard struct {
	*Server
	ep, bell  int
	listeners []listener
	closing   sync.Mutex // of the descriptors that others use: the bell, and listeners for Counters

	conns  []conn
	free   []int32
	freed  []int32 // in this round: an event of the old connection may still follow
	delays queue
	crash  queue
	paused time.Time // since when nothing is accepted for want of descriptors
	told   bool      // that was told
	events []Event
	ends   [endingCount]uint64 // the ordinary ones
	judged map[Ends]uint64     // the others, their Count 0
	buffer []byte
	now    time.Time
	udpBox []answer
	known  map[netip.AddrPort]struct{}
	due    int // places in udpBox before it were sent
}

// Data of epoll events that are no connection's.
const (
	bellData  = -1
	firstData = -2 // of the first listener; the next has one less
)

func newShard(s *Server) (*shard, error) {
	sh := &shard{Server: s, ep: -1, bell: -1, buffer: make([]byte, 1<<16), judged: map[Ends]uint64{}}
	var errno error
	ep, e := sys.EpollCreate()
	if e != 0 {
		return nil, e
	}
	sh.ep = ep
	if sh.bell, e = sys.EventFD(); e != 0 {
		errno = e
	} else if e = sys.EpollAddSlot(sh.ep, sh.bell, sys.EpollIn|sys.EpollEdge, bellData); e != 0 {
		errno = e
	}
	if errno != nil {
		sh.close()
		return nil, errno
	}
	return sh, nil
}

// ring may be called when the thread is already over.
func (s *shard) ring() {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.bell >= 0 {
		sys.Wake(s.bell)
	}
}

// add takes a listening socket. One that is never accepted from, or never read,
// is not watched.
func (s *shard) add(fd int, bound netip.AddrPort) error {
	family := sys.AFInet
	if bound.Addr().Is6() {
		family = sys.AFInet6
	}
	if watched := !s.NeverAccept && !(s.udp && s.Reading == Never); watched {
		if errno := sys.EpollAddSlot(s.ep, fd, sys.EpollIn, int32(firstData-len(s.listeners))); errno != 0 {
			return errno
		}
	}
	s.listeners = append(s.listeners, listener{int32(fd), family, bound})
	return nil
}

// run is the thread's life.
func (s *shard) run(ctx context.Context) {
	defer s.close()
	events := make([]sys.EpollEvent, 512)
	for ctx.Err() == nil && !s.done() {
		n, _ := sys.EpollPoll(s.ep, events)
		if n == 0 {
			n, _ = sys.EpollWait(s.ep, events, s.patience())
		}
		s.now = time.Now()
		for _, e := range events[:max(0, n)] {
			switch {
			case e.Fd >= 0:
				s.ready(e.Fd, e.Events)
			case e.Fd == bellData:
			case s.udp:
				s.receive(&s.listeners[firstData-e.Fd])
			default:
				s.accept(&s.listeners[firstData-e.Fd])
			}
		}
		s.timers()
		if s.refusing.Load() {
			s.refuse()
		}
		s.free, s.freed = append(s.free, s.freed...), s.freed[:0]
		s.flush()
	}
	s.now = time.Now()
	if !s.udp {
		s.leftOver.Add(int64(s.queued()))
	}
	s.refuse()
	kind := hereFIN
	if ctx.Err() == context.DeadlineExceeded {
		kind = limitFIN
	}
	for slot := range s.conns {
		if c := &s.conns[slot]; c.fd >= 0 {
			s.closeHere(int32(slot), kind)
		}
	}
	s.flush()
}

// flush tells what has happened.
func (s *shard) flush() {
	s.tell(s.events)
	s.events = s.events[:0]
}

func (s *shard) add1(e Event) {
	if s.Each != nil {
		e.At = s.now
		s.events = append(s.events, e)
	}
}

// patience is how long nothing will have to be done, in milliseconds; -1: until
// something happens.
func (s *shard) patience() int {
	next := time.Time{}
	for _, at := range []time.Time{s.delays.next(), s.crash.next(), s.nextAnswer()} {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if !s.paused.IsZero() {
		if at := s.paused.Add(retry); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if next.IsZero() {
		return -1
	}
	return max(0, int((time.Until(next)+time.Millisecond-1)/time.Millisecond))
}

// timers does what is due.
func (s *shard) timers() {
	for slot, ok := s.delays.due(s.now, s.conns); ok; slot, ok = s.delays.due(s.now, s.conns) {
		s.begin(slot)
	}
	for slot, ok := s.crash.due(s.now, s.conns); ok; slot, ok = s.crash.due(s.now, s.conns) {
		s.forget(slot)
	}
	s.sendDue()
	if !s.paused.IsZero() && s.now.Sub(s.paused) >= retry {
		s.resume()
	}
}

// pause stops accepting: a listener that stays watched would be ready for ever.
func (s *shard) pause(errno string) {
	if s.paused.IsZero() {
		for i, l := range s.listeners {
			sys.EpollMod(s.ep, int(l.fd), 0, int32(firstData-i))
		}
		s.Server.paused.Add(1)
	}
	s.paused = s.now
	if e, tell := s.limitEvent(errno, s.now); tell {
		s.add1(e)
		s.told = true
	}
}

// resume accepts again.
func (s *shard) resume() {
	s.paused = time.Time{}
	for i, l := range s.listeners {
		if l.fd >= 0 {
			sys.EpollMod(s.ep, int(l.fd), sys.EpollIn, int32(firstData-i))
		}
	}
}

// refuse closes the listening sockets. Who waits in their queues is reset
// (inet_csk_listen_stop).
func (s *shard) refuse() {
	s.closing.Lock()
	defer s.closing.Unlock()
	var closed []netip.AddrPort
	for i := range s.listeners {
		if l := &s.listeners[i]; l.fd >= 0 {
			sys.Close(int(l.fd))
			l.fd = -1
			closed = append(closed, l.addr)
		}
	}
	// An address refuses when the last of its sockets is closed.
	if len(closed) > 0 && s.refusing.Load() && int(s.shut.Add(1)) == len(s.shards) {
		for _, addr := range closed {
			s.add1(Event{Kind: Refusing, Local: addr})
		}
	}
}

func (s *shard) close() {
	s.refuse()
	s.closing.Lock()
	defer s.closing.Unlock()
	for _, fd := range []int{s.ep, s.bell} {
		if fd >= 0 {
			sys.Close(fd)
		}
	}
	s.ep, s.bell = -1, -1
}
