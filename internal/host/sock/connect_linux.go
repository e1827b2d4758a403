package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// socket is one attempt's descriptor. Until it has to wait it belongs to no
// poller: on a short path the handshake is over microseconds after
// EINPROGRESS, and one look is cheaper than parking the goroutine.
type socket struct {
	fd   int
	file *os.File // once the runtime's poller has it
	tcp  bool
	v6   bool

	revents int16         // what poll(2) said last
	called  time.Time     // when connect(2) was
	looked  time.Duration // when the handshake was seen to be over
	news    bool          // by then the peer had sent data, closed or reset

	*Config
	*Recorder
}

func connect(ctx context.Context, c *Config, r *Recorder) (conn net.Conn, err error) {
	s := &socket{fd: -1, Config: c, Recorder: r, tcp: c.Network[0] == 't', v6: c.Remote.Addr().Is6()}
	if err := s.open(); err != nil {
		return nil, err
	}
	defer func() {
		if conn == nil {
			s.close()
		}
	}()
	if err := s.prepare(); err != nil {
		return nil, err
	}
	waiting, err := s.start()
	if err != nil {
		return nil, err
	}
	if !s.tcp {
		return s.datagram(ctx)
	}
	if waiting {
		if err := s.await(ctx); err != nil {
			return nil, err
		}
	}
	// The caller gave up while the handshake was being completed: what
	// net.Dialer does then, too.
	if ctx.Err() != nil {
		if !errors.Is(context.Cause(ctx), ErrExplained) {
			return nil, cancelled(ctx, c, r)
		}
		ctx = context.WithoutCancel(ctx) // there is no silence to be explained
	}
	return s.adopt(ctx)
}

func (s *socket) close() {
	if s.file != nil {
		s.file.Close()
	} else {
		sys.Close(s.fd)
	}
}

// failed records a system call that returned an error and gives the error that
// net's callers know.
func (s *socket) failed(from evidence.Source, call, arg string, errno syscall.Errno) error {
	s.Add(from, &evidence.Call{Call: call, Arg: arg, Errno: name(errno)})
	return os.NewSyscallError(call, errno)
}

func name(e syscall.Errno) evidence.Errno { return evidence.Errno(sys.ErrnoName(e)) }

func (s *socket) open() error {
	family, typ := sys.AFInet, sys.SockDgram
	if s.v6 {
		family = sys.AFInet6
	}
	if s.tcp {
		typ = sys.SockStream
	}
	var errno syscall.Errno
	if s.MPTCP && s.tcp {
		if s.fd, errno = sys.Socket(family, typ, sys.ProtoMPTCP); errno == 0 {
			return nil
		}
		// The host does not speak it: RFC 8684 §1 falls back to TCP.
		s.Add(evidence.FromSocket, &evidence.Call{Call: "socket", Arg: "IPPROTO_MPTCP", Errno: name(errno)})
	}
	if s.fd, errno = sys.Socket(family, typ, 0); errno != 0 {
		return s.failed(evidence.FromSocket, "socket", "", errno)
	}
	return nil
}

// option is one setsockopt(2) that the attempt asks for.
type option struct {
	name        string
	level, num  int
	value       int
	text        string
	optional    bool // its failure is no failure of the attempt
	needsRecord bool // it changes what the evidence means
}

// String is "IP_TTL=3": the option and what was asked of it.
func (o option) String() string {
	switch {
	case o.text != "":
		return o.name + "=" + o.text
	case o.num == sys.IPLocalPortRange && o.level == sys.SolIP:
		return fmt.Sprintf("%s=%d-%d", o.name, uint16(o.value), uint16(o.value>>16))
	}
	return o.name + "=" + strconv.Itoa(o.value)
}

