// Package reactor makes many TCP connection attempts at once, one thread an
// engine, by system calls alone: no goroutine, channel or allocation for an
// attempt.
//
// Nearly all of an attempt's cost is the kernel's, and the largest part of
// that is the socket itself. Where this kernel is proved to take a socket
// again after connect(AF_UNSPEC) (see [Reusable]) an engine keeps its sockets;
// elsewhere each attempt gets a new one. Sockets are edge-triggered members of
// an epoll set once they had to wait, and stay in it.
//
// What decides an attempt is SO_ERROR, as for a single dial; TCP_INFO counts
// its SYNs and tells an answer by TCP from one by ICMP, whose sender is then
// read from the error queue.
package reactor

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sweep"
)

// Call is the step that gave an attempt its errno.
type Call uint8

// The steps.
const (
	Handshake Call = iota // SO_ERROR after the wait, or none
	Connect               // connect(2) itself
	Socket                // socket(2)
	Expired               // none: the time allowed is over
)

// ICMP is an error from the socket's error queue. Type and code are those of
// version 4 or 6; Version 0 means that there was none.
type ICMP struct {
	Errno    syscall.Errno
	Version  uint8
	Type     uint8
	Code     uint8
	Offender netip.Addr
}

// Outcome is an attempt that has ended.
type Outcome struct {
	sweep.Attempt
	Call     Call
	Errno    syscall.Errno // 0 with Handshake: open
	Began    time.Duration // on the engine's clock
	Took     time.Duration // from connect(2) to when its end was seen
	SYNs     int           // sent by this attempt: 1 and those sent again
	Answered bool          // a TCP segment came back
	State    uint8         // linux/tcp_states.h, at the end
	Local    netip.AddrPort
	ICMP     ICMP
}

// Source gives an engine its work and takes the results. An engine calls it
// from its own thread only; several engines may share one that locks.
type Source interface {
	// Take fills in up to len(into) attempts that begin now. With fewer, wait
	// says when to ask again; done, that there will be none any more.
	Take(now time.Duration, into []sweep.Attempt) (n int, wait time.Duration, done bool)
	// Done takes attempts that have ended. The slice is the engine's.
	Done(now time.Duration, ended []Outcome)
}

// Kind is how an engine waits.
type Kind uint8

// The kinds.
const (
	Auto  Kind = iota // epoll (ADR 017 has the figures)
	Epoll             // epoll(7)
	Ring              // io_uring(7); ErrUnsupported where there is none
)

// Config is an engine's.
type Config struct {
	Timeout  time.Duration // of one attempt; must be positive
	InFlight int           // sockets at most; must be positive
	NewEach  bool          // a new socket for each attempt
	Kind     Kind
	// Beyond keeps the engine's sockets out of the process's descriptor table, so
	// that several engines may have more than RLIMIT_NOFILE lets one table have:
	// in a table of the engine's thread (unshare(2), CLONE_FILES). The calling
	// goroutine must end after Run: its thread may end with it.
	Beyond bool
	// Direct keeps them in the table of a ring instead. An engine does so by itself
	// where a filter forbids unshare(2).
	Direct bool

	Clock   func() time.Duration        // the time that all engines of a sweep share
	Scope   func(a netip.Addr) uint32   // the interface index of a zone; nil: none
	Confirm func(a netip.AddrPort) bool // whose openness asks for the local address (a socket may have met itself); nil: none
}

// Run makes attempts until the source has no more or the context ends; then
// those in flight are given up without a result. It returns an error if the
// engine itself cannot work, and one that wraps [errors.ErrUnsupported] on
// systems other than Linux.
func Run(ctx context.Context, c Config, s Source) error { return run(ctx, c, s) }

// Reusable says whether this kernel lets a socket be used for another attempt
// after one that was refused, one that was open and one that got no answer. It
// is tried out on the loopback interface. Linux does; it is no promise of
// POSIX, and where the trial cannot be made the answer is no.
func Reusable() bool { return reusable() }

// ErrnoName is the symbolic name of an errno, "" for 0.
func ErrnoName(e syscall.Errno) string { return sys.ErrnoName(e) }
