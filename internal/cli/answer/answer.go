// Package answer tells a person what happened to a dial: the verdict, who did
// it, what to do, what happened when, and what could not be seen.
//
// The functions are pure: an [Answer] and a style in, text out.
package answer

import (
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// Answer is all that is to be told of one target.
type Answer struct {
	Dial     *evidence.Dial
	Verdict  cause.Verdict
	Attempts []cause.Verdict       // of Dial.Attempts, in order
	Winner   int                   // index of the attempt whose connection was used; -1: none
	Missing  []*evidence.Unseen    // what could not be seen, and why
	Title    func(cause.ID) string // the catalogue's one line for a cause
}

// Text is the whole answer. Verbose adds every observation.
func Text(style terminal.Style, a Answer, verbose bool) string {
	p := &page{style: style}
	p.head(a)
	p.gap()
	if a.Verdict.Explanation != "" {
		p.paragraph(2, 2, plain(a.Verdict.Explanation))
		p.gap()
	}
	p.culprit(a)
	p.alternatives(a)
	p.remedy(a.Verdict)
	p.gap()
	p.timeline(a)
	p.gap()
	p.hops(a)
	p.gap()
	p.attempts(a)
	p.gap()
	p.path(a)
	p.unseen(a)
	p.more(a)
	if verbose {
		p.gap()
		p.observations(a.Dial)
	}
	return p.String()
}

// Brief is the answer for one of many targets: the verdict, and for one that
// is not plainly open the explanation and what to do.
func Brief(style terminal.Style, a Answer) string {
	p := &page{style: style}
	p.head(a)
	if plainlyOpen(a.Verdict) {
		return p.String()
	}
	if a.Verdict.Explanation != "" {
		p.paragraph(2, 2, plain(a.Verdict.Explanation))
	}
	p.culprit(a)
	p.alternatives(a)
	p.remedy(a.Verdict)
	return p.String()
}

// plainlyOpen says that there is nothing to remark.
func plainlyOpen(v cause.Verdict) bool {
	return v.Outcome == cause.Open && (v.Cause == cause.IsOpen || v.Cause == cause.UDPAnswered)
}

// head is the verdict in a line: target, outcome, cause, confidence.
func (p *page) head(a Answer) {
	v := a.Verdict
	paint := p.tone(v)
	p.paragraph(0, 2,
		painted(p.symbol(v), paint),
		painted(a.Dial.Target, p.style.Bold),
		painted(OutcomeWord(v.Outcome)+":", paint),
		plain(a.title(v.Cause)),
		painted("("+string(v.Confidence)+")", p.style.Dim),
	)
}

func (a Answer) title(id cause.ID) string {
	if a.Title != nil {
		if title := a.Title(id); title != "" {
			return title
		}
	}
	return string(id)
}

func (p *page) symbol(v cause.Verdict) string {
	switch {
	case plainlyOpen(v):
		return p.style.Pick("✓", "+")
	case v.Outcome == cause.Open:
		return "!"
	case v.Outcome == cause.Cancelled:
		return p.style.Pick("–", "-")
	case v.Cause == cause.UDPSilent:
		return "?"
	}
	return p.style.Pick("✗", "x")
}

func (p *page) tone(v cause.Verdict) func(string) string {
	switch {
	case plainlyOpen(v):
		return p.style.Good
	case v.Outcome == cause.Open, v.Outcome == cause.Cancelled, v.Cause == cause.UDPSilent:
		return p.style.Doubtful
	}
	return p.style.Bad
}

// OutcomeWord is the outcome as a person says it.
func OutcomeWord(o cause.Outcome) string {
	switch o {
	case cause.LocalFault:
		return "local fault"
	case cause.Unresolved:
		return "name not resolved"
	case "":
		return "no verdict"
	}
	return string(o)
}

func (p *page) culprit(a Answer) {
	if who := whoWords(a.Verdict.Culprit); who != "" {
		p.labelled("who", plain(who))
	}
}

// whoWords is the culprit in words; empty where nobody is to blame.
func whoWords(c cause.Culprit) string {
	address := ""
	if c.Address.IsValid() {
		address = c.Address.String()
	}
	hop := ""
	if c.Hop > 0 {
		hop = " (hop " + number(c.Hop) + ")"
	}
	switch c.Kind {
	case cause.Local:
		return join("this host", address)
	case cause.Resolver:
		return join("the resolver", address)
	case cause.Router:
		return join("a router", address) + hop
	case cause.Destination:
		return join("the destination", address)
	case cause.Path:
		if address == "" && hop == "" {
			return "something on the path, not known where"
		}
		return strings.TrimSpace("something on the path after "+address) + hop + ", the last that answered"
	}
	return ""
}

func join(who, address string) string {
	if address == "" {
		return who
	}
	return who + ", " + address
}

func (p *page) alternatives(a Answer) {
	for i, f := range a.Verdict.Alternatives {
		label := ""
		if i == 0 {
			label = "or"
		}
		text := a.title(f.Cause)
		if who := whoWords(f.Culprit); who != "" {
			text += ": " + who
		}
		p.labelled(label, plain(text), painted("("+string(f.Confidence)+", "+string(f.Cause)+")", p.style.Dim))
	}
}

func (p *page) more(a Answer) {
	if plainlyOpen(a.Verdict) || a.Verdict.Cause == "" {
		return
	}
	p.labelled("more", painted("dialscope --explain "+string(a.Verdict.Cause), p.style.Command))
}

// Headline is the verdict alone.
func Headline(style terminal.Style, a Answer) string {
	p := &page{style: style}
	p.head(a)
	return p.String()
}

// Row is the verdict as one of many lines about the same target: its number, a
// time, and the outcome with its cause where it is not plainly open.
func Row(style terminal.Style, n int, took time.Duration, a Answer) string {
	p := &page{style: style}
	v := a.Verdict
	paint := p.tone(v)
	spans := []span{painted(p.symbol(v), paint), painted(OutcomeWord(v.Outcome), paint)}
	if !plainlyOpen(v) {
		spans[1].text += ":"
		spans = append(spans, plain(a.title(v.Cause)), painted("("+string(v.Confidence)+")", style.Dim))
	}
	prefix := terminal.PadLeft(number(n), 4) + terminal.PadLeft(p.clean(Duration(took)), timeColumn+2) + "  "
	indent := terminal.Columns(prefix)
	for i, text := range p.wrap(p.width()-indent, p.width()-indent, spans) {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		p.line(prefix + text)
	}
	return p.String()
}
