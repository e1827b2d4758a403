package watch

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

var (
	start  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	here   = netip.MustParseAddrPort("192.0.2.1:40000")
	there  = netip.MustParseAddrPort("192.0.2.2:80")
	client = Process{PID: 7, Name: "client"}
)

// play is events in the order of their times, for one socket.
type play struct {
	events []Event
	cookie uint64
	at     time.Duration
}

func on(cookie uint64) *play { return &play{cookie: cookie} }

func (p *play) later(d time.Duration) *play { p.at += d; return p }

func (p *play) add(e Event) *play {
	e.At, e.Cookie = start.Add(p.at), p.cookie
	if !e.Remote.IsValid() {
		e.Remote = there
	}
	if !e.Local.IsValid() {
		e.Local = here
	}
	p.events = append(p.events, e)
	return p
}

// to changes the state.
func (p *play) to(old, now sockets.State) *play {
	return p.add(Event{Kind: Changed, Old: old, New: now})
}

// dial is the beginning of an attempt.
func (p *play) dial() *play {
	return p.add(Event{Kind: Changed, Old: sockets.Closed, New: sockets.SYNSent, Process: client, Local: netip.MustParseAddrPort("0.0.0.0:0")})
}

// open is an attempt that succeeds after d.
func (p *play) open(d time.Duration) *play {
	return p.dial().later(d).add(Event{Kind: Changed, Old: sockets.SYNSent, New: sockets.Established, HasFlow: true, Flow: Flow{RTT: d, Acked: 1}})
}

func (p *play) errno(e evidence.Errno) *play { return p.add(Event{Kind: Failed, Errno: e}) }
func (p *play) kind(k Kind) *play            { return p.add(Event{Kind: k}) }

const (
	closed, synSent, synRecv, established = sockets.Closed, sockets.SYNSent, sockets.SYNReceived, sockets.Established
	finWait1, finWait2, closeWait         = sockets.FINWait1, sockets.FINWait2, sockets.CloseWait
	lastACK, closing                      = sockets.LastACK, sockets.Closing
)

