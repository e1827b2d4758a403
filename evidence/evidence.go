// Package evidence holds what was observed while a connection was opened, and
// when it ended.
//
// Adapters write typed facts into a [Log]; package cause reads the log and
// says what it means. The two are separate so that a verdict can be replayed
// from a stored log, tested without a network, and improved later for logs
// that were taken earlier.
//
// The package is pure: it reads no clock, opens no socket and starts no
// goroutine. Errno values are kept by their symbolic name ("ECONNREFUSED"), so
// that a log taken on one system is read the same on any other.
//
// Truth has three values. A fact in the log was seen, or (a zero counter, an
// absent listener) was looked for and ruled out; what could not be looked at
// stands as [Unseen], with the reason. Unknown is never folded into false.
package evidence

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Source names the door through which a fact was seen: a system call, a socket
// option, a kernel interface or a file.
type Source string

// The sources. They stand in JSON as "source" and are never renamed.
const (
	FromSocket      Source = "socket"      // socket(2)
	FromBind        Source = "bind"        // bind(2)
	FromSetsockopt  Source = "setsockopt"  // setsockopt(2)
	FromConnect     Source = "connect"     // connect(2)
	FromPoll        Source = "poll"        // poll(2) or the runtime's epoll
	FromSOError     Source = "so_error"    // getsockopt(SO_ERROR), socket(7)
	FromTCPInfo     Source = "tcp_info"    // getsockopt(TCP_INFO), tcp(7)
	FromErrqueue    Source = "errqueue"    // recvmsg(MSG_ERRQUEUE), ip(7)
	FromGetsockname Source = "getsockname" // getsockname(2)
	FromRecv        Source = "recv"        // recv(2), usually with MSG_PEEK
	FromRead        Source = "read"        // read(2) of an established connection
	FromWrite       Source = "write"       // write(2) of an established connection
	FromSend        Source = "send"        // send(2)
	FromTimer       Source = "timer"       // a deadline of ours
	FromCaller      Source = "caller"      // the caller's context, or its own call
	FromRtnetlink   Source = "rtnetlink"   // rtnetlink(7)
	FromSockDiag    Source = "sock_diag"   // sock_diag(7)
	FromProcfs      Source = "procfs"      // proc(5)
	FromRlimit      Source = "getrlimit"   // getrlimit(2)
	FromDNS         Source = "dns"         // a question to a name server
	FromHosts       Source = "hosts"       // hosts(5)
	FromResolver    Source = "resolver"    // the resolver's own configuration and choice
	FromPrediction  Source = "prediction"  // computed from the kernel's rules, not seen
	FromFeature     Source = "feature"     // what this host and user can observe
	FromProbe       Source = "probe"       // an experiment's own socket
	FromTracepoint  Source = "tracepoint"  // the kernel's tracepoints, through BPF (bpf(2))
	FromPackets     Source = "packets"     // a packet socket, packet(7)
	FromNftables    Source = "nftables"    // nfnetlink's list of rules, nft(8)
)

// Kind names the type of a fact. It stands in JSON as "kind".
type Kind string

// Fact is one thing that was seen. The concrete types are in this package;
// each is used by pointer.
type Fact interface {
	// Kind is constant for a concrete type, also for its nil pointer.
	Kind() Kind
}

// Errno is the symbolic name of an errno ("ECONNREFUSED"), as errno(3) lists
// them; Windows errors appear under their POSIX name where they have one and
// as "WSAE…" where not. Empty means that the call succeeded.
type Errno string

// Entry is one observation.
type Entry struct {
	At     time.Duration // since the attempt began (target-level facts: since the dial began)
	Source Source
	Fact   Fact
}

// Log is what was observed in the order in which it was observed.
type Log []Entry

// Add appends one observation.
func (l *Log) Add(at time.Duration, from Source, f Fact) {
	*l = append(*l, Entry{At: at, Source: from, Fact: f})
}

// First returns the earliest fact of type T.
func First[T Fact](l Log) (fact T, at time.Duration, ok bool) {
	for _, e := range l {
		if f, is := e.Fact.(T); is {
			return f, e.At, true
		}
	}
	return fact, 0, false
}

// Last returns the latest fact of type T.
func Last[T Fact](l Log) (fact T, at time.Duration, ok bool) {
	for i := len(l) - 1; i >= 0; i-- {
		if f, is := l[i].Fact.(T); is {
			return f, l[i].At, true
		}
	}
	return fact, 0, false
}

// All returns every fact of type T in order.
func All[T Fact](l Log) []T {
	var all []T
	for _, e := range l {
		if f, is := e.Fact.(T); is {
			all = append(all, f)
		}
	}
	return all
}

