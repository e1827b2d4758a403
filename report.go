package dialscope

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Report is what happened to one target: the evidence, and what it means. It
// is complete when the dial returns, and must not be copied.
type Report struct {
	evidence.Dial
	Start time.Time // when the dial began, wall clock

	winner  int
	judge   sync.Once
	verdict cause.Verdict
}

// Verdict says what the evidence means. It is judged once, when first asked
// for: a dial that succeeds and is not asked about pays nothing for words.
func (r *Report) Verdict() cause.Verdict {
	r.judge.Do(func() { r.verdict = cause.Explain(&r.Dial) })
	return r.verdict
}

// AttemptVerdict says what the evidence of one attempt means.
func (r *Report) AttemptVerdict(i int) cause.Verdict {
	return cause.ExplainAttempt(&r.Dial, i)
}

// Winner is the index of the attempt whose connection was returned, -1 when
// none was.
func (r *Report) Winner() int { return r.winner }

// Latency is how long the destination took to answer: from connect(2), which
// sends the first SYN, to the handshake's end, a refusal or an ICMP error; for
// UDP from the datagram to its answer. It is that of the attempt that won, else
// of the last. It is false when there was no answer.
func (r *Report) Latency() (time.Duration, bool) {
	i := r.winner
	if i < 0 {
		i = len(r.Attempts) - 1
	}
	if i < 0 {
		return 0, false
	}
	return cause.Latency(r.Network, &r.Attempts[i])
}

// Next names the cheapest experiment that would tell apart what the evidence
// leaves open, among those that allowed has.
func (r *Report) Next(allowed cause.Allowed) (cause.Experiment, bool) {
	return cause.Next(&r.Dial, allowed)
}

// Privilege says which sources of evidence spoke in a report, and which could
// not and why.
type Privilege struct {
	Used    []evidence.Source  `json:"used"`
	Missing []*evidence.Unseen `json:"missing,omitempty"`
}

// Privilege gathers the sources of the whole report.
func (r *Report) Privilege() Privilege {
	p := Privilege{Used: []evidence.Source{}}
	read := func(l evidence.Log) {
		for _, e := range l {
			if u, is := e.Fact.(*evidence.Unseen); is {
				if !slices.ContainsFunc(p.Missing, func(m *evidence.Unseen) bool { return *m == *u }) {
					p.Missing = append(p.Missing, u)
				}
			} else if !slices.Contains(p.Used, e.Source) {
				p.Used = append(p.Used, e.Source)
			}
		}
	}
	read(r.Log)
	for i := range r.Attempts {
		read(r.Attempts[i].Log)
	}
	return p
}

// jsonReport is the public document; its fields keep their names.
type jsonReport struct {
	Target  string `json:"target"`
	Network string `json:"network"`
	cause.Verdict
	Evidence  []jsonEntry   `json:"evidence"`
	Attempts  []jsonAttempt `json:"attempts"`
	Counters  *Counters     `json:"counters,omitempty"` // of a connection that was watched
	Privilege Privilege     `json:"privilege"`
	Start     time.Time     `json:"start"`
	Latency   time.Duration `json:"latency_ns,omitempty"`
	Took      time.Duration `json:"duration_ns"`
}

// jsonEntry is an entry with the attempt it belongs to.
type jsonEntry struct {
	evidence.Entry
	attempt int
}

func (e jsonEntry) MarshalJSON() ([]byte, error) {
	b, err := e.Entry.MarshalJSON()
	if err != nil || e.attempt < 0 {
		return b, err
	}
	b = append(b[:len(b)-1], `,"attempt":`...)
	n, err := json.Marshal(e.attempt)
	return append(append(b, n...), '}'), err
}

type jsonAttempt struct {
	Address netip.AddrPort  `json:"address"`
	Local   *netip.AddrPort `json:"local,omitempty"`
	cause.Verdict
	Began    time.Duration `json:"began_ns"`
	Took     time.Duration `json:"duration_ns"`
	SYNs     int           `json:"syns"`
	Won      bool          `json:"won,omitempty"`
	Evidence evidence.Log  `json:"evidence"`
}

// MarshalJSON writes the document that `dialscope dial --json` prints: the
// verdict, every observation in the order of its time since the dial began,
// and each attempt with its own verdict and its own observations, timed since
// the attempt began.
func (r *Report) MarshalJSON() ([]byte, error) {
	doc := jsonReport{
		Target: r.Target, Network: r.Network, Verdict: r.Verdict(), Privilege: r.Privilege(),
		Start: r.Start, Took: r.Took, Evidence: []jsonEntry{}, Attempts: []jsonAttempt{},
	}
	doc.Latency, _ = r.Latency()
	if n, ok := r.Counters(); ok {
		doc.Counters = &n
	}
	for _, e := range r.Log {
		doc.Evidence = append(doc.Evidence, jsonEntry{e, -1})
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		ja := jsonAttempt{
			Address: a.Remote, Verdict: r.AttemptVerdict(i), Began: a.Began, Took: a.Took,
			SYNs: cause.SYNs(a), Won: i == r.winner, Evidence: a.Log,
		}
		if ja.Evidence == nil {
			ja.Evidence = evidence.Log{}
		}
		if l, _, ok := evidence.Last[*evidence.LocalAddr](a.Log); ok {
			ja.Local = &l.Addr
		}
		doc.Attempts = append(doc.Attempts, ja)
		for _, e := range a.Log {
			e.At += a.Began
			doc.Evidence = append(doc.Evidence, jsonEntry{e, i})
		}
	}
	slices.SortStableFunc(doc.Evidence, func(a, b jsonEntry) int { return cmp.Compare(a.At, b.At) })
	return json.Marshal(doc)
}

// UnmarshalJSON reads the document back: the evidence is kept, and the verdict
// is judged anew with the rules of this version.
func (r *Report) UnmarshalJSON(data []byte) error {
	var doc struct {
		Target   string          `json:"target"`
		Network  string          `json:"network"`
		Start    time.Time       `json:"start"`
		Took     time.Duration   `json:"duration_ns"`
		Evidence json.RawMessage `json:"evidence"`
		Attempts []struct {
			Address  netip.AddrPort `json:"address"`
			Began    time.Duration  `json:"began_ns"`
			Took     time.Duration  `json:"duration_ns"`
			Won      bool           `json:"won"`
			Evidence evidence.Log   `json:"evidence"`
		} `json:"attempts"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	var of []struct {
		Attempt *int `json:"attempt"`
	}
	var entries evidence.Log
	if len(doc.Evidence) > 0 {
		if err := json.Unmarshal(doc.Evidence, &of); err != nil {
			return err
		}
		if err := json.Unmarshal(doc.Evidence, &entries); err != nil {
			return err
		}
	}
	*r = Report{Start: doc.Start, winner: -1} //nolint:govet // a fresh report, with a fresh sync.Once
	r.Target, r.Network, r.Took = doc.Target, doc.Network, doc.Took
	for i, e := range entries {
		if of[i].Attempt == nil {
			r.Log = append(r.Log, e)
		}
	}
	for i, a := range doc.Attempts {
		r.Attempts = append(r.Attempts, evidence.Attempt{Remote: a.Address, Began: a.Began, Took: a.Took, Log: a.Evidence})
		if a.Won {
			r.winner = i
		}
	}
	return nil
}
