package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Columns counts the columns that text takes, SGR sequences not counted.
//
// Libraries that know every cluster of Unicode take longer to start than a
// dial; names, addresses and prose need no more than this.
func Columns(text string) int {
	if ascii(text) {
		return len(text)
	}
	columns := 0
	for text != "" {
		if rest, is := strings.CutPrefix(text, "\x1b["); is {
			_, text, _ = strings.Cut(rest, "m")
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		columns += runeColumns(r)
		text = text[size:]
	}
	return columns
}

// ascii says that a text is nothing but printable ASCII, as most are.
func ascii(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// truncate keeps what fits into width columns of a text without sequences.
func truncate(text string, width int) string {
	columns := 0
	for i, r := range text {
		if columns += runeColumns(r); columns > width {
			return text[:i]
		}
	}
	return text
}

// wide are the blocks that terminals show in two columns (Unicode UAX #11, W
// and F), in order.
var wide = []struct{ first, last rune }{
	{0x1100, 0x115f},                                           // Hangul Jamo, leading
	{0x2e80, 0x303e},                                           // CJK radicals and punctuation
	{0x3041, 0xa4cf},                                           // kana, CJK ideographs, Yi
	{0xa960, 0xa97c},                                           // Hangul Jamo extended
	{0xac00, 0xd7a3},                                           // Hangul syllables
	{0xf900, 0xfaff},                                           // CJK compatibility
	{0xfe30, 0xfe6f},                                           // CJK compatibility forms
	{0xff00, 0xff60},                                           // fullwidth forms
	{0xffe0, 0xffe6},                                           // fullwidth signs
	{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, // pictographs
	{0x20000, 0x3fffd}, // CJK extensions
}

func runeColumns(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	for _, block := range wide {
		if r >= block.first && r <= block.last {
			return 2
		}
	}
	return 1
}
