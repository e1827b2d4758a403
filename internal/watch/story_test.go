package watch

import (
	"slices"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

// The kernel counts what is no data: the SYN of an active open, both FINs.
func TestOctets(t *testing.T) {
	for _, c := range []struct {
		name      string
		s         Story
		sent, got uint64
	}{
		{"nothing known", Story{}, 0, 0},
		{"open here", Story{State: established, Flow: Flow{Acked: 1}}, 0, 0},
		{"open here, 5 sent", Story{State: established, Flow: Flow{Acked: 6, Received: 7}}, 5, 7},
		{"accepted", Story{In: true, State: established, Flow: Flow{Acked: 5, Received: 7}}, 5, 7},
		{"FIN not acknowledged", Story{State: finWait1, Flow: Flow{Acked: 6}}, 5, 0},
		{"FIN acknowledged", Story{State: finWait2, Flow: Flow{Acked: 7}}, 5, 0},
		{"TIME_WAIT", Story{State: sockets.TimeWait, Flow: Flow{Acked: 7}}, 5, 0},
		{"CLOSING has no acknowledgement yet", Story{State: closing, Flow: Flow{Acked: 6}}, 5, 0},
		{"ended behind FIN_WAIT_2", Story{State: closed, before: finWait2, Flow: Flow{Acked: 7}}, 5, 0},
		{"ended behind CLOSING", Story{State: closed, before: closing, Flow: Flow{Acked: 7}}, 5, 0},
		{"ended behind LAST_ACK", Story{State: closed, before: lastACK, Flow: Flow{Acked: 7}}, 5, 0},
		{"accepted, ended behind LAST_ACK", Story{In: true, State: closed, before: lastACK, Flow: Flow{Acked: 6}}, 5, 0},
		{"reset in LAST_ACK", Story{State: closed, before: lastACK, RSTIn: true, Flow: Flow{Acked: 6}}, 5, 0},
		{"given up in LAST_ACK", Story{State: closed, before: lastACK, Errno: "ETIMEDOUT", Flow: Flow{Acked: 6}}, 5, 0},
		{"LAST_ACK, and gone", Story{State: closed, before: lastACK, Vanished: true, Flow: Flow{Acked: 6}}, 5, 0},
		{"reset while established", Story{State: closed, before: established, RSTIn: true, Flow: Flow{Acked: 6}}, 5, 0},
		{"never less than nothing", Story{State: closed, before: finWait2, Flow: Flow{Acked: 1}}, 0, 0},
		{"a look at the table, the peer's FIN seen", Story{Looked: true, First: "peer", State: closeWait, Flow: Flow{Acked: 6, Received: 8}}, 5, 7},
		{"a look at the table, no FIN seen", Story{Looked: true, State: established, Flow: Flow{Acked: 6, Received: 8}}, 5, 8},
		{"a look at the table, nothing", Story{Looked: true, First: "peer", State: closeWait}, 0, 0},
	} {
		if sent, got := c.s.Sent(), c.s.Got(); sent != c.sent || got != c.got {
			t.Errorf("%s: %d out, %d in, want %d, %d", c.name, sent, got, c.sent, c.got)
		}
	}
}

// Who gives an attempt up early has not been answered, or has not waited: only
// what this host threw away of it says that no answer could come.
func TestGivenUpEarly(t *testing.T) {
	drop := func(reason string, arrived bool, flags uint8) Event {
		return Event{Kind: Dropped, Reason: reason, Where: "nft_do_chain", Packet: Packet{Seen: true, Arrived: arrived, Flags: flags, Length: 60}, Remote: there}
	}
	for _, c := range []struct {
		name    string
		after   time.Duration
		drops   []Event
		outcome cause.Outcome
		cause   cause.ID
	}{
		{"soon", 300 * time.Millisecond, nil, cause.Cancelled, cause.CancelledByCaller},
		{"after a second", 1100 * time.Millisecond, nil, cause.Timeout, ""},
		{"its SYN was thrown away", 300 * time.Millisecond, []Event{drop("NETFILTER_DROP", false, SYN)}, cause.Timeout, cause.LocalFirewallDrop},
		{"the answer was thrown away", 300 * time.Millisecond, []Event{drop("NETFILTER_DROP", true, SYN|ACK)}, cause.Timeout, cause.LocalFirewallInput},
	} {
		var last *Story
		tr := &Tracker{Tell: func(s *Story, n News, _ *Event) {
			if n == HasFailed || n == HasEnded {
				last = s.Clone()
			}
		}}
		p := on(1).dial()
		for _, d := range c.drops {
			p.later(time.Millisecond).add(d)
		}
		for _, e := range p.later(c.after).to(synSent, closed).events {
			tr.Add(&e)
		}
		tr.Finish(start.Add(time.Hour))
		if last == nil || last.Verdict.Outcome != c.outcome || c.cause != "" && last.Verdict.Cause != c.cause {
			t.Errorf("%s: %+v", c.name, last)
		}
	}
}

// A dropped packet tells the port that the kernel has chosen meanwhile.
func TestDropTellsThePort(t *testing.T) {
	var local []uint16
	tr := &Tracker{Tell: func(s *Story, n News, _ *Event) { local = append(local, s.Local.Port()) }}
	for _, e := range on(1).dial().add(Event{Kind: Dropped, Reason: "X", Local: here}).events {
		tr.Add(&e)
	}
	if !slices.Equal(local, []uint16{0, here.Port()}) {
		t.Errorf("ports %v", local)
	}
}

func TestHearIsBounded(t *testing.T) {
	s := &Story{Began: start, Local: here, Remote: there}
	for i := range 10 * mostHeard {
		s.hear(&Event{Kind: Dropped, At: start.Add(time.Duration(i) * time.Millisecond), Reason: "X"})
	}
	if len(s.Heard) != mostHeard {
		t.Errorf("%d entries", len(s.Heard))
	}
	s = &Story{Began: start, Opened: start}
	if s.hear(&Event{Kind: Resent, At: start}); len(s.Heard) != 0 {
		t.Error("what comes when it is open is no evidence of the attempt")
	}
	s = &Story{Began: start, Looked: true}
	if s.hear(&Event{Kind: Resent, At: start}); len(s.Heard) != 0 {
		t.Error("a look at the table is not the kernel's word")
	}
}

// What is heard of a packet is written as a dial would have written it.
func TestHearDrop(t *testing.T) {
	s := &Story{Began: start.Add(time.Second), Local: here, Remote: there}
	s.hear(&Event{Kind: Dropped, At: start, Reason: "R", Where: "f", Packet: Packet{Arrived: true, Flags: SYN | ACK, Length: 60}})
	s.hear(&Event{Kind: Dropped, At: start, UDP: true, Reason: "R", Packet: Packet{ICMP: true, ICMPType: 3, ICMPCode: 1}})
	in, out := s.Heard[0].Fact.(*evidence.KernelDrop), s.Heard[1].Fact.(*evidence.KernelDrop)
	if in.Direction != evidence.Received || in.From != there || in.To != here || in.Flags != "SYN-ACK" || in.Length != 60 || in.Location != "f" || s.Heard[0].At != 0 {
		t.Errorf("%+v at %v", in, s.Heard[0].At)
	}
	if out.Direction != evidence.Sent || out.From != here || out.Protocol != "udp" || !out.Quoted || out.ICMPType != 3 || out.ICMPCode != 1 {
		t.Errorf("%+v", out)
	}
}

// Drops of one kind are one line; the ninth kind is not kept.
func TestDropsAreGathered(t *testing.T) {
	s := &Story{}
	for i := range 3 * mostDrops {
		for range 2 {
			s.drop(&Event{Reason: string(rune('A' + i)), Packet: Packet{Arrived: i%2 == 0, Flags: SYN}})
		}
	}
	s.drop(&Event{Reason: "A", Packet: Packet{Arrived: true, ICMP: true}})
	if len(s.Drops) != mostDrops || s.Drops[0].Count != 2 || s.Drops[0].Flags != "S" || !s.Drops[0].Arrived || s.Drops[1].Arrived {
		t.Errorf("%+v", s.Drops)
	}
}

// A look that misses the end says no more than it saw.
func TestVanished(t *testing.T) {
	for _, c := range []struct {
		name    string
		gone    Event
		lived   time.Duration
		outcome cause.Outcome
		surest  cause.Confidence // that may be claimed
		why     bool
	}{
		{"soon, nothing came", Event{}, 200 * time.Millisecond, "", "", true},
		{"after seconds, nothing came", Event{HasFlow: true, Flow: Flow{Resent: 2}}, 3 * time.Second, cause.Timeout, cause.Likely, false},
		{"sent again", Event{HasFlow: true, Flow: Flow{Resent: 1}}, 500 * time.Millisecond, cause.Timeout, cause.Likely, false},
		{"something came", Event{HasFlow: true, Flow: Flow{SegmentsIn: 1}}, time.Millisecond, cause.Refused, cause.Likely, false},
	} {
		var last *Story
		tr := &Tracker{Tell: func(s *Story, n News, _ *Event) { last = s.Clone() }}
		begin := on(1).add(Event{Kind: Changed, Old: closed, New: synSent, Looked: true}).events[0]
		tr.Add(&begin)
		e := c.gone
		e.Kind, e.Cookie, e.At, e.New, e.Looked = Gone, 1, start.Add(c.lived), synSent, true
		tr.Add(&e)
		if last.Verdict.Outcome != c.outcome || (last.Unjudged != "") != c.why || last.Verdict.Confidence == cause.Certain {
			t.Errorf("%s: %s %s (%s), %q", c.name, last.Verdict.Outcome, last.Verdict.Cause, last.Verdict.Confidence, last.Unjudged)
		}
	}
}

func TestFirstBy(t *testing.T) {
	for _, c := range []struct {
		before, now sockets.State
		want        string
	}{
		{established, finWait1, "here"}, {established, closeWait, "peer"}, {established, closed, ""}, {synSent, closed, ""},
		{finWait2, closed, "here"}, {lastACK, closed, "peer"}, {closing, closed, "here"}, {established, lastACK, "peer"}, {closed, synSent, ""},
	} {
		if got := firstBy(c.before, c.now); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.before, c.now, got, c.want)
		}
	}
}

