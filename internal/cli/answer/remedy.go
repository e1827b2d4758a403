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

// introductions are the words that a command may be cut off after, so that
// what is left still reads.
var introductions = []string{":", " with", " by", " in"}

// cutCommand takes the command off the end of a remedy that has this one only.
func cutCommand(remedy string) (sentence, command string) {
	body := strings.TrimSuffix(strings.TrimSpace(remedy), ".")
	parts := strings.Split(body, "`")
	if len(parts) != 3 || parts[2] != "" {
		return remedy, ""
	}
	sentence = strings.TrimSpace(parts[0])
	for _, end := range introductions {
		if strings.HasSuffix(sentence, end) {
			return strings.TrimSuffix(sentence, ":") + ":", parts[1]
		}
	}
	return remedy, ""
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
