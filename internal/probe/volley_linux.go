package probe

import (
	"context"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// volley keeps probes in flight, one socket each, and wakes when any of them,
// or a watched descriptor, has news. Not for several goroutines.
type volley struct {
	*round
	way     Way
	epfd    int
	file    *os.File // of epfd: the runtime's poller waits, not a thread
	watch   int      // -1: none
	flying  map[int32]*flight
	buffers [64]int32
	echoes  uint16 // echo requests sent by raw sockets
}

// flight is a probe that may still be answered.
type flight struct {
	fact   *evidence.Probe
	at     time.Time
	holder int    // of the source port of a segment made by hand; -1: none
	port   uint16 // that port; 0: of no such segment
	id     uint16 // the identifier of an echo request from a raw socket; 0: of none
}

func (f *flight) close(fd int) {
	sys.Close(fd)
	if f.holder >= 0 {
		sys.Close(f.holder)
	}
}

// open prepares a volley. Watch is a descriptor whose readiness interrupts
// every wait, or -1.
func open(r *round, way Way, watch int) (*volley, error) {
	epfd, errno := sys.EpollCreate()
	if errno != 0 {
		return nil, os.NewSyscallError("epoll_create1", errno)
	}
	v := &volley{round: r, way: way, epfd: epfd, watch: watch, flying: map[int32]*flight{}}
	if watch >= 0 {
		if errno := sys.EpollAdd(epfd, watch, false); errno != 0 {
			sys.Close(epfd)
			return nil, os.NewSyscallError("epoll_ctl", errno)
		}
	}
	v.file = os.NewFile(uintptr(epfd), "epoll")
	return v, nil
}

// close gives up what is in flight. An established probe is reset.
func (v *volley) close() {
	now := time.Now()
	for fd, f := range v.flying {
		f.fact.Waited = now.Sub(f.at)
		f.close(int(fd))
	}
	v.file.Close()
}

// idle says that nothing is in flight.
func (v *volley) idle() bool { return len(v.flying) == 0 }

// send sends one packet. A probe that this host refuses to send is filed with
// its errno.
func (v *volley) send(s shot) *evidence.Probe {
	p := &evidence.Probe{Experiment: s.experiment, Protocol: s.protocol, Form: s.form, Size: s.size, To: s.to, TTL: s.ttl}
	fd, holder, port, errno := -1, -1, uint16(0), syscall.Errno(0)
	var made []byte
	id := uint16(0)
	switch {
	case s.form != "":
		fd, holder, port, made, errno = v.rawSocket(s)
	case s.protocol == echo:
		fd, made, id, errno = v.echoSocket(s)
	default:
		fd, errno = v.socket(s)
	}
	at := time.Now()
	if errno == 0 {
		errno = v.fire(fd, s, made)
	}
	switch errno {
	case 0, syscall.EINPROGRESS:
		p.Sent = 1
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH: // the answer came within the call
		p.Sent = 1
	default:
		p.Errno = evidence.Errno(sys.ErrnoName(errno))
	}
	if s.keep && fd >= 0 {
		p.Source = sourcePort(fd)
	}
	v.round.file(at, p)
	if fd < 0 {
		return p
	}
	f := &flight{fact: p, at: at, holder: holder, port: port, id: id}
	if p.Sent == 0 {
		f.close(fd)
		return p
	}
	v.flying[int32(fd)] = f
	if errno == syscall.ECONNREFUSED || errno == syscall.EHOSTUNREACH || sys.EpollAdd(v.epfd, fd, s.protocol != tcp || s.form != "") != 0 {
		v.collect(int32(fd), errno)
	}
	v.poll()
	return p
}

// poll takes the answers that are there already, so that what is sent after
// them does not lengthen their round trips. True: the watched descriptor has news.
func (v *volley) poll() (watched bool) {
	for _, fd := range v.buffers[:sys.EpollReady(v.epfd, v.buffers[:])] {
		if int(fd) == v.watch {
			watched = true
		} else {
			v.collect(fd, 0)
		}
	}
	return watched
}

func (v *volley) socket(s shot) (fd int, errno syscall.Errno) {
	v6 := s.to.Addr().Is6()
	family, typ, proto := sys.AFInet, sys.SockStream, 0
	if v6 {
		family = sys.AFInet6
	}
	switch s.protocol {
	case udp:
		typ = sys.SockDgram
	case echo:
		typ, proto = sys.SockDgram, sys.ProtoICMP
		if v6 {
			proto = sys.ProtoICMPv6
		}
	}
	if fd, errno = sys.Socket(family, typ, proto); errno != 0 {
		return -1, errno
	}
	if errno = v.prepare(fd, s, v6); errno != 0 {
		sys.Close(fd)
		return -1, errno
	}
	return fd, 0
}

// prepare sets the options that decide the packet's way, and its TTL.
func (v *volley) prepare(fd int, s shot, v6 bool) syscall.Errno {
	if v.way.Interface != "" {
		if errno := sys.SetsockoptString(fd, sys.SolSocket, sys.SoBindToDevice, v.way.Interface); errno != 0 {
			return errno
		}
	}
	level, ttl, tos, recverr, discover := sys.SolIP, sys.IPTTL, sys.IPTOS, sys.IPRecvErr, sys.IPMTUDiscover
	if v6 {
		level, ttl, tos, recverr, discover = sys.SolIPv6, sys.IPv6UnicastHops, sys.IPv6TClass, sys.IPv6RecvErr, sys.IPv6MTUDiscover
	}
	for _, o := range []struct {
		want              bool
		level, num, value int
	}{
		{v.way.Mark != 0, sys.SolSocket, sys.SoMark, int(v.way.Mark)},
		{v.way.TOS != 0, level, tos, int(v.way.TOS)},
		{s.ttl != 0, level, ttl, s.ttl},
		{s.protocol != tcp || s.form != "" || v6, level, recverr, 1}, // TCP over IPv4 in SYN_SENT needs none (tcp_v4_err)
		{s.protocol == tcp && s.form == "", sys.SolTCP, sys.TCPSynCnt, 1},
		{s.size != 0, level, discover, sys.PMTUDiscProbe},
	} {
		if o.want {
			if errno := sys.SetsockoptInt(fd, o.level, o.num, o.value); errno != 0 {
				return errno
			}
		}
	}
	if s.protocol == tcp && s.form == "" {
		sys.AbortOnClose(fd)
	}
	local := v.way.Local
	switch {
	case !local.IsValid() && s.from == 0, local.IsUnspecified() && s.from == 0:
		return 0
	case !local.IsValid() && v6:
		local = netip.IPv6Unspecified()
	case !local.IsValid():
		local = netip.IPv4Unspecified()
	}
	if s.from == 0 {
		sys.SetsockoptInt(fd, sys.SolIP, sys.IPBindAddressNoPort, 1)
	} else if errno := sys.SetsockoptInt(fd, sys.SolSocket, sys.SoReuseAddr, 1); errno != 0 {
		return errno
	}
	var sa sys.Sockaddr
	set(&sa, netip.AddrPortFrom(local, s.from))
	return sys.Bind(fd, &sa)
}

func sourcePort(fd int) uint16 {
	var sa sys.Sockaddr
	if sys.Getsockname(fd, &sa) != 0 {
		return 0
	}
	a, _ := sa.AddrPort()
	return a.Port()
}

// release gives up a probe that is still in flight, so that its port is free.
func (v *volley) release(p *evidence.Probe) {
	for fd, f := range v.flying {
		if f.fact == p {
			p.Waited = time.Since(f.at)
			delete(v.flying, fd)
			sys.EpollDelete(v.epfd, int(fd))
			sys.Close(int(fd))
		}
	}
}

func set(sa *sys.Sockaddr, a netip.AddrPort) {
	family := sys.AFInet
	if a.Addr().Is6() {
		family = sys.AFInet6
	}
	sa.Set(family, a, sock.ZoneIndex(a.Addr().Zone()))
}

// echoRequest is the header of an ICMP echo request; the kernel puts in
// identifier and checksum (icmp(7), ping_v4_sendmsg).
func echoRequest(v6 bool) []byte {
	if v6 {
		return []byte{128, 0, 0, 0, 0, 0, 0, 1} // RFC 4443 §4.1
	}
	return []byte{8, 0, 0, 0, 0, 0, 0, 1} // RFC 792
}

func (v *volley) fire(fd int, s shot, payload []byte) syscall.Errno {
	var sa sys.Sockaddr
	set(&sa, s.to)
	if s.form != "" {
		set(&sa, netip.AddrPortFrom(s.to.Addr(), 0)) // a raw socket over IPv6 takes a port for its protocol (raw(7))
	}
	errno := sys.Connect(fd, &sa)
	if s.protocol == tcp && s.form == "" || errno != 0 {
		return errno
	}
	switch {
	case s.protocol == echo && payload == nil:
		payload = echoRequest(s.to.Addr().Is6())
	case s.size != 0:
		headers := 28 // IPv4 and UDP
		if s.to.Addr().Is6() {
			headers = 48
		}
		payload = make([]byte, max(0, s.size-headers))
	}
	_, errno = sys.Send(fd, payload)
	return errno
}

// wait collects answers until a moment, or until all that is in flight was
// answered or enough says so. It is true when the watched descriptor has news
// or the context has ended: the run is to stop.
func (v *volley) wait(ctx context.Context, until time.Time, enough func() bool) (interrupted bool) {
	rc, err := v.file.SyscallConn()
	if err != nil {
		return true
	}
	stop := context.AfterFunc(ctx, func() { v.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for len(v.flying) > 0 && !enough() {
		v.file.SetReadDeadline(until)
		if ctx.Err() != nil {
			return true
		}
		watched, before := false, len(v.flying)
		err := rc.Read(func(uintptr) bool {
			watched = v.poll()
			return watched || len(v.flying) < before
		})
		if err != nil { // the time is over, perhaps because nobody let this process run
			watched = v.poll()
		}
		if watched || err != nil {
			return watched || ctx.Err() != nil
		}
	}
	return false
}

// collect reads what came back for one probe, and lets go of its socket where
// that was an answer. Failed is what the sending call returned.
func (v *volley) collect(fd int32, failed syscall.Errno) {
	f, ok := v.flying[fd]
	if !ok {
		return
	}
	now := time.Now()
	if !v.read(int(fd), f, failed) && failed == 0 {
		return
	}
	f.fact.RTT = now.Sub(f.at)
	if f.fact.Answer == "" {
		f.fact.RTT, f.fact.Waited = 0, now.Sub(f.at)
	}
	delete(v.flying, fd)
	sys.EpollDelete(v.epfd, int(fd))
	f.close(int(fd))
	if v.heard != nil {
		v.heard(evidence.Entry{At: f.at.Sub(v.began), Source: evidence.FromProbe, Fact: f.fact})
	}
}

// read looks at the socket; it is true when the probe is over.
func (v *volley) read(fd int, f *flight, failed syscall.Errno) bool {
	p := f.fact
	for range 8 {
		q, errno := sys.ReadErrqueue(fd)
		if errno != 0 {
			break
		}
		i := sock.ICMPFact(&q, p.Protocol == tcp)
		if i.Local || i.Errno == "EMSGSIZE" && p.Size == 0 {
			continue
		}
		if f.port != 0 && (i.Quoted == nil || i.Quoted.SrcPort != f.port) {
			continue // a raw socket gets the errors about every segment to its host (raw_v4_input, raw_icmp_error)
		}
		if f.id != 0 && !quotes(q.Payload, f.id) {
			continue
		}
		p.Answer, p.From, p.ICMP = evidence.AnswerICMP, i.Offender, i
		return true
	}
	if p.Protocol != tcp {
		return v.readDatagram(fd, f)
	}
	if p.Form != "" {
		return v.readSegment(fd, p)
	}
	pending, errno := sys.SOError(fd)
	if pending == 0 && errno == 0 {
		pending = failed
	}
	switch {
	case errno != 0:
		p.Errno = evidence.Errno(sys.ErrnoName(errno))
	case pending == syscall.ECONNREFUSED:
		p.Answer, p.From = evidence.AnswerRST, p.To.Addr().WithZone("")
	case pending != 0:
		p.Errno = evidence.Errno(sys.ErrnoName(pending))
	default:
		var i sys.TCPInfo
		if sys.GetTCPInfo(fd, &i) != 0 || i.State == 2 { // TCP_SYN_SENT, linux/tcp_states.h
			return false
		}
		p.Answer, p.From = evidence.AnswerSYNACK, p.To.Addr().WithZone("")
		v.sent += 2 // the acknowledgment, and the reset on close
	}
	return true
}

// readSegment reads the answer to a segment made by hand; its filter lets
// nothing else through.
func (v *volley) readSegment(fd int, p *evidence.Probe) bool {
	var b [256]byte
	n, errno := sys.Peek(fd, b[:])
	if errno != 0 && errno != syscall.EAGAIN {
		n, errno = sys.Peek(fd, b[:]) // the first told of an error about another segment, and cleared it
	}
	if errno != 0 {
		return false
	}
	p.From = p.To.Addr().WithZone("")
	if p.Answer = answerOf(b[:n], p.To.Addr().Is6()); p.Answer == evidence.AnswerSYNACK {
		v.sent++ // the kernel's own RST
	}
	return true
}

func (v *volley) readDatagram(fd int, f *flight) bool {
	var b [64]byte
	p := f.fact
	_, errno := sys.Peek(fd, b[:])
	if f.id != 0 && errno != 0 {
		// The first told of an error about another packet, and cleared it.
		if _, errno = sys.Peek(fd, b[:]); errno != 0 {
			return false
		}
	}
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno != 0:
		p.Errno = evidence.Errno(sys.ErrnoName(errno))
		return true
	}
	p.Answer, p.From = evidence.AnswerDatagram, p.To.Addr().WithZone("")
	if p.Protocol == echo {
		p.Answer = evidence.AnswerEcho
	}
	return true
}
