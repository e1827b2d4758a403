package listen

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// conn is one accepted connection. Its place among the shard's is used again.
type conn struct {
	fd      int32 // -1: free
	life    uint32
	watched bool
	fin     bool // the peer has sent FIN
	half    bool // this end has
	first   bool // and before the peer
	id      uint64
	began   time.Time
	local   netip.AddrPort
	peer    netip.AddrPort
	in, out uint64
	pending []byte // still to be written
}

// moment is when something is due for a connection.
type moment struct {
	at   time.Time
	slot int32
	life uint32
}

// queue holds moments in their order: all of one queue lie the same time ahead
// when they are made.
type queue struct {
	moments []moment
	head    int
}

func (q *queue) push(at time.Time, slot int32, c *conn) {
	if q.head > len(q.moments)/2 {
		q.moments = q.moments[:copy(q.moments, q.moments[q.head:])]
		q.head = 0
	}
	q.moments = append(q.moments, moment{at, slot, c.life})
}

func (q *queue) next() time.Time {
	if q.head < len(q.moments) {
		return q.moments[q.head].at
	}
	return time.Time{}
}

// due gives the next place whose moment has come and whose connection is still
// the same.
func (q *queue) due(now time.Time, conns []conn) (slot int32, ok bool) {
	for q.head < len(q.moments) && !q.moments[q.head].at.After(now) {
		m := q.moments[q.head]
		q.head++
		if c := &conns[m.slot]; c.fd >= 0 && c.life == m.life {
			return m.slot, true
		}
	}
	return 0, false
}

// round is how many connections are taken from one queue before others have
// their turn.
const round = 128

// accept takes connections from a queue. Every errno but those of this host's
// limits belongs to one connection, which is gone (accept(2), "Error handling").
func (s *shard) accept(l *listener) {
	var sa sys.Sockaddr
	for range round {
		if l.fd < 0 || s.refusing.Load() || !s.ticket() {
			return
		}
		fd, errno := sys.AcceptFrom(int(l.fd), &sa)
		switch errno {
		case 0:
			s.take(fd, l, &sa)
			continue
		case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
			s.giveBack()
			s.pause(sys.ErrnoName(errno))
			return
		case syscall.EINTR:
			s.giveBack()
			continue
		case syscall.ECONNABORTED, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.ENETDOWN, syscall.ENETUNREACH,
			syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENONET, syscall.EPERM:
			s.giveBack()
			s.gone.Add(1)
			continue
		}
		s.giveBack()
		return // EAGAIN: nobody waits
	}
}

// take begins a connection.
func (s *shard) take(fd int, l *listener, sa *sys.Sockaddr) {
	slot := int32(len(s.conns))
	if n := len(s.free); n > 0 {
		slot, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.conns = append(s.conns, conn{})
	}
	c := &s.conns[slot]
	*c = conn{fd: int32(fd), life: c.life + 1, id: s.arrived(), began: time.Now(), pending: c.pending[:0]}
	a, _ := sa.AddrPort()
	c.peer = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	c.local = l.addr
	if s.Each != nil {
		if l.addr.Addr().IsUnspecified() && sys.Getsockname(fd, sa) == 0 {
			a, _ := sa.AddrPort()
			c.local = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		}
		if s.told && s.paused.IsZero() {
			s.told = false
			s.add1(Event{Kind: Resumed})
		}
		s.add1(Event{Kind: Accepted, ID: c.id, Local: c.local, Peer: c.peer})
	}
	if s.CrashAfter > 0 {
		s.crash.push(s.now.Add(s.CrashAfter), slot, c)
	}
	if s.Delay > 0 {
		s.delays.push(s.now.Add(s.Delay), slot, c)
		return
	}
	s.begin(slot)
}

// begin does what this server does to a connection.
func (s *shard) begin(slot int32) {
	c := &s.conns[slot]
	if s.Ending == ResetFirst {
		sys.LingerZero(int(c.fd))
		s.end(slot, hereRST, "", 0)
		return
	}
	if s.Greeting != "" && !s.write(slot, []byte(s.greeting())) {
		return
	}
	if s.Ending == CloseFirst && len(c.pending) == 0 {
		s.halfClose(c)
	}
	switch {
	case len(c.pending) > 0:
		s.watch(slot, sys.EpollOut)
	case s.Reading == Never:
		s.watch(slot, sys.EpollRDHup)
	case s.read(slot): // what a short connection has to say is often there already
		s.watch(slot, s.wish(c))
	}
}

// greeting is the text with this server's time, RFC 3339.
func (s *shard) greeting() string {
	return s.Greeting + " " + time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00") + "\r\n"
}

func (s *shard) halfClose(c *conn) {
	sys.EndSending(int(c.fd))
	c.half, c.first = true, !c.fin
}

