package tcpstate

// State is the state of one end of a connection (RFC 9293 §3.3.2).
type State uint8

// The eleven states, and that of an end of which nothing is known.
const (
	Unknown State = iota
	Closed
	Listen
	SYNSent
	SYNReceived
	Established
	FINWait1
	FINWait2
	CloseWait
	Closing
	LastACK
	TimeWait
	nStates
)

var stateNames = [...]string{
	"?", "CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT",
}

// String is the state as the RFC spells it, with underscores for its hyphens.
func (s State) String() string {
	if s < nStates {
		return stateNames[s]
	}
	return "?"
}

// Synchronized says that both initial sequence numbers are agreed (RFC 9293
// §3.5.1, group 3 of reset generation).
func (s State) Synchronized() bool { return s >= Established && s < nStates }

// Event is what moves an end from one state to another: a call of its user, a
// segment that arrives, or a timer.
type Event uint8

// The events. Those of segments are named for what the receiving end makes of
// them: an acceptable segment, as RFC 9293 §3.10.7 defines it for each state.
const (
	PassiveOpen     Event = iota // user: OPEN, passive (listen)
	ActiveOpen                   // user: OPEN, active (connect)
	Send                         // user: SEND on a listening end
	Close                        // user: CLOSE, or a FIN that shows it
	Abort                        // user: ABORT
	ReceiveSYN                   // segment: SYN without ACK
	ReceiveSYNACK                // segment: SYN that acknowledges our SYN
	ReceiveACKOfSYN              // segment: acknowledges our SYN
	ReceiveFIN                   // segment: FIN that does not acknowledge ours
	ReceiveACKOfFIN              // segment: acknowledges our FIN
	ReceiveFINACK                // segment: FIN that acknowledges ours
	ReceiveRST                   // segment: RST that passes the checks of RFC 5961 §3.2
	TwoMSLOver                   // timer: 2 MSL since TIME_WAIT began
	UserTimeout                  // timer: nobody acknowledges for too long
	nEvents
)

var eventNames = [...]string{
	"passive OPEN", "active OPEN", "SEND", "CLOSE", "ABORT", "SYN", "SYN,ACK", "ACK of SYN", "FIN", "ACK of FIN", "FIN,ACK of FIN", "RST",
	"2 MSL timeout", "user timeout",
}

func (e Event) String() string {
	if e < nEvents {
		return eventNames[e]
	}
	return "?"
}

// Transition is one arrow of the state diagram.
type Transition struct {
	From   State
	Event  Event
	To     State
	Sends  string // what the end sends: "SYN", "SYN,ACK", "ACK", "FIN", "RST"; empty: nothing
	Source string // the clause
}

