package answer

import (
	"strings"

	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// Check is one thing that this host and user may be able to observe.
type Check struct {
	Title string
	State string // yes, no, unknown
	Why   string // what was tried, and what came of it
	Adds  string // what it adds to a report
	Needs string // the command that would open it; may be empty
}

// Checklist lists what can be observed, then what cannot, with what it would
// add and how to get it.
func Checklist(style terminal.Style, checks []Check) string {
	p := &page{style: style}
	for _, c := range checks {
		if c.State == "yes" {
			p.check(painted(p.style.Pick("✓", "+"), p.style.Good), c)
		}
	}
	for _, c := range checks {
		if c.State == "yes" {
			continue
		}
		p.gap()
		symbol := painted(p.style.Pick("✗", "x"), p.style.Bad)
		if c.State != "no" {
			symbol = painted("?", p.style.Doubtful)
		}
		p.check(symbol, c)
		p.labelled("why", plain(c.Why))
		p.labelled("adds", plain(c.Adds))
		if c.Needs != "" {
			p.line("  " + p.style.Bold("needs") + strings.Repeat(" ", labels-2-len("needs")) + p.style.Command(p.clean(c.Needs)))
		}
	}
	return p.String()
}

func (p *page) check(symbol span, c Check) {
	p.paragraph(0, 2, symbol, painted(c.Title, p.style.Bold))
}
