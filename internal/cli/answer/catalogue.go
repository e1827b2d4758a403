package answer

import (
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// Page is the catalogue's page of one cause.
func Page(style terminal.Style, e cause.Entry) string {
	p := &page{style: style}
	explanation, remedy := e.Fill(nil)
	p.paragraph(0, 2, painted(string(e.ID)+":", style.Bold), plain(e.Title))
	p.gap()
	p.paragraph(2, 2, plain(explanation))
	p.gap()
	p.prose(e.Page)
	p.gap()
	p.labelled("do", p.quoted(remedy)...)
	p.labelled("errno", plain(orNone(errnoWords(e.Errnos))))
	p.labelled("usually", plain(usually(e.Culprit)))
	p.labelled("group", plain(string(e.Group)))
	p.labelled("see", plain(e.Reference))
	return p.String()
}

// ErrnoPage is the table's page of one errno.
func ErrnoPage(style terminal.Style, e cause.ErrnoEntry, title func(cause.ID) string) string {
	p := &page{style: style}
	p.paragraph(0, 2, painted(string(e.Name), style.Bold), plain("("+number(e.Number)+" on Linux):"), plain(e.Meaning))
	p.gap()
	p.labelled("when", p.quoted(e.When)...)
	p.labelled("Windows", plain(e.Windows))
	p.labelled("BSD", plain(e.BSD))
	p.labelled("outcome", plain(string(e.Outcome)))
	for i, id := range e.Causes {
		label := ""
		if i == 0 {
			label = "causes"
		}
		p.labelled(label, painted(string(id)+":", style.Command), plain(title(id)))
	}
	if len(e.Causes) > 0 {
		p.labelled("more", painted("dialscope --explain "+string(e.Causes[0]), style.Command))
	}
	return p.String()
}

// List is every cause under its heading, and every errno.
func List(style terminal.Style, causes []cause.Entry, errnos []cause.ErrnoEntry) string {
	p := &page{style: style}
	width := 0
	for _, e := range causes {
		width = max(width, len(e.ID))
	}
	var group cause.Group
	for _, e := range causes {
		if e.Group != group {
			group = e.Group
			p.gap()
			p.line(style.Bold(string(group)))
		}
		p.row(string(e.ID), width, e.Title)
	}
	p.gap()
	p.line(style.Bold("Errnos"))
	for _, e := range errnos {
		p.row(string(e.Name), width, e.Meaning)
	}
	return p.String()
}

// row is a name and its words beside it.
func (p *page) row(name string, width int, words string) {
	prefix := "  " + p.style.Command(name) + strings.Repeat(" ", max(0, width-len(name))+2)
	indent := width + 4
	for i, text := range p.wrap(p.width()-indent, p.width()-indent, []span{plain(words)}) {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		p.line(prefix + text)
	}
}

// prose refills paragraphs; a line that begins with four spaces is a command
// and stays as it is.
func (p *page) prose(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		p.gap()
		var words []string
		flush := func() {
			if len(words) > 0 {
				p.paragraph(2, 2, p.quoted(strings.Join(words, " "))...)
				words = nil
			}
		}
		for line := range strings.SplitSeq(paragraph, "\n") {
			if strings.HasPrefix(line, "    ") {
				flush()
				p.line("  " + p.style.Command(p.clean(line)))
				continue
			}
			words = append(words, line)
		}
		flush()
	}
}

func errnoWords(errnos []evidence.Errno) string {
	words := make([]string, len(errnos))
	for i, e := range errnos {
		words[i] = string(e)
	}
	return strings.Join(words, ", ")
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// usually is the kind of culprit that a cause usually has.
func usually(k cause.Kind) string {
	switch k {
	case cause.Local:
		return "this host"
	case cause.Resolver:
		return "the resolver"
	case cause.Router:
		return "a router on the path"
	case cause.Path:
		return "something silent on the path"
	case cause.Destination:
		return "the destination"
	}
	return "nobody to blame"
}
