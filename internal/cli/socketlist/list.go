// Package socketlist shows a table of sockets to a person, with what is wrong
// marked and explained, and as a document.
//
// The functions are pure: a table and a style in, text out.
package socketlist

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/sockets"
)

// List is what of a table is shown.
type List struct {
	Table    *sockets.Table
	Rows     []int32 // those chosen, in their order
	Findings []sockets.Finding
	Info     bool // with TCP_INFO
}

// New chooses rows and the findings that concern at least one of them. With
// wrong only those rows remain that a finding concerns.
func New(t *sockets.Table, chosen func(*sockets.Socket) bool, order string, wrong bool) *List {
	l := &List{Table: t}
	in := make([]bool, len(t.Sockets))
	for i := range t.Sockets {
		if in[i] = chosen(&t.Sockets[i]); in[i] {
			l.Rows = append(l.Rows, int32(i))
		}
	}
	for _, f := range sockets.Diagnose(t) {
		if slices.ContainsFunc(f.Rows, func(i int32) bool { return in[i] }) {
			l.Findings = append(l.Findings, f)
		}
	}
	if wrong {
		marks := l.marks()
		l.Rows = slices.DeleteFunc(l.Rows, func(i int32) bool { return len(marks[i]) == 0 })
	}
	t.Sort(l.Rows, order)
	return l
}

// marks gives each row that is marked the numbers of its findings.
func (l *List) marks() map[int32][]int {
	marks := map[int32][]int{}
	for n := range l.Findings {
		for _, i := range l.Findings[n].Rows {
			marks[i] = append(marks[i], n)
		}
	}
	return marks
}

// column is one of the table.
type column struct {
	title string
	right bool
	least int // what it is cut to before it is left out; 0: it is never cut
	rank  int // the highest is left out first; 0: never
	cells []string
	width int
}

// gap is the number of spaces between two columns.
const gap = 2

// Text writes the table, then the findings, then the sum.
func (l *List) Text(w io.Writer, s terminal.Style) {
	marks := l.marks()
	columns := l.columns(s, marks)
	var b strings.Builder
	flush := func() { io.WriteString(w, b.String()); b.Reset() }
	var row []byte
	if len(l.Rows) > 0 {
		row = appendRow(row, s, columns, -1)
		b.WriteString(s.Bold(string(row)) + "\n")
	}
	for n, i := range l.Rows {
		row = appendRow(row[:0], s, columns, n)
		switch grade := l.grade(marks[i]); {
		case grade == sockets.Wrong:
			b.WriteString(s.Bad(string(row)))
		case grade == sockets.Notice:
			b.WriteString(s.Doubtful(string(row)))
		default:
			b.Write(row)
		}
		b.WriteByte('\n')
		if l.Info && l.Table.Sockets[i].Info != nil {
			for _, more := range terminal.Wrap(s.Text(infoWords(l.Table.Sockets[i].Info)), max(0, s.Width-6)) {
				b.WriteString(s.Dim("      "+more) + "\n")
			}
		}
		if b.Len() > 1<<15 {
			flush()
		}
	}
	l.findings(&b, s)
	l.sum(&b, s)
	flush()
}

func (l *List) grade(marks []int) (worst sockets.Grade) {
	for _, n := range marks {
		worst = max(worst, l.Findings[n].Grade)
	}
	return worst
}

func (l *List) columns(s terminal.Style, marks map[int32][]int) []*column {
	mark := &column{}
	network, state := &column{title: "proto", rank: 5}, &column{title: "state"}
	recv, send := &column{title: "recv-q", right: true, rank: 3}, &column{title: "send-q", right: true, rank: 3}
	local, remote := &column{title: "local", least: 14}, &column{title: "remote", least: 14}
	timing, process := &column{title: "timer", rank: 4}, &column{title: "process", least: 8, rank: 1}
	user, group := &column{title: "user", right: true, rank: 8}, &column{title: "container", rank: 6}
	all := []*column{mark, network, state, recv, send, local, remote, timing, user, process, group}
	for _, c := range all {
		c.cells = make([]string, 0, len(l.Rows))
	}
	holders := map[int32]string{} // most sockets are of few processes
	for _, i := range l.Rows {
		k := &l.Table.Sockets[i]
		mark.cells = append(mark.cells, numbers(marks[i]))
		network.cells = append(network.cells, k.Network)
		state.cells = append(state.cells, k.State.String())
		recv.cells = append(recv.cells, strconv.FormatUint(uint64(k.RecvQ), 10))
		send.cells = append(send.cells, strconv.FormatUint(uint64(k.SendQ), 10))
		local.cells = append(local.cells, at(k.Local, k.Interface))
		remote.cells = append(remote.cells, at(k.Remote, ""))
		timing.cells = append(timing.cells, s.Text(timerWords(k)))
		process.cells = append(process.cells, l.named(holders, s, k))
		user.cells = append(user.cells, strconv.FormatUint(uint64(k.UID), 10))
		group.cells = append(group.cells, terminal.Printable(s.Text(l.container(k))))
	}
	all = slices.DeleteFunc(all, func(c *column) bool { return empty(c) && c != remote && c != local })
	fit(s, all)
	return slices.DeleteFunc(all, func(c *column) bool { return c.width < 0 })
}

