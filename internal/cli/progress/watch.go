package progress

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/answer"
)

// Watch follows one dial through its hooks and says what it waits for.
type Watch struct {
	target  string
	udp     bool
	timeout time.Duration // 0: none

	mu       sync.Mutex
	attempts []attempt
}

// attempt is one socket under way or done. Times are since the dial began, as
// far as the hooks tell: an attempt's start is when its hook fired.
type attempt struct {
	remote    netip.AddrPort
	began     time.Duration
	connected time.Duration // connect(2), since began
	udp       bool
	schedule  *evidence.Schedule
	counted   bool
	resent    int
	neighbour *evidence.Neighbour
	probed    int // probes answered, or given up
	hop       int // the farthest router that answered
	done      bool

	log    evidence.Log // what was observed so far
	judged int          // how much of it soFar has seen
	soFar  string       // the verdict on that; empty: none that is worth a word
}

// NewWatch is for a dial that is about to begin. Timeout is when it is given
// up, 0 for never.
func NewWatch(target, network string, timeout time.Duration) *Watch {
	return &Watch{target: target, udp: strings.HasPrefix(network, "udp"), timeout: timeout}
}

// Trace gives the hooks for the dialer.
func (w *Watch) Trace() *dialscope.Trace {
	start := time.Now()
	return &dialscope.Trace{
		AttemptStart: func(i int, remote netip.AddrPort) { w.begin(i, remote, time.Since(start)) },
		Observed:     w.observe,
		AttemptDone:  func(i int, _ evidence.Attempt) { w.done(i) },
	}
}

// at gives attempt i, or nil if there is none; the lock is held.
func (w *Watch) at(i int) *attempt {
	if i < 0 || i >= len(w.attempts) {
		return nil
	}
	return &w.attempts[i]
}

func (w *Watch) begin(i int, remote netip.AddrPort, now time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.attempts) <= i {
		w.attempts = append(w.attempts, attempt{})
	}
	w.attempts[i] = attempt{remote: remote, began: now, connected: -1}
}

func (w *Watch) observe(i int, e evidence.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.at(i)
	if a == nil {
		return
	}
	a.log = append(a.log, e)
	switch f := e.Fact.(type) {
	case *evidence.Connect: // connect(2) has returned, and the SYN is on its way
		a.connected, a.udp = e.At, w.udp
	case *evidence.Schedule:
		a.schedule = f
	case *evidence.TCPInfo:
		a.counted, a.resent = true, max(a.resent, int(f.TotalRetrans))
	case *evidence.Neighbour:
		a.neighbour = f
	case *evidence.Probe:
		a.probed++
		if f.Expired() {
			a.hop = max(a.hop, f.TTL)
		}
	}
}

func (w *Watch) done(i int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.at(i); a != nil {
		a.done = true
	}
}

// Words says what the dial waits for, now being the time since it began.
func (w *Watch) Words(now time.Duration) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var running []*attempt
	for i := range w.attempts {
		if !w.attempts[i].done && w.attempts[i].remote.IsValid() {
			running = append(running, &w.attempts[i])
		}
	}
	text := ""
	switch {
	case len(running) > 0:
		text = running[0].words(now)
		if more := len(running) - 1; more > 0 {
			text += fmt.Sprintf("; and %d more", more)
		}
	case len(w.attempts) > 0:
		text = w.target + ": looking closer"
	default:
		text = w.target + ": resolving the name for " + answer.Duration(now)
	}
	if w.timeout > 0 && now < w.timeout {
		text += "; giving up at " + answer.Duration(w.timeout)
	}
	return text
}

func (a *attempt) words(now time.Duration) string {
	if a.connected < 0 {
		return a.remote.String() + ": opening a socket"
	}
	sent := a.began + a.connected
	if a.udp {
		return fmt.Sprintf("%s: waiting for a datagram for %s", a.remote, answer.Duration(now-sent))
	}
	if verdict := a.verdict(now - a.began); verdict != "" {
		return fmt.Sprintf("%s: so far %s; SYN sent %s ago", a.remote, verdict, answer.Duration(now-sent))
	}
	text := fmt.Sprintf("%s: SYN sent %s ago", a.remote, answer.Duration(now-sent))
	switch again, about := a.again(now - sent); {
	case again == 1:
		text += ", sent again" + about + " once"
	case again > 1:
		text += fmt.Sprintf(", sent again%s %d times", about, again)
	}
	if a.probed > 0 {
		text += "; looked into by probes"
		if a.hop > 0 {
			text += fmt.Sprintf(", hop %d answers", a.hop)
		}
	}
	if n := a.neighbour; n != nil && !strings.EqualFold(n.State, "NOARP") {
		text += fmt.Sprintf("; neighbour %s %s", n.Addr, n.State)
	}
	return text
}

// verdict is what the evidence means so far, as if the attempt were given up
// now; empty while it says nothing but that no answer came.
func (a *attempt) verdict(since time.Duration) string {
	if a.judged == len(a.log) {
		return a.soFar
	}
	a.judged, a.soFar = len(a.log), ""
	log := append(a.log[:len(a.log):len(a.log)], evidence.Entry{At: since, Source: evidence.FromTimer, Fact: &evidence.Expired{Limit: since, Scope: "explained"}})
	v := cause.ExplainAttempt(&evidence.Dial{Network: "tcp", Took: since, Attempts: []evidence.Attempt{{Remote: a.remote, Took: since, Log: log}}}, 0)
	if v.Confidence == cause.Possible {
		return ""
	}
	entry, _ := cause.Lookup(v.Cause)
	a.soFar = fmt.Sprintf("%s (%s)", entry.Title, v.Confidence)
	return a.soFar
}

// again is how often the SYN was sent again: what the kernel last counted, or
// what its schedule predicts where that is more recent.
func (a *attempt) again(waited time.Duration) (count int, about string) {
	predicted := 0
	if a.schedule != nil {
		for _, at := range a.schedule.Resend {
			if at <= waited {
				predicted++
			}
		}
	}
	if a.counted && a.resent >= predicted {
		return a.resent, ""
	}
	return predicted, " (as predicted)"
}
