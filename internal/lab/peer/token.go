package peer

import (
	"fmt"
	"strings"
)

// SyntaxError says where a script is not understood.
type SyntaxError struct {
	Line  int    // from 1
	Token string // as written; "" at the end of a line
	Why   string
}

func (e *SyntaxError) Error() string {
	if e.Token == "" {
		return fmt.Sprintf("line %d: at its end: %s", e.Line, e.Why)
	}
	return fmt.Sprintf("line %d: %q: %s", e.Line, e.Token, e.Why)
}

// token is a word, a quoted text, a brace, or the end of a statement.
type token struct {
	kind  tokenKind
	text  string // as written
	value string // of a quoted text
	line  int
}

type tokenKind uint8

const (
	word tokenKind = iota
	quoted
	open
	closing
	newline
	eof
)

// tokens divides a script. A comment goes from # to the end of its line; a
// semicolon ends a statement as a line's end does.
func tokens(text string) ([]token, *SyntaxError) {
	var all []token
	number := 0
	for line := range strings.Lines(text) {
		number++
		rest := strings.TrimRight(line, "\r\n")
		for {
			rest = strings.TrimLeft(rest, " \t")
			if rest == "" || rest[0] == '#' {
				break
			}
			t := token{line: number}
			switch rest[0] {
			case '{':
				t.kind = open
			case '}':
				t.kind = closing
			case ';':
				t.kind = newline
			case '"':
				t.kind = quoted
			}
			length := 1
			switch t.kind {
			case quoted:
				var bad string
				if t.value, length, bad = unquote(rest); bad != "" {
					return nil, &SyntaxError{number, rest, bad}
				}
				t.text = rest[:length]
			case word:
				if length = strings.IndexAny(rest, " \t{};#\""); length < 0 {
					length = len(rest)
				}
				t.text = rest[:length]
			case open, closing:
				t.text = rest[:1]
			}
			all = append(all, t)
			rest = rest[length:]
		}
		all = append(all, token{kind: newline, line: number})
	}
	return append(all, token{kind: eof, line: max(number, 1)}), nil
}

// unquote reads a text in double quotes with the escapes \\ \" \n \r \t \0 and
// returns the length of what it read.
func unquote(s string) (text string, length int, bad string) {
	escapes := map[byte]byte{'\\': '\\', '"': '"', 'n': '\n', 'r': '\r', 't': '\t', '0': 0}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), i + 1, ""
		case '\\':
			i++
			if i == len(s) {
				return "", 0, "text without an end"
			}
			e, ok := escapes[s[i]]
			if !ok {
				return "", 0, fmt.Sprintf("unknown escape \\%c", s[i])
			}
			b.WriteByte(e)
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, "text without an end"
}
