// Package watchview shows the stories of package watch to a person: as lines, as
// documents, as a sum, and as a picture of a whole screen.
//
// The functions are pure: stories, keys and a style in, text out.
package watchview

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/watch"
)

// Line is one news of a story: time, mark, process, who to whom, what happened.
func Line(s terminal.Style, at time.Time, st *watch.Story, n watch.News, e *watch.Event) string {
	mark, tone := markOf(s, st, n)
	words := terminal.Printable(s.Text(Words(st, n, e)))
	return fmt.Sprintf("%s %s %s  %s  %s\n", at.Format("15:04:05.000000"), mark, terminal.Pad(s.Fit(who(s, &st.Process), 22), 22), ends(s, st), tone(words))
}

func markOf(s terminal.Style, st *watch.Story, n watch.News) (string, func(string) string) {
	plain := func(text string) string { return text }
	switch n {
	case watch.HasFailed:
		return s.Bad(s.Pick("✗", "x")), s.Bad
	case watch.IsOpen:
		if st.Resent > 0 {
			return s.Doubtful("!"), s.Doubtful
		}
		return s.Good(s.Pick("✓", "+")), plain
	case watch.ThrownAway, watch.StrayPacket, watch.Refusal, watch.SentAgain:
		return s.Doubtful("!"), s.Doubtful
	case watch.HasEnded:
		return s.Dim("-"), plain
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

func ends(s terminal.Style, st *watch.Story) string {
	if st.Call != "" {
		return "no socket"
	}
	arrow := s.Pick("→", "->")
	if st.In {
		arrow = s.Pick("←", "<-")
	}
	text := Place(st.Local) + " " + arrow + " " + s.Bold(Place(st.Remote))
	if st.UDP {
		text = "udp " + text
	}
	return text
}

// Place is an address and a port; what is not known yet is a star.
func Place(a netip.AddrPort) string {
	switch {
	case !a.IsValid() || a.Port() == 0 && a.Addr().IsUnspecified():
		return "*"
	case a.Addr().IsUnspecified():
		return fmt.Sprintf("*:%d", a.Port())
	}
	return a.String()
}

// Words says what happened.
func Words(st *watch.Story, n watch.News, e *watch.Event) string {
	switch n {
	case watch.Begun:
		return "SYN sent"
	case watch.StateIsNew:
		return st.State.String()
	case watch.IsOpen:
		return opened(st)
	case watch.SentAgain:
		if st.Opened.IsZero() && !st.In {
			return fmt.Sprintf("SYN sent again (%d)", st.Resent)
		}
		return fmt.Sprintf("sent again (%d)", st.Resent)
	case watch.ThrownAway, watch.StrayPacket:
		return dropped(e)
	case watch.Refusal:
		return "RST sent" + because(st.RSTReason)
	case watch.HasFailed:
		return failed(st)
	case watch.HasEnded:
		return ended(st)
	}
	return ""
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

func opened(st *watch.Story) string {
	text := "open"
	if d, known := st.Handshake(); known {
		text += " in " + cause.Duration(d)
	} else if st.In {
		text = "accepted"
	}
	if _, known := st.Handshake(); !known && st.Flow.RTT > 0 {
		text += ", RTT " + cause.Duration(st.Flow.RTT)
	}
	if st.Resent > 0 && !st.In {
		text += fmt.Sprintf("; %s sent again", count(uint64(st.Resent), "SYN"))
	}
	return text
}

func failed(st *watch.Story) string {
	text := "failed"
	if !st.Opened.IsZero() {
		text = "broken"
	}
	if d := st.Ended.Sub(st.Began); d > 0 && st.Seen {
		text += " after " + cause.Duration(d)
	}
	if st.Resent > 0 && st.Opened.IsZero() {
		text += fmt.Sprintf(", %s sent again", count(uint64(st.Resent), "SYN"))
	}
	if st.Errno != "" {
		text += ", " + string(st.Errno)
	}
	return text + ": " + verdict(st)
}

func verdict(st *watch.Story) string {
	if st.Verdict.Cause == "" {
		if st.Unjudged != "" {
			return st.Unjudged
		}
		return "not judged"
	}
	return fmt.Sprintf("%s (%s)", st.Verdict.Cause, st.Verdict.Confidence)
}

func ended(st *watch.Story) string {
	text := "ended"
	if d := st.Ended.Sub(st.Began); d > 0 && st.Seen {
		text += " after " + cause.Duration(d)
	}
	switch {
	case st.RSTOut && st.First == "":
		text += ", reset by this end"
	case st.First == "here":
		text += ", closed by this end first"
	case st.First == "peer":
		text += ", closed by the peer first"
	}
	if st.RSTIn {
		text += ", then reset"
	}
	if st.Flow.Acked+st.Flow.Received > 0 {
		text += fmt.Sprintf(", %s out, %s in", Octets(outOf(st)), Octets(st.Flow.Received))
	}
	if st.Resent > 0 {
		text += fmt.Sprintf(", %s sent again", count(uint64(st.Resent), "segment"))
	}
	if st.Verdict.Cause == "" && st.Unjudged != "" {
		text += " (" + st.Unjudged + ")"
	}
	return text
}

// outOf is what the peer has acknowledged, without the SYN, which the kernel
// counts too.
func outOf(st *watch.Story) uint64 {
	if st.Flow.Acked > 0 {
		return st.Flow.Acked - 1
	}
	return 0
}

func dropped(e *watch.Event) string {
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
	text := fmt.Sprintf("%s %s thrown away: %s", way, what, e.Reason)
	if e.Where != "" {
		text += " in " + e.Where
	}
	return text
}

// Octets writes a number of octets, three digits at most.
func Octets(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	return fmt.Sprintf("%.3g %s", f, units[i])
}

func count(n uint64, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
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
		line("%s lost: they came faster than they could be read. What is counted above is too little by as much.", plural(lost, "event was", "events were"))
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