// Attempt is one socket's life: opened, connected or not, closed.
type Attempt struct {
	Remote netip.AddrPort // where it was to go; the zone is kept
	Began  time.Duration  // since the dial began
	Took   time.Duration  // from socket(2) to the end: open, failed, given up
	Log    Log            // times in it are since Began
}

// Dial is all that was observed for one target: the input of cause.Explain.
type Dial struct {
	Target   string // what the user asked for
	Network  string // tcp, tcp4, tcp6, udp, udp4, udp6
	Took     time.Duration
	Log      Log // resolution and host-level facts; times since the dial began
	Attempts []Attempt
}

// MarshalJSON writes {"at":…,"source":…,"kind":…} followed by the fact's own fields.
func (e Entry) MarshalJSON() ([]byte, error) {
	if e.Fact == nil {
		return nil, fmt.Errorf("evidence: entry from %q without a fact", e.Source)
	}
	head, err := json.Marshal(struct {
		At     time.Duration `json:"at"`
		Source Source        `json:"source"`
		Kind   Kind          `json:"kind"`
	}{e.At, e.Source, e.Fact.Kind()})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(e.Fact)
	if err != nil {
		return nil, err
	}
	if len(body) <= 2 { // "{}"
		return head, nil
	}
	head[len(head)-1] = ','
	return append(head, body[1:]...), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. A kind that this version does
// not know is kept as [Unknown], so that nothing of a stored log is lost.
func (e *Entry) UnmarshalJSON(data []byte) error {
	var head struct {
		At     time.Duration `json:"at"`
		Source Source        `json:"source"`
		Kind   Kind          `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	fact := newFact(head.Kind)
	if u, is := fact.(*Unknown); is {
		u.Raw = append(json.RawMessage(nil), data...)
	} else if err := json.Unmarshal(data, fact); err != nil {
		return fmt.Errorf("evidence: %s: %w", head.Kind, err)
	}
	*e = Entry{At: head.At, Source: head.Source, Fact: fact}
	return nil
}

// Unknown is a fact of a kind that a later version wrote.
type Unknown struct {
	Name Kind            `json:"-"`
	Raw  json.RawMessage `json:"-"`
}

// Kind implements [Fact].
func (u *Unknown) Kind() Kind { return u.Name }

// MarshalJSON gives back the fields that were read.
func (u *Unknown) MarshalJSON() ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(u.Raw, &fields); err != nil {
		return nil, err
	}
	for _, own := range []string{"at", "source", "kind"} {
		delete(fields, own)
	}
	return json.Marshal(fields)
}

func newFact(k Kind) Fact {
	for _, make := range catalogue {
		if f := make(); f.Kind() == k {
			return f
		}
	}
	return &Unknown{Name: k}
}

// catalogue holds a constructor for every concrete fact.
var catalogue = []func() Fact{
	func() Fact { return new(Call) },
	func() Fact { return new(Connect) },
	func() Fact { return new(Ready) },
	func() Fact { return new(SOError) },
	func() Fact { return new(LocalAddr) },
	func() Fact { return new(TCPInfo) },
	func() Fact { return new(ICMP) },
	func() Fact { return new(FirstMoments) },
	func() Fact { return new(Datagram) },
	func() Fact { return new(Expired) },
	func() Fact { return new(Cancelled) },
	func() Fact { return new(Schedule) },
	func() Fact { return new(Route) },
	func() Fact { return new(Link) },
	func() Fact { return new(Neighbour) },
	func() Fact { return new(HostAddr) },
	func() Fact { return new(Sysctl) },
	func() Fact { return new(Counters) },
	func() Fact { return new(Ports) },
	func() Fact { return new(Listener) },
	func() Fact { return new(Holder) },
	func() Fact { return new(Limit) },
	func() Fact { return new(Conntrack) },
	func() Fact { return new(Security) },
	func() Fact { return new(Unseen) },
	func() Fact { return new(ResolverConfig) },
	func() Fact { return new(HostsEntry) },
	func() Fact { return new(Lookup) },
	func() Fact { return new(Candidates) },
	func() Fact { return new(Probe) },
	func() Fact { return new(KernelWatch) },
	func() Fact { return new(KernelDrop) },
	func() Fact { return new(KernelRetransmit) },
	func() Fact { return new(KernelReset) },
	func() Fact { return new(Capture) },
	func() Fact { return new(Packet) },
	func() Fact { return new(Filter) },
	func() Fact { return new(End) },
	func() Fact { return new(Flow) },
	func() Fact { return new(Alive) },
}
