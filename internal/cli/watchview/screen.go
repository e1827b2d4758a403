package watchview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/watch"
)

// mostRows bounds what a screen remembers, about 3 kB a connection: those that
// have ended give way first, the oldest before.
const mostRows = 2000

// Screen is the full-screen view: what is known of connections, and what the
// person at the keys wants to see of it. It is pure: stories and keys go in, the
// picture comes out. It is not safe for concurrent use.
type Screen struct {
	Source  string   // what is watched with
	Missing []string // what that does not see
	Lost    uint64
	Sum     *watch.Summary
	Began   time.Time

	rows   map[uint64]*watch.Story // the tracker's own while they go on, copies of those that are over
	order  []uint64                // by number
	held   []uint64                // what is shown while it is frozen; nil: it is not
	frozen map[uint64]*watch.Story // copies of those

	sort    int
	reverse bool
	failed  bool
	filter  string
	typing  bool
	open    bool // the selected connection alone, as a ladder
	help    bool
	chosen  uint64 // number of the selected connection
	top     int    // first row shown
	height  int    // of the list, as it was last drawn
}

// Key is what was pressed.
type Key string

// The keys that are no letters.
const (
	Up       Key = "up"
	Down     Key = "down"
	PageUp   Key = "page-up"
	PageDown Key = "page-down"
	Home     Key = "home"
	End      Key = "end"
	Enter    Key = "enter"
	Escape   Key = "escape"
	Erase    Key = "erase"
	Cancel   Key = "cancel" // ^C
)

// Keys reads what a terminal sends (ECMA-48, xterm's cursor keys).
func Keys(b []byte) (keys []Key) {
	for len(b) > 0 {
		if rest, is := strings.CutPrefix(string(b), "\x1b["); is {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				return keys
			}
			if k := sequences[rest[:end+1]]; k != "" {
				keys = append(keys, k)
			}
			b = b[2+end+1:]
			continue
		}
		if rest, is := strings.CutPrefix(string(b), "\x1bO"); is && rest != "" {
			if k := sequences[rest[:1]]; k != "" {
				keys = append(keys, k)
			}
			b = b[3:]
			continue
		}
		switch c := b[0]; {
		case c == 0x1b:
			keys = append(keys, Escape)
		case c == '\r' || c == '\n':
			keys = append(keys, Enter)
		case c == 0x7f || c == 8:
			keys = append(keys, Erase)
		case c == 3:
			keys = append(keys, Cancel)
		case c >= ' ' && c < 0x7f:
			keys = append(keys, Key(c))
		}
		b = b[1:]
	}
	return keys
}

var sequences = map[string]Key{
	"A": Up, "B": Down, "H": Home, "F": End, "1~": Home, "4~": End, "5~": PageUp, "6~": PageDown, "7~": Home, "8~": End,
}

// orders are the ways to sort, by the columns' titles.
var orders = []struct {
	name    string
	compare func(a, b *watch.Story) int
}{
	{"newest", func(a, b *watch.Story) int { return cmp.Compare(b.Number, a.Number) }},
	{"state", func(a, b *watch.Story) int { return cmp.Compare(a.State, b.State) }},
	{"process", func(a, b *watch.Story) int {
		return cmp.Or(cmp.Compare(a.Process.Name, b.Process.Name), cmp.Compare(a.Process.PID, b.Process.PID))
	}},
	{"remote", func(a, b *watch.Story) int { return a.Remote.Compare(b.Remote) }},
	{"handshake", func(a, b *watch.Story) int { return cmp.Compare(handshake(b), handshake(a)) }},
	{"resent", func(a, b *watch.Story) int { return cmp.Compare(b.Resent, a.Resent) }},
	{"octets", func(a, b *watch.Story) int {
		return cmp.Compare(b.Sent()+b.Got(), a.Sent()+a.Got())
	}},
}

func handshake(s *watch.Story) time.Duration {
	d, _ := s.Handshake()
	return d
}

// Knows says that a story is among the rows: its end has to be told, since the
// tracker then uses it for another.
func (c *Screen) Knows(number uint64) bool { return c.rows[number] != nil }

// Tell takes a story that has news. Until it has ended the screen looks at the
// tracker's own, so that a connection is copied once and not at each change.
func (c *Screen) Tell(s *watch.Story) {
	if s.Number == 0 {
		return // a packet that belongs to no connection: it is counted in the sum
	}
	if c.rows == nil {
		c.rows = map[uint64]*watch.Story{}
	}
	if c.rows[s.Number] == nil {
		c.order = append(c.order, s.Number)
	}
	if s.Ended.IsZero() {
		c.rows[s.Number] = s
	} else {
		c.rows[s.Number] = s.Clone()
	}
	if len(c.order) > mostRows {
		c.forget()
	}
}