// wish is what a connection waits for.
func (s *shard) wish(c *conn) uint32 {
	switch {
	case len(c.pending) > 0:
		return sys.EpollOut // and nothing more is read until the peer has taken it
	case c.fin:
		return 0
	case s.Reading == Never:
		return sys.EpollRDHup
	}
	return sys.EpollIn
}

func (s *shard) watch(slot int32, events uint32) {
	c := &s.conns[slot]
	call := sys.EpollMod
	if !c.watched {
		call, c.watched = sys.EpollAddSlot, true
	}
	if errno := call(s.ep, int(c.fd), events, slot); errno != 0 {
		s.end(slot, otherError, evidence.ByRead, errno) // ENOSPC: fs.epoll.max_user_watches
	}
}

// ready handles an event of a connection.
func (s *shard) ready(slot int32, events uint32) {
	c := &s.conns[slot]
	switch {
	case c.fd < 0:
		return
	case len(c.pending) > 0:
		if !s.writePending(slot) {
			return
		}
		if s.Ending == CloseFirst && len(c.pending) == 0 && !c.half {
			s.halfClose(c)
		}
		if c.fin && len(c.pending) == 0 {
			s.finish(slot)
			return
		}
	case c.fin || s.Reading == Never:
		if pending, _ := sys.SOError(int(c.fd)); pending != 0 {
			s.end(slot, endOf(pending), evidence.ByRead, pending)
			return
		}
		if !c.fin && events&(sys.EpollRDHup|sys.EpollHup) != 0 {
			s.finish(slot)
			return
		}
		if events&sys.EpollHup != 0 {
			s.end(slot, peerFIN, "", 0)
			return
		}
	default:
		if !s.read(slot) {
			return
		}
		if len(c.pending) == 0 && !c.fin {
			return // as it was watched before
		}
	}
	if c.fd >= 0 {
		s.watch(slot, s.wish(c))
	}
}

// read takes what has come. It is false when the connection is over.
func (s *shard) read(slot int32) bool {
	c := &s.conns[slot]
	for range 4 { // then others have their turn
		n, errno := sys.Recv(int(c.fd), s.buffer)
		switch {
		case errno == syscall.EAGAIN:
			return true
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			s.end(slot, endOf(errno), evidence.ByRead, errno)
			return false
		case n == 0:
			c.fin = true
			if len(c.pending) > 0 {
				return true
			}
			return s.finish(slot)
		}
		c.in += uint64(n)
		s.in.Add(uint64(n))
		if s.Reading == Echo {
			if !s.write(slot, s.buffer[:n]) {
				return false
			}
			if len(c.pending) > 0 {
				return true
			}
		}
		if n < len(s.buffer)/2 {
			return true // the queue is most likely empty; epoll tells if it is not
		}
	}
	return true
}

// write sends, and keeps what there is no room for. It is false when the
// connection is over.
func (s *shard) write(slot int32, b []byte) bool {
	c := &s.conns[slot]
	n, errno := sys.SendWith(int(c.fd), b, sys.MsgDontWait|sys.MsgNoSignal)
	if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
		s.end(slot, endOf(errno), evidence.ByWrite, errno)
		return false
	}
	c.out += uint64(n)
	s.out.Add(uint64(n))
	c.pending = append(c.pending, b[n:]...)
	return true
}

func (s *shard) writePending(slot int32) bool {
	c := &s.conns[slot]
	n, errno := sys.SendWith(int(c.fd), c.pending, sys.MsgDontWait|sys.MsgNoSignal)
	if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
		s.end(slot, endOf(errno), evidence.ByWrite, errno)
		return false
	}
	c.out += uint64(n)
	s.out.Add(uint64(n))
	c.pending = c.pending[:copy(c.pending, c.pending[n:])]
	return true
}

// finish follows the peer's FIN. It is false when the connection is over.
func (s *shard) finish(slot int32) bool {
	c := &s.conns[slot]
	c.fin = true
	switch {
	case s.Ending == NeverClose:
		s.add1(Event{Kind: Held, ID: c.id, Local: c.local, Peer: c.peer, Traffic: s.traffic(c, nil)})
		if c.watched {
			s.watch(slot, 0)
		}
		return c.fd >= 0
	case c.half:
		s.end(slot, bothFIN, "", 0)
	default:
		s.end(slot, peerFIN, "", 0)
	}
	return false
}

// forget drops a connection as a crash does: with TCP_REPAIR close(2) sends
// nothing (tcp_close), and the next segment is answered with RST.
func (s *shard) forget(slot int32) {
	if errno := sys.SetsockoptInt(int(s.conns[slot].fd), sys.SolTCP, sys.TCPRepair, 1); errno != 0 {
		s.end(slot, otherError, evidence.ByWrite, errno)
		return
	}
	s.end(slot, hereSilence, "", 0)
}

