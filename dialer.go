// Package dialscope opens connections and says exactly what happened.
//
// A [Dialer] is a drop-in for [net.Dialer]: its zero value works, DialContext
// has the same signature and returns the same kinds of connection, and its
// errors unwrap to [*net.OpError] and [syscall.Errno]. What it adds is a
// [Report]: one verdict per target (a cause, who did it, how sure that is,
// what to do) and the evidence it rests on.
package dialscope

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Dialer holds the options of a dial. The zero value dials as the zero
// [net.Dialer] does and keeps a report. A Dialer may be used by several
// goroutines at once; its fields must not change while a dial goes on.
type Dialer struct {
	// Timeout bounds the whole dial, name resolution and every attempt
	// included. Zero: no bound but the context's and the kernel's own (about
	// 130 s, tcp(7) tcp_syn_retries). Negative: the deadline has passed
	// already, and the dial fails at once, as net.Dialer does.
	Timeout time.Duration

	// Deadline is an absolute bound; the earlier of Timeout, Deadline and the
	// context's deadline holds. Zero: none.
	Deadline time.Time

	// AttemptTimeout bounds each single attempt, from its socket(2). Zero: none.
	AttemptTimeout time.Duration

	// LocalAddr is the source to bind before connecting (bind(2)): a
	// *net.TCPAddr or *net.UDPAddr of the network dialed. Nil: the kernel
	// chooses, and the report says what it chose.
	LocalAddr net.Addr

	// LocalPorts narrows the ephemeral ports of this dial (IP_LOCAL_PORT_RANGE,
	// ip(7), Linux 6.3). Zero: the host's own range.
	LocalPorts PortRange

	// Interface binds the socket to a network interface by name
	// (SO_BINDTODEVICE, socket(7); unprivileged since Linux 5.7). Empty: any.
	Interface string

	// Mark is the packet mark for policy routing and filters (SO_MARK,
	// socket(7)); setting it needs CAP_NET_ADMIN or, since Linux 5.17,
	// CAP_NET_RAW. Zero: none.
	Mark uint32

	// TOS is the traffic class octet, DSCP and ECN (IP_TOS, IPV6_TCLASS). Zero: the
	// host's default.
	TOS uint8

	// HopLimit is the TTL of outgoing packets (IP_TTL, IPV6_UNICAST_HOPS), 1 to 255. Zero: the
	// host's default.
	HopLimit int

	// FallbackDelay is the Connection Attempt Delay of RFC 8305 §5: how long
	// one attempt goes alone before the next address joins the race. Zero:
	// 250 ms. Negative: no race; one address after the other, each with its
	// share of the time that is left (as net.Dialer divides it).
	FallbackDelay time.Duration

	// KeepAlive and KeepAliveConfig are as in net.Dialer: zero enables
	// keepalive with a period of 15 s, negative disables it;
	// KeepAliveConfig.Enable takes precedence.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig

	// UserTimeout is TCP_USER_TIMEOUT (tcp(7), RFC 5482): how long sent data,
	// a SYN included, may stay unacknowledged. Millisecond steps. Zero: the
	// kernel's default.
	UserTimeout time.Duration

	// SYNRetries is TCP_SYNCNT (tcp(7)): how many times the SYN is sent again,
	// 1 to 127. Zero: the sysctl tcp_syn_retries.
	SYNRetries int

	// FastOpen asks for TCP Fast Open (TCP_FASTOPEN_CONNECT, RFC 7413): with a
	// cookie from an earlier connection the handshake is deferred to the first
	// write, and the report says that no packet has been sent yet.
	FastOpen bool

	// MPTCP asks for Multipath TCP (RFC 8684), falling back to TCP where the
	// host or the peer does not speak it.
	MPTCP bool

	// Resolver replaces name resolution, as in net.Dialer. Nil: dialscope's
	// own, which follows hosts(5), resolv.conf(5) and nsswitch.conf(5) as Go's
	// does and keeps what each server said. With a Resolver of the caller's
	// only its result is evidence.
	Resolver *net.Resolver

	// Nameservers asks these servers instead of those in resolv.conf; the
	// hosts file is then not read. Ignored when Resolver is set.
	Nameservers []netip.AddrPort

	// ServiceRecords also asks for SVCB or HTTPS records (RFC 9460) and uses
	// their targets, ports and hints as Happy Eyeballs v3
	// (draft-ietf-happy-happyeyeballs-v3) says.
	ServiceRecords bool

	// Control, if not nil, runs after the socket is made and before it is
	// bound or connected, as in net.Dialer. ControlContext takes precedence.
	Control        func(network, address string, c syscall.RawConn) error
	ControlContext func(ctx context.Context, network, address string, c syscall.RawConn) error

	// Trace holds hooks that run while the dial goes on. Nil: none.
	Trace *Trace

	// Thorough gathers evidence that costs time on every dial: counters before
	// and after, the kernel's state while the handshake is awaited. Without it
	// a dial that succeeds pays almost nothing, and one that fails is examined
	// afterwards.
	Thorough bool

	// Packets captures the packets of a TCP attempt while it lasts, in both
	// directions, and what its destination answers to experiments: what really
	// came, from how far away, and what this host threw away. It needs CAP_NET_RAW
	// (packet(7)); without it, and on other systems than Linux, the report says
	// that there was none. It costs about 0.4 ms an attempt, and the evidence of
	// Thorough is gathered too. Zero: no packet socket is opened.
	Packets bool

	// Probes chooses experiments beside an attempt that goes unanswered for
	// 300 ms, or that a RST from beyond the first link refused: packets with
	// small TTLs, an echo request, a datagram, other ports. They show who is
	// silent, and where the packets died; none needs a privilege (package
	// cause, Experiments). The evidence of Thorough is gathered too. Linux only;
	// elsewhere the report says that they could not be made. Zero: none.
	Probes Probes

	// LargePackets asks, beside a TCP connection that was opened, whether packets as
	// large as its full segments get to the destination: datagrams to a high port,
	// which may not be fragmented. Nothing is sent on the connection itself. It takes
	// one round trip, or 0.2 s where there is no answer. Linux only.
	LargePackets bool

	// MaxPackets bounds what the experiments of one attempt send. Zero: 50.
	MaxPackets int

	// HopTries is how often PathProbes asks each hop. Zero: once, and once more
	// where no answer came.
	HopTries int

	// Flows is by how many flows PathProbes asks the hops: each keeps its source
	// port for all TTLs, so that routers which spread flows over several paths lead
	// all its probes the same way. HopTries is then how often each asks,
	// HopInterval apart. Zero: every probe is a flow of its own.
	Flows       int
	HopInterval time.Duration

	// HopProtocol is what PathProbes asks the hops with: "tcp", "udp" or "icmp".
	// Empty: the network's own. ICMP needs a group in
	// net.ipv4.ping_group_range, or CAP_NET_RAW.
	HopProtocol string

	// ReferencePort is another TCP port of the destination, whose way PathProbes
	// compares. Zero: none.
	ReferencePort uint16

	// FullTimeout waits for an answer until the deadline although experiments
	// have explained the silence. Otherwise an attempt with Probes ends, as a
	// timeout, as soon as a repeated SYN has gone unanswered and it is known
	// where, or by whom, both were dropped: 0.5 to 1.1 s after it began. Where
	// nothing answers behind the last router, its own report is awaited first,
	// for 3.3 s.
	FullTimeout bool

	// Kernel tells what this host's own kernel does with the attempt's packets:
	// package kernel has it. The evidence of Thorough is gathered too. Nil: it is
	// not asked, and nothing is loaded.
	Kernel KernelEvents

	// Settle is how long a fresh connection is watched for a peer that resets
	// or closes it at once, before DialReport returns. Zero: one look.
	Settle time.Duration

	// NoBroadcast leaves SO_BROADCAST off datagram sockets, so that a broadcast
	// address is denied (socket(7)). net.Dialer sets it, and so does the zero
	// value.
	NoBroadcast bool

	// UDPProbe is a datagram that a dial of a UDP network sends, to see whether
	// anything comes back: an answer, an ICMP error or silence until the
	// deadline. The answer is left for the connection's first read. Nil: none is
	// sent, as with net.Dialer, and the report says only what this host chose;
	// an empty non-nil slice sends an empty datagram.
	UDPProbe []byte

	// UDPProbeName names the probe in the report. A name that [UDPProbeFor] gives
	// adds what the probe asks, and what silence says of that service. Empty:
	// "empty" or "given".
	UDPProbeName string

	// EveryAddress tries every address of the name to its own end instead of
	// stopping at the first that connects. The first connection is returned,
	// the others are closed.
	EveryAddress bool
}

// PortRange is an inclusive range of ports. The zero value means no choice.
type PortRange struct{ Low, High uint16 }

// Probes is a choice of experiments.
type Probes int

// The choices.
const (
	NoProbes   Probes = iota
	FewProbes         // no other port of the destination is touched
	AllProbes         // every experiment that would tell causes apart
	PathProbes        // and every hop of the way, whatever comes of the attempt
)