func empty(c *column) bool {
	return !slices.ContainsFunc(c.cells, func(text string) bool { return text != "" })
}

// fit gives the columns their widths: as wide as their longest cell, and where
// that is too much, the widest that may be are cut, then those of the highest
// rank left out.
func fit(s terminal.Style, columns []*column) {
	total := 0
	for _, c := range columns {
		c.width = terminal.Columns(c.title)
		for _, cell := range c.cells {
			c.width = max(c.width, terminal.Columns(cell))
		}
		total += c.width + gap
	}
	total -= gap
	if s.Width <= 0 {
		return
	}
	for total > s.Width {
		var out *column
		for _, c := range columns {
			if c.width >= 0 && c.rank > 0 && (out == nil || c.rank > out.rank) && c.least == 0 {
				out = c
			}
		}
		var widest *column
		for _, c := range columns {
			if c.least > 0 && c.width > c.least && (widest == nil || c.width > widest.width) {
				widest = c
			}
		}
		switch {
		case widest != nil && (out == nil || total-s.Width <= slack(columns)):
			widest.width--
			total--
		case out != nil:
			total -= out.width + gap
			out.width = -1
		default:
			return
		}
	}
}

// slack is by how much the columns that may be cut can shrink without hurting:
// to two thirds.
func slack(columns []*column) (n int) {
	for _, c := range columns {
		if c.least > 0 && c.width > c.least {
			n += c.width - max(c.least, c.width*2/3)
		}
	}
	return n
}

// appendRow appends one row, or with -1 the titles, without the spaces at its end.
func appendRow(b []byte, s terminal.Style, columns []*column, row int) []byte {
	for n, c := range columns {
		text := c.title
		if row >= 0 {
			text = c.cells[row]
		}
		text = s.Fit(text, c.width)
		fill := c.width - terminal.Columns(text)
		if c.right {
			b = append(appendSpaces(b, fill), text...)
		} else {
			b = appendSpaces(append(b, text...), fill)
		}
		if n < len(columns)-1 {
			b = appendSpaces(b, gap)
		}
	}
	return bytes.TrimRight(b, " ")
}

func appendSpaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

func numbers(marks []int) string {
	words := make([]string, len(marks))
	for i, n := range marks {
		words[i] = strconv.Itoa(n + 1)
	}
	if len(words) == 0 {
		return ""
	}
	return "!" + strings.Join(words, ",")
}

func at(a netip.AddrPort, device string) string {
	if !a.IsValid() {
		return "*"
	}
	text := a.String()
	switch {
	case a.Port() == 0 && a.Addr().IsUnspecified():
		text = "*:*"
	case a.Addr() == netip.IPv6Unspecified():
		text = fmt.Sprintf("[::]:%d", a.Port())
	}
	if device != "" {
		text += "%" + device
	}
	return text
}

func timerWords(s *sockets.Socket) string {
	if s.Timer == sockets.NoTimer {
		return ""
	}
	text := s.Timer.String() + " " + cause.Duration(s.Expires)
	if s.Retries > 0 {
		text += fmt.Sprintf(" ×%d", s.Retries)
	}
	return text
}

// named is what the process of a socket is called, as the style can show it.
func (l *List) named(known map[int32]string, s terminal.Style, k *sockets.Socket) string {
	if len(k.Holders) != 1 {
		return terminal.Printable(s.Text(l.process(k)))
	}
	text, is := known[k.Holders[0]]
	if !is {
		text = terminal.Printable(s.Text(l.process(k)))
		known[k.Holders[0]] = text
	}
	return text
}

func (l *List) process(s *sockets.Socket) string {
	switch {
	case len(s.Holders) > 0:
		p := &l.Table.Processes[s.Holders[0]]
		text := fmt.Sprintf("%s %d", p.Name, p.PID)
		if n := len(s.Holders) - 1; n > 0 {
			text += fmt.Sprintf(" +%d", n)
		}
		return text
	case s.Inode != 0 && l.Table.NoProcesses == "":
		return "?"
	}
	return ""
}

func (l *List) container(s *sockets.Socket) string {
	if len(s.Holders) == 0 {
		return ""
	}
	return l.Table.Processes[s.Holders[0]].Container
}

// mostOfAKind is how many findings of one kind a person is shown.
const mostOfAKind = 10

