package story

import (
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
)

const (
	timeWidth  = 11
	stateWidth = 13
	beside     = 40 // columns of meaning below which it stands on a line of its own
)

// Ladder draws a connection's packets between its two ends, with both ends'
// states after each, and says what each means.
func Ladder(s terminal.Style, r *conversation.Report) string {
	var b strings.Builder
	width := s.Width
	if width <= 0 {
		width = 132
	}
	arrow := min(30, max(16, width-timeWidth-2*stateWidth-8))
	column := timeWidth + 2*stateWidth + arrow + 8
	separate := width-column < beside
	margin := strings.Repeat(" ", timeWidth+2)
	left, right := "initiator "+r.Initiator.String(), "responder "+r.Responder.String()
	gap := max(2, stateWidth+arrow+4-terminal.Columns(left))
	if timeWidth+2+terminal.Columns(left)+gap+terminal.Columns(right) > width {
		b.WriteString(margin + s.Bold(left) + "\n" + strings.Repeat(" ", max(timeWidth+2, width-terminal.Columns(right))) + s.Bold(right) + "\n")
	} else {
		b.WriteString(margin + s.Bold(left) + strings.Repeat(" ", gap) + s.Bold(right) + "\n")
	}
	inferred := false
	for _, g := range r.Ladder {
		if g.Frame == 0 {
			b.WriteString(margin + s.Dim(g.Meaning) + "\n")
			continue
		}
		paint := func(text string) string { return text }
		if g.Warns {
			paint = s.Doubtful
		}
		from, to := state(g.States, "initiator"), state(g.States, "responder")
		inferred = inferred || len(g.States.Inferred) > 0
		line := terminal.PadLeft(clock(g.At), timeWidth) + "  " +
			terminal.PadLeft(from, stateWidth) + " " + paint(shaft(s, &g, arrow)) + " " + terminal.Pad(to, stateWidth)
		text := terminal.Printable(s.Text(g.Meaning))
		if separate {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			for _, part := range terminal.Wrap(text, max(20, width-timeWidth-4)) {
				b.WriteString(margin + "  " + paint(part) + "\n")
			}
			continue
		}
		for i, part := range terminal.Wrap(text, width-column) {
			if i > 0 {
				line = strings.Repeat(" ", column-4)
			}
			b.WriteString(terminal.Pad(line, column-4) + "  " + paint(part) + "\n")
		}
	}
	if inferred {
		for _, line := range terminal.Wrap("~ the packet that leads there was seen, its arrival was not (yet) confirmed", width-timeWidth-2) {
			b.WriteString(margin + s.Dim(line) + "\n")
		}
	}
	return b.String()
}

func state(s conversation.States, end string) string {
	name := s.Initiator
	if end == "responder" {
		name = s.Responder
	}
	for _, i := range s.Inferred {
		if i == end {
			return "~" + name
		}
	}
	return name
}

func clock(t conversation.Time) string {
	return fmt.Sprintf("%.6f", time.Duration(t).Seconds())
}

// label is what stands on an arrow: flags and relative numbers.
func label(g *conversation.Rung) string {
	text := g.Flags + " " + fmt.Sprint(g.Seq)
	if g.Len > 0 {
		text += ":" + fmt.Sprint(g.Seq+g.Len)
	}
	if strings.Contains(g.Flags, ".") {
		text += " ack " + fmt.Sprint(g.Ack)
	}
	if g.Flags == "ICMP" {
		return "ICMP"
	}
	return text
}

// shaft is the arrow itself.
func shaft(s terminal.Style, g *conversation.Rung, width int) string {
	line := s.Pick("─", "-")
	text := s.Fit(" "+label(g)+" ", width-4)
	rest := width - 2 - terminal.Columns(text)
	before, after := strings.Repeat(line, rest/2), strings.Repeat(line, rest-rest/2)
	head, tail := s.Pick("▶", ">"), s.Pick("│", "|")
	if g.From == "initiator" {
		return tail + before + text + after + head
	}
	back := s.Pick("◀", "<")
	if g.From != "responder" { // an ICMP error: from between the ends, or from further
		return back + strings.Repeat(s.Pick("┄", "."), rest/2) + text + strings.Repeat(s.Pick("┄", "."), rest-rest/2) + tail
	}
	return back + before + text + after + tail
}
