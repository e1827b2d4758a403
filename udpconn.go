package dialscope

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
)

// UDPError is why a datagram was not sent, or none received. It unwraps to the
// errno, and stands in a *net.OpError as package net's errors do.
type UDPError struct {
	Errno syscall.Errno

	// ICMP is the error message behind it, with who sent it; nil where none was
	// seen. One of this stack's own (no packet) has Local set.
	ICMP *evidence.ICMP

	// Of EMSGSIZE, in octets: what was to be sent, how much would have gone, and
	// the MTU of the path as the kernel knows it, 0 where it does not.
	Size, Limit, PathMTU int
}

func (e *UDPError) Error() string {
	text := e.Errno.Error()
	if e.Limit > 0 {
		text += fmt.Sprintf(": a datagram of %d bytes, and at most %d go", e.Size, e.Limit)
		if e.PathMTU > 0 {
			text += fmt.Sprintf(" (path MTU %d)", e.PathMTU)
		}
	}
	if i := e.ICMP; i != nil && !i.Local {
		what := i.Text
		if what == "" {
			what = fmt.Sprintf("type %d code %d", i.Type, i.Code)
		}
		text += fmt.Sprintf(" (ICMP from %s: %s)", i.Offender, what)
	}
	return text
}

// Unwrap gives the errno, for errors.Is.
func (e *UDPError) Unwrap() error { return e.Errno }

// DialUDP opens a UDP socket as DialReport does, and returns it as a [*UDPConn],
// whose peer can be changed. It needs Linux.
func (d *Dialer) DialUDP(ctx context.Context, network, address string) (*UDPConn, *Report, error) {
	switch network {
	case "udp", "udp4", "udp6":
	default:
		return nil, nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	c, r, err := d.DialReport(ctx, network, address)
	if err != nil {
		return nil, r, err
	}
	u, err := NewUDPConn(c.(*net.UDPConn))
	if err != nil {
		c.Close()
		return nil, r, err
	}
	return u, r, nil
}
