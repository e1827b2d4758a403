// Package watchview shows the stories of package watch to a person: as lines, as
// documents, as a sum, and as a picture of a whole screen.
//
// The functions are pure: stories, keys and a style in, text out.
package watchview

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/watch"
)

// Line is one news of a story: time, mark, process, who to whom, what happened.
func Line(s terminal.Style, at time.Time, st *watch.Story, n watch.News, e *watch.Event) string {
	return string(AppendLine(nil, s, at, st, n, e))
}

// AppendLine appends that. It makes no strings of its own where all is plain
// text: a host may have a hundred thousand news a second.
func AppendLine(b []byte, s terminal.Style, at time.Time, st *watch.Story, n watch.News, e *watch.Event) []byte {
	mark, tone := markOf(s, st, n)
	b = at.AppendFormat(b, "15:04:05.000000")
	b = append(append(append(b, ' '), mark...), ' ')
	b = appendWho(b, s, &st.Process, 22)
	b = append(b, "  "...)
	b = appendEnds(b, s, st)
	b = append(b, "  "...)
	from := len(b)
	b = appendWords(b, st, n, e)
	if words := b[from:]; !plain(words, s.Unicode) || s.Colour && len(words) > 0 {
		painted := tone(terminal.Printable(s.Text(string(words))))
		b = append(b[:from], painted...)
	}
	return append(b, '\n')
}

// plain says that a text can be shown as it is: ASCII without control characters,
// and in Unicode also the signs beyond that this program writes.
func plain(text []byte, unicode bool) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= ' ' && c < 0x7f:
		case unicode && c == 0xc2 && i+1 < len(text) && text[i+1] == 0xb5: // µ
			i++
		default:
			return false
		}
	}
	return true
}

// appendWho appends the process, in so many columns.
func appendWho(b []byte, s terminal.Style, p *watch.Process, width int) []byte {
	from := len(b)
	if p.PID == 0 {
		b = append(b, '?')
	} else {
		b = strconv.AppendInt(append(append(b, p.Name...), ' '), int64(p.PID), 10)
	}
	if p.Container != "" {
		b = append(append(append(b, " ["...), p.Container...), ']')
	}
	if text := b[from:]; !plain(text, false) || len(text) > width {
		return append(b[:from], terminal.Pad(s.Fit(terminal.Printable(s.Text(string(text))), width), width)...)
	}
	for len(b)-from < width {
		b = append(b, ' ')
	}
	return b
}

func markOf(s terminal.Style, st *watch.Story, n watch.News) (string, func(string) string) {
	asIs := func(text string) string { return text }
	switch n {
	case watch.HasFailed:
		return s.Bad(s.Pick("✗", "x")), s.Bad
	case watch.IsOpen:
		if st.Resent > 0 {
			return s.Doubtful("!"), s.Doubtful
		}
		return s.Good(s.Pick("✓", "+")), asIs
	case watch.ThrownAway, watch.StrayPacket, watch.Refusal, watch.SentAgain:
		return s.Doubtful("!"), s.Doubtful
	case watch.HasEnded:
		return s.Dim("-"), asIs
	}
	return " ", s.Dim
}

// who is the process.
func who(s terminal.Style, p *watch.Process) string {
	text := "?"
	if p.PID != 0 {
		text = fmt.Sprintf("%s %d", p.Name, p.PID)
	}
	if p.Container != "" {
		text += " [" + p.Container + "]"
	}
	return terminal.Printable(s.Text(text))
}

func appendEnds(b []byte, s terminal.Style, st *watch.Story) []byte {
	if st.Call != "" {
		return append(b, "no socket"...)
	}
	arrow := s.Pick(" → ", " -> ")
	if st.In {
		arrow = s.Pick(" ← ", " <- ")
	}
	if st.UDP {
		b = append(b, "udp "...)
	}
	b = append(appendPlace(b, st.Local), arrow...)
	if s.Colour {
		return append(b, s.Bold(Place(st.Remote))...)
	}
	return appendPlace(b, st.Remote)
}

