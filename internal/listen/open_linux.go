package listen

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Server is a set of listening sockets and what came of them.
type Server struct {
	Options
	udp    bool
	began  time.Time
	addrs  []netip.AddrPort
	shards []*shard

	tickets  atomic.Int64 // connections that may still be accepted
	limited  bool         // tickets are counted
	most     int64        // and so many there were
	accepted atomic.Uint64
	ended    atomic.Uint64
	open     atomic.Int64
	mostOpen atomic.Int64
	gone     atomic.Uint64
	paused   atomic.Uint64
	in, out  atomic.Uint64
	peers    atomic.Uint64
	datagram atomic.Uint64
	answers  atomic.Uint64
	lost     atomic.Uint64

	alive    *evidence.Alive // nil: nothing of Options.Alive is set
	plain    verdicts
	leftOver atomic.Int64 // connections that were in a queue when it was closed

	telling  sync.Mutex
	refusing atomic.Bool
	shut     atomic.Int32 // shards whose listening sockets are closed
	limitAt  atomic.Int64 // when LimitHit was told last
	finished chan struct{}
	finish   sync.Once
}

// Open opens the sockets, in the network namespace of the calling thread. The
// error is a [*BindError] where an address is the reason.
func Open(o Options) (*Server, error) {
	if o.Network == "" {
		o.Network = "tcp"
	}
	s := &Server{Options: o, udp: strings.HasPrefix(o.Network, "udp"), began: time.Now(), finished: make(chan struct{})}
	for _, most := range []int{o.RefuseAfter, o.Count} {
		if most > 0 && (!s.limited || int64(most) < s.most) {
			s.limited, s.most = true, int64(most)
		}
	}
	for _, k := range []ending{peerFIN, bothFIN} {
		s.plain[k] = k.plain()
	}
	s.tickets.Store(s.most)
	if o.Alive != (evidence.Alive{}) {
		s.alive = &o.Alive
	}
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if o.NeverAccept || o.SetBacklog {
		threads = 1 // the queue is each socket's own: one of the length asked for
	}
	for range threads {
		sh, err := newShard(s)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.shards = append(s.shards, sh)
	}
	for _, a := range o.Addrs {
		if err := s.openAddr(a); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// openAddr opens one socket a thread at an address.
func (s *Server) openAddr(a netip.AddrPort) error {
	for i, sh := range s.shards {
		fd, bound, err := s.socket(a, i == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			a = netip.AddrPortFrom(a.Addr(), bound.Port()) // of port 0: the others take the same
			s.addrs = append(s.addrs, bound)
		}
		if err := sh.add(fd, bound); err != nil {
			sys.Close(fd)
			return err
		}
	}
	return nil
}

// socket opens one listening socket. The first of an address is bound without
// SO_REUSEPORT, so that another program's socket is a conflict and not a
// partner; it takes the option afterwards, when its place is its own
// (inet_csk_bind_conflict looks at both sockets' option at that moment).
func (s *Server) socket(a netip.AddrPort, first bool) (fd int, bound netip.AddrPort, err error) {
	failed := func(call string, errno syscall.Errno) (int, netip.AddrPort, error) {
		if fd >= 0 {
			sys.Close(fd)
		}
		return -1, bound, s.bindError(a, call, errno)
	}
	family, typ := sys.AFInet, sys.SockStream
	if a.Addr().Is6() {
		family = sys.AFInet6
	}
	if s.udp {
		typ = sys.SockDgram
	}
	fd, errno := sys.Socket(family, typ, 0)
	if errno != 0 {
		fd = -1
		return failed("socket", errno)
	}
	set := func(level, name, value int) {
		if errno == 0 {
			errno = sys.SetsockoptInt(fd, level, name, value)
		}
	}
	if family == sys.AFInet6 {
		only := 0
		if strings.HasSuffix(s.Network, "6") || !a.Addr().IsUnspecified() {
			only = 1
		}
		set(sys.SolIPv6, sys.IPv6Only, only)
	}
	if s.udp {
		if family == sys.AFInet6 {
			set(sys.SolIPv6, sys.IPv6PktInfo, 1) // also of IPv4 packets (ip6_datagram_recv_common_ctl)
		} else {
			set(sys.SolIP, sys.IPPktInfo, 1)
		}
	} else {
		// A server that starts again is not kept out by the last one's TIME_WAIT.
		set(sys.SolSocket, sys.SoReuseAddr, 1)
		s.setAlive(set)
		if s.Reading == Never {
			set(sys.SolSocket, sys.SoRcvBuf, 1) // the kernel's smallest: the window is soon closed
		}
	}
	if !first {
		set(sys.SolSocket, sys.SoReusePort, 1)
	}
	if errno != 0 {
		return failed("setsockopt", errno)
	}
	var sa sys.Sockaddr
	sa.Set(family, a, sock.ZoneIndex(a.Addr().Zone()))
	if errno = sys.Bind(fd, &sa); errno != 0 {
		return failed("bind", errno)
	}
	if first && len(s.shards) > 1 {
		if set(sys.SolSocket, sys.SoReusePort, 1); errno != 0 {
			return failed("setsockopt", errno)
		}
	}
	if !s.udp {
		backlog := defaultBacklog
		if s.SetBacklog {
			backlog = s.Backlog
		}
		if errno = sys.Listen(fd, backlog); errno != 0 {
			return failed("listen", errno)
		}
	}
	if errno = sys.Getsockname(fd, &sa); errno != 0 {
		return failed("getsockname", errno)
	}
	bound, _ = sa.AddrPort()
	if zone := a.Addr().Zone(); zone != "" {
		bound = netip.AddrPortFrom(bound.Addr().WithZone(zone), bound.Port())
	}
	return fd, bound, nil
}

// setAlive sets what every connection has from its listening socket (tcp(7)).
func (s *Server) setAlive(set func(level, name, value int)) {
	a := &s.Alive
	if a.KeepAlive {
		set(sys.SolSocket, sys.SoKeepAlive, 1)
		set(sys.SolTCP, sys.TCPKeepIdle, int(a.Idle/time.Second))
		set(sys.SolTCP, sys.TCPKeepIntvl, int(a.Interval/time.Second))
		set(sys.SolTCP, sys.TCPKeepCnt, a.Count)
	}
	if a.UserTimeout > 0 {
		set(sys.SolTCP, sys.TCPUserTimeout, int(max(1, a.UserTimeout.Milliseconds())))
	}
}

// bindError asks who is in the way.
func (s *Server) bindError(a netip.AddrPort, call string, errno syscall.Errno) error {
	e := &BindError{Addr: a, Network: s.Network, Call: call, Err: errno}
	switch errno {
	case syscall.EADDRINUSE:
		ask := netlink.HolderOf
		if s.udp {
			ask = netlink.UDPHolderOf
		}
		if h, err := ask(a); err == nil {
			e.Holder = h
		}
	case syscall.EACCES:
		if v, err := procfs.Sysctl("net.ipv4.ip_unprivileged_port_start"); err == nil {
			e.Lowest, _ = strconv.Atoi(v.Value)
		}
	}
	return e
}

// Addrs are the addresses that are listened on, with the ports that the kernel
// chose.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs }

// Sockets is how many sockets there are for each address.
func (s *Server) Sockets() int { return len(s.shards) }

// Counters tells what was seen so far. It may be called at any time until Run
// returns.
func (s *Server) Counters() Counters {
	c := Counters{
		Accepted: s.accepted.Load(), Ended: s.ended.Load(), MostOpen: uint64(s.mostOpen.Load()), Gone: s.gone.Load(), Paused: s.paused.Load(),
		In: s.in.Load(), Out: s.out.Load(), Datagrams: s.datagram.Load(), Answers: s.answers.Load(), Peers: s.peers.Load(), Lost: s.lost.Load(),
	}
	c.Open = uint64(max(0, s.open.Load()))
	if !s.udp && !s.refusing.Load() {
		c.Queued = s.queued() + int(s.leftOver.Load())
	}
	return c
}

// queued sums up the accept queues.
func (s *Server) queued() (n int) {
	for _, sh := range s.shards {
		n += sh.queued()
	}
	return n
}

// queued is the length of the thread's accept queues: tcpi_unacked of a
// listening socket (tcp_get_info).
func (s *shard) queued() (n int) {
	s.closing.Lock()
	defer s.closing.Unlock()
	for _, l := range s.listeners {
		var i sys.TCPInfo
		if l.fd >= 0 && sys.GetTCPInfo(int(l.fd), &i) == 0 && i.State == sys.StateListen {
			n += int(i.Unacked)
		}
	}
	return n
}

// Close closes the sockets of a server that is not running.
func (s *Server) Close() {
	for _, sh := range s.shards {
		sh.close()
	}
}

// errNoCapability is what TCP_REPAIR needs.
var errNoCapability = errors.New("to crash without a goodbye needs CAP_NET_ADMIN (TCP_REPAIR)")

// CanCrash says whether this process may forget connections without a word.
func CanCrash() error {
	fd, errno := sys.Socket(sys.AFInet, sys.SockStream, 0)
	if errno != 0 {
		return os.NewSyscallError("socket", errno)
	}
	defer sys.Close(fd)
	switch errno := sys.SetsockoptInt(fd, sys.SolTCP, sys.TCPRepair, 1); errno {
	case 0:
		return nil
	case syscall.EPERM:
		return errNoCapability
	default:
		return os.NewSyscallError("setsockopt(TCP_REPAIR)", errno)
	}
}
