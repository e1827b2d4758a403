package probe

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/dialscope/dialscope/evidence"
)

var (
	there  = netip.MustParseAddr("203.0.113.5")
	router = netip.MustParseAddr("198.51.100.1")
)

// asked is a sweep after its probes were sent: '.' no answer, 'r' a router,
// 'd' the destination, 'u' a router that cannot deliver.
func asked(from int, answers string) *sweep {
	s := newSweep(shot{experiment: "test", protocol: tcp, to: netip.AddrPortFrom(there, 80), ttl: 0}, from, 0)
	for _, a := range answers {
		p := &evidence.Probe{Protocol: tcp, To: s.to, TTL: s.next, Sent: 1}
		switch a {
		case 'r':
			p.Answer, p.From, p.ICMP = evidence.AnswerICMP, router, &evidence.ICMP{Version: 4, Type: 11}
		case 'u':
			p.Answer, p.From, p.ICMP = evidence.AnswerICMP, router, &evidence.ICMP{Version: 4, Type: 3, Code: 1}
		case 'd':
			p.Answer, p.From = evidence.AnswerRST, there
		}
		s.asked[s.next] = []*evidence.Probe{p}
		s.next++
	}
	return s
}

func TestSweep(t *testing.T) {
	for _, tt := range []struct {
		answers           string
		from              int
		farthest, reached int
		over              bool
		unanswered        []int // up to the third beyond the farthest
	}{
		{"", 1, 0, 0, false, nil},
		{"rrr", 1, 3, 0, false, nil},
		{"rrr...", 1, 3, 0, false, []int{4, 5, 6}},
		{"rrr....", 1, 3, 0, true, []int{4, 5, 6}},
		{"r.rddd", 1, 3, 4, true, []int{2}},
		{"....", 1, 0, 0, true, []int{1, 2, 3}},
		{"...r", 1, 4, 0, false, []int{1, 2, 3}},
		{"...", 7, 0, 0, false, nil},
		{"....", 7, 0, 0, true, nil},
		{"rd", 7, 7, 8, true, nil},
		{"ru..", 1, 1, 0, false, []int{3, 4}},
	} {
		s := asked(tt.from, tt.answers)
		if s.farthest() != tt.farthest || s.reached() != tt.reached || s.over() != tt.over {
			t.Errorf("%q from %d: farthest %d, reached %d, over %v", tt.answers, tt.from, s.farthest(), s.reached(), s.over())
		}
		if got := s.unanswered(s.farthest() + 3); !slices.Equal(got, tt.unanswered) {
			t.Errorf("%q from %d: unanswered %v, want %v", tt.answers, tt.from, got, tt.unanswered)
		}
	}
}

// A hop is asked a second time, never a third; one that this host refused to
// send is not asked again.
func TestUnansweredIsAskedTwice(t *testing.T) {
	s := asked(1, "r.")
	s.asked[2] = append(s.asked[2], s.asked[2][0])
	if again := s.unanswered(9); again != nil {
		t.Errorf("asked twice, and again: %v", again)
	}
	s = asked(1, "r.")
	s.asked[2][0].Errno = "EPERM"
	if again := s.unanswered(9); again != nil {
		t.Errorf("refused here, and again: %v", again)
	}
}

func TestSweepEndsAtTheLastTTL(t *testing.T) {
	s := asked(1, string(slices.Repeat([]byte{'r'}, lastTTL)))
	if !s.over() || s.farthest() != lastTTL {
		t.Errorf("over %v after %d", s.over(), s.farthest())
	}
	s = asked(4, "...")
	s.most = 3
	if !s.over() {
		t.Error("more than the most were to be asked")
	}
}
