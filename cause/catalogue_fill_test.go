package cause

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// sample has a value for every blank, as evidence gives them.
var sample = Blanks{
	"target":      "db.example:5432",
	"address":     "192.0.2.7",
	"port":        "5432",
	"source":      "198.51.100.4",
	"source_port": "40112",
	"culprit":     "203.0.113.1",
	"hop":         "3",
	"interface":   "eth0",
	"gateway":     "198.51.100.1",
	"server":      "198.51.100.53",
	"name":        "db.example",
	"errno":       "ECONNREFUSED",
	"limit":       "1024",
	"used":        "1024",
	"count":       "2",
	"elapsed":     "3.1 s",
	"detail":      "in its own words",
	"protocol":    "tcp",
	"family":      "inet",
	"table":       "filter",
	"chain":       "output",
	"handle":      "7",
}

func TestEveryBlankIsKnown(t *testing.T) {
	field := regexp.MustCompile(`\{([^}|]*)(\|[^}]*)?\}`)
	segment := regexp.MustCompile(`\[\[.*?\]\]`)
	command := regexp.MustCompile("`[^`]*`")
	for _, e := range Catalogue() {
		for _, text := range []string{e.Explanation, e.Remedy} {
			for _, found := range field.FindAllStringSubmatch(text, -1) {
				if _, known := sample[found[1]]; !known {
					t.Errorf("%s: blank %q is not known", e.ID, found[1])
				}
			}
			for _, s := range segment.FindAllString(text, -1) {
				if !strings.Contains(s, "{") || strings.Contains(s[2:], "[[") {
					t.Errorf("%s: segment %q is without a blank, or nested", e.ID, s)
				}
			}
			// What stands in the open needs a wording of its own.
			for _, found := range field.FindAllStringSubmatch(segment.ReplaceAllString(command.ReplaceAllString(text, ""), ""), -1) {
				if found[2] == "" && new(filler).neutral(found[1]) == "" {
					t.Errorf("%s: blank %q has no neutral wording", e.ID, found[0])
				}
			}
			if strings.Count(text, "`")%2 != 0 {
				t.Errorf("%s: an open backquote in %q", e.ID, text)
			}
		}
	}
	for _, known := range knownBlanks {
		if _, listed := sample[known.name]; !listed {
			t.Errorf("blank %q has no sample", known.name)
		}
	}
	if len(knownBlanks) != len(sample) {
		t.Errorf("%d blanks known, %d sampled", len(knownBlanks), len(sample))
	}
}

// Every text reads as a sentence with all blanks, with none, with any one
// missing and with only one.
func TestTextsReadWell(t *testing.T) {
	cases := map[string]Blanks{"all": sample, "none": nil}
	for name, value := range sample {
		without := Blanks{}
		for other, v := range sample {
			if other != name {
				without[other] = v
			}
		}
		cases["without "+name] = without
		cases["only "+name] = Blanks{name: value}
	}
	for _, e := range Catalogue() {
		for which, blanks := range cases {
			explanation, remedy := e.Fill(blanks)
			if bad := flaw(explanation, 2); bad != "" {
				t.Errorf("%s, %s blanks: explanation %s: %s", e.ID, which, bad, explanation)
			}
			if bad := flaw(remedy, 1); bad != "" {
				t.Errorf("%s, %s blanks: remedy %s: %s", e.ID, which, bad, remedy)
			}
		}
	}
}

var (
	sentenceEnd = regexp.MustCompile(`[.!?]( |$)`)
	twice       = regexp.MustCompile(`(?i)\b(the \w+) (the \w+)\b`)
)

