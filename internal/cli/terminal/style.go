// Package terminal knows how to write text for a person: how wide, with or
// without colour, in Unicode or ASCII.
package terminal

import "strings"

// Style is what an output can show. The zero value writes plain ASCII of
// unlimited width.
type Style struct {
	Width   int  // columns; 0 is unlimited
	Colour  bool // SGR sequences (ECMA-48 §8.3.117), the terminal's own 16 colours
	Unicode bool // symbols beyond ASCII
}

// The colours are the terminal's own, so that a person's theme holds.
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	cyan   = "36"
)

func (s Style) paint(sgr, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// Bold is for headings.
func (s Style) Bold(text string) string { return s.paint(bold, text) }

// Dim is for what matters less.
func (s Style) Dim(text string) string { return s.paint(dim, text) }

// Good is for what worked.
func (s Style) Good(text string) string { return s.paint(green, text) }

// Bad is for what failed.
func (s Style) Bad(text string) string { return s.paint(red, text) }

// Doubtful is for what is between the two.
func (s Style) Doubtful(text string) string { return s.paint(yellow, text) }

// Command is for what a person may type.
func (s Style) Command(text string) string { return s.paint(cyan, text) }

// Pick gives the Unicode text or its ASCII stand-in.
func (s Style) Pick(unicode, ascii string) string {
	if s.Unicode {
		return unicode
	}
	return ascii
}

var asciiTwins = strings.NewReplacer(
	"µ", "u", "→", "->", "…", "...", "–", "-", "—", "-", "·", "-", "×", "x", "±", "+/-", "≥", ">=", "≤", "<=",
	"’", "'", "‘", "'", "“", `"`, "”", `"`, "§", "section ", "\u00a0", " ", "✓", "+", "✗", "x",
)

// Text gives text as this style can show it: an ASCII style gets twins of the
// signs that this program writes, and a question mark for any other.
func (s Style) Text(text string) string {
	if s.Unicode || ascii(text) {
		return text
	}
	text = asciiTwins.Replace(text)
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return '?'
		}
		return r
	}, text)
}

// Printable replaces control characters, which a name or a kernel string could
// carry into the terminal.
func Printable(text string) string {
	if ascii(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// Pad fills text with spaces up to width columns.
func Pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-Columns(text)))
}

// PadLeft fills text with spaces on its left up to width columns.
func PadLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-Columns(text))) + text
}

// Wrap breaks text at spaces into lines of at most width columns; a longer
// word is broken where it must be. Width 0 is unlimited. There is always at
// least one line.
func Wrap(text string, width int) []string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return []string{""}
	}
	if width <= 0 {
		return []string{strings.Join(words, " ")}
	}
	var lines []string
	line := ""
	for _, word := range words {
		if line != "" && Columns(line)+1+Columns(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for Columns(word) > width {
			head := truncate(word, width)
			if head == "" {
				break
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	return append(lines, line)
}

// Fit cuts text to width columns, with an ellipsis where something is cut.
func (s Style) Fit(text string, width int) string {
	if width <= 0 || Columns(text) <= width {
		return text
	}
	ellipsis := s.Pick("…", "...")
	return truncate(text, max(0, width-Columns(ellipsis))) + ellipsis
}
