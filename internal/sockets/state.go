package sockets

import (
	"strings"

	"github.com/dialscope/dialscope/internal/tcpstate"
)

// State is what a socket is in: one of the eleven of RFC 9293, or of a UDP
// socket whether it is connected.
type State uint8

// The states, in the order in which the table is shown.
const (
	UnknownState State = iota
	Listen
	Unconnected // UDP
	Closed      // bound, and neither listening nor connected
	SYNSent
	SYNReceived
	Established // UDP: connected to a peer
	CloseWait
	LastACK
	FINWait1
	FINWait2
	Closing
	TimeWait
	nStates
)

var stateNames = [nStates]string{
	UnknownState: "?", Listen: tcpstate.Listen.String(), Unconnected: "UNCONNECTED", Closed: tcpstate.Closed.String(),
	SYNSent: tcpstate.SYNSent.String(), SYNReceived: tcpstate.SYNReceived.String(), Established: tcpstate.Established.String(),
	CloseWait: tcpstate.CloseWait.String(), LastACK: tcpstate.LastACK.String(), FINWait1: tcpstate.FINWait1.String(),
	FINWait2: tcpstate.FINWait2.String(), Closing: tcpstate.Closing.String(), TimeWait: tcpstate.TimeWait.String(),
}

// String is the state as RFC 9293 spells it, with underscores for its hyphens.
func (s State) String() string {
	if s < nStates {
		return stateNames[s]
	}
	return stateNames[UnknownState]
}

// States is a set of states; the empty one stands for all.
type States uint32

// Has says whether the set holds s.
func (w States) Has(s State) bool { return w == 0 || w&(1<<s) != 0 }

// Set is the set of these states.
func Set(states ...State) States {
	var w States
	for _, s := range states {
		w |= 1 << s
	}
	return w
}

// synonyms are the words that ss(8) and netstat(8) have for states, and ss's for
// several at once, without hyphens and underscores.
var synonyms = map[string]States{
	"listening": Set(Listen), "unconn": Set(Unconnected, Closed), "close": Set(Closed),
	"synrecv": Set(SYNReceived), "estab": Set(Established),
	"connected":    Set(SYNSent, SYNReceived, Established, CloseWait, LastACK, FINWait1, FINWait2, Closing, TimeWait),
	"synchronized": Set(Established, CloseWait, LastACK, FINWait1, FINWait2, Closing, TimeWait),
	"bucket":       Set(SYNReceived, TimeWait),
	"big":          Set(Listen, Unconnected, Closed, SYNSent, Established, CloseWait, LastACK, FINWait1, FINWait2, Closing),
}

var bare = strings.NewReplacer("-", "", "_", "")

// ParseState reads a state as RFC 9293, ss(8) or netstat(8) spell it, in any
// case and with hyphens, underscores or neither.
func ParseState(text string) (States, bool) {
	word := bare.Replace(strings.ToLower(text))
	for s := Listen; s < nStates; s++ {
		if bare.Replace(strings.ToLower(s.String())) == word {
			return Set(s), true
		}
	}
	w, known := synonyms[word]
	return w, known
}

// StateNames are the states in the order of the table.
func StateNames() []string { return append([]string(nil), stateNames[Listen:]...) }
