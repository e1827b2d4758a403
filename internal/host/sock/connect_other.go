//go:build !linux

package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// connect makes the attempt through net.Dialer, whose single-address dial is
// one socket and one connect(2) on these systems too, and records what can be
// seen from outside: the errno, the local address, the times.
func connect(ctx context.Context, c *Config, r *Recorder) (net.Conn, error) {
	if err := unsupported(c); err != nil {
		return nil, err
	}
	d := net.Dialer{Deadline: c.Deadline, FallbackDelay: -1, KeepAlive: c.KeepAlive, KeepAliveConfig: c.KeepAliveConfig, Control: c.Control}
	d.SetMultipathTCP(c.MPTCP)
	if c.Local.Addr().IsValid() || c.Local.Port() != 0 {
		d.LocalAddr = localAddr(c)
	}
	for _, what := range []string{"tcp_info", "error_queue"} {
		r.Add(evidence.FromFeature, &evidence.Unseen{What: what, Why: "not read on " + runtime.GOOS})
	}
	conn, err := d.DialContext(ctx, c.Network, c.Remote.String())
	if err != nil {
		return nil, failure(ctx, c, r, err)
	}
	r.connect = evidence.Connect{Remote: c.Remote}
	r.Add(evidence.FromConnect, &r.connect)
	r.Add(evidence.FromSOError, &r.soError)
	switch a := conn.LocalAddr().(type) {
	case *net.TCPAddr:
		r.local.Addr = unmap(a.AddrPort())
	case *net.UDPAddr:
		r.local.Addr = unmap(a.AddrPort())
	}
	r.Add(evidence.FromGetsockname, &r.local)
	if c.Network[0] == 'u' && c.Probe != nil {
		if err := exchange(ctx, c, r, conn); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// unsupported names the first option that only Linux has here, rather than
// ignoring it.
func unsupported(c *Config) error {
	for _, o := range []struct {
		asked bool
		name  string
	}{
		{c.Interface != "", "a network interface"}, {c.Mark != 0, "a packet mark"}, {c.TOS != 0, "a TOS octet"},
		{c.HopLimit != 0, "a hop limit"}, {c.LocalPorts != [2]uint16{}, "a local port range"},
		{c.UserTimeout != 0, "TCP_USER_TIMEOUT"}, {c.SYNRetries != 0, "TCP_SYNCNT"}, {c.FastOpen, "TCP Fast Open"},
	} {
		if o.asked {
			return fmt.Errorf("dialscope cannot set %s on %s: %w", o.name, runtime.GOOS, errors.ErrUnsupported)
		}
	}
	return nil
}

func localAddr(c *Config) net.Addr {
	ip := c.Local.Addr().AsSlice() // nil for the wildcard
	if c.Network[0] == 'u' {
		return &net.UDPAddr{IP: ip, Port: int(c.Local.Port()), Zone: c.Local.Addr().Zone()}
	}
	return &net.TCPAddr{IP: ip, Port: int(c.Local.Port()), Zone: c.Local.Addr().Zone()}
}

// failure records what net's error says: which call, which errno.
func failure(ctx context.Context, c *Config, r *Recorder, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		named := evidence.Errno(sys.ErrnoName(errno))
		call := "connect"
		var se *os.SyscallError
		if errors.As(err, &se) {
			call = se.Syscall
		}
		switch call {
		case "connect", "connectex":
			call = "connect"
			r.Add(evidence.FromConnect, &evidence.Connect{Remote: c.Remote, Errno: "EINPROGRESS"})
			r.Add(evidence.FromSOError, &evidence.SOError{Errno: named})
		case "bind":
			r.Add(evidence.FromBind, &evidence.Call{Call: "bind", Arg: c.Local.String(), Errno: named})
		default:
			r.Add(evidence.FromSocket, &evidence.Call{Call: call, Errno: named})
		}
		return os.NewSyscallError(call, errno)
	}
	r.Add(evidence.FromConnect, &evidence.Connect{Remote: c.Remote, Errno: "EINPROGRESS"})
	if ctx.Err() != nil {
		return cancelled(ctx, c, r)
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return expired(c, r)
	}
	return err
}

func exchange(ctx context.Context, c *Config, r *Recorder, conn net.Conn) error {
	began := time.Now()
	d := &evidence.Datagram{Payload: c.Label, Asks: c.Asks}
	defer func() {
		d.Waited = time.Since(began)
		r.Add(evidence.FromRecv, d)
	}()
	if !c.Deadline.IsZero() {
		conn.SetDeadline(c.Deadline)
		defer conn.SetDeadline(time.Time{})
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	n, err := conn.Write(c.Probe)
	if d.Sent = n; err == nil {
		n, err = conn.Read(make([]byte, 65535))
		d.Answered, d.Received = err == nil, n
	}
	if err == nil {
		return nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		d.RecvErrno = evidence.Errno(sys.ErrnoName(errno))
		return os.NewSyscallError("read", errno)
	}
	if ctx.Err() != nil {
		return cancelled(ctx, c, r)
	}
	d.Unheard = c.Mute
	return expired(c, r)
}

// ZoneIndex is the interface index of an IPv6 zone, 0 when there is none.
func ZoneIndex(zone string) uint32 {
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 31)
	return uint32(n)
}
