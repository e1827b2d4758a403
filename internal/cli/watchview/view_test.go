package watchview

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/watch"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// happened is a bit of everything, told to tell.
func happened(tell func(*watch.Story, watch.News, *watch.Event)) *watch.Tracker {
	ap := netip.MustParseAddrPort
	here, there := ap("192.0.2.1:40000"), ap("192.0.2.2:443")
	curl := watch.Process{PID: 4711, Name: "curl\x1b[31m", UID: 1000, Container: "0123456789ab"}
	at := start
	tr := &watch.Tracker{Tell: tell}
	add := func(after time.Duration, cookie uint64, e watch.Event) {
		at = at.Add(after)
		e.At, e.Cookie = at, cookie
		if !e.Local.IsValid() {
			e.Local = netip.AddrPortFrom(here.Addr(), here.Port()+uint16(cookie))
		}
		if !e.Remote.IsValid() {
			e.Remote = there
		}
		tr.Add(&e)
	}
	change := func(after time.Duration, cookie uint64, old, now sockets.State) {
		add(after, cookie, watch.Event{Kind: watch.Changed, Old: old, New: now, Process: curl, HasFlow: true,
			Flow: watch.Flow{RTT: 12 * time.Millisecond, Acked: 519, Received: 1_250_000}})
	}
	const ms = time.Millisecond
	// 1: opened and closed.
	change(0, 1, sockets.Closed, sockets.SYNSent)
	change(12*ms, 1, sockets.SYNSent, sockets.Established)
	// 2: SYNs dropped here, given up.
	change(ms, 2, sockets.Closed, sockets.SYNSent)
	drop := watch.Event{Kind: watch.Dropped, Reason: "NETFILTER_DROP", Where: "nft_do_chain", Packet: watch.Packet{Seen: true, Length: 60, Flags: watch.SYN}}
	add(0, 2, drop)
	change(ms, 1, sockets.Established, sockets.CloseWait)
	add(time.Second, 2, watch.Event{Kind: watch.Resent})
	add(0, 2, drop)
	change(ms, 1, sockets.CloseWait, sockets.LastACK)
	change(ms, 1, sockets.LastACK, sockets.Closed)
	change(time.Second, 2, sockets.SYNSent, sockets.Closed)
	// 3: refused.
	change(ms, 3, sockets.Closed, sockets.SYNSent)
	add(ms, 3, watch.Event{Kind: watch.ResetReceived})
	change(0, 3, sockets.SYNSent, sockets.Closed)
	// 4: accepted, and stands.
	add(ms, 4, watch.Event{Kind: watch.Changed, Old: sockets.SYNReceived, New: sockets.Established, Local: ap("[2001:db8::1]:22"), Remote: ap("[2001:db8:ffff:ffff:ffff:ffff:ffff:2]:50000"),
		Process: watch.Process{PID: 1, Name: "sshd"}, HasFlow: true, Flow: watch.Flow{RTT: 300 * time.Microsecond}})
	// A refusal, a stray packet, no descriptor, no port.
	add(ms, 0, watch.Event{Kind: watch.ResetSent, Reason: "NO_SOCKET", Local: ap("192.0.2.1:81"), Packet: watch.Packet{Seen: true, Arrived: true}})
	add(ms, 0, watch.Event{Kind: watch.Dropped, UDP: true, Reason: "SOCKET_RCVBUFF", Local: ap("192.0.2.1:53"), Packet: watch.Packet{Seen: true, Arrived: true, Length: 512}})
	add(ms, 0, watch.Event{Kind: watch.SocketFailed, Errno: "EMFILE", Process: curl, Local: ap("0.0.0.0:0"), Remote: ap("0.0.0.0:0")})
	add(ms, 0, watch.Event{Kind: watch.ConnectFailed, Errno: "EADDRNOTAVAIL", Process: curl})
	tr.Finish(at)
	return tr
}

func at(s *watch.Story, e *watch.Event) time.Time {
	if e != nil {
		return e.At
	}
	return s.Ended
}

func TestLines(t *testing.T) {
	for name, style := range map[string]terminal.Style{"unicode": {Unicode: true}, "ascii": {}, "colour": {Unicode: true, Colour: true}} {
		var b strings.Builder
		tr := happened(func(s *watch.Story, n watch.News, e *watch.Event) { b.WriteString(Line(style, at(s, e), s, n, e)) })
		b.WriteString("\n" + Summary(style, &tr.Summary, 3, 2*time.Second, func(id cause.ID) string { e, _ := cause.Lookup(id); return e.Title }))
		golden.Check(t, "lines."+name+".golden", b.String())
		if style.Colour == false && strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s: an escape sequence", name)
		}
	}
}

