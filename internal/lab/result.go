package lab

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// ErrNotPossible wraps why a scenario cannot be built on this host: a kernel
// without a feature, or a privilege that is missing.
var ErrNotPossible = errors.New("not possible here")

// Result is what came of one scenario at one level.
type Result struct {
	Scenario string `json:"scenario"`
	Level    Level  `json:"level"`
	// NotPossible says why this host cannot run it; the rest is empty then.
	NotPossible string `json:"not_possible,omitempty"`
	// Failed says why there is no verdict although there should be one.
	Failed string `json:"failed,omitempty"`

	Truth   Truth         `json:"truth"`
	Verdict cause.Verdict `json:"verdict"`
	Judgement
	Built time.Duration `json:"built_ns"` // building the network
	Took  time.Duration `json:"took_ns"`  // the dial, as its report says
	// Handshake: only a TCP handshake was to be explained, no datagram and no end
	// of a connection, for whose time the scenario waits.
	Handshake bool `json:"-"`
	// Listener is what the listening end says; nil where it is not asked.
	Listener *Heard `json:"listener,omitempty"`
	// Report is the document that the program printed.
	Report json.RawMessage `json:"report,omitempty"`
}

// Status says in one word what came of it.
func (r *Result) Status() string {
	switch {
	case r.NotPossible != "":
		return "not possible"
	case r.Failed != "":
		return "failed"
	case r.WrongCertain:
		return "wrong and certain"
	case !r.Good():
		return "wrong"
	case r.Exact:
		return "right"
	}
	return "open" // the truth stands among the alternatives
}

// OK says that nothing is wrong: it was right, or it could not be run.
func (r *Result) OK() bool { return r.Failed == "" && (r.NotPossible != "" || r.Good()) }
