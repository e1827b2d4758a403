package watch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

// Story is one connection, or one attempt, as far as it was seen.
type Story struct {
	Number  uint64 // in the order of beginnings, from 1
	Cookie  uint64
	Network uint32
	UDP     bool
	In      bool // the peer opened it

	Process       Process
	Local, Remote netip.AddrPort
	State         sockets.State

	Began  time.Time // of the first event
	Seen   bool      // its beginning was seen
	Opened time.Time // when the handshake was complete; zero: it was not, or that was not seen
	Ended  time.Time // zero: it has not

	Errno  evidence.Errno // what its process was told, or would have been
	Sync   bool           // connect(2) itself returned it: no packet went
	Call   string         // the call that failed before there was a socket to connect: "socket"
	Flow   Flow
	Resent uint32 // segments sent again while it was watched

	RSTIn, RSTOut bool
	RSTReason     string
	First         string // who closed first: "here", "peer"; empty: nobody yet, or not seen
	Looked        bool   // its times are those of looks at a table
	Vanished      bool   // the socket was gone between two looks: how it ended was not seen

	Drops []Drop // the different ones; 8 at most
	Steps []Step // the last 32 at most
	Cut   int    // steps that were left out

	// Heard is what the kernel said of the attempt itself, as evidence; 24 at most.
	Heard evidence.Log

	// Facts are what was looked up for it when it failed.
	Facts evidence.Log

	Verdict  cause.Verdict // when it has failed or ended; Cause is empty where nothing can be said
	Unjudged string        // why there is no verdict

	before  sockets.State // the state before CLOSED
	pending bool          // closed, and its errno may still come
}

// Drop is packets of a connection that this host threw away for one reason.
type Drop struct {
	Reason  string `json:"reason"`
	Where   string `json:"where,omitempty"`
	Arrived bool   `json:"arrived"` // they had come in; else they were on their way out
	Flags   string `json:"flags,omitempty"`
	Count   uint64 `json:"count"`
}

// Step is one event of a story.
type Step struct {
	At   time.Time
	Kind Kind
	Old  sockets.State // of a change; of others the state at that moment
	New  sockets.State
	Text string // the reason, the errno
}

const (
	mostSteps = 32
	mostDrops = 8
)

func (s *Story) step(e *Event, text string) {
	if len(s.Steps) == mostSteps {
		// The beginning says more than the middle: the first half stays.
		copy(s.Steps[mostSteps/2:], s.Steps[mostSteps/2+1:])
		s.Steps = s.Steps[:mostSteps-1]
		s.Cut++
	}
	step := Step{At: e.At, Kind: e.Kind, Old: s.State, New: s.State, Text: text}
	if e.Kind == Changed {
		step.Old, step.New = e.Old, e.New
	}
	s.Steps = append(s.Steps, step)
}

func (s *Story) drop(e *Event) {
	d := Drop{Reason: e.Reason, Where: e.Where, Arrived: e.Packet.Arrived, Flags: e.Packet.FlagNames(), Count: 1}
	if e.Packet.ICMP {
		d.Flags = "ICMP"
	}
	i := slices.IndexFunc(s.Drops, func(o Drop) bool {
		return o.Reason == d.Reason && o.Where == d.Where && o.Arrived == d.Arrived && o.Flags == d.Flags
	})
	switch {
	case i >= 0:
		s.Drops[i].Count++
	case len(s.Drops) < mostDrops:
		s.Drops = append(s.Drops, d)
	}
}

// Handshake is how long it took, from the first SYN to its completion.
func (s *Story) Handshake() (time.Duration, bool) {
	if !s.Seen || s.In || s.Looked || s.Opened.IsZero() {
		return 0, false
	}
	return s.Opened.Sub(s.Began), true
}

// Sent is how many octets of data the peer has acknowledged. The kernel counts the
// SYN of an active open (tcp_ack; a passive one begins behind it,
// tcp_create_openreq_child) and this end's FIN among them.
func (s *Story) Sent() uint64 {
	extra := uint64(0)
	if !s.In {
		extra++
	}
	switch {
	case s.State == sockets.FINWait2, s.State == sockets.TimeWait:
		extra++
	case s.State != sockets.Closed:
	case s.before == sockets.FINWait2, s.before == sockets.TimeWait, s.before == sockets.Closing:
		extra++
	case s.before == sockets.LastACK && !s.RSTIn && s.Errno == "" && !s.Vanished:
		extra++
	}
	return s.Flow.Acked - min(extra, s.Flow.Acked)
}

// Got is how many octets of data came. TCP_INFO counts the peer's FIN, which a
// look at the table cannot tell apart unless the state does.
func (s *Story) Got() uint64 {
	if s.Looked && s.First == "peer" {
		return s.Flow.Received - min(1, s.Flow.Received)
	}
	return s.Flow.Received
}

// Failed says that the initiator of an attempt of this host did not get what it
// asked for, or that an established connection ended in an error.
func (s *Story) Failed() bool { return failing(&s.Verdict) }

func failing(v *cause.Verdict) bool {
	switch v.Outcome {
	case "", cause.Open, cause.Closed:
		return false
	}
	return true
}

// Clone is a copy that shares nothing with the tracker's.
func (s *Story) Clone() *Story {
	c := *s
	c.Drops, c.Steps, c.Facts, c.Heard = slices.Clone(s.Drops), slices.Clone(s.Steps), slices.Clone(s.Facts), slices.Clone(s.Heard)
	return &c
}
