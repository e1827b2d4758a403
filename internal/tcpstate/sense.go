package tcpstate

// Sense is what a segment means within its connection.
type Sense uint8

// The senses.
const (
	SenseOther        Sense = iota
	SenseSYN                // asks for a connection
	SenseSYNAgain           // the same SYN again
	SenseSYNCrossing        // the other end's SYN: simultaneous open, or a split handshake
	SenseSYNLate            // a SYN for a connection that stands
	SenseSYNACK             // accepts
	SenseSYNACKAgain        // the same again
	SenseSYNACKBad          // acknowledges something that was never sent
	SenseHandshakeACK       // completes the handshake
	SenseBadACK             // an ACK where only a SYN-ACK would fit
	SenseData               // data
	SenseDataAgain          // data that was sent before
	SenseDataGap            // data after a gap: what is between was lost, or not captured
	SenseACK                // acknowledges
	SenseDupACK             // says again what is still missing
	SenseKeepAlive          // asks whether the other end is alive (RFC 9293 §3.8.4)
	SenseProbe              // asks whether the window has opened (RFC 9293 §3.8.6.1)
	SenseZeroWindow         // the receiver has no room
	SenseWindowUpdate       // the receiver has room again, or more
	SenseFIN                // closes its direction
	SenseFINAgain           //
	SenseFINLast            // closes the second direction
	SenseChallengeACK       // RFC 5961: asks the other end to prove itself
	SenseRST                // see the RSTReason
	SenseLate               // something for a connection that is no more
	SenseRest               // the rest of a segment that IP brought in fragments
)

// RSTReason is why a RST came, as far as packets tell.
type RSTReason uint8

// The reasons.
const (
	RSTNone         RSTReason = iota
	RSTRefusal                // answers a SYN: nobody listens, or a filter answers in the host's place (RFC 9293 §3.10.7.1)
	RSTUnrelated              // answers no SYN that was sent: the initiator ignores it (RFC 9293 §3.10.7.3)
	RSTUnacceptable           // answers a SYN-ACK or ACK that does not fit (RFC 9293 §3.5.1)
	RSTAbandoned              // answers a SYN-ACK that nobody waits for any more
	RSTAbort                  // its sender had the connection and gave it up
	RSTNoConnection           // its sender knows no such connection (any more)
	RSTAfterClose             // both ends had closed: the rest of the data finds no socket
	RSTInWindow               // within the window, but not exact: a challenge, no end (RFC 5961 §3.2)
	RSTOutOfWindow            // ignored
)

var rstNames = [...]string{
	"", "no-listener", "not-for-this-syn", "unacceptable", "abandoned", "aborted", "no-such-connection", "after-close", "in-window-not-exact", "out-of-window",
}

// String is the reason as JSON has it.
func (r RSTReason) String() string { return rstNames[r] }

// Ends says that a RST of this kind ends a connection at its receiver.
func (r RSTReason) Ends() bool {
	switch r {
	case RSTNone, RSTUnrelated, RSTInWindow, RSTOutOfWindow:
		return false
	}
	return true
}

// Step is what one segment did.
type Step struct {
	Conn   *Conn
	From   int // who sent it
	Sense  Sense
	RST    RSTReason
	New    bool // the connection's first packet
	Reused bool // it took the addresses and ports of an earlier connection
	Opened bool // it completed the handshake
	Ended  bool // it ended the connection: both directions are closed and acknowledged, or a RST
}