// Place is an address and a port; what is not known yet is a star.
func Place(a netip.AddrPort) string { return string(appendPlace(nil, a)) }

func appendPlace(b []byte, a netip.AddrPort) []byte {
	switch {
	case !a.IsValid() || a.Port() == 0 && a.Addr().IsUnspecified():
		return append(b, '*')
	case a.Addr().IsUnspecified():
		return strconv.AppendUint(append(b, "*:"...), uint64(a.Port()), 10)
	case a.Port() == 0: // the kernel has not chosen it
		b = a.AppendTo(b)
		return append(b[:len(b)-1], '*')
	}
	return a.AppendTo(b)
}

// Words says what happened.
func Words(st *watch.Story, n watch.News, e *watch.Event) string {
	return string(appendWords(nil, st, n, e))
}

func appendWords(b []byte, st *watch.Story, n watch.News, e *watch.Event) []byte {
	switch n {
	case watch.Begun:
		return append(b, "SYN sent"...)
	case watch.StateIsNew:
		return append(b, st.State.String()...)
	case watch.IsOpen:
		return appendOpened(b, st)
	case watch.SentAgain:
		if st.Opened.IsZero() && !st.In {
			b = append(b, "SYN "...)
		}
		return fmt.Appendf(b, "sent again (%d)", st.Resent)
	case watch.ThrownAway, watch.StrayPacket:
		return appendDropped(b, e)
	case watch.Refusal:
		return append(append(b, "RST sent"...), because(st.RSTReason)...)
	case watch.HasFailed:
		return appendFailed(b, st)
	case watch.HasEnded:
		return appendEnded(b, st)
	}
	return b
}

func because(reason string) string {
	switch reason {
	case "":
		return ""
	case "NO_SOCKET":
		return ": nothing listens there (NO_SOCKET)"
	}
	return " (" + reason + ")"
}

func appendOpened(b []byte, st *watch.Story) []byte {
	d, known := st.Handshake()
	switch {
	case known:
		b = cause.AppendDuration(append(b, "open in "...), d)
	case st.In:
		b = append(b, "accepted"...)
	default:
		b = append(b, "open"...)
	}
	if !known && st.Flow.RTT > 0 {
		b = cause.AppendDuration(append(b, ", RTT "...), st.Flow.RTT)
	}
	if st.Resent > 0 && !st.In {
		b = appendResent(append(b, "; "...), st, "SYN")
	}
	return b
}

func appendResent(b []byte, st *watch.Story, word string) []byte {
	return append(append(b, count(uint64(st.Resent), word)...), " sent again"...)
}

func appendAfter(b []byte, st *watch.Story) []byte {
	if d := st.Ended.Sub(st.Began); d > 0 && st.Seen {
		b = cause.AppendDuration(append(b, " after "...), d)
	}
	return b
}

func appendFailed(b []byte, st *watch.Story) []byte {
	if st.Opened.IsZero() {
		b = append(b, "failed"...)
	} else {
		b = append(b, "broken"...)
	}
	b = appendAfter(b, st)
	if st.Resent > 0 && st.Opened.IsZero() {
		b = appendResent(append(b, ", "...), st, "SYN")
	}
	if st.Errno != "" {
		b = append(append(b, ", "...), st.Errno...)
	}
	b = append(b, ": "...)
	switch {
	case st.Verdict.Cause != "":
		b = append(append(append(b, st.Verdict.Cause...), " ("...), st.Verdict.Confidence...)
		return append(b, ')')
	case st.Unjudged != "":
		return append(b, st.Unjudged...)
	}
	return append(b, "not judged"...)
}