// flaw says what is wrong with a text of at most so many sentences.
func flaw(text string, sentences int) string {
	first, _ := utf8.DecodeRuneInString(text)
	prose := regexp.MustCompile("`[^`]*`").ReplaceAllString(text, "COMMAND")
	switch {
	case text == "":
		return "is empty"
	case !unicode.IsUpper(first):
		return "begins without a capital"
	case !strings.HasSuffix(text, ".") || strings.HasSuffix(text, ".."):
		return "ends without one full stop"
	case strings.ContainsAny(prose, "{}[]|"):
		return "has syntax left in it"
	case strings.Contains(text, "{") || strings.Contains(text, "[["):
		return "has a blank left in it"
	case strings.Contains(text, "  ") || strings.Contains(text, " .") || strings.Contains(text, " ,") || strings.Contains(text, "()"):
		return "has a gap"
	case strings.Contains(prose, ",,") || strings.Contains(prose, ":.") || strings.Contains(prose, ",."):
		return "has stray punctuation"
	case twice.MatchString(prose):
		return "repeats an article: " + twice.FindString(prose)
	case len(sentenceEnd.FindAllString(prose, -1)) > sentences:
		return "has too many sentences"
	}
	return ""
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		blanks           Blanks
	}{
		{"value", "no route to {address}.", "No route to 192.0.2.7.", Blanks{"address": "192.0.2.7"}},
		{"neutral wording", "no route to {address}.", "No route to the destination.", nil},
		{"empty is absent", "no route to {address}.", "No route to the destination.", Blanks{"address": ""}},
		{"own wording", "after {count|some} tries.", "After some tries.", nil},
		{"empty own wording", "down{detail|}.", "Down.", nil},
		{"segment kept", "lost[[ at hop {hop}]].", "Lost at hop 3.", Blanks{"hop": "3"}},
		{"segment dropped", "lost[[ at hop {hop}]].", "Lost.", nil},
		{"segment needs all", "full[[: {used} of {limit}]].", "Full.", Blanks{"used": "5"}},
		{"wording in a segment does not save it", "a[[ {hop|x}]].", "A.", nil},
		{"command value", "run `ip route get {address}`.", "Run `ip route get 192.0.2.7`.", Blanks{"address": "192.0.2.7"}},
		{"command placeholder", "run `ip route get {address}`.", "Run `ip route get ADDRESS`.", nil},
		{"command's own placeholder", "run `dialscope {target|HOST:PORT}`.", "Run `dialscope HOST:PORT`.", nil},
		{"segment in a command", "run `dig[[ @{server}]] {name}`.", "Run `dig x.example`.", Blanks{"name": "x.example"}},
		{"no zone in a command", "{address}: `ss 'dst [{address}]'`.", "Fe80::1%eth0: `ss 'dst [fe80::1]'`.", Blanks{"address": "fe80::1%eth0"}},
		{"single brackets stay", "`ss 'dst [{address}]'`.", "`ss 'dst [192.0.2.7]'`.", Blanks{"address": "192.0.2.7"}},
		{"value ends in a full stop", "no {name}.", "No db.example.", Blanks{"name": "db.example."}},
		{"values are not read again", "{detail|x} here.", "{address} [[a]] here.", Blanks{"detail": "{address} [[a]]"}},
		{"open brace", "lost {address", "Lost the destination", nil},
		{"open segment", "lost[[ at {hop}", "Lost", nil},
		{"letters of other scripts", "überall {name}.", "Überall bücher.example.", Blanks{"name": "bücher.example"}},
		{"empty", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fill(c.text, c.blanks); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// A name server's extended error or a CNAME is a stranger's text.
func TestFillMakesStrangersTextHarmless(t *testing.T) {
	for value, want := range map[string]string{
		"\x1b[2Jgone":              "Says [2Jgone: `dig NAME`.",
		"a\nb\r\tc":                "Says a b c: `dig NAME`.",
		"`reboot`":                 "Says 'reboot': `dig NAME`.",
		"x; rm -rf ~":              "Says x; rm -rf ~: `dig NAME`.",
		"$(reboot)":                "Says $(reboot): `dig NAME`.",
		"-fevil":                   "Says -fevil: `dig NAME`.",
		"a'b":                      "Says a'b: `dig NAME`.",
		"a\u202eb":                 "Says ab: `dig NAME`.",
		"\xff\xfe":                 "Says \ufffd\ufffd: `dig NAME`.",
		"\x00":                     "Says the name: `dig NAME`.",
		"_dns.resolver-1.example.": "Says _dns.resolver-1.example: `dig _dns.resolver-1.example.`.",
	} {
		if got := fill("says {name}: `dig {name}`.", Blanks{"name": value}); got != want {
			t.Errorf("value %q:\ngot  %q\nwant %q", value, got, want)
		}
	}
}

func FuzzFill(f *testing.F) {
	for _, seed := range []string{"192.0.2.7", "fe80::1%eth0", "`", "$(x)", "a b", "{address}", "[[", "]]", "\x1b[0m", "-v", "'"} {
		f.Add(seed)
	}
	entries := Catalogue()
	f.Fuzz(func(t *testing.T, value string) {
		blanks := Blanks{}
		for name := range sample {
			blanks[name] = value
		}
		for _, e := range entries {
			explanation, remedy := e.Fill(blanks)
			for _, r := range explanation + remedy {
				if !unicode.IsPrint(r) {
					t.Fatalf("%s: %q prints %q", e.ID, value, r)
				}
			}
			// A command consists of the catalogue's own text and plain words.
			for i, command := range commands(remedy) {
				own := commands(e.Remedy)[i]
				if j := strings.IndexFunc(command, func(r rune) bool {
					return !strings.ContainsRune(own, r) && (r > unicode.MaxASCII || !plainWord("a"+string(r)))
				}); j >= 0 {
					t.Fatalf("%s: %q makes the command %q", e.ID, value, command)
				}
			}
			if strings.Count(remedy, "`") != strings.Count(e.Remedy, "`") {
				t.Fatalf("%s: %q changes where the commands are: %s", e.ID, value, remedy)
			}
		}
	})
}

func TestPlainWord(t *testing.T) {
	plain := []string{"192.0.2.7", "2001:db8::1", "eth0.100", "db.example:5432", "a_b", "enp1s0f0@if2", "3.1"}
	for _, word := range plain {
		if !plainWord(word) {
			t.Errorf("%q is plain", word)
		}
	}
	for _, c := range " \t\n'\"`$&;|<>()*?[]{}~!#\\^" {
		if word := "a" + string(c); plainWord(word) {
			t.Errorf("%q is not plain", word)
		}
	}
	if slices.ContainsFunc([]string{"", "-a", "é"}, plainWord) {
		t.Error("an empty word, an option or a letter beyond ASCII passed as plain")
	}
}