// row is a connection as it is shown; nil: it had to give way.
func (c *Screen) row(number uint64) *watch.Story {
	if s := c.frozen[number]; s != nil {
		return s
	}
	return c.rows[number]
}

// freeze keeps what is shown as it is now, or lets it go on.
func (c *Screen) freeze() {
	if c.held != nil {
		c.held, c.frozen = nil, nil
		return
	}
	held := append([]uint64{}, c.list()...)
	c.frozen = make(map[uint64]*watch.Story, len(held))
	for _, n := range held {
		c.frozen[n] = c.rows[n].Clone()
	}
	c.held = held
}

// forget makes room for a tenth.
func (c *Screen) forget() {
	left := mostRows / 10
	drop := func(ended bool) {
		c.order = slices.DeleteFunc(c.order, func(n uint64) bool {
			s := c.rows[n]
			if left == 0 || ended && s.Ended.IsZero() || n == c.chosen && c.open {
				return false
			}
			left--
			delete(c.rows, n)
			return true
		})
	}
	drop(true)
	drop(false)
}

// Press takes a key. It is true when the person wants to leave.
func (c *Screen) Press(k Key) (leave bool) {
	if k == Cancel {
		return true
	}
	if c.typing {
		switch {
		case k == Enter || k == Escape:
			c.typing = false
			if k == Escape {
				c.filter = ""
			}
		case k == Erase:
			c.filter = c.filter[:max(0, len(c.filter)-1)]
		case len(k) == 1 && len(c.filter) < 64:
			c.filter += string(k)
		}
		return false
	}
	if c.help {
		c.help = false
		return k == "q"
	}
	switch k {
	case "q":
		return true
	case "?", "h":
		c.help = true
	case Escape:
		c.open = false
	case Enter:
		c.open = !c.open && c.row(c.chosen) != nil
	case "/":
		c.typing, c.filter = true, ""
	case "x":
		c.failed = !c.failed
	case "s":
		c.sort = (c.sort + 1) % len(orders)
	case "r":
		c.reverse = !c.reverse
	case " ", "f":
		c.freeze()
	case Up, "k":
		c.move(-1)
	case Down, "j":
		c.move(1)
	case PageUp:
		c.move(-max(1, c.height-1))
	case PageDown:
		c.move(max(1, c.height-1))
	case Home, "g":
		c.move(-len(c.order))
	case End, "G":
		c.move(len(c.order))
	}
	return false
}

// move selects another connection of the list.
func (c *Screen) move(by int) {
	list := c.list()
	if len(list) == 0 {
		return
	}
	at := slices.Index(list, c.chosen)
	if at < 0 && by > 0 {
		at = -1
	}
	c.chosen = list[min(max(at+by, 0), len(list)-1)]
}

// list is the connections to show, in their order.
func (c *Screen) list() []uint64 {
	if c.held != nil {
		return c.held
	}
	list := make([]uint64, 0, len(c.order))
	for _, n := range c.order {
		s := c.rows[n]
		if c.failed && !s.Failed() || c.filter != "" && !strings.Contains(haystack(s), strings.ToLower(c.filter)) {
			continue
		}
		list = append(list, n)
	}
	order := orders[c.sort].compare
	slices.SortStableFunc(list, func(a, b uint64) int {
		d := cmp.Or(order(c.rows[a], c.rows[b]), cmp.Compare(b, a))
		if c.reverse {
			return -d
		}
		return d
	})
	return list
}

func haystack(s *watch.Story) string {
	return strings.ToLower(fmt.Sprintf("%s %d %s %s %s %s %s %s", s.Process.Name, s.Process.PID, s.Process.Container, s.Local, s.Remote, s.State, s.Verdict.Cause, s.Errno))
}

// Draw is the picture: height lines of at most width columns.
func (c *Screen) Draw(s terminal.Style, width, height int, now time.Time) []string {
	width, height = max(width, 20), max(height, 5)
	s.Width = width
	var body []string
	switch {
	case c.help:
		body = c.drawHelp(s)
	case c.open && c.row(c.chosen) != nil:
		body = Ladder(s, c.row(c.chosen), now)
	default:
		body = c.drawList(s, height-3)
	}
	lines := append([]string{c.drawHead(s, now)}, body...)
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	return append(lines[:height-1], c.drawFoot(s))
}