// closeHere closes a connection because the server ends.
func (s *shard) closeHere(slot int32, kind ending) {
	if s.conns[slot].fin {
		kind = peerFIN
	}
	s.end(slot, kind, "", 0)
}

// end closes the descriptor, counts and tells; call is the one that gave errno.
func (s *shard) end(slot int32, kind ending, call string, errno syscall.Errno) {
	c := &s.conns[slot]
	l := last{ending: kind, call: call, fin: c.fin, half: c.half, halfFirst: c.first}
	if errno != 0 {
		l.errno = evidence.Errno(sys.ErrnoName(errno))
	}
	more := c.out > 0
	if kind == hereFIN || kind == limitFIN {
		n, _ := sys.Queued(int(c.fd))
		more = more || n > 0
	}
	if s.Each == nil && l.ordinary(more, s.alive != nil) {
		s.ends[kind]++
	} else {
		s.tellEnd(c, &l)
	}
	sys.Close(int(c.fd))
	c.fd = -1
	if cap(c.pending) > 1<<12 {
		c.pending = nil
	}
	s.freed = append(s.freed, slot)
	s.left()
	if !s.paused.IsZero() {
		s.resume()
	}
}

// tellEnd has an end judged by what can be seen of the connection now, counts it
// and tells.
func (s *shard) tellEnd(c *conn, l *last) {
	if l.took = time.Since(c.began); l.ending == limitFIN {
		l.limit = time.Since(s.Server.began)
	}
	f, err := sock.FlowOf(int(c.fd), l.half, l.fin, l.errno != "")
	var v *cause.Verdict
	var log evidence.Log
	if f != nil && !s.Evidence && l.ordinary(c.out > 0, s.alive != nil) && l.errno == "" && f.FINReceived() { // the rules have nothing to add to plain
		v = s.plain.of(l.ending, c.peer)
	} else {
		log = s.look(c, l, f, err)
		why := judge(c.peer, log)
		v = &why
	}
	how := endings[l.ending].how
	if own := l.ending == hereFIN || l.ending == limitFIN; own && f != nil && f.Unread > 0 {
		how = "RST" // RFC 2525 §2.17, tcp_close: data is lost, and the peer is told
	}
	who := endings[l.ending].who
	s.judged[Ends{By: who, How: how, Cause: v.Cause}]++
	s.add1(Event{Kind: Ended, ID: c.id, Local: c.local, Peer: c.peer, By: who, How: how, Errno: l.errno, Verdict: v, Evidence: log, Traffic: s.traffic(c, f)})
}

// look gathers what there is to see of a connection that has ended.
func (s *shard) look(c *conn, l *last, f *evidence.Flow, unseen error) evidence.Log {
	log := l.log()
	if f != nil {
		log.Add(l.took, evidence.FromTCPInfo, f)
	} else {
		log.Add(l.took, evidence.FromFeature, &evidence.Unseen{What: "tcp_info", Why: unseen.Error()})
	}
	if l.errno == "" {
		return log
	}
	if s.alive != nil {
		log.Add(l.took, evidence.FromSocket, s.alive)
	}
	// A reset in the middle of a conversation says nothing of the way.
	if reset := l.errno == "ECONNRESET" || l.errno == "EPIPE"; !reset || s.alive != nil || f != nil && f.Unacked > 0 {
		s.seeHost(&log, c, l.took)
	}
	return log
}

// seeHost looks at this host's own way to the peer.
func (s *shard) seeHost(log *evidence.Log, c *conn, at time.Duration) {
	see := func(what string, f evidence.Fact, err error) {
		if err != nil {
			log.Add(at, evidence.FromFeature, &evidence.Unseen{What: what, Why: err.Error()})
			return
		}
		log.Add(at, evidence.FromRtnetlink, f)
	}
	route, err := netlink.RouteTo(netlink.Query{To: c.peer.Addr(), From: c.local.Addr(), Protocol: syscall.IPPROTO_TCP, Port: c.peer.Port(), LocalPort: c.local.Port()})
	see("route", route, err)
	if err != nil || route.Errno != "" || route.Type != "unicast" {
		return
	}
	next := route.To
	if route.Gateway.IsValid() {
		next = route.Gateway
	}
	n, err := netlink.NeighbourOf(next.WithZone(""), route.Index, route.Gateway.IsValid())
	see("neighbour", n, err)
	link, err := netlink.LinkByIndex(route.Index)
	see("link", link, err)
}

// traffic is what passed on a connection; f is nil where nobody looked.
func (s *shard) traffic(c *conn, f *evidence.Flow) *Traffic {
	if s.Each == nil {
		return nil
	}
	t := &Traffic{In: c.in, Out: c.out, Unsent: uint64(len(c.pending)), Took: time.Since(c.began)}
	if f != nil {
		t.Unread = f.Unread
	}
	return t
}
