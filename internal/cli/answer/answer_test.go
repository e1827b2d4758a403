package answer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/golden"
)

var styles = []struct {
	name    string
	style   terminal.Style
	verbose bool
}{
	{"60 columns", terminal.Style{Width: 60, Unicode: true}, false},
	{"80 columns", terminal.Style{Width: 80, Unicode: true}, false},
	{"120 columns", terminal.Style{Width: 120, Unicode: true}, false},
	{"80 columns, ASCII", terminal.Style{Width: 80}, false},
	{"80 columns, colour", terminal.Style{Width: 80, Unicode: true, Colour: true}, false},
	{"80 columns, verbose", terminal.Style{Width: 80, Unicode: true}, true},
}

func prepared(a Answer) Answer {
	a.Title = func(id cause.ID) string { return titles[id] }
	return a
}

func TestGolden(t *testing.T) {
	for name, a := range cases() {
		t.Run(name, func(t *testing.T) {
			a := prepared(a)
			var got strings.Builder
			for _, s := range styles {
				fmt.Fprintf(&got, "==== %s\n%s", s.name, Text(s.style, a, s.verbose))
			}
			if name == "probed" {
				fmt.Fprintf(&got, "==== trace\n%s", Trace(terminal.Style{Width: 80, Unicode: true}, a, false))
			}
			fmt.Fprintf(&got, "==== brief\n%s", Brief(terminal.Style{Width: 80, Unicode: true}, a))
			golden.Check(t, name+".golden", strings.ReplaceAll(got.String(), "\x1b", "␛"))
		})
	}
}

// A line is at most as wide as the terminal, but for a command to be copied.
func TestNothingIsWiderThanTheTerminal(t *testing.T) {
	for name, a := range cases() {
		for width := 40; width <= 130; width += 7 {
			for _, unicode := range []bool{true, false} {
				text := Text(terminal.Style{Width: width, Unicode: unicode}, prepared(a), true)
				for line := range strings.Lines(text) {
					line = strings.TrimSuffix(line, "\n")
					command := strings.HasPrefix(line, strings.Repeat(" ", labels+2)) && !strings.Contains(line, longWord[:5])
					if terminal.Columns(line) > width && !command {
						t.Errorf("%s at %d columns: %q", name, width, line)
					}
				}
			}
		}
	}
}

// Colour adds sequences and changes nothing else; without it there are none.
func TestColourIsOnlyPaint(t *testing.T) {
	for name, a := range cases() {
		a := prepared(a)
		bare := Text(terminal.Style{Width: 80, Unicode: true}, a, true)
		if strings.Contains(bare, "\x1b") {
			t.Errorf("%s: an escape sequence without colour", name)
		}
		painted := Text(terminal.Style{Width: 80, Unicode: true, Colour: true}, a, true)
		for _, sequence := range []string{"0", "1", "2", "1;31", "1;32", "1;33", "36"} {
			painted = strings.ReplaceAll(painted, "\x1b["+sequence+"m", "")
		}
		if strings.Contains(painted, "\x1b") {
			t.Errorf("%s: an unknown sequence", name)
		}
	}
}

func TestASCIIIsASCII(t *testing.T) {
	for name, a := range cases() {
		for _, r := range Text(terminal.Style{Width: 80}, prepared(a), true) {
			if r >= 0x7f {
				t.Errorf("%s: %q", name, r)
			}
		}
	}
}

