package sock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// adopt gives the connected socket to package net and watches its first moments.
func (s *socket) adopt(ctx context.Context) (net.Conn, error) {
	if s.v6 {
		// Only the handshake wanted ICMP errors at once: an established
		// connection keeps them soft, as net's connections do (tcp_v6_err).
		sys.SetsockoptInt(s.fd, sys.SolIPv6, sys.IPv6RecvErr, 0)
	}
	s.firstMoments(ctx)
	conn, err := s.handOver()
	if err != nil {
		return nil, err
	}
	// net.FileConn asked getsockname(2) itself.
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok && s.local == (evidence.LocalAddr{}) {
		s.local = evidence.LocalAddr{Addr: unmap(a.AddrPort())}
		s.AddAt(s.looked, evidence.FromGetsockname, &s.local)
	}
	finish(conn, s.Config)
	return conn, nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// handOver makes a net.Conn of the socket. net.FileConn duplicates the
// descriptor, and ours is closed here.
func (s *socket) handOver() (net.Conn, error) {
	if s.file == nil {
		// A blocking descriptor is not added to the poller, which only the
		// duplicate needs; net.FileConn makes both non-blocking again.
		sys.SetBlocking(s.fd)
		s.file = os.NewFile(uintptr(s.fd), "socket")
	}
	conn, err := net.FileConn(s.file)
	if err != nil {
		return nil, err
	}
	s.file.Close()
	return conn, nil
}

// news is what poll(2) says when a peer has spoken, closed or reset.
const news = sys.PollIn | sys.PollRDHup | sys.PollErr | sys.PollHup

// firstMoments looks, and watches for Settle, whether the peer speaks, closes or
// resets. Nothing is taken from the application: an error stays in the socket
// for its first read.
func (s *socket) firstMoments(ctx context.Context) {
	if !s.news && s.Settle == 0 {
		return
	}
	began := time.Now()
	revents, _ := sys.Readiness(s.fd)
	if revents&news == 0 {
		if s.file == nil {
			s.file = os.NewFile(uintptr(s.fd), "socket")
		}
		until := began.Add(s.Settle)
		watch := *s // its own deadline: the dial's does not end a connection
		cfg := *s.Config
		cfg.Deadline = until
		watch.Config = &cfg
		err := watch.park(ctx, nil, s.file.SetReadDeadline, func(rc syscall.RawConn, f func(uintptr) bool) error { return rc.Read(f) }, news)
		s.file.SetReadDeadline(time.Time{})
		if err == nil || errors.Is(err, ErrExpired) {
			revents, _ = sys.Readiness(s.fd)
		}
	}
	f := &evidence.FirstMoments{Watched: time.Since(began), FIN: revents&sys.PollRDHup != 0}
	f.Bytes, _ = sys.Queued(s.fd)
	if revents&(sys.PollHup|sys.PollErr) != 0 {
		// POLLHUP without our own shutdown: the state is CLOSE (tcp_poll).
		var i sys.TCPInfo
		if sys.GetTCPInfo(s.fd, &i) == 0 && stateName(i.State) == "CLOSE" {
			f.Reset, f.FIN = true, false
		}
	}
	s.Add(evidence.FromPoll, f)
}

// datagram finishes a UDP "connect": the kernel has only chosen a route and a
// source. With a probe, one datagram is sent and its answer, an ICMP error or
// silence is waited for. An answer stays in the queue for the application.
func (s *socket) datagram(ctx context.Context) (net.Conn, error) {
	s.addLocal()
	if s.Probe != nil {
		if err := s.exchange(ctx); err != nil {
			return nil, err
		}
	}
	level, opt := sys.SolIP, sys.IPRecvErr
	if s.v6 {
		level, opt = sys.SolIPv6, sys.IPv6RecvErr
	}
	sys.SetsockoptInt(s.fd, level, opt, 0) // as net's sockets have it
	return s.handOver()
}

func (s *socket) exchange(ctx context.Context) error {
	began := time.Now()
	d := &evidence.Datagram{Payload: s.Label, Asks: s.Asks}
	n, errno := sys.Send(s.fd, s.Probe)
	d.Sent, d.SendErrno = n, name(errno)
	if errno != 0 {
		d.Sent = 0
		if errno == syscall.EMSGSIZE {
			s.measure(d)
		}
		s.drainErrqueue()
		s.Add(evidence.FromSend, d)
		return os.NewSyscallError("write", errno)
	}
	s.file = os.NewFile(uintptr(s.fd), "socket")
	const answer = sys.PollIn | sys.PollErr | sys.PollHup
	err := s.park(ctx, s.Checkpoints, s.file.SetReadDeadline, func(rc syscall.RawConn, f func(uintptr) bool) error { return rc.Read(f) }, answer)
	if errors.Is(err, ErrExpired) && ctx.Err() == nil {
		// It may have come while a busy host did not run this program.
		if revents, errno := sys.Readiness(s.fd); errno == 0 && revents&answer != 0 {
			err = nil
		}
	}
	s.file.SetReadDeadline(time.Time{})
	d.Waited = time.Since(began)
	switch {
	case err == nil:
	case errors.Is(err, ErrExpired) && ctx.Err() == nil:
		d.Unheard = s.Mute
		s.Add(evidence.FromRecv, d)
		return expired(s.Config, s.Recorder)
	case errors.Is(err, ErrExpired), errors.Is(err, ErrCancelled):
		s.Add(evidence.FromRecv, d)
		return cancelled(ctx, s.Config, s.Recorder)
	default:
		return err
	}
	s.drainErrqueue()
	var b [1]byte
	_, errno = sys.Peek(s.fd, b[:])
	switch errno {
	case 0:
		d.Answered = true
		d.Received, _ = sys.Queued(s.fd)
	case syscall.EAGAIN:
		// Reading the error queue took the pending error with it; the ICMP
		// entry has its errno.
		if last, _, ok := evidence.Last[*evidence.ICMP](s.Log); ok {
			d.RecvErrno = last.Errno
			s.Add(evidence.FromRecv, d)
			return os.NewSyscallError("read", errnoOf(last.Errno, syscall.ECONNREFUSED))
		}
	default:
		d.RecvErrno = name(errno)
		s.Add(evidence.FromRecv, d)
		return os.NewSyscallError("read", errno)
	}
	s.Add(evidence.FromRecv, d)
	return nil
}

// measure says how large the datagram might have been.
func (s *socket) measure(d *evidence.Datagram) {
	d.Size, d.Limit = len(s.Probe), Largest(s.v6)
	if mtu, errno := pathMTU(s.fd, s.v6); errno == 0 {
		d.PathMTU = mtu
	}
	if d.Size <= d.Limit && d.PathMTU > 0 {
		d.Limit = Fits(d.PathMTU, s.v6)
	}
}

// errnoOf is the number behind a name that ICMP can produce.
func errnoOf(n evidence.Errno, otherwise syscall.Errno) syscall.Errno {
	for _, e := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES,
		syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EHOSTDOWN, syscall.ENONET, syscall.EPROTO, syscall.EMSGSIZE} {
		if name(e) == n {
			return e
		}
	}
	return otherwise
}