func (s *socket) options(buf []option) []option {
	o := buf
	if s.Interface != "" {
		o = append(o, option{name: "SO_BINDTODEVICE", level: sys.SolSocket, num: sys.SoBindToDevice, text: s.Interface, needsRecord: true})
	}
	if s.Mark != 0 {
		o = append(o, option{name: "SO_MARK", level: sys.SolSocket, num: sys.SoMark, value: int(s.Mark), needsRecord: true})
	}
	if s.TOS != 0 && s.v6 {
		o = append(o, option{name: "IPV6_TCLASS", level: sys.SolIPv6, num: sys.IPv6TClass, value: int(s.TOS)})
	} else if s.TOS != 0 {
		o = append(o, option{name: "IP_TOS", level: sys.SolIP, num: sys.IPTOS, value: int(s.TOS)})
	}
	if s.HopLimit != 0 && s.v6 {
		o = append(o, option{name: "IPV6_UNICAST_HOPS", level: sys.SolIPv6, num: sys.IPv6UnicastHops, value: s.HopLimit, needsRecord: true})
	} else if s.HopLimit != 0 {
		o = append(o, option{name: "IP_TTL", level: sys.SolIP, num: sys.IPTTL, value: s.HopLimit, needsRecord: true})
	}
	if s.LocalPorts != [2]uint16{} {
		o = append(o, option{name: "IP_LOCAL_PORT_RANGE", level: sys.SolIP, num: sys.IPLocalPortRange,
			value: int(int32(uint32(s.LocalPorts[1])<<16 | uint32(s.LocalPorts[0]))), needsRecord: true})
	}
	if s.v6 {
		o = append(o, option{name: "IPV6_RECVERR", level: sys.SolIPv6, num: sys.IPv6RecvErr, value: 1, optional: true})
	} else if !s.tcp {
		// For TCP over IPv4 the queue fills in SYN_SENT without it (tcp_v4_err).
		o = append(o, option{name: "IP_RECVERR", level: sys.SolIP, num: sys.IPRecvErr, value: 1, optional: true})
	}
	if !s.tcp {
		if s.Broadcast {
			o = append(o, option{name: "SO_BROADCAST", level: sys.SolSocket, num: sys.SoBroadcast, value: 1})
		}
		return o
	}
	if s.UserTimeout > 0 {
		ms := max(1, s.UserTimeout.Milliseconds())
		o = append(o, option{name: "TCP_USER_TIMEOUT", level: sys.SolTCP, num: sys.TCPUserTimeout, value: int(ms), needsRecord: true})
	}
	if s.SYNRetries > 0 {
		o = append(o, option{name: "TCP_SYNCNT", level: sys.SolTCP, num: sys.TCPSynCnt, value: s.SYNRetries, needsRecord: true})
	}
	if s.FastOpen {
		o = append(o, option{name: "TCP_FASTOPEN_CONNECT", level: sys.SolTCP, num: sys.TCPFastOpenConnect, value: 1, needsRecord: true})
	}
	return o
}

// prepare sets options, runs the caller's hook and binds.
func (s *socket) prepare() error {
	var buf [8]option
	for _, o := range s.options(buf[:0]) {
		var errno syscall.Errno
		if o.text != "" {
			errno = sys.SetsockoptString(s.fd, o.level, o.num, o.text)
		} else {
			errno = sys.SetsockoptInt(s.fd, o.level, o.num, o.value)
		}
		switch {
		case errno != 0 && !o.optional:
			return s.failed(evidence.FromSetsockopt, "setsockopt", o.String(), errno)
		case errno != 0 || o.needsRecord:
			s.Add(evidence.FromSetsockopt, &evidence.Call{Call: "setsockopt", Arg: o.String(), Errno: name(errno)})
		}
	}
	if s.Control != nil {
		if err := s.Control(s.Network, s.Remote.String(), rawConn(s.fd)); err != nil {
			return err
		}
	}
	if !s.Local.Addr().IsValid() && s.Local.Port() == 0 {
		return nil
	}
	local := s.Local
	if !local.Addr().IsValid() {
		local = netip.AddrPortFrom(wildcard(s.v6), local.Port())
	}
	if local.Port() == 0 {
		// The port is chosen by connect(2), which knows the destination and so
		// has the whole range for each (ip(7)).
		sys.SetsockoptInt(s.fd, sys.SolIP, sys.IPBindAddressNoPort, 1)
	}
	var sa sys.Sockaddr
	s.set(&sa, local)
	if errno := sys.Bind(s.fd, &sa); errno != 0 {
		return s.failed(evidence.FromBind, "bind", local.String(), errno)
	}
	s.Add(evidence.FromBind, &evidence.Call{Call: "bind", Arg: local.String()})
	return nil
}

