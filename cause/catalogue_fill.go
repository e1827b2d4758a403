package cause

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Blanks holds what the evidence gives for the blanks of an [Entry]'s texts,
// by name and without braces. An empty value counts as absent.
//
//	target       what was asked for, host:port, as the user wrote it
//	address      the remote address, without port
//	port         the remote port, a number
//	source       the local address, without port
//	source_port  the local port, a number
//	culprit      the culprit's address
//	hop          routers passed up to the culprit, a number
//	interface    the outgoing interface (reverse-path-filter: the incoming one)
//	gateway      the next-hop router's address
//	server       the name server's address, without port
//	name         the name that was looked up; descriptors-exhausted: the limit's name
//	errno        its symbolic name
//	protocol     tcp or udp
//	family, table, chain, handle
//	             where a rule of nftables stands (nft(8))
//	limit, used  a bound and how much of it is taken; their unit is the sentence's
//	count        how many times
//	elapsed      a duration with its unit: "3.1 s", "250 ms"
//	detail       the evidence in its own words; [Entry].Detail says which
type Blanks map[string]string

// blank is one name that may stand in braces.
type blank struct {
	name    string
	neutral string // wording in a sentence when the evidence gives no value; empty: the text must bring its own
}

var knownBlanks = [...]blank{
	{"target", "the destination"},
	{"address", "the destination"},
	{"port", ""},
	{"source", "this host"},
	{"source_port", ""},
	{"culprit", "that device"},
	{"hop", ""},
	{"interface", "the outgoing interface"},
	{"gateway", "the next-hop router"},
	{"server", "the name server"},
	{"name", "the name"},
	{"errno", ""},
	{"protocol", ""},
	{"family", ""},
	{"table", ""},
	{"chain", ""},
	{"handle", ""},
	{"limit", ""},
	{"used", ""},
	{"count", ""},
	{"elapsed", ""},
	{"detail", ""},
}

// Fill returns the entry's explanation and remedy with the blanks filled.
//
// The texts have a small syntax:
//
//	{address}            the value; absent: the blank's neutral wording
//	{hop|some}           the value; absent: the text after the bar
//	[[ at hop {hop}]]    a segment that is left out when a blank in it is absent
//	`ip route get …`     a command to type
//
// In a command an absent value becomes a placeholder in capitals, as manual
// pages have them (ADDRESS), unless the text brings its own. Values come from
// the network, so they are made harmless: control characters go, and in a
// command only values that a shell takes for one plain word are put in, without
// an IPv6 zone (ip(8) and ss(8) do not take one); others count as absent.
//
// Segments do not nest. The result begins with a capital letter and ends with a
// full stop.
func (e Entry) Fill(b Blanks) (explanation, remedy string) {
	return fill(e.Explanation, b), fill(e.Remedy, b)
}

func fill(text string, b Blanks) string {
	var f filler
	f.expand(text, b)
	filled := f.out.String()
	first, size := utf8.DecodeRuneInString(filled)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + filled[size:]
}

// filler walks once over a text. Values are never read again, so braces in
// them mean nothing.
type filler struct {
	out     strings.Builder
	command bool // between backquotes
}

// expand writes text with its blanks filled and says whether each had a value.
func (f *filler) expand(text string, b Blanks) (complete bool) {
	complete = true
	for text != "" {
		switch {
		case strings.HasPrefix(text, "[["):
			segment, rest, _ := strings.Cut(text[2:], "]]")
			inner := filler{command: f.command}
			if inner.expand(segment, b) {
				f.out.WriteString(inner.out.String())
			}
			text = rest
		case text[0] == '{':
			field, rest, _ := strings.Cut(text[1:], "}")
			name, neutral, own := strings.Cut(field, "|")
			if value := f.value(name, b[name]); value != "" {
				f.out.WriteString(value)
			} else {
				complete = false
				if !own {
					neutral = f.neutral(name)
				}
				f.out.WriteString(neutral)
			}
			text = rest
		default:
			if text[0] == '`' {
				f.command = !f.command
			}
			end := strings.IndexAny(text[1:], "{[`") + 1
			if end == 0 {
				end = len(text)
			}
			f.out.WriteString(text[:end])
			text = text[end:]
		}
	}
	return complete
}

// value is what may be written for a blank here, or "" for nothing.
func (f *filler) value(name, value string) string {
	if f.command {
		switch name {
		case "address", "source", "culprit", "gateway", "server":
			value, _, _ = strings.Cut(value, "%")
		}
		if !plainWord(value) {
			return ""
		}
		return value
	}
	value = strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return '\''
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, value)
	return strings.TrimRight(strings.Join(strings.Fields(value), " "), ".")
}

// neutral is what stands for a blank without a value.
func (f *filler) neutral(name string) string {
	if f.command {
		return strings.ToUpper(name)
	}
	i := slices.IndexFunc(knownBlanks[:], func(k blank) bool { return k.name == name })
	if i < 0 {
		return ""
	}
	return knownBlanks[i].neutral
}

// plainWord says that a shell reads s as one word and nothing else, and that no
// command takes it for an option.
func plainWord(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("._:%/@+,=-", c) >= 0:
		default:
			return false
		}
	}
	return true
}