func TestEmptyAnswer(t *testing.T) {
	text := Text(terminal.Style{Width: 80}, Answer{Dial: &evidence.Dial{Target: "a:1"}, Winner: -1}, true)
	if !strings.HasPrefix(text, "x a:1 no verdict:") {
		t.Errorf("%q", text)
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		in   time.Duration
		want string
	}{
		{0, "0 µs"}, {900, "0.90 µs"}, {1500, "1.50 µs"}, {42 * us, "42 µs"}, {42345, "42 µs"},
		{999 * us, "999 µs"}, {999600, "1.00 ms"}, {3141592, "3.14 ms"}, {31415926, "31.4 ms"},
		{314159265, "314 ms"}, {999600 * us, "1.00 s"}, {1020 * ms, "1.02 s"}, {65 * time.Second, "65.0 s"},
		{131 * time.Second, "131 s"}, {-5 * ms, "-5.00 ms"},
	} {
		if got := Duration(c.in); got != c.want {
			t.Errorf("Duration(%d) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLimit(t *testing.T) {
	for in, want := range map[time.Duration]string{
		5 * time.Second: "5s", 60 * time.Second: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 250 * ms: "250ms", 299996732: "300ms", 5*time.Second - 400*us: "5s", 1500 * us: "1.5ms",
	} {
		if got := limit(in); got != want {
			t.Errorf("limit(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestCutCommand(t *testing.T) {
	for _, c := range []struct{ in, sentence, command string }{
		{"Look: `ip route get 192.0.2.9`.", "Look:", "ip route get 192.0.2.9"},
		{"Ask again with `dig x`", "Ask again with:", "dig x"},
		{"`ss -ltn` on that host shows more.", "`ss -ltn` on that host shows more.", ""},
		{"`ss -ltn`", "`ss -ltn`", ""},
		{"Raise the backlog and `sysctl x`.", "Raise the backlog and `sysctl x`.", ""},
		{"Compare `a` with `b`.", "Compare `a` with `b`.", ""},
		{"Nothing to type.", "Nothing to type.", ""},
		{"An odd quote`.", "An odd quote`.", ""},
	} {
		sentence, command := cutCommand(c.in)
		if sentence != c.sentence || command != c.command {
			t.Errorf("cutCommand(%q) = %q, %q", c.in, sentence, command)
		}
	}
}

// Retransmissions are told as counted only if they were counted.
func TestResends(t *testing.T) {
	connect := &evidence.Connect{Remote: ap("192.0.2.7:1"), Errno: "EINPROGRESS"}
	texts := func(items ...any) string {
		d := &evidence.Dial{Network: "tcp", Attempts: []evidence.Attempt{attempt("192.0.2.7:1", 0, 3500*ms,
			append([]any{time.Duration(0), evidence.FromConnect, connect}, items...)...)}}
		var all []string
		for _, e := range attemptEvents(d, 0)[1:] {
			all = append(all, e.text)
		}
		return strings.Join(all, "\n")
	}
	info := func(total uint32) *evidence.TCPInfo { return &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: total} }
	end := 3500 * ms
	for _, c := range []struct {
		name  string
		items []any
		want  string
	}{
		{"no schedule, no count", nil, ""},
		{"predicted only", []any{end, evidence.FromPrediction, schedule()},
			strings.TrimSpace(strings.Repeat("SYN again, as predicted (no count to be had)\n", 3))},
		{"all counted", []any{end, evidence.FromPrediction, schedule(), end, evidence.FromTCPInfo, info(3)},
			"SYN again, 1 of 3 that the kernel counts\nSYN again, 2 of 3 that the kernel counts\nSYN again, 3 of 3 that the kernel counts"},
		{"fewer than predicted", []any{end, evidence.FromPrediction, schedule(), end, evidence.FromTCPInfo, info(1)},
			"SYN again, 1 of 1 that the kernel counts"},
		{"none", []any{end, evidence.FromPrediction, schedule(), end, evidence.FromTCPInfo, info(0)}, ""},
		{"more than predicted", []any{end, evidence.FromTCPInfo, info(2)},
			"the kernel counts 2 more SYNs sent again than its timer explains"},
	} {
		if diff := cmp.Diff(c.want, texts(c.items...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A word in colour and the comma after it stay together.
func TestGluedSpans(t *testing.T) {
	p := &page{style: terminal.Style{Width: 20, Unicode: true}}
	got := p.wrap(12, 12, p.quoted("see `ss -l`, then (`ip a`) ok"))
	if diff := cmp.Diff([]string{"see `ss -l`,", "then (`ip", "a`) ok"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRise(t *testing.T) {
	e := evidence.Entry{Fact: &evidence.Counters{Scope: "netns", Rise: map[string]int64{"Tcp.OutSegs": 2, "Ip.InReceives": 1, "Tcp.InErrs": 0}}}
	if got, want := fields(e), "counters scope=netns rise=Ip.InReceives+1 Tcp.OutSegs+2 (1 did not move)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The hops of a trace's JSON count the packets for the target's own port; what
// lies behind the destination is left out.
func TestHops(t *testing.T) {
	hops := Hops(cases()["probed"])
	want := []Hop{
		{TTL: 1, From: []netip.Addr{ip("192.0.2.1"), ip("192.0.2.2")}, Sent: 3, Answered: 2, Loss: 1.0 / 3, Best: 900 * us, Median: 900 * us, Last: 2900 * us, Mean: 1900 * us, Worst: 2900 * us},
		{TTL: 2, From: []netip.Addr{}, Sent: 1, Loss: 1},
		{TTL: 3, From: []netip.Addr{ip("198.51.100.1")}, Sent: 1, Answered: 1, Best: 4 * ms, Median: 4 * ms, Last: 4 * ms, Mean: 4 * ms, Worst: 4 * ms},
		{TTL: 4, From: []netip.Addr{ip("198.51.100.5")}, Sent: 1, Loss: 1, Others: 1},
		{TTL: 5, From: []netip.Addr{ip("203.0.113.5")}, Sent: 1, Loss: 1, Others: 1, Reached: true, Said: []string{"UDP port 33434"}},
	}
	if diff := cmp.Diff(want, hops, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if none := Hops(cases()["open"]); none == nil || len(none) != 0 {
		t.Errorf("%v, want an empty list", none)
	}
}
