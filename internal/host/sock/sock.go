// Package sock opens one socket, connects it, and writes down what the kernel
// said on the way. One call is one attempt: one socket, used once, closed on
// every path that does not hand it over.
package sock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// The ways in which an attempt ends without an errno.
var (
	ErrExpired   = errors.New("sock: the deadline passed")
	ErrCancelled = errors.New("sock: the context was cancelled")
)

// Config says how to open one socket. Zero fields ask for nothing.
type Config struct {
	Network string         // tcp4, tcp6, udp4, udp6: the family of Remote
	Remote  netip.AddrPort // without an IPv4-mapped address; a zone is resolved here

	Local      netip.AddrPort // bind(2); an invalid address with a port binds the wildcard
	LocalPorts [2]uint16      // IP_LOCAL_PORT_RANGE, inclusive
	Interface  string         // SO_BINDTODEVICE
	Mark       uint32         // SO_MARK
	TOS        uint8          // IP_TOS, IPV6_TCLASS
	HopLimit   int            // IP_TTL, IPV6_UNICAST_HOPS

	UserTimeout time.Duration // TCP_USER_TIMEOUT
	SYNRetries  int           // TCP_SYNCNT
	FastOpen    bool          // TCP_FASTOPEN_CONNECT
	MPTCP       bool
	Broadcast   bool // SO_BROADCAST on datagram sockets

	KeepAlive       time.Duration // as net.Dialer has it
	KeepAliveConfig net.KeepAliveConfig

	Control func(network, address string, c syscall.RawConn) error

	Deadline time.Time     // absolute; zero: none
	Limit    time.Duration // what Deadline allowed, for the record
	Scope    string        // whose deadline it is: "attempt", "dial"

	Settle time.Duration // how long to watch a fresh connection
	Probe  []byte        // UDP: the datagram to send; nil: none
	Label  string        // the name of the probe's payload
	Asks   string        // what it asks, for the record
	Mute   string        // why it may stay unanswered, for the record

	// Checkpoints are times since connect(2) was called at which the socket is
	// looked at while its handshake is awaited; AtCheckpoint runs after each
	// look, with the descriptor, in the attempt's goroutine.
	Checkpoints  []time.Duration
	AtCheckpoint func(fd int)

	// fakeConnect stands in for connect(2) in tests.
	fakeConnect func(fd int) (errno syscall.Errno, used bool)
}

// Recorder stamps facts with the time since the attempt began.
type Recorder struct {
	Began time.Time
	Log   evidence.Log
	Hook  func(evidence.Entry) // sees every entry as it is made; nil: nobody

	// The facts of the usual course, so that they cost one allocation
	// together with the recorder.
	entries [8]evidence.Entry
	connect evidence.Connect
	ready   evidence.Ready
	soError evidence.SOError
	local   evidence.LocalAddr
	info    evidence.TCPInfo
}

// NewRecorder starts the attempt's clock.
func NewRecorder(hook func(evidence.Entry)) *Recorder {
	r := &Recorder{Began: time.Now(), Hook: hook}
	r.Log = r.entries[:0]
	return r
}

// Add writes down one fact, now.
func (r *Recorder) Add(from evidence.Source, f evidence.Fact) {
	r.AddAt(time.Since(r.Began), from, f)
}

// AddAt writes down a fact of an earlier moment: a call is filed by when it began.
func (r *Recorder) AddAt(at time.Duration, from evidence.Source, f evidence.Fact) {
	e := evidence.Entry{At: at, Source: from, Fact: f}
	r.Log = append(r.Log, e)
	if r.Hook != nil {
		r.Hook(e)
	}
}

// Connect makes one attempt. Every error is one of ErrExpired, ErrCancelled
// (wrapping the context's error), an [*os.SyscallError] with the kernel's
// errno, or an error that Config.Control returned. The connection is a real
// *net.TCPConn or *net.UDPConn. What happened is in the recorder's log, also
// when it failed.
func Connect(ctx context.Context, c *Config, r *Recorder) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, cancelled(ctx, c, r)
	}
	if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
		return nil, expired(c, r)
	}
	return connect(ctx, c, r)
}

func expired(c *Config, r *Recorder) error {
	r.Add(evidence.FromTimer, &evidence.Expired{Limit: c.Limit, Scope: c.Scope})
	return ErrExpired
}

// cancelled records why the context ended: its own deadline is a deadline, and
// anything else is the caller's will or a lost race.
func cancelled(ctx context.Context, c *Config, r *Recorder) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
			return expired(c, r) // both have passed; the Config knows whose it was
		}
		r.Add(evidence.FromTimer, &evidence.Expired{Limit: time.Since(r.Began), Scope: "context"})
		return ErrExpired
	}
	f := &evidence.Cancelled{By: "caller"}
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrExplained) {
		r.Add(evidence.FromTimer, &evidence.Expired{Limit: time.Since(r.Began), Scope: "explained"})
		return ErrExpired
	}
	if errors.Is(cause, ErrLostRace) {
		f.By = "race"
	} else if cause != nil && !errors.Is(cause, context.Canceled) {
		f.Reason = cause.Error()
	}
	r.Add(evidence.FromCaller, f)
	return ErrCancelled
}

// ErrLostRace is the cause with which a race cancels the attempts that did not win.
var ErrLostRace = errors.New("another address connected first")

// ErrExplained is the cause with which an attempt is ended that experiments
// have explained: it then counts as expired.
var ErrExplained = errors.New("experiments have explained the silence")

// finish sets keepalive as net.Dialer would. The connection comes from
// net.FileConn, which has enabled it with the defaults already.
func finish(conn net.Conn, c *Config) {
	tcp, ok := conn.(*net.TCPConn)
	switch {
	case !ok:
	case c.KeepAliveConfig.Enable:
		tcp.SetKeepAliveConfig(c.KeepAliveConfig)
	case c.KeepAlive < 0:
		tcp.SetKeepAlive(false)
	case c.KeepAlive > 0:
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: c.KeepAlive})
	}
}
