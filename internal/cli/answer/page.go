package answer

import (
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// widest is the longest line of prose: longer ones are hard to read.
const widest = 100

// labels is the width of the column of labels, its margin included.
const labels = 10

// span is a piece of a paragraph in one colour.
type span struct {
	text  string
	paint func(string) string // nil: none
	glued bool                // no space before it
}

func plain(text string) span { return span{text: text} }

func painted(text string, paint func(string) string) span { return span{text: text, paint: paint} }

// page collects lines of text.
type page struct {
	style terminal.Style
	out   strings.Builder
	owed  bool // an empty line before the next
}

// String is the page without an empty line at its end.
func (p *page) String() string { return p.out.String() }

// gap asks for one empty line before what follows, if anything does.
func (p *page) gap() { p.owed = p.out.Len() > 0 }

func (p *page) line(text string) {
	if p.owed {
		p.out.WriteByte('\n')
		p.owed = false
	}
	p.out.WriteString(strings.TrimRight(text, " "))
	p.out.WriteByte('\n')
}

// clean makes text from outside fit for this style.
func (p *page) clean(text string) string {
	return terminal.Printable(p.style.Text(text))
}

// width is how many columns a line of prose may take.
func (p *page) width() int {
	if p.style.Width <= 0 {
		return widest
	}
	return min(p.style.Width, widest)
}

// paragraph wraps spans; the first line starts at column first, the others at
// column rest.
func (p *page) paragraph(first, rest int, spans ...span) {
	for i, text := range p.wrap(p.width()-rest, p.width()-first, spans) {
		if i == 0 {
			p.line(strings.Repeat(" ", first) + text)
		} else {
			p.line(strings.Repeat(" ", rest) + text)
		}
	}
}

// labelled is a paragraph beside a label.
func (p *page) labelled(label string, spans ...span) {
	for i, text := range p.wrap(p.width()-labels, p.width()-labels, spans) {
		if i > 0 {
			label = ""
		}
		p.line("  " + p.style.Bold(label) + strings.Repeat(" ", max(1, labels-2-terminal.Columns(label))) + text)
	}
}

// wrap breaks spans into lines, painting word by word, so that no colour
// crosses a line's end.
func (p *page) wrap(width, firstWidth int, spans []span) []string {
	var lines []string
	line, columns := "", 0
	limit := firstWidth
	for _, w := range p.words(width, spans) {
		if columns > 0 && columns+1+w.columns > limit {
			lines = append(lines, line)
			line, columns, limit = "", 0, width
		}
		if columns > 0 {
			line, columns = line+" ", columns+1
		}
		line, columns = line+w.text, columns+w.columns
	}
	if columns > 0 {
		lines = append(lines, line)
	}
	return lines
}

// word is what stays on one line, painted.
type word struct {
	text    string
	columns int
}

// words takes spans apart. A glued span's first word belongs to the word before
// it; a word wider than a line is broken.
func (p *page) words(width int, spans []span) []word {
	var words []word
	for _, s := range spans {
		for f, field := range strings.Fields(p.clean(s.text)) {
			for w, text := range terminal.Wrap(field, width) {
				columns := terminal.Columns(text)
				if s.paint != nil {
					text = s.paint(text)
				}
				last := len(words) - 1
				if s.glued && f == 0 && w == 0 && last >= 0 && words[last].columns+columns <= width {
					words[last] = word{words[last].text + text, words[last].columns + columns}
					continue
				}
				words = append(words, word{text, columns})
			}
		}
	}
	return words
}

// Duration writes a time with three significant digits: 42 µs, 3.14 ms, 1.02 s.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < 999500*time.Nanosecond:
		if d >= 99500*time.Nanosecond || d%time.Microsecond == 0 || d >= 10*time.Microsecond {
			return strconv.FormatInt(int64(d.Round(time.Microsecond)/time.Microsecond), 10) + " µs"
		}
		return significant(float64(d)/float64(time.Microsecond)) + " µs"
	case d < 999500*time.Microsecond:
		return significant(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return significant(d.Seconds()) + " s"
}

// significant keeps three digits, all of a whole part.
func significant(f float64) string {
	switch {
	case f >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// limit writes a time that a person set: without needless digits.
func limit(d time.Duration) string {
	if d > 10*time.Millisecond { // what is left of a limit is a little less than the limit
		d = d.Round(time.Millisecond)
	}
	text := d.String() // 5s, 1m30s, 2.5s
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, unit) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func number(n int) string { return strconv.Itoa(n) }
