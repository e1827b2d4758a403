package answer

import (
	"strings"

	"github.com/dialscope/dialscope/cause"
)

// remedy says what to do. A command in backquotes at the sentence's end stands
// on a line of its own, whole, so that it can be copied.
func (p *page) remedy(v cause.Verdict) {
	if v.Remedy == "" || plainlyOpen(v) {
		return
	}
	sentence, command := cutCommand(v.Remedy)
	p.labelled("do", p.quoted(sentence)...)
	if command != "" {
		p.line(strings.Repeat(" ", labels+2) + p.style.Command(p.clean(command)))
	}
}

// cutCommand takes the command off the end of a remedy.
func cutCommand(remedy string) (sentence, command string) {
	body := strings.TrimSuffix(strings.TrimSpace(remedy), ".")
	if !strings.HasSuffix(body, "`") {
		return remedy, ""
	}
	body = strings.TrimSuffix(body, "`")
	start := strings.LastIndexByte(body, '`')
	if start < 0 {
		return remedy, ""
	}
	sentence = strings.TrimSpace(body[:start])
	if sentence == "" {
		return remedy, ""
	}
	return strings.TrimRight(sentence, ":") + ":", body[start+1:]
}

// quoted paints what stands in backquotes and takes the quotes away where the
// colour shows the same.
func (p *page) quoted(text string) []span {
	var spans []span
	before := " "
	for i, part := range strings.Split(text, "`") {
		if part == "" {
			continue
		}
		s := span{text: part, glued: !strings.HasSuffix(before, " ") && !strings.HasPrefix(part, " ")}
		before = part
		if i%2 == 1 {
			s.paint = p.style.Command
			if !p.style.Colour {
				s.text = "`" + part + "`"
			}
		}
		spans = append(spans, s)
	}
	return spans
}
