// Package story tells captured connections to a person: each in a line, its
// details, its packets as a ladder in the terminal or as a drawing, and the
// sum of many.
//
// The functions are pure: reports and a style in, text out.
package story

import (
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
)

// Columns of a line: both ends, and the verdict, padded so that they stand under
// each other where addresses are IPv4's.
const (
	endWidth     = 21
	verdictWidth = 30
	under        = 8 // what does not fit the terminal stands indented below
)

// Line is a connection in one line: number, time, who to whom, the verdict, and
// then how it came about: handshake, both ends' states, who ended it, wrapping.
// On a terminal that is too narrow for all of it the second half goes below.
func Line(s terminal.Style, r *conversation.Report) string {
	from, to := terminal.PadLeft(r.Initiator.String(), endWidth), terminal.Pad(r.Responder.String(), endWidth)
	said := verdict(r)
	head := fmt.Sprintf("%s %s %s  %s %s %s  %s%s", terminal.PadLeft(fmt.Sprintf("#%d", r.Number), 5), symbol(s, r), r.Start.Format("15:04:05.000000"),
		s.Bold(from), s.Pick("→", ">"), s.Bold(to), tone(s, r)(said), terminal.Pad("", verdictWidth-terminal.Columns(said)))
	how := strings.Join([]string{handshake(r), states(r), ending(r)}, "; ")
	if len(r.Tunnel) > 0 {
		how += " [" + strings.Join(r.Tunnel, ", ") + "]"
	}
	how = s.Text(how)
	plain := fmt.Sprintf("%5d x 15:04:05.000000  %s > %s  %s", r.Number, from, to, terminal.Pad(said, verdictWidth))
	if s.Width <= 0 || terminal.Columns(plain)+2+terminal.Columns(how) <= s.Width {
		return head + "  " + how + "\n"
	}
	var b strings.Builder
	indent := strings.Repeat(" ", under)
	if terminal.Columns(strings.TrimRight(plain, " ")) <= s.Width {
		b.WriteString(strings.TrimRight(head, " ") + "\n")
		said = ""
	} else { // the verdict begins the second half
		fmt.Fprintf(&b, "%s %s %s  %s %s %s\n", terminal.PadLeft(fmt.Sprintf("#%d", r.Number), 5), symbol(s, r), r.Start.Format("15:04:05.000000"),
			s.Bold(r.Initiator.String()), s.Pick("→", ">"), s.Bold(r.Responder.String()))
		how = said + "; " + how
	}
	for i, line := range terminal.Wrap(how, max(24, s.Width-under)) {
		if rest, first := strings.CutPrefix(line, said); i == 0 && first && said != "" {
			b.WriteString(indent + tone(s, r)(said) + s.Dim(rest) + "\n")
			continue
		}
		b.WriteString(indent + s.Dim(line) + "\n")
	}
	return b.String()
}

// Day is the line that stands before the first connection of a day.
func Day(s terminal.Style, day string) string {
	return s.Dim(strings.Repeat(" ", under)+day+" UTC") + "\n"
}

func symbol(s terminal.Style, r *conversation.Report) string {
	switch {
	case r.Outcome == "":
		return s.Dim("?")
	case r.Outcome != cause.Open:
		return s.Bad(s.Pick("✗", "x"))
	case plain(r):
		return s.Good(s.Pick("✓", "+"))
	}
	return s.Doubtful("!")
}

// plain says that there is nothing to remark.
func plain(r *conversation.Report) bool {
	return r.Outcome == cause.Open && (r.Cause == cause.IsOpen || r.Cause == cause.PeerClosed)
}

func tone(s terminal.Style, r *conversation.Report) func(string) string {
	switch {
	case r.Outcome == "":
		return s.Dim
	case plain(r):
		return s.Good
	case r.Outcome == cause.Open:
		return s.Doubtful
	}
	return s.Bad
}

func verdict(r *conversation.Report) string {
	if r.Cause == "" {
		return "no verdict"
	}
	return fmt.Sprintf("%s (%s)", r.Cause, r.Confidence)
}

// handshake is how the connection was opened.
func handshake(r *conversation.Report) string {
	words := []string{r.Handshake}
	if r.SYNs > 1 {
		words = append(words, fmt.Sprintf("%d SYNs", r.SYNs))
	}
	if r.RTT != nil {
		words = append(words, "RTT "+cause.Duration(time.Duration(*r.RTT)))
	}
	if len(r.Agreed) > 0 {
		words = append(words, "agreed "+strings.Join(r.Agreed, "+"))
	}
	if len(r.NotAnswered) > 0 {
		words = append(words, "not answered "+strings.Join(r.NotAnswered, "+"))
	}
	return strings.Join(words, ", ")
}

func states(r *conversation.Report) string { return r.States.Initiator + "/" + r.States.Responder }

// ending is how the connection ended, and who ended it.
func ending(r *conversation.Report) string {
	if r.Ending.First == nil {
		switch r.Event {
		case conversation.EventOpened, conversation.EventAsking, conversation.EventLeft:
			return "under way"
		}
		return "no end seen"
	}
	by, with, _ := strings.Cut(*r.Ending.First, ":")
	text := fmt.Sprintf("%s by %s", strings.ToUpper(with), by)
	switch r.Ending.How {
	case "fin-both":
		return text + ", both closed"
	case "fin-one-side":
		return text + ", half closed"
	case "fin-both-then-reset":
		return text + ", both closed, and a RST"
	case "reset":
		if with == "fin" {
			return text + ", then RST"
		}
	}
	return text
}

// Lost says that a live capture lost packets.
func Lost(s terminal.Style, n uint64) string {
	return s.Doubtful(s.Text(fmt.Sprintf("      ! %s lost for want of room: what seems to be missing may be among them", count(n, "packet was", "packets were")))) + "\n"
}
