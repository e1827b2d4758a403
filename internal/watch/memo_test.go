package watch

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

var places = []netip.AddrPort{
	{}, netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("127.0.0.2:81"), netip.MustParseAddrPort("10.0.0.1:443"), netip.MustParseAddrPort("192.168.7.9:22"),
	netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("203.0.113.7:53"), netip.MustParseAddrPort("169.254.1.1:9"), netip.MustParseAddrPort("0.0.0.0:0"),
	netip.MustParseAddrPort("[::1]:80"), netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:65535"), netip.MustParseAddrPort("[fe80::1%eth0]:5"), netip.MustParseAddrPort("[fd00::1]:8080"),
}

var endings = []sockets.State{sockets.Established, sockets.FINWait1, sockets.FINWait2, sockets.CloseWait, sockets.LastACK, sockets.Closing, sockets.TimeWait, sockets.Closed, sockets.UnknownState}

func drawStory(t *rapid.T) *Story {
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	amount := func(name string) uint64 {
		return rapid.SampledFrom([]uint64{0, 1, 2, 517, 1 << 20, 1 << 40}).Draw(t, name)
	}
	after := func(name string) time.Duration {
		return rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Millisecond, 900 * time.Millisecond, 3 * time.Second, 61 * time.Second, 3 * time.Hour}).Draw(t, name)
	}
	s := &Story{
		Number: 1, Cookie: 1, In: flag("in"), Seen: flag("seen"), Local: rapid.SampledFrom(places).Draw(t, "local"), Remote: rapid.SampledFrom(places).Draw(t, "remote"),
		Began: start, before: rapid.SampledFrom(endings).Draw(t, "before"), First: rapid.SampledFrom([]string{"", "here", "peer"}).Draw(t, "first"),
		Errno: rapid.SampledFrom([]evidence.Errno{"", "ECONNRESET", "ETIMEDOUT", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED", "ECONNABORTED", "EPERM", "EACCES", "ENOBUFS"}).Draw(t, "errno"),
		RSTIn: flag("rst in"), RSTOut: flag("rst out"), RSTReason: rapid.SampledFrom([]string{"", "TCP_ABORT_ON_CLOSE", "TCP_ABORT_ON_LINGER"}).Draw(t, "why"),
		Flow:   Flow{RTT: after("rtt"), Resent: uint32(amount("resent")), Acked: amount("acked"), Received: amount("received")},
		Looked: flag("looked"), Resent: uint32(amount("seen resent")),
	}
	if flag("opened") {
		s.Opened = s.Began.Add(after("handshake"))
	}
	s.Ended = s.Began.Add(after("lived"))
	return s
}

// A verdict that is recalled is the one that judging gives, but for its words,
// whatever else the two stories differ in.
func TestMemo(t *testing.T) {
	memory := &Tracker{Words: NoWords}
	wordless := cmp.Options{cmpopts.IgnoreFields(cause.Verdict{}, "Explanation", "Remedy"), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}
	rapid.Check(t, func(t *rapid.T) {
		s := drawStory(t)
		got, known := memory.recall(s)
		want, why := Judge(s)
		switch {
		case !known:
			return // its verdict is made anew
		case why != "":
			t.Fatalf("%+v is not judged (%s), and recalled", s, why)
		}
		if diff := cmp.Diff(want, got, wordless); diff != "" {
			t.Fatalf("%+v (-judged +recalled):\n%s", s, diff)
		}
	})
	if len(memory.verdicts) < 10 {
		t.Errorf("%d shapes are known", len(memory.verdicts))
	}
}

func TestWords(t *testing.T) {
	in := on(1).open(time.Millisecond).later(time.Second).to(established, finWait1).to(finWait1, finWait2).to(finWait2, closed).events
	reset := on(1).open(time.Millisecond).later(time.Second).kind(ResetReceived).to(established, closed).events
	refused := on(1).dial().kind(ResetReceived).to(synSent, closed).events
	for _, c := range []struct {
		name   string
		words  Words
		events []Event
		want   bool
	}{
		{"all, in order", AllWords, in, true}, {"all, reset", AllWords, reset, true}, {"all, refused", AllWords, refused, true},
		{"of failing, in order", OfFailing, in, false}, {"of failing, reset", OfFailing, reset, true}, {"of failing, refused", OfFailing, refused, true},
		{"none, in order", NoWords, in, false}, {"none, reset", NoWords, reset, false}, {"none, refused", NoWords, refused, true},
	} {
		tr := &Tracker{Words: c.words}
		for round := range 3 { // made, recalled, recalled
			var v cause.Verdict
			tr.Tell = func(s *Story, n News, _ *Event) {
				if n == HasEnded || n == HasFailed {
					v = s.Verdict
				}
			}
			events := slices.Clone(c.events)
			for i := range events {
				events[i].Cookie = uint64(round) + 7
				tr.Add(&events[i])
			}
			if (v.Explanation != "") != c.want || v.Cause == "" {
				t.Errorf("%s, round %d: %+v", c.name, round, v)
			}
		}
	}
}

// Nobody can make the memory grow.
func TestMemoIsBounded(t *testing.T) {
	tr := &Tracker{Words: NoWords}
	for i := range 3 * mostShapes {
		s := &Story{Local: here, Remote: there, before: sockets.Established, Errno: evidence.Errno("E" + string(rune('A'+i%26)) + string(rune('A'+i/26%26)) + string(rune('A'+i/676))), Began: start, Ended: start}
		tr.recall(s)
	}
	if n := len(tr.verdicts); n == 0 || n > mostShapes {
		t.Errorf("%d shapes", n)
	}
}