func (c *Screen) drawHead(s terminal.Style, now time.Time) string {
	text := fmt.Sprintf("dialscope watch  %s", now.Format("15:04:05"))
	if sum := c.Sum; sum != nil {
		text += fmt.Sprintf("  %d opened  %d failed  %d ended  %d resent  %d dropped", sum.Opened, sum.Failed, sum.Ended, sum.Resent, sum.Drops)
	}
	if c.Lost > 0 {
		text += fmt.Sprintf("  %d events LOST", c.Lost)
	}
	if c.held != nil {
		text += "  FROZEN"
	}
	if len(c.Missing) > 0 {
		text += "  (not all is seen: ?)"
	}
	return s.Bold(s.Fit(terminal.Printable(s.Text(text)), s.Width))
}

func (c *Screen) drawFoot(s terminal.Style) string {
	if c.typing {
		return s.Fit(terminal.Printable("filter: "+c.filter+"_"), s.Width)
	}
	text := "q quit  ? help  / filter  x failed only  s sort: " + orders[c.sort].name + "  space freeze  enter open"
	if c.open {
		text = "esc back  up/down the next one  q quit"
	}
	if c.filter != "" {
		text = "[" + c.filter + "] " + text
	}
	if c.failed {
		text = "[failed] " + text
	}
	return s.Dim(s.Fit(terminal.Printable(s.Text(text)), s.Width))
}

func (c *Screen) drawHelp(s terminal.Style) []string {
	lines := []string{"", s.Bold("Keys"),
		"  up, down, k, j    select           enter   open the selected connection",
		"  page-up, -down    a page           esc     back",
		"  home, end, g, G   first, last      /       show only what contains a text",
		"  space, f          freeze, go on    x       only what failed",
		"  s                 sort by another  r       the other way round",
		"  q, ^C             quit, with a summary",
		"", s.Bold("Source"), "  " + c.Source}
	for _, m := range c.Missing {
		for _, part := range terminal.Wrap(m, max(10, s.Width-2)) {
			lines = append(lines, "  "+part)
		}
	}
	for i := range lines {
		lines[i] = s.Fit(s.Text(lines[i]), s.Width+2*len("\x1b[1m\x1b[0m")*strings.Count(lines[i], "\x1b"))
	}
	return lines
}

// drawList is the table, of at most height lines with its titles.
func (c *Screen) drawList(s terminal.Style, height int) []string {
	list := c.list()
	c.height = max(1, height)
	at := slices.Index(list, c.chosen)
	if at >= 0 {
		c.top = min(max(c.top, at-c.height+1), at)
	}
	c.top = min(max(0, c.top), max(0, len(list)-c.height))
	lines := []string{s.Bold(s.Fit(cells(s, "", "began", "state", "process", "local", "remote", "handshake", "out/in", "what"), s.Width))}
	for _, n := range list[c.top:min(len(list), c.top+c.height)] {
		st := c.row(n)
		lines = append(lines, c.drawRow(s, st, n == c.chosen))
	}
	if len(list) == 0 {
		lines = append(lines, s.Dim("  no connection yet"))
	}
	return lines
}

func (c *Screen) drawRow(s terminal.Style, st *watch.Story, chosen bool) string {
	mark, tone := " ", func(text string) string { return text }
	switch {
	case st.Failed():
		mark, tone = s.Pick("✗", "x"), s.Bad
	case st.Resent > 0 || len(st.Drops) > 0:
		mark, tone = "!", s.Doubtful
	case !st.Ended.IsZero():
		mark, tone = "-", s.Dim
	case !st.Opened.IsZero():
		mark = s.Pick("✓", "+")
	}
	if chosen {
		mark = ">" + mark
	} else {
		mark = " " + mark
	}
	took := ""
	if d, known := st.Handshake(); known {
		took = cause.Duration(d)
	} else if st.Flow.RTT > 0 {
		took = "~" + cause.Duration(st.Flow.RTT)
	}
	octets := ""
	if st.Flow.Acked+st.Flow.Received > 0 {
		octets = Octets(st.Sent()) + "/" + Octets(st.Got())
	}
	arrow := s.Pick("→", ">")
	if st.In {
		arrow = s.Pick("←", "<")
	}
	state := st.State.String()
	if st.State == sockets.UnknownState {
		state = "" // it never had one
	}
	text := cells(s, mark, st.Began.Format("15:04:05"), state, who(s, &st.Process), Place(st.Local), arrow+" "+Place(st.Remote), took, octets, what(st))
	text = s.Fit(terminal.Printable(s.Text(text)), s.Width)
	if chosen {
		return s.Bold(text)
	}
	return tone(text)
}

