// Package feature says what this host and this user can observe: which sources
// of evidence are open, which are not, why, and what would open them.
//
// A source is probed by doing: the real socket is opened, the real option set,
// the real question asked. Nothing is sent, and nothing stays behind.
package feature

// State is the outcome of one probe. What was not tried is [Unknown], never
// folded into [No].
type State uint8

// The states. Their text is "unknown", "yes", "no".
const (
	Unknown State = iota
	Yes
	No
)

func (s State) String() string {
	switch s {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return "unknown"
}

// MarshalText gives the state its name in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name; one that it does not know is [Unknown].
func (s *State) UnmarshalText(text []byte) error {
	switch string(text) {
	case "yes":
		*s = Yes
	case "no":
		*s = No
	default:
		*s = Unknown
	}
	return nil
}

// Feature is one source of evidence, or one way to act, and whether it is
// open here.
type Feature struct {
	ID    string `json:"id"`    // stable: "error_queue", "packets", ...
	Title string `json:"title"` // one line, lower case
	State State  `json:"state"`
	Why   string `json:"why"`             // what was tried, and what the kernel said
	Adds  string `json:"adds"`            // what it adds to a report
	Needs string `json:"needs,omitempty"` // the command that would open it; empty where it is open, or none would
}

// Find returns the feature with this id.
func Find(all []Feature, id string) (Feature, bool) {
	for _, f := range all {
		if f.ID == id {
			return f, true
		}
	}
	return Feature{}, false
}