func wildcard(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func (s *socket) set(sa *sys.Sockaddr, a netip.AddrPort) {
	family := sys.AFInet
	if s.v6 {
		family = sys.AFInet6
	}
	sa.Set(family, a, ZoneIndex(a.Addr().Zone()))
}

// start calls connect(2), once.
func (s *socket) start() (waiting bool, err error) {
	var errno syscall.Errno
	faked := false
	s.called = time.Now()
	at := s.called.Sub(s.Began)
	if s.fakeConnect != nil {
		errno, faked = s.fakeConnect(s.fd)
	}
	if !faked {
		var sa sys.Sockaddr
		s.set(&sa, s.Remote)
		errno = sys.Connect(s.fd, &sa)
	}
	s.connect = evidence.Connect{Remote: s.Remote, Errno: name(errno), FastOpen: s.FastOpen || errno == 0 && s.tcp && s.deferred()}
	s.AddAt(at, evidence.FromConnect, &s.connect)
	switch errno {
	case 0:
		return true, nil // completed within the call; SO_ERROR still decides
	case syscall.EINPROGRESS, syscall.EINTR:
		// EINTR: the kernel goes on with the handshake, and a second connect
		// would say EALREADY (connect(2)); readiness is awaited instead.
		return true, nil
	}
	s.addLocal()
	s.drainErrqueue()
	return false, os.NewSyscallError("connect", errno)
}

// deferred says that connect(2) returned 0 and sent nothing: TCP Fast Open, for
// which the caller's own hook may have asked.
func (s *socket) deferred() bool {
	var i sys.TCPInfo
	return sys.GetTCPInfo(s.fd, &i) == 0 && stateName(i.State) == "SYN_SENT"
}

// addLocal records what getsockname(2) says.
func (s *socket) addLocal() {
	var sa sys.Sockaddr
	if errno := sys.Getsockname(s.fd, &sa); errno == 0 {
		if a, _ := sa.AddrPort(); a.Port() != 0 {
			s.local = evidence.LocalAddr{Addr: a}
			s.Add(evidence.FromGetsockname, &s.local)
		}
	}
}

// await waits until the handshake has ended, one way or the other.
func (s *socket) await(ctx context.Context) error {
	for {
		done, err := s.settled()
		if done || err != nil {
			return err
		}
		if s.file == nil {
			s.addLocal()
			s.file = os.NewFile(uintptr(s.fd), "socket") // non-blocking: joins the runtime's poller
		}
		switch err := s.park(ctx, s.Checkpoints, s.file.SetWriteDeadline, func(rc syscall.RawConn, f func(uintptr) bool) error { return rc.Write(f) },
			sys.PollOut|sys.PollErr|sys.PollHup); {
		case err == nil:
		case errors.Is(err, ErrExpired), errors.Is(err, ErrCancelled):
			// The answer may have come while a busy host did not run this program.
			if ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrExplained) {
				if done, err := s.settled(); done || err != nil {
					return err
				}
			}
			var i sys.TCPInfo
			if sys.GetTCPInfo(s.fd, &i) == 0 {
				s.addInfo(time.Since(s.Began), &i)
			}
			s.drainErrqueue()
			if errors.Is(err, ErrExpired) && ctx.Err() == nil {
				return expired(s.Config, s.Recorder)
			}
			return cancelled(ctx, s.Config, s.Recorder)
		default:
			return err
		}
	}
}

// settled looks once. It is true when the socket is connected; the error is
// the handshake's.
//
// TCP_INFO is asked first: it is evidence in any case, and a state past
// SYN_SENT means what writability does, without a poll(2).
func (s *socket) settled() (bool, error) {
	var i sys.TCPInfo
	errno := sys.GetTCPInfo(s.fd, &i)
	if waiting := i.State == sys.StateSYNSent || errno != 0; waiting {
		if s.revents, errno = sys.Readiness(s.fd); errno != 0 {
			return false, s.failed(evidence.FromPoll, "poll", "", errno)
		}
		if s.revents&(sys.PollOut|sys.PollErr|sys.PollHup) == 0 {
			return false, nil
		}
	}
	pending, errno := sys.SOError(s.fd)
	if errno != 0 {
		return false, s.failed(evidence.FromSOError, "getsockopt", "SO_ERROR", errno)
	}
	// One reading of the clock for one look: these calls take a microsecond
	// together.
	s.looked = time.Since(s.Began)
	if s.revents != 0 {
		s.ready = evidence.Ready{
			Readable:   s.revents&sys.PollIn != 0,
			Writable:   s.revents&sys.PollOut != 0,
			Error:      s.revents&sys.PollErr != 0,
			Hangup:     s.revents&sys.PollHup != 0,
			PeerClosed: s.revents&sys.PollRDHup != 0,
		}
		s.AddAt(s.looked, evidence.FromPoll, &s.ready)
	}
	s.soError = evidence.SOError{Errno: name(pending)}
	if pending != 0 && i.State == sys.StateEstablished {
		if sys.GetTCPInfo(s.fd, &i) == 0 && i.State == sys.StateEstablished {
			s.soError.Soft, pending = true, 0
		}
	}
	s.AddAt(s.looked, evidence.FromSOError, &s.soError)
	state := s.addInfo(s.looked, &i)
	if pending != 0 {
		if s.file == nil {
			s.addLocal()
		}
		s.drainErrqueue()
		return false, os.NewSyscallError("connect", pending)
	}
	// In SYN_SENT only a connect that Fast Open deferred is writable (tcp_poll).
	// Otherwise there was a wake-up without cause (golang.org/issue/14548), or
	// something in the error queue, which keeps POLLERR up until it is read.
	if state == "SYN_SENT" && s.revents&sys.PollOut == 0 {
		s.drainErrqueue()
		return false, nil
	}
	if s.soError.Soft {
		s.drainErrqueue()
	}
	s.news = i.State != sys.StateEstablished || i.Data_segs_in > 0 || s.revents&news != 0
	return true, nil
}