func appendEnded(b []byte, st *watch.Story) []byte {
	b = appendAfter(append(b, "ended"...), st)
	switch {
	case st.RSTOut && st.First == "":
		b = append(b, ", reset by this end"...)
	case st.First == "here":
		b = append(b, ", closed by this end first"...)
	case st.First == "peer":
		b = append(b, ", closed by the peer first"...)
	}
	if st.RSTIn {
		b = append(b, ", then reset"...)
	}
	if st.Flow.Acked+st.Flow.Received > 0 {
		b = append(appendOctets(append(b, ", "...), st.Sent()), " out, "...)
		b = append(appendOctets(b, st.Got()), " in"...)
	}
	if st.Resent > 0 {
		b = appendResent(append(b, ", "...), st, "segment")
	}
	if st.Verdict.Cause == "" && st.Unjudged != "" {
		b = append(append(append(b, " ("...), st.Unjudged...), ')')
	}
	return b
}

func appendDropped(b []byte, e *watch.Event) []byte {
	p := &e.Packet
	what := "packet"
	switch {
	case p.ICMP:
		what = fmt.Sprintf("ICMP error (type %d code %d)", p.ICMPType, p.ICMPCode)
	case e.UDP:
		what = "datagram"
	case p.FlagNames() != "":
		what = "[" + p.FlagNames() + "]"
	}
	way := "outgoing"
	if p.Arrived {
		way = "incoming"
	}
	b = fmt.Appendf(b, "%s %s thrown away: %s", way, what, e.Reason)
	if e.Where != "" {
		b = append(append(b, " in "...), e.Where...)
	}
	return b
}

// Octets writes a number of octets, three digits at most.
func Octets(n uint64) string { return string(appendOctets(nil, n)) }

var units = [...]string{" B", " kB", " MB", " GB", " TB"}

func appendOctets(b []byte, n uint64) []byte {
	if n < 1000 {
		return append(strconv.AppendUint(b, n, 10), units[0]...)
	}
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	return append(strconv.AppendFloat(b, f, 'g', 3, 64), units[i]...)
}

func count(n uint64, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.FormatUint(n, 10) + " " + word
}

// Summary is what was seen in all.
func Summary(s terminal.Style, sum *watch.Summary, lost uint64, took time.Duration, title func(cause.ID) string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		for _, part := range terminal.Wrap(terminal.Printable(s.Text(fmt.Sprintf(format, args...))), s.Width) {
			b.WriteString(part + "\n")
		}
	}
	line("%s in %s: %d begun here, %d accepted; %d opened, %d failed, %d ended; %s, %s sent again, %s thrown away.", count(sum.Stories, "connection"), cause.Duration(took),
		sum.Begun, sum.Accepted, sum.Opened, sum.Failed, sum.Ended, count(sum.Refusals, "refusal"), count(sum.Resent, "segment"), count(sum.Drops, "packet"))
	if h := &sum.Handshake; h.N > 0 {
		line("Handshakes: least %s, median %s, 99 of 100 below %s, most %s.", cause.Duration(h.Min), cause.Duration(h.Quantile(0.5)), cause.Duration(h.Quantile(0.99)), cause.Duration(h.Max))
	}
	if len(sum.Causes) > 0 || sum.Unjudged > 0 {
		b.WriteString("\n" + s.Bold("Causes") + "\n")
		for _, id := range byCount(sum.Causes) {
			b.WriteString(terminal.Printable(s.Text(fmt.Sprintf("  %8d  %-22s %s", sum.Causes[id], id, title(id)))) + "\n")
		}
		if sum.Unjudged > 0 {
			fmt.Fprintf(&b, "  %8d  %-22s %s\n", sum.Unjudged, "-", "what was seen does not tell")
		}
	}
	if len(sum.Reasons) > 0 {
		b.WriteString("\n" + s.Bold("Thrown away") + "\n")
		for _, reason := range byCount(sum.Reasons) {
			fmt.Fprintf(&b, "  %8d  %s\n", sum.Reasons[reason], terminal.Printable(reason))
		}
	}
	if lost > 0 {
		b.WriteByte('\n')
		line("%s lost: they came faster than they could be read, or one while another was noted. What is counted above is too little by as much.", plural(lost, "event was", "events were"))
	}
	if sum.GivenUp > 0 {
		b.WriteByte('\n')
		line("%s left for want of room (--max-connections).", plural(sum.GivenUp, "connection was", "connections were"))
	}
	return b.String()
}

func plural(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
