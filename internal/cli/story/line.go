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

// Line is a connection in one line: number, time, who to whom, handshake, both
// ends' states, how it ended, and the cause.
func Line(s terminal.Style, r *conversation.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s  %s %s %s  ", terminal.PadLeft(fmt.Sprintf("#%d", r.Number), 5),
		symbol(s, r), r.Start.Format("15:04:05.000000"),
		s.Bold(r.Initiator.String()), s.Pick("→", ">"), s.Bold(r.Responder.String()))
	b.WriteString(s.Text(strings.Join([]string{handshake(r), states(r), ending(r)}, "; ")))
	if len(r.Tunnel) > 0 {
		b.WriteString(s.Dim(" [" + strings.Join(r.Tunnel, ", ") + "]"))
	}
	b.WriteString("; " + tone(s, r)(verdict(r)))
	return b.String() + "\n"
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