// addInfo records TCP_INFO and returns the state.
func (s *socket) addInfo(at time.Duration, i *sys.TCPInfo) string {
	fact := &s.info
	if fact.State != "" {
		fact = new(evidence.TCPInfo)
	}
	fill(fact, i)
	s.AddAt(at, evidence.FromTCPInfo, fact)
	return fact.State
}

// park hands the descriptor to the runtime's poller and waits for any of the
// wanted bits, the attempt's deadline, a checkpoint, or the context. wait is the
// raw connection's Read or Write.
func (s *socket) park(ctx context.Context, checkpoints []time.Duration, setDeadline func(time.Time) error,
	wait func(syscall.RawConn, func(uintptr) bool) error, want int16) error {
	rc, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { setDeadline(time.Unix(1, 0)) })
		defer stop()
	}
	for {
		until := s.Deadline
		atCheckpoint := false
		for len(checkpoints) > 0 && time.Since(s.called) >= checkpoints[0] {
			checkpoints = checkpoints[1:]
		}
		if len(checkpoints) > 0 {
			if at := s.called.Add(checkpoints[0]); until.IsZero() || at.Before(until) {
				until, atCheckpoint = at, true
			}
		}
		setDeadline(until)
		if ctx.Err() != nil { // it may have ended before setDeadline overwrote what AfterFunc set
			return ErrCancelled
		}
		err := wait(rc, func(fd uintptr) bool {
			revents, _ := sys.Readiness(int(fd))
			return revents&want != 0
		})
		switch {
		case err == nil:
			setDeadline(time.Time{})
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case ctx.Err() != nil:
			return ErrCancelled
		case atCheckpoint:
			s.look()
		default:
			return ErrExpired
		}
	}
}

// look records TCP_INFO where the kernel has sent another SYN since the last look.
func (s *socket) look() {
	var i sys.TCPInfo
	last, _, _ := evidence.Last[*evidence.TCPInfo](s.Log)
	if errno := sys.GetTCPInfo(s.fd, &i); errno == 0 && (last == nil || last.TotalRetrans != i.Total_retrans) {
		fact := new(evidence.TCPInfo)
		fill(fact, &i)
		s.Add(evidence.FromTCPInfo, fact)
	}
	if s.AtCheckpoint != nil {
		s.AtCheckpoint(s.fd)
	}
}

// drainErrqueue records every ICMP error that waits in the error queue.
func (s *socket) drainErrqueue() {
	for range 16 { // the queue is bounded by the receive buffer; so are we
		q, errno := sys.ReadErrqueue(s.fd)
		if errno != 0 {
			return
		}
		s.Add(evidence.FromErrqueue, ICMPFact(&q, s.tcp))
	}
}

// ZoneIndex is the interface index of an IPv6 zone: a name, or a number. 0
// when there is none of that name (RFC 4007 §11.2).
func ZoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	var n uint32
	for _, c := range []byte(zone) {
		if c < '0' || c > '9' || n > 1<<27 {
			return 0
		}
		n = 10*n + uint32(c-'0')
	}
	return n
}

// rawConn is what Config.Control gets: the descriptor, before it is connected.
type rawConn int

func (fd rawConn) Control(f func(uintptr)) error { f(uintptr(fd)); return nil }

func (rawConn) Read(func(uintptr) bool) error {
	return errors.New("dialscope: a socket cannot be read before it is connected")
}

func (rawConn) Write(func(uintptr) bool) error {
	return errors.New("dialscope: a socket cannot be written before it is connected")
}