func (l *List) findings(b *strings.Builder, s terminal.Style) {
	if len(l.Findings) == 0 {
		return
	}
	if len(l.Rows) > 0 {
		b.WriteByte('\n')
	}
	of := map[string]int{}
	for n := range l.Findings {
		of[l.Findings[n].Kind]++
	}
	shown := map[string]int{}
	for n := range l.Findings {
		f := &l.Findings[n]
		if shown[f.Kind]++; shown[f.Kind] > mostOfAKind {
			if shown[f.Kind] == mostOfAKind+1 {
				fmt.Fprintf(b, "    %s\n", s.Dim(fmt.Sprintf("and %d more of this kind: --json has them all", of[f.Kind]-mostOfAKind)))
			}
			continue
		}
		tone := s.Bad
		if f.Grade == sockets.Notice {
			tone = s.Doubtful
		}
		label := fmt.Sprintf("!%d", n+1)
		indent := strings.Repeat(" ", max(4, len(label)+1))
		lead := terminal.Pad(label, len(indent))
		text := f.Text
		if f.Cause != "" {
			text += fmt.Sprintf(" (%s, %s)", f.Cause, f.Confidence)
		}
		for i, part := range terminal.Wrap(terminal.Printable(s.Text(text)), max(0, s.Width-len(indent))) {
			if i == 0 {
				b.WriteString(tone(lead) + part + "\n")
				continue
			}
			b.WriteString(indent + part + "\n")
		}
		for _, part := range terminal.Wrap(terminal.Printable(s.Text(f.Remedy)), max(0, s.Width-len(indent))) {
			b.WriteString(indent + s.Dim(part) + "\n")
		}
	}
}

// sum is how many there are in each state, and what was not seen.
func (l *List) sum(b *strings.Builder, s terminal.Style) {
	counts := map[sockets.State]int{}
	for _, i := range l.Rows {
		counts[l.Table.Sockets[i].State]++
	}
	var words []string
	for state := range sockets.State(32) {
		if n := counts[state]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, state))
		}
	}
	text := plural(len(l.Rows), "socket")
	if n := len(l.Table.Sockets); n != len(l.Rows) {
		text += fmt.Sprintf(" of %d", n)
	}
	if len(words) > 0 {
		text += ": " + strings.Join(words, ", ")
	}
	if len(l.Findings) == 0 {
		text += "; nothing wrong is seen"
	}
	if len(l.Rows)+len(l.Findings) > 0 {
		b.WriteByte('\n')
	}
	notes := []string{text + "."}
	if l.Table.NoProcesses != "" {
		notes = append(notes, "Which processes hold them was not looked for: "+l.Table.NoProcesses+".")
	} else if n := l.Table.Unheld; n > 0 {
		notes = append(notes, fmt.Sprintf("Of %s the process is not visible from here (process ?): it is another user's, which root or CAP_SYS_PTRACE sees, or outside this PID namespace.", plural(n, "socket")))
	}
	if l.Table.Torn {
		notes = append(notes, "The table changed while it was read: sockets may be missing.")
	}
	for _, note := range notes {
		for _, part := range terminal.Wrap(terminal.Printable(s.Text(note)), s.Width) {
			b.WriteString(part + "\n")
		}
	}
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// caStates are tcpi_ca_state's words (linux/tcp.h, enum tcp_ca_state).
var caStates = [...]string{"open", "disorder", "CWR", "recovery", "loss"}

// infoWords is TCP_INFO in a line.
func infoWords(i *sockets.Info) string {
	state := "?"
	if int(i.CAState) < len(caStates) {
		state = caStates[i.CAState]
	}
	words := []string{
		fmt.Sprintf("RTT %s ± %s, least %s", cause.Duration(i.RTT), cause.Duration(i.RTTVar), cause.Duration(i.MinRTT)),
		"RTO " + cause.Duration(i.RTO),
		fmt.Sprintf("MSS %d, PMTU %d", i.SndMSS, i.PMTU),
		fmt.Sprintf("cwnd %d (%s)", i.Cwnd, state),
		fmt.Sprintf("unacked %d, lost %d, resent %d", i.Unacked, i.Lost, i.Retransmitted),
		fmt.Sprintf("acked %d, received %d octets", i.BytesAcked, i.BytesRecv),
	}
	if i.NotSent > 0 {
		words = append(words, fmt.Sprintf("%d octets not sent", i.NotSent))
	}
	if i.Windows {
		words = append(words, fmt.Sprintf("windows %d out, %d in", i.SndWnd, i.RcvWnd))
	}
	words = append(words, fmt.Sprintf("last sent %s, received %s, acknowledged %s ago", cause.Duration(i.LastSent), cause.Duration(i.LastRecv), cause.Duration(i.LastACK)))
	return strings.Join(words, "; ")
}