func TestDocuments(t *testing.T) {
	var b strings.Builder
	line := func(d []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(d) || strings.Contains(string(d), "\n") {
			t.Errorf("no line of JSON: %s", d)
		}
		b.Write(append(d, '\n'))
	}
	line(Beginning(start, "kernel tracepoints", nil, nil))
	line(Beginning(start, "the table", []string{"x"}, fmt.Errorf("not allowed")))
	tr := happened(func(s *watch.Story, n watch.News, e *watch.Event) { line(AppendDocument(nil, at(s, e), s, n, e), nil) })
	status := 7
	line(Sum(start, &tr.Summary, 3, time.Second, &status))
	line(Sum(start, &watch.Summary{}, 0, 0, nil))
	golden.Check(t, "documents.json", b.String())
}

// screenOf is a screen that has seen it all.
func screenOf() *Screen {
	c := &Screen{Source: "kernel tracepoints", Began: start}
	tr := happened(func(s *watch.Story, _ watch.News, _ *watch.Event) { c.Tell(s) })
	c.Sum = &tr.Summary
	return c
}

var later = start.Add(10 * time.Second)

func TestScreen(t *testing.T) {
	for _, size := range [][2]int{{60, 12}, {80, 24}, {120, 16}, {150, 16}} {
		c := screenOf()
		style := terminal.Style{Unicode: true}
		lines := c.Draw(style, size[0], size[1], later)
		golden.Check(t, fmt.Sprintf("screen.%d.golden", size[0]), strings.Join(lines, "\n")+"\n")
		for _, keys := range []string{"", "?", "\r", "j\r", "/curl", "x", "s", "sss "} {
			c := screenOf()
			c.Missing, c.Lost = []string{"Packets that this host throws away are not seen."}, 7
			for _, k := range Keys([]byte("j" + keys)) {
				c.Press(k)
			}
			for _, style := range []terminal.Style{{Unicode: true}, {}, {Unicode: true, Colour: true}} {
				lines := c.Draw(style, size[0], size[1], later)
				if len(lines) != size[1] {
					t.Errorf("%v, %q: %d lines", size, keys, len(lines))
				}
				for _, l := range lines {
					if terminal.Columns(l) > size[0] {
						t.Errorf("%v, %q: %d columns: %s", size, keys, terminal.Columns(l), l)
					}
				}
			}
		}
	}
	if lines := new(Screen).Draw(terminal.Style{}, 1, 1, later); len(lines) != 5 {
		t.Errorf("a terminal of one character: %d lines", len(lines))
	}
}

func TestScreenLadder(t *testing.T) {
	c := screenOf()
	c.chosen, c.open = 2, true
	golden.Check(t, "ladder.80.golden", strings.Join(c.Draw(terminal.Style{Unicode: true}, 80, 24, later), "\n")+"\n")
}

// numbers are the connections that the list shows.
func numbers(c *Screen) []uint64 { return c.list() }

func TestScreenKeys(t *testing.T) {
	press := func(c *Screen, keys string) (leave bool) {
		for _, k := range Keys([]byte(keys)) {
			leave = c.Press(k) || leave
		}
		return leave
	}
	for _, c := range []struct {
		keys   string
		want   []uint64
		chosen uint64
	}{
		{"", []uint64{6, 5, 4, 3, 2, 1}, 0},
		{"r", []uint64{1, 2, 3, 4, 5, 6}, 0},
		{"x", []uint64{6, 5, 3, 2}, 0},
		{"/sshd\r", []uint64{4}, 0},
		{"/SSH\x7f\x7fsh\r", []uint64{4}, 0},
		{"/sshd\x1b", []uint64{6, 5, 4, 3, 2, 1}, 0},
		{"/econnrefused\r", []uint64{3}, 0},
		{"sss", []uint64{5, 6, 3, 2, 1, 4}, 0}, // by the remote end
		{"ssss", []uint64{1, 6, 5, 4, 3, 2}, 0},
		{"jj", []uint64{6, 5, 4, 3, 2, 1}, 5},
		{"jjk", []uint64{6, 5, 4, 3, 2, 1}, 6},
		{"\x1b[B\x1b[B\x1b[A", []uint64{6, 5, 4, 3, 2, 1}, 6},
		{"G", []uint64{6, 5, 4, 3, 2, 1}, 1},
		{"Gg", []uint64{6, 5, 4, 3, 2, 1}, 6},
		{"\x1b[6~", []uint64{6, 5, 4, 3, 2, 1}, 6},
	} {
		screen := screenOf()
		if press(screen, c.keys) {
			t.Errorf("%q leaves", c.keys)
		}
		if got := numbers(screen); !slices.Equal(got, c.want) || screen.chosen != c.chosen {
			t.Errorf("%q: %v, selected %d; want %v, %d", c.keys, got, screen.chosen, c.want, c.chosen)
		}
	}
	for keys, want := range map[string]bool{"q": true, "\x03": true, "/q\x03": true, "/q": false, "?q": true, "?x": false, "\x1b": false} {
		if got := press(screenOf(), keys); got != want {
			t.Errorf("%q leaves: %v", keys, got)
		}
	}
	// Open, look at the next one, back.
	c := screenOf()
	if press(c, "j\r"); !c.open || c.chosen != 6 {
		t.Errorf("open %v, %d", c.open, c.chosen)
	}
	if press(c, "j\x1b"); c.open || c.chosen != 5 {
		t.Errorf("back: open %v, %d", c.open, c.chosen)
	}
}

