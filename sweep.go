package dialscope

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// SweepTargets says where a sweep goes: every address with every port.
type SweepTargets struct {
	// Hosts are addresses (192.0.2.1, fe80::1%eth0), prefixes (192.0.2.0/24),
	// ranges (192.0.2.10-192.0.2.20, 192.0.2.10-20) and names; an address and
	// a name also with ports of its own (192.0.2.1:80, example.com:443,8443).
	// Targets that are named twice are swept once.
	Hosts []string

	// More is read while the sweep goes on, after Hosts, in parts: input of any
	// size. An error in it ends the sweep. Nil: none.
	More iter.Seq2[string, error]

	// Ports are those of the hosts that name none themselves.
	Ports []uint16

	// Exclude are addresses, prefixes and ranges that no packet is sent to,
	// also where a name leads there.
	Exclude []string

	// Reserved keeps what is otherwise left out: the network and broadcast
	// addresses of IPv4 prefixes, multicast, 0.0.0.0/8 and 240.0.0.0/4.
	Reserved bool
}

// DefaultSweepRate is how many attempts a second a sweep makes where nothing
// else is asked for: a SYN is 74 octets on an Ethernet, so this is about half a
// megabit a second.
const DefaultSweepRate = 1000

// DefaultSweepTimeout is the time that each attempt of a sweep has: enough for
// a second SYN, which Linux sends after one second (RFC 6298 §2).
const DefaultSweepTimeout = 2 * time.Second

// SweepEngine is how a sweep waits for the ends of handshakes. What it finds is
// the same with each.
type SweepEngine string

// The engines. Where io_uring cannot be had, a sweep that asks for it fails.
const (
	EngineAuto  SweepEngine = ""         // the fastest that there is: see ADR 017
	EngineEpoll SweepEngine = "epoll"    // epoll(7), Linux
	EngineRing  SweepEngine = "io_uring" // io_uring(7), Linux 6.8
)

// SweepOptions are how a sweep is made. The zero value is gentle.
type SweepOptions struct {
	// Timeout bounds each attempt. Zero: DefaultSweepTimeout.
	Timeout time.Duration

	// Rate bounds the attempts a second, retries included. Zero:
	// DefaultSweepRate. Negative: as fast as it goes.
	Rate float64

	// InFlight bounds the attempts at once. Zero: as many as there are
	// descriptors for (RLIMIT_NOFILE), and with no bound to Rate 65,536 where
	// there is memory for them. More than there are descriptors for is possible
	// on Linux: the sockets are then in tables of the engines' own (ADR 017).
	// Below it the sweep finds its own number: it doubles, or grows, until
	// answers begin to need a second SYN or this host runs out of something, and
	// then takes back half.
	InFlight int

	// HostRate and HostInFlight bound the attempts to one address, NetRate and
	// NetInFlight those to one network (an IPv4 /24, an IPv6 /64). Zero: no
	// limit of their own.
	HostRate     float64
	HostInFlight int
	NetRate      float64
	NetInFlight  int

	// Retries is how often a target that stays silent is tried again, each
	// time with the whole Timeout. Zero: once. Negative: never.
	Retries int

	// Seed makes the order: the same seed, the same order. Zero is a seed like
	// any other.
	Seed uint64

	// Shard K of Shards N sweeps every Nth target of the order, beginning with
	// the Kth: N machines with the same seed and targets share a sweep. Zero:
	// all of it.
	Shard, Shards int

	// Engines is the number of threads. Zero: one a processor.
	Engines int

	// Engine is how the engines wait for the ends of handshakes. Zero:
	// EngineAuto.
	Engine SweepEngine

	// NewSockets uses a new socket for each attempt, also where this kernel
	// takes one again (see ADR 009).
	NewSockets bool

	// Skip leaves out places that an earlier run has results for. It is called
	// under a lock, from threads that may have no file of the program open: it
	// looks something up in memory, and nothing else. Nil: none.
	Skip func(place uint64) bool
}

// SweepResult is what became of one target.
type SweepResult struct {
	Place    uint64 // in the order of the sweep: the same seed, the same place
	Name     string // as it was asked for, where that was a name
	Addr     netip.AddrPort
	Outcome  cause.Outcome
	Errno    evidence.Errno // empty: none
	Cause    cause.ID
	Culprit  cause.Culprit
	Latency  time.Duration // of the attempt that decided, from connect(2)
	SYNs     int           // sent, over all attempts
	Attempts int
	ICMP     evidence.ICMP // Version 0: none came
	At       time.Duration // since the sweep began
	Group    int           // index of its group: see [Sweeper.Groups]
}

// SweepGroup is results that have the same explanation.
type SweepGroup struct {
	Network netip.Prefix // an IPv4 /24 or an IPv6 /64; the zero Prefix for open ports
	Example netip.AddrPort
	Verdict cause.Verdict // of the example
	Count   int
}

// SweepProgress is how far a sweep is.
type SweepProgress struct {
	Targets  uint64 // known so far
	Complete bool   // there are no more
	Skipped  uint64 // by Skip
	Done     uint64 // targets with a result, those skipped included
	Attempts uint64
	Retried  uint64 // attempts at targets that had been silent
	Faults   uint64 // attempts that met a limit of this host and were made again
	InFlight int
	Window   int           // how many may be in flight now
	Elapsed  time.Duration // since the sweep began
	Paused   string        // why nothing is sent at the moment; empty: it is
	Loss     float64       // estimated share of SYNs or their answers that are lost, 0 to 1
	Missed   float64       // estimated share of answering targets that are taken for silent
}

// Sweep sweeps with one call, for few targets or many:
//
//	for r, err := range dialscope.Sweep(ctx, targets, options) {
//
// An error ends the iteration. When the loop ends early, so does the sweep.
func Sweep(ctx context.Context, t SweepTargets, o SweepOptions) iter.Seq2[SweepResult, error] {
	return func(yield func(SweepResult, error) bool) {
		s, err := NewSweeper(ctx, t, o)
		if err != nil {
			yield(SweepResult{}, err)
			return
		}
		for r, err := range s.Results(ctx) {
			if !yield(r, err) {
				return
			}
		}
	}
}