// what is the last word on a connection.
func what(st *watch.Story) string {
	var words []string
	if st.Verdict.Cause != "" && (!st.Ended.IsZero() || st.Resent > 0) {
		words = append(words, string(st.Verdict.Cause))
	}
	if st.Errno != "" {
		words = append(words, string(st.Errno))
	}
	if st.Resent > 0 {
		words = append(words, fmt.Sprintf("%d resent", st.Resent))
	}
	for _, d := range st.Drops {
		words = append(words, fmt.Sprintf("%d %s", d.Count, d.Reason))
	}
	return strings.Join(words, ", ")
}

// cells lays out a row: narrow screens lose the octets, the handshake's time and
// the local end first.
func cells(s terminal.Style, mark, began, state, process, local, remote, took, octets, what string) string {
	fitted := func(text string, width int) string { return terminal.Pad(s.Fit(text, width), width) + " " }
	text := fitted(mark, 2)
	if s.Width >= 100 {
		text += fitted(began, 8)
	}
	text += fitted(state, 11) + fitted(process, 16)
	if s.Width >= 110 {
		text += fitted(local, 21)
	}
	text += fitted(remote, 24)
	if s.Width >= 90 {
		text += fitted(took, 9)
	}
	if s.Width >= 130 {
		text += fitted(octets, 17)
	}
	return strings.TrimRight(text+what, " ")
}

// Ladder is one connection, a line for each of its steps.
func Ladder(s terminal.Style, st *watch.Story, now time.Time) []string {
	var lines []string
	add := func(text string) {
		lines = append(lines, terminal.Wrap(terminal.Printable(s.Text(text)), s.Width)...)
	}
	arrow := s.Pick("→", ">")
	if st.In {
		arrow = s.Pick("←", "<")
	}
	lines = append(lines, s.Bold(s.Fit(terminal.Printable(s.Text(fmt.Sprintf("#%d  %s  %s %s %s  %s", st.Number, who(s, &st.Process), Place(st.Local), arrow, Place(st.Remote), st.State))), s.Width)), "")
	for i, step := range st.Steps {
		if st.Cut > 0 && i == len(st.Steps)/2 {
			lines = append(lines, s.Dim(s.Fit(fmt.Sprintf("  %12s  %d steps left out", "", st.Cut), s.Width)))
		}
		after := "+" + cause.Duration(step.At.Sub(st.Began))
		if i == 0 {
			after = step.At.Format("15:04:05.000")
		}
		lines = append(lines, s.Fit(terminal.Printable(s.Text(fmt.Sprintf("  %s  %s %s", terminal.PadLeft(after, 12), s.Pick("│", "|"), stepWords(s, step)))), s.Width))
	}
	lines = append(lines, "")
	end := now
	if !st.Ended.IsZero() {
		end = st.Ended
	}
	add(fmt.Sprintf("%s; %s out, %s in; %d sent again; RTT %s", cause.Duration(max(end.Sub(st.Began), 0)), Octets(st.Sent()), Octets(st.Got()), st.Resent, cause.Duration(st.Flow.RTT)))
	if v := st.Verdict; v.Cause != "" {
		if v.Explanation == "" {
			v, _ = watch.Judge(st)
		}
		add(fmt.Sprintf("%s (%s) %s", v.Cause, v.Confidence, v.Explanation))
		if st.Failed() {
			add(v.Remedy)
		}
	} else if st.Unjudged != "" {
		add(st.Unjudged)
	}
	return lines
}

func stepWords(s terminal.Style, step watch.Step) string {
	switch step.Kind {
	case watch.Changed:
		return fmt.Sprintf("%s %s %s", step.Old, s.Pick("→", ">"), step.New)
	case watch.Resent:
		return "sent again"
	case watch.Dropped:
		return "packet thrown away: " + step.Text
	case watch.ResetSent:
		return "RST sent" + because(step.Text)
	case watch.ResetReceived:
		return "RST received"
	case watch.Failed, watch.ConnectFailed, watch.SocketFailed:
		return "its process is told " + step.Text
	case watch.Gone:
		return "gone"
	}
	return "seen"
}
