package tcpstate

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var (
	allStates = []State{Closed, Listen, SYNSent, SYNReceived, Established, FINWait1, FINWait2, CloseWait, Closing, LastACK, TimeWait}
	allEvents = func() (all []Event) {
		for e := range nEvents {
			all = append(all, e)
		}
		return all
	}()
)

// RFC 9293 §3.3.2 names eleven states.
func TestElevenStates(t *testing.T) {
	if len(allStates) != 11 || int(nStates) != 12 || len(stateNames) != 12 {
		t.Errorf("%d states, %d names", len(allStates), len(stateNames))
	}
	if len(eventNames) != int(nEvents) {
		t.Errorf("%d events, %d names", nEvents, len(eventNames))
	}
	if State(99).String() != "?" || Event(99).String() != "?" {
		t.Error("a state or event beyond the last has a name")
	}
}

// figure5 is RFC 9293 §3.3.2, figure 5, arrow by arrow, and nothing else.
var figure5 = []struct {
	from  State
	event Event
	to    State
	sends string
}{
	{Closed, PassiveOpen, Listen, ""},
	{Closed, ActiveOpen, SYNSent, "SYN"},
	{Listen, Close, Closed, ""},
	{Listen, ReceiveSYN, SYNReceived, "SYN,ACK"},
	{Listen, Send, SYNSent, "SYN"},
	{SYNSent, Close, Closed, ""},
	{SYNSent, ReceiveSYN, SYNReceived, "SYN,ACK"},
	{SYNSent, ReceiveSYNACK, Established, "ACK"},
	{SYNReceived, ReceiveACKOfSYN, Established, ""},
	{SYNReceived, Close, FINWait1, "FIN"},
	{Established, Close, FINWait1, "FIN"},
	{Established, ReceiveFIN, CloseWait, "ACK"},
	{FINWait1, ReceiveACKOfFIN, FINWait2, ""},
	{FINWait1, ReceiveFIN, Closing, "ACK"},
	{FINWait1, ReceiveFINACK, TimeWait, "ACK"}, // note 2 of the figure
	{FINWait2, ReceiveFIN, TimeWait, "ACK"},
	{CloseWait, Close, LastACK, "FIN"},
	{Closing, ReceiveACKOfFIN, TimeWait, ""},
	{LastACK, ReceiveACKOfFIN, Closed, ""},
	{TimeWait, TwoMSLOver, Closed, ""},
}

func TestFigure5(t *testing.T) {
	for _, arrow := range figure5 {
		found, ok := Find(arrow.from, arrow.event)
		if !ok || found.To != arrow.to || found.Sends != arrow.sends {
			t.Errorf("%v on %v: %v, sends %q; want %v, %q", arrow.from, arrow.event, found.To, found.Sends, arrow.to, arrow.sends)
		}
		if got := arrow.from.On(arrow.event); got != arrow.to {
			t.Errorf("%v.On(%v) = %v, want %v", arrow.from, arrow.event, got, arrow.to)
		}
	}
}

// Every pair of state and event is decided: it has one arrow or none, and
// without one the state stays.
func TestEveryPair(t *testing.T) {
	for _, s := range allStates {
		for _, e := range allEvents {
			var here []Transition
			for _, tr := range Transitions {
				if tr.From == s && tr.Event == e {
					here = append(here, tr)
				}
			}
			switch len(here) {
			case 0:
				if got := s.On(e); got != s {
					t.Errorf("%v on %v goes to %v without an arrow", s, e, got)
				}
				if _, ok := Find(s, e); ok {
					t.Errorf("Find(%v, %v) finds what is not there", s, e)
				}
			case 1:
				if here[0].Source == "" {
					t.Errorf("%v on %v has no source", s, e)
				}
				if s.On(e) != here[0].To {
					t.Errorf("%v.On(%v) = %v, the table says %v", s, e, s.On(e), here[0].To)
				}
			default:
				t.Errorf("%v on %v has %d arrows", s, e, len(here))
			}
		}
	}
}

// RFC 9293 §3.10.7.4: an acceptable RST ends every synchronized state; §3.10.5:
// ABORT ends every state.
func TestEveryStateCanEnd(t *testing.T) {
	for _, s := range allStates {
		if s == Closed || s == Listen {
			continue
		}
		if got := s.On(ReceiveRST); got != Closed {
			t.Errorf("%v on RST: %v", s, got)
		}
		if got := s.On(Abort); got != Closed {
			t.Errorf("%v on ABORT: %v", s, got)
		}
	}
	if got := Listen.On(ReceiveRST); got != Listen { // §3.10.7.2: ignored
		t.Errorf("LISTEN on RST: %v", got)
	}
}

// RFC 5961 §4.2: a SYN in a synchronized state gets a challenge ACK and moves
// nothing.
func TestChallengeACK(t *testing.T) {
	for _, s := range allStates {
		if !s.Synchronized() {
			continue
		}
		tr, ok := Find(s, ReceiveSYN)
		if !ok || tr.To != s || tr.Sends != "ACK" {
			t.Errorf("%v on SYN: %+v", s, tr)
		}
	}
}

// RFC 1122 §4.2.2.13 and RFC 9293 §3.6: only who closes first waits.
func TestWalks(t *testing.T) {
	for name, walk := range map[string]struct {
		events []Event
		want   []State
	}{
		"active open, active close":   {[]Event{ActiveOpen, ReceiveSYNACK, Close, ReceiveACKOfFIN, ReceiveFIN, TwoMSLOver}, []State{SYNSent, Established, FINWait1, FINWait2, TimeWait, Closed}},
		"passive open, passive close": {[]Event{PassiveOpen, ReceiveSYN, ReceiveACKOfSYN, ReceiveFIN, Close, ReceiveACKOfFIN}, []State{Listen, SYNReceived, Established, CloseWait, LastACK, Closed}},
		"simultaneous open":           {[]Event{ActiveOpen, ReceiveSYN, ReceiveSYNACK}, []State{SYNSent, SYNReceived, Established}},
		"simultaneous close":          {[]Event{ActiveOpen, ReceiveSYNACK, Close, ReceiveFIN, ReceiveACKOfFIN, TwoMSLOver}, []State{SYNSent, Established, FINWait1, Closing, TimeWait, Closed}},
		"refused":                     {[]Event{ActiveOpen, ReceiveRST}, []State{SYNSent, Closed}},
		"half closed for long":        {[]Event{ActiveOpen, ReceiveSYNACK, Close, ReceiveACKOfFIN, ReceiveACKOfFIN}, []State{SYNSent, Established, FINWait1, FINWait2, FINWait2}},
	} {
		s := Closed
		var got []State
		for _, e := range walk.events {
			s = s.On(e)
			got = append(got, s)
		}
		if !slices.Equal(got, walk.want) {
			t.Errorf("%s: %v, want %v", name, got, walk.want)
		}
	}
}

// Whatever happens, a state is one of the eleven, and an end that has left the
// synchronized states comes back only through an OPEN.
func TestNoWayBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Closed
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			e := rapid.SampledFrom(allEvents).Draw(t, "event")
			next := s.On(e)
			if !slices.Contains(allStates, next) {
				t.Fatalf("%v on %v: %d", s, e, next)
			}
			if s == Closed && next != Closed && e != ActiveOpen && e != PassiveOpen {
				t.Fatalf("CLOSED on %v: %v", e, next)
			}
			if s.Synchronized() && next == Established && s != Established {
				t.Fatalf("%v on %v: back to ESTABLISHED", s, e)
			}
			s = next
		}
	})
}
