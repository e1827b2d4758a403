package progress

import (
	"bytes"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var remote = netip.MustParseAddrPort("192.0.2.7:80")

// syncBuffer may be written and read by two goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestNothingIsShownAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		stop := NewLine(&out, terminal.Style{Width: 80}).Start(func(time.Duration) string { return "waiting" })
		time.Sleep(399 * time.Millisecond)
		stop()
		if out.String() != "" {
			t.Errorf("%q", out.String())
		}
	})
}

func TestTheLineIsErasedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		stop := NewLine(&out, terminal.Style{Width: 80}).Start(func(since time.Duration) string { return since.String() })
		time.Sleep(650 * time.Millisecond)
		stop()
		stop() // a second time does no harm
		if want := "\r\x1b[K400ms\r\x1b[K500ms\r\x1b[K600ms\r\x1b[K"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}

func TestNilLine(t *testing.T) {
	var l *Line
	l.Start(func(time.Duration) string { t.Error("asked"); return "" })()
	l.Erase()
}

func TestTheLineFits(t *testing.T) {
	var out syncBuffer
	l := NewLine(&out, terminal.Style{Width: 40})
	l.show(strings.Repeat("x", 100) + "\x1b[2J\n")
	text := strings.TrimPrefix(out.String(), "\r\x1b[K")
	if terminal.Columns(text) != 39 || strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("%q", text)
	}
}

func TestWords(t *testing.T) {
	w := NewWatch("db.example:80", "tcp", 5*time.Second)
	say := func(now time.Duration, want string) {
		t.Helper()
		if got := w.Words(now); got != want {
			t.Errorf("after %v: %q, want %q", now, got, want)
		}
	}
	say(time.Second, "db.example:80: resolving the name for 1.00 s; giving up at 5.00 s")
	w.observe(-1, evidence.Entry{Fact: &evidence.Lookup{}})
	w.begin(0, remote, 100*time.Millisecond)
	say(time.Second, "192.0.2.7:80: opening a socket; giving up at 5.00 s")
	w.observe(0, evidence.Entry{Fact: &evidence.Connect{Remote: remote, Errno: "EINPROGRESS"}})
	say(time.Second, "192.0.2.7:80: SYN sent 900 ms ago; giving up at 5.00 s")
	w.observe(0, evidence.Entry{Fact: &evidence.Schedule{Resend: []time.Duration{time.Second, 2 * time.Second}}})
	say(2*time.Second, "192.0.2.7:80: SYN sent 1.90 s ago, sent again (as predicted) once; giving up at 5.00 s")
	w.observe(0, evidence.Entry{Fact: &evidence.TCPInfo{TotalRetrans: 2}})
	w.observe(0, evidence.Entry{Fact: &evidence.Neighbour{Addr: netip.MustParseAddr("192.0.2.1"), State: "INCOMPLETE"}})
	say(3*time.Second, "192.0.2.7:80: so far the destination is on this link and does not answer ARP or ND (likely); SYN sent 2.90 s ago; giving up at 5.00 s")
	w.observe(0, evidence.Entry{Fact: &evidence.Neighbour{State: "NOARP"}})
	w.observe(0, evidence.Entry{Fact: &evidence.Probe{TTL: 9}})
	say(3*time.Second, "192.0.2.7:80: SYN sent 2.90 s ago, sent again 2 times; looked into by probes; giving up at 5.00 s")
	w.observe(0, evidence.Entry{Fact: &evidence.Probe{TTL: 3, Answer: evidence.AnswerICMP, ICMP: &evidence.ICMP{Version: 4, Type: 11}}})
	say(3*time.Second, "192.0.2.7:80: SYN sent 2.90 s ago, sent again 2 times; looked into by probes, hop 3 answers; giving up at 5.00 s")
	w.begin(1, netip.MustParseAddrPort("[2001:db8::7]:80"), 3*time.Second)
	w.at(0).probed = 0
	w.at(0).neighbour = &evidence.Neighbour{Addr: netip.MustParseAddr("192.0.2.1"), State: "DELAY"}
	say(3*time.Second, "192.0.2.7:80: SYN sent 2.90 s ago, sent again 2 times; neighbour 192.0.2.1 DELAY; and 1 more; giving up at 5.00 s")
	w.done(0)
	w.done(1)
	w.done(7) // never began
	say(6*time.Second, "db.example:80: looking closer")
}

func TestTraceFeedsTheWatch(t *testing.T) {
	w := NewWatch("192.0.2.7:53", "udp", 0)
	hooks := w.Trace()
	hooks.AttemptStart(0, remote)
	hooks.Observed(0, evidence.Entry{Fact: &evidence.Connect{Remote: remote}})
	if got := w.Words(time.Minute); !strings.HasPrefix(got, "192.0.2.7:80: waiting for a datagram for 60.0 s") {
		t.Errorf("%q", got)
	}
	hooks.AttemptDone(0, evidence.Attempt{})
	if got := w.Words(time.Minute); got != "192.0.2.7:53: looking closer" {
		t.Errorf("%q", got)
	}
}

// A block is drawn again in its place, from its first line, never taller than
// the terminal, and erased at the end.
func TestBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		pictures := []string{"", "one\n", "one\ntwo\n", "1\n2\n3\n4\n"}
		n := 0
		stop := NewBlock(&out, terminal.Style{Width: 40}, 4).Start(func() string {
			if n < len(pictures)-1 {
				n++
			}
			return pictures[n]
		})
		time.Sleep(time.Second)
		stop()
		stop()
		want := "\rone\x1b[K\n\x1b[J" + "\r\x1b[1Aone\x1b[K\ntwo\x1b[K\n\x1b[J" + "\r\x1b[2A2\x1b[K\n3\x1b[K\n4\x1b[K\n\x1b[J" + "\r\x1b[3A\x1b[J"
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
	var none *Block
	none.Start(func() string { t.Error("asked"); return "" })()
}
