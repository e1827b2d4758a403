package dialscope

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialscope/dialscope/internal/host/sock"
)

// Dial is DialContext without a context.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to the address on the named network, as
// [net.Dialer.DialContext] does: the same networks, the same address syntax,
// the same kinds of connection. A failure is an [*Error], which carries the
// report and unwraps to the *net.OpError that net.Dialer would have returned.
//
// Networks other than tcp, tcp4, tcp6, udp, udp4 and udp6 (Unix sockets, raw
// IP) are passed to net.Dialer, without a report.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if !explained(network) {
		return d.plain().DialContext(ctx, network, address)
	}
	conn, _, err := d.DialReport(ctx, network, address)
	return conn, err
}

// DialReport is DialContext with the report beside the connection. The report is
// never nil. A connection that was refused, reset or not answered is both an
// error and a report; an error that is no [*Error] means that the dial itself
// could not be made (an unknown network, an address that does not parse, an
// option that this system does not have).
func (d *Dialer) DialReport(ctx context.Context, network, address string) (net.Conn, *Report, error) {
	r := &run{Dialer: d, Report: &Report{Start: time.Now()}}
	r.Target, r.Network, r.winner = address, network, -1
	conn, err := r.dial(ctx)
	r.Took = time.Since(r.Start)
	return conn, r.Report, err
}

func explained(network string) bool {
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
		return true
	}
	return false
}

// plain is the net.Dialer with the options that it knows too.
func (d *Dialer) plain() *net.Dialer {
	return &net.Dialer{
		Timeout: d.Timeout, Deadline: d.Deadline, LocalAddr: d.LocalAddr, FallbackDelay: d.FallbackDelay,
		KeepAlive: d.KeepAlive, KeepAliveConfig: d.KeepAliveConfig, Resolver: d.Resolver,
		Control: d.Control, ControlContext: d.ControlContext,
	}
}

// run is one dial under way.
type run struct {
	*Dialer
	*Report
	local    netip.AddrPort
	deadline time.Time
	scope    string // whose deadline that is: "dial", "context"
	mu       sync.Mutex
	others   atomic.Bool // a race has more addresses to try: none may be kept waiting
}

func (r *run) dial(ctx context.Context) (net.Conn, error) {
	if !explained(r.Network) {
		return nil, r.opError(nil, net.UnknownNetworkError(r.Network))
	}
	if ctx == nil {
		panic("nil context") // as net.Dialer
	}
	r.setDeadline(ctx)
	var err error
	if r.local, err = r.localAddr(); err != nil {
		return nil, r.opError(nil, err)
	}
	// A literal address needs no resolver, no race and no goroutine.
	if remote, err := netip.ParseAddrPort(r.Target); err == nil {
		return r.literal(ctx, remote)
	}
	host, service, err := net.SplitHostPort(r.Target)
	if err != nil {
		return nil, r.opError(nil, err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, r.Network, service)
	if err != nil {
		return nil, r.opError(nil, err)
	}
	if host == "" { // net: "the local system is assumed"
		host = "127.0.0.1"
		if r.Network[len(r.Network)-1] == '6' {
			host = "::1"
		}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return r.literal(ctx, netip.AddrPortFrom(a, uint16(port)))
	}
	return r.named(ctx, host, uint16(port), service)
}

// literal dials one address.
func (r *run) literal(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	anyFour := netip.AddrPortFrom(netip.IPv4Unspecified(), remote.Port())
	everywhere := remote.Addr() == netip.IPv6Unspecified() && r.Network[len(r.Network)-1] != '6'
	if everywhere && !r.suits(remote.Addr()) {
		remote, everywhere = anyFour, false
	}
	if !r.suits(remote.Addr()) {
		return nil, r.opError(nil, &net.AddrError{Err: "no suitable address found", Addr: remote.Addr().String()})
	}
	conn, i, err := r.try(ctx, r.enter(remote), remote, r.deadline, r.scope)
	if err != nil {
		err = r.failed(i, err)
		// golang.org/issue/18806: "::" is this host, also where it is reached
		// by IPv4 only.
		if everywhere && r.suits(anyFour.Addr()) && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			if conn, i, again := r.try(ctx, r.enter(anyFour), anyFour, r.deadline, r.scope); again == nil {
				r.winner = i
				return conn, nil
			}
		}
		return nil, err
	}
	r.winner = i
	return conn, nil
}

func (r *run) setDeadline(ctx context.Context) {
	r.deadline, r.scope = r.Deadline, "dial"
	if r.Timeout != 0 {
		if at := r.Start.Add(r.Timeout); r.deadline.IsZero() || at.Before(r.deadline) {
			r.deadline = at
		}
	}
	if at, ok := ctx.Deadline(); ok && (r.deadline.IsZero() || at.Before(r.deadline)) {
		r.deadline, r.scope = at, "context"
	}
}

// localAddr is LocalAddr as the attempts bind it. The unspecified address is
// every family's, and stands for none: at most its port is bound.
func (r *run) localAddr() (netip.AddrPort, error) {
	var a netip.AddrPort
	fits := false
	switch l := r.LocalAddr.(type) {
	case nil:
		return a, nil
	case *net.TCPAddr:
		if l == nil {
			return a, nil
		}
		a, fits = l.AddrPort(), r.Network[0] == 't'
	case *net.UDPAddr:
		if l == nil {
			return a, nil
		}
		a, fits = l.AddrPort(), r.Network[0] == 'u'
	}
	local := a.Addr().Unmap()
	switch {
	case !fits:
		return a, &net.AddrError{Err: "mismatched local address type", Addr: r.LocalAddr.String()}
	case local == netip.IPv6Unspecified() && r.Network[len(r.Network)-1] == '4':
		return a, &net.AddrError{Err: "non-IPv4 address", Addr: local.String()}
	case local.IsUnspecified():
		local = netip.Addr{}
	}
	return netip.AddrPortFrom(local, a.Port()), nil
}

// suits says whether an address is of the network's and the source's family.
func (r *run) suits(a netip.Addr) bool {
	switch r.Network[len(r.Network)-1] {
	case '4':
		if !a.Is4() {
			return false
		}
	case '6':
		if a.Is4() {
			return false
		}
	}
	l := r.local.Addr()
	return !l.IsValid() || l.Is4() == a.Is4()
}

// opError wraps as net.Dialer does: without an address to go to there is no
// source either.
func (r *run) opError(remote net.Addr, err error) *net.OpError {
	op := &net.OpError{Op: "dial", Net: r.Network, Err: err}
	if remote != nil {
		op.Source, op.Addr = r.LocalAddr, remote
	}
	return op
}

// failed makes the error of a dial that attempt i speaks for.
func (r *run) failed(i int, err error) error {
	a := &r.Attempts[i]
	var remote net.Addr
	if r.Network[0] == 'u' {
		remote = net.UDPAddrFromAddrPort(a.Remote)
	} else {
		remote = net.TCPAddrFromAddrPort(a.Remote)
	}
	switch {
	case errors.Is(err, sock.ErrExpired):
		err = timeoutError{}
	case errors.Is(err, sock.ErrCancelled):
		err = cancelledError{}
	}
	return &Error{Op: r.opError(remote, err), Report: r.Report}
}