// What is frozen stays, while the connections go on.
func TestScreenFreezes(t *testing.T) {
	c := screenOf()
	c.Press(" ")
	before := numbers(c)
	c.Tell(&watch.Story{Number: 99, Began: later})
	if got := numbers(c); !slices.Equal(got, before) || !strings.Contains(c.Draw(terminal.Style{}, 150, 20, later)[0], "FROZEN") {
		t.Errorf("frozen: %v, before %v", got, before)
	}
	c.Press(" ")
	if got := numbers(c); got[0] != 99 {
		t.Errorf("thawed: %v", got)
	}
}

// What is frozen stays as it was, whatever becomes of it and of the rows: a busy
// host fills them a hundred times a minute.
func TestScreenFreezesCopies(t *testing.T) {
	c := &Screen{}
	live := &watch.Story{Number: 1, Began: start, State: sockets.SYNSent}
	c.Tell(live)
	c.Press(Down)
	c.Press(" ")
	live.State, live.Ended = sockets.Closed, start
	c.Tell(live)
	for i := range uint64(3 * mostRows) {
		c.Tell(&watch.Story{Number: i + 2, Began: start, Ended: start})
	}
	if lines := c.Draw(terminal.Style{}, 120, 10, later); !strings.Contains(lines[2], "SYN_SENT") {
		t.Errorf("frozen:\n%s", strings.Join(lines, "\n"))
	}
	c.Press(Enter)
	if lines := c.Draw(terminal.Style{}, 120, 10, later); !strings.Contains(lines[1], "#1 ") {
		t.Errorf("its ladder:\n%s", strings.Join(lines, "\n"))
	}
	c.Press(Escape)
	c.Press(" ")
	if lines := c.Draw(terminal.Style{}, 120, 10, later); strings.Contains(strings.Join(lines, "\n"), "SYN_SENT") {
		t.Errorf("thawed:\n%s", strings.Join(lines, "\n"))
	}
}

// The tracker's own story is looked at while it goes on, and a copy kept once it
// is over: the tracker uses it for another then.
func TestScreenCopiesEnds(t *testing.T) {
	c := &Screen{}
	s := &watch.Story{Number: 1, Began: start, State: sockets.SYNSent}
	c.Tell(s)
	s.State = sockets.Established
	if !c.Knows(1) || c.Knows(2) || c.row(1).State != sockets.Established {
		t.Errorf("while it goes on: %+v", c.row(1))
	}
	s.State, s.Ended = sockets.Closed, start
	c.Tell(s)
	*s = watch.Story{Number: 2, State: sockets.SYNSent}
	if got := c.row(1); got.Number != 1 || got.State != sockets.Closed {
		t.Errorf("when it is over: %+v", got)
	}
}

// A million connections take no more room than two thousand; those that stand
// stay longest.
func TestScreenIsBounded(t *testing.T) {
	c := &Screen{}
	for i := range uint64(10 * mostRows) {
		s := &watch.Story{Number: i + 1, Began: start}
		if i >= 5 {
			s.Ended = start
		}
		c.Tell(s)
	}
	if len(c.rows) > mostRows || len(c.rows) != len(c.order) || c.rows[1] == nil || c.rows[5] == nil {
		t.Errorf("%d rows, %d in order, the first %v", len(c.rows), len(c.order), c.rows[1])
	}
	c.Press("G")
	if lines := c.Draw(terminal.Style{}, 80, 10, later); len(lines) != 10 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestKeys(t *testing.T) {
	for in, want := range map[string][]Key{
		"": nil, "ab": {"a", "b"}, "\x1b": {Escape}, "\x1b[A\x1b[B": {Up, Down}, "\x1bOA": {Up}, "\x1b[5~\x1b[6~": {PageUp, PageDown},
		"\x1b[1;5C": nil, "\x1b[": nil, "\r\n": {Enter, Enter}, "\x7f\x08": {Erase, Erase}, "\x03": {Cancel}, "\x01\xc3\xa4": nil,
	} {
		if got := Keys([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[A/q\x1bO\x1b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := screenOf()
		for _, k := range Keys(b) {
			c.Press(k)
		}
		if lines := c.Draw(terminal.Style{Unicode: true}, 70, 15, later); len(lines) != 15 {
			t.Errorf("%d lines", len(lines))
		}
	})
}

func TestOctets(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1250: "1.25 kB", 999_999: "1 MB", 1 << 40: "1.1 TB", 1 << 60: "1.15e+06 TB"} {
		if got := Octets(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
