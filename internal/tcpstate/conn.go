package tcpstate

import "time"

// The two ends of a connection.
const (
	Initiator = 0 // who sent the SYN, as far as is known
	Responder = 1
)

// KnownBy says how it is known who the initiator is.
type KnownBy uint8

// The ways, from strongest to weakest.
const (
	BySYN         KnownBy = iota // its SYN was seen
	BySYNACK                     // the answer to its SYN was seen
	ByFirstPacket                // it sent the first packet in the capture, no more
)

// End is what was seen of one end, counted from the segments that it sent.
type End struct {
	Endpoint
	State    State
	Inferred bool // the state rests on a segment whose arrival was not confirmed
	TTLs     [4]uint8
	nTTL     uint8
	idRun    uint8  // IPv4 identifications in a row that counted on
	id       uint16 // the last one that was not 0
	Window   uint16
	Scale    uint8 // of its windows, once both ends agreed
	turns    uint8 // how often turn was measured

	hasSeq, hasAck, hasISN, hasFIN bool
	finAcked                       bool
	lacks                          bool   // the capture lacks something of what it sent
	asking                         bool   // see ask
	resent                         bool   // it asked again
	again                          bool   // what it sent last was sent before: an answer tells no time (Karn)
	longest                        uint16 // octets of the longest segment
	passed                         uint16 // of the longest when everything was acknowledged last

	isn, next, ack, fin uint32
	turn                uint32 // the shortest time that it took to answer, in microseconds
	asked               uint32 // when it sent what is not answered yet, in milliseconds since the first packet
	askedFor            uint32 // milliseconds from asked to what asked last
	askedLen            uint32 // octets of the segment that asked first
	idle                uint32 // milliseconds in which nothing was said before asked
	shut                uint32 // since when its window is closed, in milliseconds since the first packet

	Packets     uint32
	SYNs        uint32 // SYNs without ACK
	SYNACKs     uint32
	FINs        uint32
	Resent      uint32 // segments with data that was sent before
	Unanswered  uint32 // how often it asked again, data, FIN or probe, since the other end was last heard
	ZeroWindows uint32
	nextAt      time.Duration // when the octet before next was sent first
	Bytes       uint64        // of data, on the wire, repeated ones included
}

// TTL lists the different TTLs of the segments that the end sent, RSTs left
// out, smallest first; four at most.
func (e *End) TTL() []uint8 { return e.TTLs[:e.nTTL] }

func (e *End) seeTTL(ttl uint8) {
	if e.nTTL == 0 || e.TTLs[0] != ttl {
		e.addTTL(ttl)
	}
}

func (e *End) addTTL(ttl uint8) {
	for i := range e.nTTL {
		if e.TTLs[i] == ttl {
			return
		}
	}
	if int(e.nTTL) == len(e.TTLs) {
		return
	}
	i := e.nTTL
	for ; i > 0 && e.TTLs[i-1] > ttl; i-- {
		e.TTLs[i] = e.TTLs[i-1]
	}
	e.TTLs[i] = ttl
	e.nTTL++
}

// FINAcked reports whether the other end acknowledged the end's FIN.
func (e *End) FINAcked() bool { return e.finAcked }

// Lacks reports whether the capture is known to lack something that the end sent:
// the other end acknowledges more, or there is a gap, which may have been filled
// later.
func (e *End) Lacks() bool { return e.lacks }

// WentOn reports whether the end acknowledged anything: it had been answered,
// also where the capture lacks the answer.
func (e *End) WentOn() bool { return e.hasAck }

// SentFIN reports whether the end closed its direction.
func (e *End) SentFIN() bool { return e.FINs > 0 }

// WindowBytes is the window that the end announced last, in octets.
func (e *End) WindowBytes() uint32 { return uint32(e.Window) << e.Scale }

// Relative is a sequence number of this end counted from its first.
func (e *End) Relative(seq uint32) uint32 { return seq - e.isn }

// Conn is one connection: what was seen of both its ends.
type Conn struct {
	Number  uint64 // in the order of the first packet, from 1
	Ends    [2]End
	KnownBy KnownBy
	Path    uint16 // Segment.Path of the first packet

	First, Last time.Duration // of its packets
	FirstFrame  uint64

	FirstSYN  time.Duration // 0-based like Segment.Time; meaningful with a SYN seen
	LastSYN   time.Duration // before the SYN-ACK
	SYNACKAt  time.Duration // the first that acknowledges the SYN
	ACKAt     time.Duration // the initiator's that completes the handshake
	SYN       SYNOptions    // of the first SYN
	SYNACK    SYNOptions    // of the first SYN-ACK that fits, or else of the first
	BadSYNACK uint32        // SYN-ACKs that acknowledge something else
	Distinct  uint32        // different initial sequence numbers of the initiator's SYNs
	DistinctA uint32        // of the SYN-ACKs

	HasSYNACK bool // one that acknowledges the SYN
	Acked     bool // and the initiator acknowledged it
	Refused   bool // a RST acknowledged the SYN
	Crossed   bool // both ends sent a SYN
	Reused    bool // its addresses and ports were an earlier connection's
	Evicted   bool // given up for want of room: packets may have come later

	// The end.
	FINOrder  [2]int8 // who sent a FIN, in order; -1: nobody
	FirstEnd  EndedBy // the first FIN or effective RST
	resetDone bool    // a RST that counts came
	rejected  bool    // it rejects an answer that does not fit: its sender may go on
	closed    bool
	challenge int8 // the end whose next bare ACK is a challenge ACK; -1: none
	settled   int8 // the end that was aborted or refused; -1: none

	Detail *Detail // nil: nothing of it was seen
}

