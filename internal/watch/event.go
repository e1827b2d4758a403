// Package watch makes connections' stories out of events: what began, how its
// handshake went, how it ended, and why, judged by package cause.
//
// It is pure: sources write events, in the order of their times, into a
// [Tracker]; stories come out. Package [feed] has the sources, a command
// shows the stories.
//
// [feed]: https://pkg.go.dev/github.com/dialscope/dialscope/internal/watch/feed
package watch

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

// Kind says what happened.
type Kind uint8

// The kinds of event.
const (
	Changed       Kind = iota + 1 // a TCP socket went from one state to another
	Resent                        // a segment was sent again
	Dropped                       // this host threw a packet away
	ResetSent                     // this host sent a RST
	ResetReceived                 // a RST arrived for a socket
	Failed                        // a socket has an error for its process
	ConnectFailed                 // connect(2) returned an error
	SocketFailed                  // socket(2) returned an error
	Stands                        // a connection that was there before
	Gone                          // a socket is no longer there; how it ended was not seen
)

// Event is one thing that happened on this host. Which fields hold something
// depends on the kind and on the source.
type Event struct {
	Kind    Kind
	At      time.Time
	Cookie  uint64 // of the socket (SO_COOKIE); 0: none, or not known
	Network uint32 // inode of the network namespace; 0: not known

	UDP           bool
	Local, Remote netip.AddrPort
	Process       Process // whose socket it is; the zero value: not known

	Old, New sockets.State  // Changed; Stands, Gone: New is the last state seen
	Errno    evidence.Errno // Changed: that of a socket that is closed now, where its source tells it

	// Flow is what TCP knew at that moment.
	Flow    Flow
	HasFlow bool
	Attempt bool // Gone: the handshake was never completed
	In      bool // Stands, Gone: the peer opened the connection
	Looked  bool // At is when it was looked at, and not when it happened

	Reason string // Dropped, ResetSent: the kernel's name
	Where  string // Dropped: the kernel's function
	Packet Packet // Dropped
}

// Process is whose a socket is.
type Process struct {
	PID       int    `json:"pid,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       uint32 `json:"uid"`
	Container string `json:"container,omitempty"`
}

// Flow is TCP's own figures (TCP_INFO).
type Flow struct {
	RTT             time.Duration // smoothed
	Resent          uint32        // segments, in the connection's whole life
	Acked, Received uint64        // octets as TCP_INFO counts them: see [Story.Sent], [Story.Got]
	SegmentsIn      uint32
}

// Packet is one that was thrown away.
type Packet struct {
	Seen     bool
	Arrived  bool   // it had come in; else it was on its way out
	Length   uint16 // octets, IP header included
	Flags    uint8  // of TCP (RFC 9293 §3.1)
	ICMP     bool   // an ICMP error about the connection
	ICMPType uint8
	ICMPCode uint8
}

// Bits of Packet.Flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// FlagNames are the letters of tcpdump: "S.".
func (p Packet) FlagNames() string {
	text := ""
	for _, f := range [...]struct {
		bit  uint8
		name string
	}{{SYN, "S"}, {FIN, "F"}, {RST, "R"}, {PSH, "P"}, {ACK, "."}} {
		if p.Flags&f.bit != 0 {
			text += f.name
		}
	}
	return text
}