// told gives what a tracker tells of events, a line each.
func told(tr *Tracker, events []Event) []string {
	var lines []string
	names := map[News]string{Begun: "begun", StateIsNew: "state", IsOpen: "open", SentAgain: "resent", ThrownAway: "dropped", HasFailed: "failed", HasEnded: "ended", Refusal: "refusal", StrayPacket: "stray"}
	tr.Tell = func(s *Story, n News, e *Event) {
		line := names[n]
		switch n {
		case HasFailed, HasEnded:
			line += fmt.Sprintf(" %s %s %s %s", s.Verdict.Outcome, s.Errno, s.Verdict.Cause, s.Verdict.Confidence)
			if s.First != "" {
				line += " first:" + s.First
			}
			if s.Unjudged != "" {
				line += " unjudged"
			}
		case IsOpen:
			d, known := s.Handshake()
			line += fmt.Sprintf(" %v %v", d, known)
			if s.In {
				line += " in"
			}
		case StateIsNew:
			line += " " + s.State.String()
		}
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for i := range events {
		tr.Add(&events[i])
	}
	if n := len(events); n > 0 {
		tr.Finish(events[n-1].At)
	}
	return lines
}

func TestStories(t *testing.T) {
	ms := time.Millisecond
	drop := func(reason string, arrived bool, flags uint8) Event {
		return Event{Kind: Dropped, Reason: reason, Where: "nft_do_chain", Packet: Packet{Seen: true, Arrived: arrived, Flags: flags}}
	}
	for _, c := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"nothing", nil, ""},
		{"opened, closed here first", on(1).open(5*ms).later(ms).to(established, finWait1).to(finWait1, finWait2).to(finWait2, closed).events,
			"begun | open 5ms true | state FIN_WAIT_1 | state FIN_WAIT_2 | ended open open certain first:here"},
		{"opened, closed by the peer first", on(1).open(5*ms).to(established, closeWait).to(closeWait, lastACK).to(lastACK, closed).events,
			"begun | open 5ms true | state CLOSE_WAIT | state LAST_ACK | ended closed peer-closed certain first:peer"},
		{"closed at the same time", on(1).open(ms).to(established, finWait1).to(finWait1, closing).to(closing, closed).events,
			"begun | open 1ms true | state FIN_WAIT_1 | state CLOSING | ended open open certain first:here"},
		{"a state was missed", on(1).open(ms).to(finWait1, finWait2).to(finWait2, closed).events,
			"begun | open 1ms true | state FIN_WAIT_2 | ended open open certain first:here"},

		{"refused: the RST is heard first", on(1).dial().later(ms).kind(ResetReceived).to(synSent, closed).errno("ECONNREFUSED").events,
			"begun | failed refused ECONNREFUSED port-closed likely"},
		{"refused: only the error is heard", on(1).dial().later(ms).to(synSent, closed).errno("ECONNREFUSED").events,
			"begun | failed refused ECONNREFUSED port-closed likely"},
		{"refused: a blocking connect says it again", on(1).dial().later(ms).kind(ResetReceived).to(synSent, closed).later(50 * ms).add(Event{Kind: ConnectFailed, Errno: "ECONNREFUSED"}).events,
			"begun | failed refused ECONNREFUSED port-closed likely"},
		{"unreachable", on(1).dial().later(ms).to(synSent, closed).errno("EHOSTUNREACH").events, "begun | failed unreachable EHOSTUNREACH neighbour-unresolved possible"},
		{"the kernel gave up", on(1).dial().later(time.Second).kind(Resent).later(2*time.Second).to(synSent, closed).errno("ETIMEDOUT").events,
			"begun | resent | failed timeout ETIMEDOUT path-firewall-drop possible"},
		{"abandoned at a deadline", on(1).dial().later(time.Second).kind(Resent).later(time.Second).to(synSent, closed).events,
			"begun | resent | failed timeout path-firewall-drop possible"},
		{"called off at once", on(1).dial().later(5*ms).to(synSent, closed).events, "begun | failed cancelled cancelled certain"},
		{"SYN sent again, then open", on(1).dial().later(time.Second).kind(Resent).later(ms).to(synSent, established).to(established, finWait1).to(finWait1, finWait2).to(finWait2, closed).events,
			"begun | resent | open 1.001s true | state FIN_WAIT_1 | state FIN_WAIT_2 | ended open open certain first:here"},

		{"no port: connect's own word", on(1).dial().to(synSent, closed).add(Event{Kind: ConnectFailed, Errno: "EADDRNOTAVAIL"}).events,
			"begun | failed local EADDRNOTAVAIL ports-exhausted likely"},
		{"no route: no socket state at all", on(0).add(Event{Kind: ConnectFailed, Errno: "ENETUNREACH"}).events, "failed unreachable ENETUNREACH no-route likely"},
		{"denied", on(0).add(Event{Kind: ConnectFailed, Errno: "EPERM"}).events, "failed denied EPERM policy-denied likely"},
		{"no descriptor", on(0).add(Event{Kind: SocketFailed, Errno: "EMFILE"}).events, "failed local EMFILE descriptors-exhausted likely"},
		{"connect on a connected socket", on(1).open(ms).add(Event{Kind: ConnectFailed, Errno: "EISCONN"}).events, "begun | open 1ms true"},

		{"reset by the peer", on(1).open(ms).later(time.Second).kind(ResetReceived).to(established, closed).errno("ECONNRESET").events,
			"begun | open 1ms true | failed reset ECONNRESET peer-reset likely"},
		{"reset after its FIN", on(1).open(ms).to(established, closeWait).kind(ResetReceived).to(closeWait, closed).errno("EPIPE").events,
			"begun | open 1ms true | state CLOSE_WAIT | ended closed EPIPE peer-closed certain first:peer"},
		{"reset when all was acknowledged", on(1).open(ms).to(established, finWait1).to(finWait1, finWait2).kind(ResetReceived).to(finWait2, closed).events,
			"begun | open 1ms true | state FIN_WAIT_1 | state FIN_WAIT_2 | ended open open certain first:here"},
		{"cut off by this end", on(1).open(ms).to(established, closed).add(Event{Kind: ResetSent, Reason: "TCP_ABORT_ON_CLOSE"}).events,
			"begun | open 1ms true | ended open open certain"},
		{"the peer vanished", on(1).open(ms).later(time.Second).kind(Resent).later(time.Minute).to(established, closed).errno("ETIMEDOUT").events,
			"begun | open 1ms true | resent | failed timeout ETIMEDOUT peer-vanished likely"},

		{"accepted", on(2).to(sockets.Listen, synRecv).to(synRecv, established).to(established, closeWait).to(closeWait, lastACK).to(lastACK, closed).events,
			"open 0s false in | state CLOSE_WAIT | state LAST_ACK | ended closed peer-closed certain first:peer"},
		{"a listener comes and goes", on(3).to(closed, sockets.Listen).to(sockets.Listen, closed).events, ""},
		{"the rest of one that stood before", on(4).to(lastACK, closed).events, ""},
		{"one that stood before is reset", on(5).add(Event{Kind: Stands, New: established}).kind(ResetReceived).to(established, closed).events,
			"failed reset ECONNRESET peer-reset likely"},
		{"nobody listens here", on(0).add(Event{Kind: ResetSent, Reason: "NO_SOCKET", Packet: Packet{Seen: true, Arrived: true, Flags: SYN}}).events, "refusal"},
		{"a stray packet", on(0).add(drop("NETFILTER_DROP", true, SYN)).events, "stray"},

		{"every SYN dropped on its way out", on(1).dial().add(drop("NETFILTER_DROP", false, SYN)).later(time.Second).kind(Resent).add(drop("NETFILTER_DROP", false, SYN)).later(time.Second).to(synSent, closed).events,
			"begun | dropped | resent | dropped | failed timeout local-firewall-drop certain"},
		{"the answer dropped", on(1).dial().later(ms).add(drop("NETFILTER_DROP", true, SYN|ACK)).later(time.Second).kind(Resent).later(ms).to(synSent, closed).events,
			"begun | dropped | resent | failed timeout local-firewall-input certain"},
		{"the answer's way is not the route", on(1).dial().later(ms).add(drop("IP_RPFILTER", true, SYN|ACK)).later(time.Second).kind(Resent).later(ms).to(synSent, closed).events,
			"begun | dropped | resent | failed timeout reverse-path-filter certain"},

		{"gone between two looks", on(1).add(Event{Kind: Changed, Old: closed, New: synSent, Looked: true}).later(50 * ms).add(Event{Kind: Gone, New: synSent, Looked: true}).events,
			"begun | ended unjudged"},
		{"gone after a RST", on(1).add(Event{Kind: Changed, Old: closed, New: synSent, Looked: true}).later(50 * ms).add(Event{Kind: Gone, New: synSent, HasFlow: true, Flow: Flow{SegmentsIn: 1}, Attempt: true}).events,
			"begun | failed refused ECONNREFUSED port-closed likely"},
		{"gone unanswered", on(1).add(Event{Kind: Changed, Old: closed, New: synSent, Looked: true}).later(3 * time.Second).add(Event{Kind: Gone, New: synSent, HasFlow: true, Flow: Flow{Resent: 2}, Attempt: true}).events,
			"begun | failed timeout path-firewall-drop possible"},
		{"only the end is seen", on(9).add(Event{Kind: Gone, HasFlow: true, Flow: Flow{Acked: 5, Received: 9}}).events, "ended unjudged"},
		{"a socket used again after a failure", on(1).dial().to(synSent, closed).later(ms).to(closed, synSent).later(ms).to(synSent, established).events,
			"begun | failed cancelled cancelled certain | begun | open 1ms true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(told(new(Tracker), c.events), " | "); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestStoryHolds(t *testing.T) {
	var last *Story
	tr := &Tracker{Owner: func(e *Event) (Process, bool) { return Process{PID: 99, Name: "owner"}, e.Cookie == 2 }}
	events := on(1).open(2*time.Millisecond).later(time.Second).
		add(Event{Kind: Changed, Old: established, New: closeWait, HasFlow: true, Flow: Flow{RTT: 3, Acked: 11, Received: 22, Resent: 1}}).
		to(closeWait, lastACK).to(lastACK, closed).events
	told(tr, events)
	tr.Tell = func(s *Story, n News, e *Event) { last = s.Clone() }
	for i := range events {
		tr.Add(&events[i])
	}
	if last == nil || last.Process != client || last.Local != here || last.Remote != there || last.Flow.Acked != 11 || last.Flow.Received != 22 {
		t.Fatalf("%+v", last)
	}
	if d := last.Ended.Sub(last.Began); d != time.Second+2*time.Millisecond || len(last.Steps) != 5 || last.Steps[1].New != established || last.Steps[1].Old != synSent {
		t.Errorf("lived %v, steps %+v", d, last.Steps)
	}
	in := on(2).to(synRecv, established).events
	tr.Add(&in[0])
	if last.Process.Name != "owner" || !last.In {
		t.Errorf("accepted: %+v", last)
	}
	if s := tr.Summary; s.Stories != 3 || s.Begun != 2 || s.Accepted != 1 || s.Opened != 3 || s.Ended != 2 || s.Causes[cause.PeerClosed] != 2 || s.Handshake.N != 2 {
		t.Errorf("%+v", s)
	}
}

// A hundred different reasons and a thousand steps do not make a story grow.
func TestStoryIsBounded(t *testing.T) {
	var s *Story
	tr := &Tracker{Tell: func(st *Story, _ News, _ *Event) { s = st }}
	p := on(1).open(time.Millisecond)
	for i := range 1000 {
		p.later(time.Millisecond).add(Event{Kind: Dropped, Reason: fmt.Sprint("REASON_", i%100)})
	}
	for i := range p.events {
		tr.Add(&p.events[i])
	}
	if len(s.Steps) != mostSteps || s.Cut != 1002-mostSteps || len(s.Drops) != mostDrops || s.Drops[0].Count != 10 {
		t.Errorf("%d steps, %d left out, %d drops, the first %d times", len(s.Steps), s.Cut, len(s.Drops), s.Drops[0].Count)
	}
	if s.Steps[0].New != synSent || s.Steps[mostSteps-1].Text != "REASON_99" {
		t.Errorf("the first step is %+v, the last %+v", s.Steps[0], s.Steps[mostSteps-1])
	}
}

func TestTrackerIsBounded(t *testing.T) {
	tr := &Tracker{Limit: 16}
	for i := range uint64(1000) {
		e := on(i + 1).dial().events[0]
		tr.Add(&e)
	}
	if len(tr.stories) > 16 || tr.Summary.GivenUp != 1000-16 || len(tr.sample) > 64+16 {
		t.Errorf("%d stories, %d given up, %d cookies", len(tr.stories), tr.Summary.GivenUp, len(tr.sample))
	}
	n := 0
	tr.Standing(func(s *Story) { n++ })
	if n != len(tr.stories) {
		t.Errorf("%d stand, %d are followed", n, len(tr.stories))
	}
	// Those that end make room, and their places are used again.
	tr = &Tracker{Limit: 16}
	for i := range uint64(1000) {
		for _, e := range on(i+1).later(time.Duration(i)*time.Second).open(time.Millisecond).kind(ResetReceived).to(established, closed).events {
			tr.Add(&e)
		}
	}
	if len(tr.stories) != 0 || tr.Summary.GivenUp != 0 || len(tr.free) != 1 {
		t.Errorf("%d stories, %d given up, %d free", len(tr.stories), tr.Summary.GivenUp, len(tr.free))
	}
}

// What was looked up for a failure is evidence for its verdict.
func TestLookedUpFacts(t *testing.T) {
	tr := &Tracker{Look: func(s *Story) {
		s.Facts.Add(0, evidence.FromSockDiag, &evidence.Ports{Low: 40000, High: 40009, InUse: 10, Toward: s.Remote})
	}}
	got := told(tr, on(1).dial().to(synSent, closed).add(Event{Kind: ConnectFailed, Errno: "EADDRNOTAVAIL"}).events)
	if want := "begun | failed local EADDRNOTAVAIL ports-exhausted certain"; strings.Join(got, " | ") != want {
		t.Errorf("%v", got)
	}
}

// Whatever the events, the tracker does not fail, and what it counts agrees.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{1, 1, 2, 5, 1, 1, 5, 6, 1, 1, 6, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		tr := &Tracker{Limit: 16}
		var ended, failed uint64
		tr.Tell = func(s *Story, n News, e *Event) {
			switch n {
			case HasEnded:
				ended++
			case HasFailed:
				failed++
			}
			if len(s.Steps) > mostSteps || len(s.Drops) > mostDrops {
				t.Fatalf("%d steps, %d drops", len(s.Steps), len(s.Drops))
			}
		}
		at := start
		for ; len(b) >= 4; b = b[4:] {
			e := Event{Kind: Kind(b[0] % 12), Cookie: uint64(b[1] % 8), Old: sockets.State(b[2] % 16), New: sockets.State(b[3] % 16), Remote: there, Local: here}
			at = at.Add(time.Duration(b[2]) * time.Millisecond)
			e.At = at
			if b[1]&16 != 0 {
				e.Errno = "ECONNRESET"
			}
			tr.Add(&e)
		}
		tr.Finish(at)
		if s := tr.Summary; s.Ended != ended || s.Failed != failed || len(tr.ended) != 0 {
			t.Errorf("%+v; told %d ended, %d failed; %d wait", s, ended, failed, len(tr.ended))
		}
	})
}

