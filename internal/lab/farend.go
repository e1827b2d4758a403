package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Listening is what the listening end says of the connection, beside what the
// dialing end does. It has its own truth: what is wrong for one may be in order
// for the other.
type Listening struct {
	Truth  Truth  `yaml:"truth"`
	Expect Expect `yaml:"expect"`
	// Stands: the connection has not ended there when it has here, and ends with
	// the server.
	Stands bool `yaml:"stands"`
	// Datagrams, over UDP, is how far they came: answered, received or none. There
	// is no connection that could end.
	Datagrams Datagrams `yaml:"datagrams"`
}

// Datagrams is how far a dial's datagrams came, as a server counts them.
type Datagrams string

// The ways they came.
const (
	DatagramsAnswered Datagrams = "answered"
	DatagramsReceived Datagrams = "received" // and not answered
	DatagramsNone     Datagrams = "none"     // none arrived
)

// counted is that by the counters.
func counted(datagrams, answers uint64) Datagrams {
	switch {
	case answers > 0:
		return DatagramsAnswered
	case datagrams > 0:
		return DatagramsReceived
	}
	return DatagramsNone
}

// Heard is what came of it.
type Heard struct {
	Truth     Truth         `json:"truth"`
	Verdict   cause.Verdict `json:"verdict"`
	Judgement Judgement     `json:"judgement"`
	Datagrams Datagrams     `json:"datagrams,omitempty"` // over UDP, instead
	Want      Datagrams     `json:"want,omitempty"`
	// Event is the line that the server printed.
	Event json.RawMessage `json:"event,omitempty"`
}

// listenEvent is the line of an end, as any program may read it.
type listenEvent struct {
	Peer netip.AddrPort `json:"peer"`
	cause.Verdict
	Evidence evidence.Log `json:"evidence"`
}

// hear judges what the listening end has said, and adds it to the result.
func (r *Result) hear(s *Scenario, line []byte) error {
	var e listenEvent
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("the listening end's event cannot be read: %w", err)
	}
	h := &Heard{Truth: s.Listener.Truth, Verdict: e.Verdict, Event: line}
	h.Judgement = s.judge(h.Truth, s.Listener.Expect, h.Verdict, 0)
	again := cause.Explain(&evidence.Dial{Target: e.Peer.String(), Network: "tcp", Attempts: []evidence.Attempt{{Remote: e.Peer, Log: e.Evidence}}})
	if again.Cause != h.Verdict.Cause || again.Confidence != h.Verdict.Confidence || again.Culprit != h.Verdict.Culprit || again.Errno != h.Verdict.Errno {
		h.Judgement.Defects = append(h.Judgement.Defects, fmt.Sprintf("the stored evidence is judged otherwise: %s (%s)", again.Cause, again.Confidence))
	}
	r.heard(h)
	return nil
}

// count judges what a server has counted that has no connections.
func (r *Result) count(s *Scenario, came Datagrams) {
	h := &Heard{Datagrams: came, Want: s.Listener.Datagrams, Judgement: Judgement{Exact: came == s.Listener.Datagrams}}
	if !h.Judgement.Exact {
		h.Judgement.Defects = []string{fmt.Sprintf("its datagrams are %s, not %s", s.Listener.Datagrams, came)}
	}
	r.heard(h)
}

func (r *Result) heard(h *Heard) {
	r.Listener = h
	r.WrongCertain = r.WrongCertain || h.Judgement.WrongCertain
	for _, d := range h.Judgement.Defects {
		r.Defects = append(r.Defects, "the listening end: "+d)
	}
}

// check says what is wrong with what is expected of the listening end.
func (l *Listening) check(s *Scenario) error {
	n, udp := 0, false
	for i := range s.Services {
		if s.Services[i].Does == "listen" {
			n++
			udp = strings.Contains(strings.Join(s.Services[i].Flags, " "), "--udp")
		}
	}
	switch {
	case n != 1:
		return at("", "there are %d services that listen: it is about exactly one", n)
	case udp && (l.Stands || l.Truth.Cause != ""):
		return at("", "over UDP there is no connection that could end: write datagrams alone")
	case udp && l.Datagrams != DatagramsAnswered && l.Datagrams != DatagramsReceived && l.Datagrams != DatagramsNone:
		return at("datagrams", "%q: write answered, received or none", l.Datagrams)
	case udp:
		return nil
	case l.Datagrams != "":
		return at("datagrams", "they are for a service with --udp")
	}
	if err := l.Truth.check(); err != nil {
		return under("truth", err)
	}
	return under("expect", l.Expect.check())
}
