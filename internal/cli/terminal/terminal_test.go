package terminal

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestDetectWithoutATerminal(t *testing.T) {
	for _, c := range []struct {
		name string
		mode Mode
		env  []string
		want Style
	}{
		{"nothing said", Auto, []string{"LANG", "C"}, Style{Width: 80}},
		{"UTF-8", Auto, []string{"LANG", "en_GB.UTF-8"}, Style{Width: 80, Unicode: true}},
		{"utf8 as some write it", Auto, []string{"LC_CTYPE", "de_DE.utf8"}, Style{Width: 80, Unicode: true}},
		{"LC_ALL wins", Auto, []string{"LANG", "C.UTF-8", "LC_ALL", "C"}, Style{Width: 80}},
		{"COLUMNS", Auto, []string{"LANG", "C", "COLUMNS", "120"}, Style{Width: 120}},
		{"COLUMNS too small", Auto, []string{"LANG", "C", "COLUMNS", "3"}, Style{Width: 40}},
		{"COLUMNS nonsense", Auto, []string{"LANG", "C", "COLUMNS", "-4"}, Style{Width: 80}},
		{"always", Always, []string{"LANG", "C", "NO_COLOR", "1"}, Style{Width: 80, Colour: true}},
		{"forced", Auto, []string{"LANG", "C", "CLICOLOR_FORCE", "1"}, Style{Width: 80, Colour: true}},
		{"forced off", Auto, []string{"LANG", "C", "CLICOLOR_FORCE", "0"}, Style{Width: 80}},
		{"NO_COLOR beats force", Auto, []string{"LANG", "C", "CLICOLOR_FORCE", "1", "NO_COLOR", "1"}, Style{Width: 80}},
		{"empty NO_COLOR means nothing", Auto, []string{"LANG", "C", "CLICOLOR_FORCE", "1", "NO_COLOR", ""}, Style{Width: 80, Colour: true}},
		{"never", Never, []string{"LANG", "C", "CLICOLOR_FORCE", "1"}, Style{Width: 80}},
	} {
		if got := Detect(new(bytes.Buffer), c.mode, environment(c.env...)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Is(f) {
		t.Error("a file on disk passes for a terminal")
	}
	if Is(new(bytes.Buffer)) || Is(nil) {
		t.Error("what has no descriptor passes for a terminal")
	}
}

func TestParseMode(t *testing.T) {
	for _, good := range []string{"auto", "always", "never"} {
		if m, err := ParseMode(good); err != nil || string(m) != good {
			t.Errorf("ParseMode(%q) = %q, %v", good, m, err)
		}
	}
	if _, err := ParseMode("yes"); err == nil || !strings.Contains(err.Error(), "auto, always or never") {
		t.Errorf(`ParseMode("yes"): %v`, err)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"a b c", 0, []string{"a b c"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one two", 7, []string{"one two"}},
		{"dial --explain port-closed", 20, []string{"dial --explain", "port-closed"}},
		{"abcdefghij kl", 4, []string{"abcd", "efgh", "ij", "kl"}},
		{"日本語 日本", 6, []string{"日本語", "日本"}},
		{"日本語", 5, []string{"日本", "語"}},
		{"  spaces   fall  ", 20, []string{"spaces fall"}},
	} {
		if diff := cmp.Diff(c.want, Wrap(c.in, c.width)); diff != "" {
			t.Errorf("Wrap(%q, %d) (-want +got):\n%s", c.in, c.width, diff)
		}
	}
}

func TestPaint(t *testing.T) {
	s := Style{Colour: true}
	if got := s.Bad("x"); got != "\x1b[1;31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
	if got := s.Bold(""); got != "" {
		t.Errorf("an empty text got a sequence: %q", got)
	}
	if got := (Style{}).Good("x"); got != "x" {
		t.Errorf("%q without colour", got)
	}
	if got := Columns(Style{Colour: true}.Dim("12345")); got != 5 {
		t.Errorf("a painted text of 5 columns counts %d", got)
	}
}

func TestTextInASCII(t *testing.T) {
	if got := (Style{}).Text("3 µs → 4 µs… é"); got != "3 us -> 4 us... ?" {
		t.Errorf("%q", got)
	}
	if got := (Style{Unicode: true}).Text("3 µs é"); got != "3 µs é" {
		t.Errorf("%q", got)
	}
}

func TestPrintable(t *testing.T) {
	if got := Printable("a\x1b[31m\n\u009bé"); got != "a?[31m??é" {
		t.Errorf("%q", got)
	}
}

func TestFit(t *testing.T) {
	s := Style{Unicode: true}
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{{"short", 10, "short"}, {"exactly", 7, "exactly"}, {"too long", 5, "too …"}, {"any", 0, "any"}} {
		if got := s.Fit(c.in, c.width); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestPad(t *testing.T) {
	if Pad("é", 3) != "é  " || PadLeft("é", 3) != "  é" || Pad("long", 2) != "long" {
		t.Error("padding counts bytes, not columns")
	}
}

func TestColumns(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本": 4, "한": 2, "ｆ": 2, "→µ…✓█": 5, "\x1b[1;31mab\x1b[0m": 2,
		"\x1b[": 0, "a\u200db": 2, "\xff": 1,
	} {
		if got := Columns(in); got != want {
			t.Errorf("Columns(%q) = %d, want %d", in, got, want)
		}
	}
}