// Transitions is the whole machine: RFC 9293 §3.3.2, figure 5, with what
// §3.10 and RFC 5961 add to it. An event that has no arrow from a state leaves
// the state alone.
var Transitions = []Transition{
	{Closed, PassiveOpen, Listen, "", "RFC 9293 §3.10.1"},
	{Closed, ActiveOpen, SYNSent, "SYN", "RFC 9293 §3.10.1"},
	{Closed, ReceiveSYN, Closed, "RST", "RFC 9293 §3.10.7.1"},
	{Closed, ReceiveSYNACK, Closed, "RST", "RFC 9293 §3.10.7.1"},
	{Closed, ReceiveACKOfSYN, Closed, "RST", "RFC 9293 §3.10.7.1"},
	{Closed, ReceiveFIN, Closed, "RST", "RFC 9293 §3.10.7.1"},
	{Closed, ReceiveACKOfFIN, Closed, "RST", "RFC 9293 §3.10.7.1"},
	{Closed, ReceiveFINACK, Closed, "RST", "RFC 9293 §3.10.7.1"},

	{Listen, ActiveOpen, SYNSent, "SYN", "RFC 9293 §3.10.1"},
	{Listen, Send, SYNSent, "SYN", "RFC 9293 §3.10.2"},
	{Listen, Close, Closed, "", "RFC 9293 §3.10.4"},
	{Listen, Abort, Closed, "", "RFC 9293 §3.10.5"},
	{Listen, ReceiveSYN, SYNReceived, "SYN,ACK", "RFC 9293 §3.10.7.2"},
	{Listen, ReceiveSYNACK, Listen, "RST", "RFC 9293 §3.10.7.2"},
	{Listen, ReceiveACKOfSYN, Listen, "RST", "RFC 9293 §3.10.7.2"},
	{Listen, ReceiveACKOfFIN, Listen, "RST", "RFC 9293 §3.10.7.2"},

	{SYNSent, Close, Closed, "", "RFC 9293 §3.10.4"},
	{SYNSent, Abort, Closed, "", "RFC 9293 §3.10.5"},
	{SYNSent, ReceiveSYN, SYNReceived, "SYN,ACK", "RFC 9293 §3.5, figure 7: simultaneous open"},
	{SYNSent, ReceiveSYNACK, Established, "ACK", "RFC 9293 §3.10.7.3"},
	{SYNSent, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.3: only when it acknowledges the SYN"},
	{SYNSent, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{SYNReceived, Close, FINWait1, "FIN", "RFC 9293 §3.10.4"},
	{SYNReceived, Abort, Closed, "RST", "RFC 9293 §3.10.5"},
	{SYNReceived, ReceiveSYN, SYNReceived, "ACK", "RFC 5961 §4: challenge ACK; a retransmitted SYN gets the SYN,ACK again"},
	{SYNReceived, ReceiveSYNACK, Established, "ACK", "RFC 9293 §3.5, figure 7: simultaneous open"},
	{SYNReceived, ReceiveACKOfSYN, Established, "", "RFC 9293 §3.10.7.4"},
	{SYNReceived, ReceiveFIN, CloseWait, "ACK", "RFC 9293 §3.10.7.4"},
	{SYNReceived, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4: an end that came from LISTEN goes back there, and this connection is no more"},
	{SYNReceived, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{Established, Close, FINWait1, "FIN", "RFC 9293 §3.10.4"},
	{Established, Abort, Closed, "RST", "RFC 9293 §3.10.5"},
	{Established, ReceiveSYN, Established, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{Established, ReceiveSYNACK, Established, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{Established, ReceiveFIN, CloseWait, "ACK", "RFC 9293 §3.10.7.4"},
	{Established, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4"},
	{Established, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{FINWait1, Abort, Closed, "RST", "RFC 9293 §3.10.5"},
	{FINWait1, ReceiveSYN, FINWait1, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{FINWait1, ReceiveFIN, Closing, "ACK", "RFC 9293 §3.6, figure 13: simultaneous close"},
	{FINWait1, ReceiveACKOfFIN, FINWait2, "", "RFC 9293 §3.10.7.4"},
	{FINWait1, ReceiveFINACK, TimeWait, "ACK", "RFC 9293 §3.10.7.4"},
	{FINWait1, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4"},
	{FINWait1, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{FINWait2, Abort, Closed, "RST", "RFC 9293 §3.10.5"},
	{FINWait2, ReceiveSYN, FINWait2, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{FINWait2, ReceiveFIN, TimeWait, "ACK", "RFC 9293 §3.10.7.4"},
	{FINWait2, ReceiveFINACK, TimeWait, "ACK", "RFC 9293 §3.10.7.4"},
	{FINWait2, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4"},
	{FINWait2, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{CloseWait, Close, LastACK, "FIN", "RFC 9293 §3.10.4"},
	{CloseWait, Abort, Closed, "RST", "RFC 9293 §3.10.5"},
	{CloseWait, ReceiveSYN, CloseWait, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{CloseWait, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4"},
	{CloseWait, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{Closing, Abort, Closed, "", "RFC 9293 §3.10.5"},
	{Closing, ReceiveSYN, Closing, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{Closing, ReceiveACKOfFIN, TimeWait, "", "RFC 9293 §3.10.7.4"},
	{Closing, ReceiveFINACK, TimeWait, "", "RFC 9293 §3.10.7.4: the FIN again, now with the ACK"},
	{Closing, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4"},
	{Closing, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{LastACK, Abort, Closed, "", "RFC 9293 §3.10.5"},
	{LastACK, ReceiveSYN, LastACK, "ACK", "RFC 5961 §4.2: challenge ACK"},
	{LastACK, ReceiveACKOfFIN, Closed, "", "RFC 9293 §3.10.7.4"},
	{LastACK, ReceiveFINACK, Closed, "", "RFC 9293 §3.10.7.4: the FIN again, now with the ACK"},
	{LastACK, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4"},
	{LastACK, UserTimeout, Closed, "", "RFC 9293 §3.10.8"},

	{TimeWait, Abort, Closed, "", "RFC 9293 §3.10.5"},
	{TimeWait, ReceiveFIN, TimeWait, "ACK", "RFC 9293 §3.10.7.4: the 2 MSL begin anew"},
	{TimeWait, ReceiveFINACK, TimeWait, "ACK", "RFC 9293 §3.10.7.4: the 2 MSL begin anew"},
	{TimeWait, ReceiveSYN, TimeWait, "ACK", "RFC 5961 §4.2: challenge ACK; a SYN that RFC 6191 lets in begins another connection"},
	{TimeWait, ReceiveRST, Closed, "", "RFC 9293 §3.10.7.4; many ignore it (RFC 1337)"},
	{TimeWait, TwoMSLOver, Closed, "", "RFC 9293 §3.10.8"},
}

// arrows is Transitions by state and event: where to, 0 for nowhere.
var arrows = func() (a [nStates][nEvents]State) {
	for _, t := range Transitions {
		a[t.From][t.Event] = t.To
	}
	return a
}()

// On is the state after an event.
func (s State) On(e Event) State {
	if s < nStates && e < nEvents {
		if to := arrows[s][e]; to != Unknown {
			return to
		}
	}
	return s
}

// Find gives the arrow that an event takes from a state; false: there is none.
func Find(s State, e Event) (Transition, bool) {
	for _, t := range Transitions {
		if t.From == s && t.Event == e {
			return t, true
		}
	}
	return Transition{}, false
}
