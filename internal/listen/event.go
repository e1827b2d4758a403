package listen

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Kind is what an event tells.
type Kind string

// The kinds.
const (
	Listening Kind = "listening" // a socket is open at Local
	Accepted  Kind = "accepted"  // a connection was taken from the queue
	Held      Kind = "held"      // the peer has sent FIN, and this server does not close
	Ended     Kind = "ended"     // a connection is over, and its descriptor closed
	NewPeer   Kind = "peer"      // UDP: the first datagram of this peer
	Received  Kind = "datagram"  // UDP: a datagram
	LimitHit  Kind = "limit"     // no descriptor is left: nothing is accepted until there is room
	Resumed   Kind = "resumed"   // there is room again
	Refusing  Kind = "refusing"  // the sockets are closed: the next SYN is refused
)

// Event is one thing that happened.
type Event struct {
	Kind  Kind           `json:"event"`
	At    time.Time      `json:"at"`
	ID    uint64         `json:"id,omitempty"` // of the connection, from 1
	Local netip.AddrPort `json:"local,omitzero"`
	Peer  netip.AddrPort `json:"peer,omitzero"`

	// Of an end, what the server's calls told. By is "peer", "here", "path" (an
	// ICMP error's errno, or no answer at all) or "crash" (this server forgot the
	// connection). How is "FIN", "RST", "timeout", "ICMP", "silence" or "error".
	By    string         `json:"by,omitempty"`
	How   string         `json:"how,omitempty"`
	Errno evidence.Errno `json:"errno,omitempty"`

	*cause.Verdict              // of Ended: why, by the rules, and who is to blame
	Evidence       evidence.Log `json:"evidence,omitempty"` // that it rests on; times since the connection was accepted

	*Traffic // of Held, Ended and Received

	Waiting int    `json:"descriptors,omitempty"` // of LimitHit: how many are open
	Limit   uint64 `json:"limit,omitempty"`       // of LimitHit: RLIMIT_NOFILE
}

// Traffic is what passed, in octets of data.
type Traffic struct {
	In     uint64        `json:"in"`               // read by this server
	Out    uint64        `json:"out"`              // taken by the kernel: sent, and perhaps not received
	Unread uint64        `json:"unread,omitempty"` // came, and was never read: close(2) then sends RST (RFC 2525 §2.17)
	Unsent uint64        `json:"unsent,omitempty"` // still to be written when it ended
	Took   time.Duration `json:"duration_ns,omitempty"`
}

// Counters are what a server has seen. They are read while it runs.
type Counters struct {
	Accepted  uint64 `json:"accepted"`
	Ended     uint64 `json:"ended"`
	Open      uint64 `json:"open"`      // now
	MostOpen  uint64 `json:"most_open"` // at once
	Gone      uint64 `json:"gone"`      // connections that were over before accept(2) could take them (ECONNABORTED and its like)
	Paused    uint64 `json:"paused"`    // how often accepting paused for want of descriptors
	In        uint64 `json:"in"`
	Out       uint64 `json:"out"`
	Datagrams uint64 `json:"datagrams,omitempty"` // received
	Answers   uint64 `json:"answers,omitempty"`   // datagrams sent
	Peers     uint64 `json:"peers,omitempty"`     // UDP
	Lost      uint64 `json:"lost,omitempty"`      // answers that could not be sent, or found no room to wait in
	Queued    int    `json:"queued"`              // completed handshakes that wait to be accepted, now
}

// Summary is a server's whole life.
type Summary struct {
	Event  string           `json:"event"` // "summary"
	At     time.Time        `json:"at"`
	Local  []netip.AddrPort `json:"listeners"`
	Took   time.Duration    `json:"duration_ns"`
	Reason string           `json:"reason"` // why it ended: "interrupted", "for", "count"
	Counters
	Ends []Ends `json:"ends,omitempty"`
}

// Ends counts ends of one kind. Of an ordinary end about which no event was
// asked for the cause is that of its kind.
type Ends struct {
	By    string   `json:"by"`
	How   string   `json:"how"`
	Cause cause.ID `json:"cause,omitempty"`
	Count uint64   `json:"count"`
}