// The clone of a story is its own.
func TestClone(t *testing.T) {
	s := &Story{Steps: []Step{{Text: "a"}}, Drops: []Drop{{Reason: "a"}}, Facts: evidence.Log{{}}, Heard: evidence.Log{{}}, before: finWait2}
	c := s.Clone()
	s.Steps[0].Text, s.Drops[0].Reason, s.Facts[0].At, s.Heard[0].At = "b", "b", 1, 1
	if c.Steps[0].Text != "a" || c.Drops[0].Reason != "a" || c.Facts[0].At != 0 || c.Heard[0].At != 0 || c.before != finWait2 {
		t.Errorf("%+v", c)
	}
}

// A socket that is used for another attempt has another story, and what its
// first one came to is told before.
func TestSocketUsedAgain(t *testing.T) {
	var lines []string
	p := on(1).dial().later(time.Millisecond).to(synSent, closed).later(time.Microsecond).dial().later(time.Millisecond).
		add(Event{Kind: Changed, Old: synSent, New: established})
	lines = told(&Tracker{}, p.events)
	if want := []string{"begun", "failed cancelled cancelled certain", "begun", "open 1ms true"}; !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

// Two hundred thousand connections leave no more behind than two.
func TestNothingIsLeftBehind(t *testing.T) {
	tr := &Tracker{Words: NoWords, Tell: func(*Story, News, *Event) {}}
	for i := range uint64(200_000) {
		cookie := i + 1
		for _, e := range []Event{
			{Kind: Changed, Old: closed, New: synSent}, {Kind: Changed, Old: synSent, New: established}, {Kind: Changed, Old: established, New: closed, Errno: "ECONNRESET"},
		} {
			e.Cookie, e.At, e.Local, e.Remote = cookie, start.Add(time.Duration(i)*time.Microsecond), here, there
			tr.Add(&e)
		}
	}
	standing := 0
	tr.Standing(func(*Story) { standing++ })
	if standing != 0 || len(tr.stories) != 0 || len(tr.ended) != 0 || len(tr.free) > 1024 || len(tr.sample) > 5*DefaultLimit {
		t.Errorf("%d stand, %d stories, %d wait, %d free, %d in the sample", standing, len(tr.stories), len(tr.ended), len(tr.free), len(tr.sample))
	}
	if s := tr.Summary; s.Begun != 200_000 || s.Failed != 200_000 || s.Causes[cause.PeerReset] != 200_000 || s.GivenUp != 0 {
		t.Errorf("%+v", s)
	}
}