// EndedBy is the event that began the end.
type EndedBy struct {
	Seen bool
	By   int8 // Initiator or Responder
	RST  bool // false: FIN
	At   time.Duration
}

// RSTSeen is one RST.
type RSTSeen struct {
	Time      time.Duration
	Frame     uint64
	By        int8
	Seq       uint32
	WithACK   bool
	Data      uint32
	TTL       uint8
	Reason    RSTReason
	Effective bool
	Distance  int64 // its sequence number less the last acknowledgement of the other side
	HasDist   bool

	ID      uint16        // IPv4 identification
	Strayed bool          // it is far from the sender's others, which count on
	Beyond  bool          // its sequence number is beyond everything that its sender sent
	Early   time.Duration // after the segment that it acknowledges; meaningful if Turns > 0
	Turn    time.Duration // the least that the sender's answers took before
	Turns   uint8         // how many of those were measured
	HostTTL uint8         // of another connection's SYN-ACK from its sender's address; 0: none is known
	Silence Silence       // of its sender, which it ended

	Contradicted bool          // its sender went on: new data, or an ACK of what came after it
	After        time.Duration // how long after it
}

// Detail is what only some connections have; the lists are bounded.
type Detail struct {
	SYNTimes  []time.Duration // of the initiator's SYNs, where there were several
	RSTs      []RSTSeen
	ICMP      []ICMPError
	firstRSTs [2]RSTSeen // what RSTs and SYNTimes begin in
	firstSYNs [4]time.Duration
	RSTCount  int
	FirstRST  time.Duration
	ICMPCount int
}

const (
	maxSYNTimes = 32
	maxRSTs     = 32
	maxICMP     = 16
)

// Handshake is how the handshake went.
type Handshake uint8

// The classes.
const (
	Midstream     Handshake = iota // no SYN and no SYN-ACK: it began before the capture
	SYNMissing                     // a SYN-ACK without its SYN
	Complete                       // SYN, SYN-ACK, ACK
	Simultaneous                   // both ends sent a SYN: a simultaneous open, or a split handshake
	SYNACKUnacked                  // the SYN-ACK was not acknowledged
	SYNACKBad                      // every SYN-ACK acknowledged something else
	RefusedByRST                   // a RST that acknowledges the SYN
	Unanswered                     // SYNs, and nothing back
	ICMPAnswered                   // an ICMP error, and nothing else back
	OtherAnswer                    // something came back that answers no SYN
	OneSided                       // only the initiator's packets, which go on as if answered
)

var handshakeNames = [...]string{
	"midstream", "syn-missing", "complete", "simultaneous-or-split", "synack-not-acked", "synack-bad-ack", "refused", "unanswered",
	"icmp-error", "syn-then-other", "one-sided",
}

func (h Handshake) String() string { return handshakeNames[h] }

// Handshake classifies the connection's beginning.
func (c *Conn) Handshake() Handshake {
	from, to := &c.Ends[Initiator], &c.Ends[Responder]
	switch {
	case from.SYNs == 0 && to.SYNACKs > 0:
		return SYNMissing
	case from.SYNs == 0:
		return Midstream
	case c.Crossed:
		return Simultaneous
	case c.HasSYNACK && c.Acked:
		return Complete
	case c.HasSYNACK:
		return SYNACKUnacked
	case to.SYNACKs > 0:
		return SYNACKBad
	case c.Refused:
		return RefusedByRST
	case c.hardICMP() && to.Packets == 0 && !from.hasAck:
		return ICMPAnswered
	case to.Packets > 0:
		return OtherAnswer
	case from.Packets > from.SYNs:
		return OneSided
	}
	return Unanswered
}

func (c *Conn) hardICMP() bool {
	if c.Detail == nil {
		return false
	}
	for i := range c.Detail.ICMP {
		if c.Detail.ICMP[i].Hard() {
			return true
		}
	}
	return false
}

// Ending is how the connection ended on the wire.
type Ending uint8

// The endings.
const (
	NoEnding         Ending = iota // neither FIN nor RST that counts
	FINOneSide                     // one end closed its direction
	FINBoth                        // both did
	Reset                          // a RST, and not both had
	FINBothThenReset               // both did, and there was a RST as well
)

var endingNames = [...]string{"none", "fin-one-side", "fin-both", "reset", "fin-both-then-reset"}

func (e Ending) String() string { return endingNames[e] }

// Ending classifies the connection's end.
func (c *Conn) Ending() Ending {
	fins := 0
	for _, by := range c.FINOrder {
		if by >= 0 {
			fins++
		}
	}
	switch {
	case c.resetDone && fins == 2:
		return FINBothThenReset
	case c.resetDone:
		return Reset
	case fins == 2:
		return FINBoth
	case fins == 1:
		return FINOneSide
	}
	return NoEnding
}

// Closed says that the connection is over: both directions are closed and
// acknowledged, or a RST ended it.
func (c *Conn) Closed() bool { return c.closed }

// Resets is how many RSTs were seen, effective or not.
func (c *Conn) Resets() int {
	if c.Detail == nil {
		return 0
	}
	return c.Detail.RSTCount
}