func TestTimes(t *testing.T) {
	var h Times
	if h.Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Microsecond)
	}
	h.Add(-1)
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond} {
		if got := h.Quantile(q); got < want || float64(got) > 1.5*float64(want) {
			t.Errorf("quantile %v: %v, want %v or up to a half more", q, got, want)
		}
	}
	if h.N != 1001 || h.Min != 0 || h.Max != time.Millisecond {
		t.Errorf("%d, %v, %v", h.N, h.Min, h.Max)
	}
	for d := time.Duration(1); d > 0 && d < time.Duration(1)<<62; d = d*5/4 + 1 {
		if i := bucketOf(d); upper(i) < d || i > 0 && upper(i-1) >= d {
			t.Fatalf("%d is in bucket %d, up to %d", d, i, upper(i))
		}
	}
}

func TestFlagNames(t *testing.T) {
	for flags, want := range map[uint8]string{SYN: "S", SYN | ACK: "S.", FIN | ACK: "F.", RST: "R", PSH | ACK: "P.", 0: ""} {
		if got := (Packet{Flags: flags}).FlagNames(); got != want {
			t.Errorf("%b: %q", flags, got)
		}
	}
}

// What a closed socket's last change says is known at once, without the grace.
func TestErrnoOfTheLastChange(t *testing.T) {
	refused := func(errno evidence.Errno) []Event {
		return on(1).dial().later(time.Millisecond).add(Event{Kind: Changed, Old: synSent, New: closed, Errno: errno}).events
	}
	for errno, want := range map[evidence.Errno]int{"ECONNREFUSED": 1, "": 0} {
		n := 0
		tr := &Tracker{Tell: func(s *Story, news News, _ *Event) {
			if news == HasFailed {
				n++
				if s.Errno != errno {
					t.Errorf("%q: %q", errno, s.Errno)
				}
			}
		}}
		for _, e := range refused(errno) {
			tr.Add(&e)
		}
		if n != want {
			t.Errorf("%q: %d were judged at once, want %d", errno, n, want)
		}
	}
	// The report that came before the change stays.
	var got evidence.Errno
	tr := &Tracker{Tell: func(s *Story, _ News, _ *Event) { got = s.Errno }}
	for _, e := range on(1).open(time.Millisecond).errno("EHOSTUNREACH").add(Event{Kind: Changed, Old: established, New: closed, Errno: "ETIMEDOUT"}).events {
		tr.Add(&e)
	}
	if got != "EHOSTUNREACH" {
		t.Errorf("%s", got)
	}
}

func BenchmarkTracker(b *testing.B) {
	events := on(1).open(time.Millisecond).to(established, finWait1).to(finWait1, finWait2).to(finWait2, closed).events
	for name, words := range map[string]Words{"all words": AllWords, "no words": NoWords} {
		b.Run(name, func(b *testing.B) {
			tr := &Tracker{Words: words, Tell: func(*Story, News, *Event) {}}
			b.ReportAllocs()
			for b.Loop() {
				for i := range events {
					tr.Add(&events[i])
				}
			}
		})
	}
}
