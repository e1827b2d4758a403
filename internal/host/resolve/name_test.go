package resolve

import (
	"slices"
	"strings"
	"testing"
)

func TestCandidateNames(t *testing.T) {
	long := strings.Repeat("a23456789.", 24) // 240 octets
	for _, test := range []struct {
		host   string
		search []string
		ndots  int
		want   []string
	}{
		{"db", nil, 1, []string{"db."}},
		{"db", []string{"a.example.", "b.example."}, 1, []string{"db.a.example.", "db.b.example.", "db."}},
		{"db.x", []string{"a.example."}, 1, []string{"db.x.", "db.x.a.example."}},
		{"db.x", []string{"a.example."}, 2, []string{"db.x.a.example.", "db.x."}},
		{"db", []string{"a.example."}, 0, []string{"db.", "db.a.example."}},
		{"db.", []string{"a.example."}, 5, []string{"db."}},
		{"x.onion", []string{"a.example."}, 1, []string{"x.onion.a.example."}},
		{"x.ONION.", []string{"a.example."}, 1, nil},
		{"x", []string{"onion."}, 1, []string{"x."}},
		{long + "example", []string{"toolong.example."}, 1, []string{long + "example."}},
	} {
		if got := candidateNames(test.host, test.search, test.ndots); !slices.Equal(got, test.want) {
			t.Errorf("%q, search %q, ndots %d: %q, want %q", test.host, test.search, test.ndots, got, test.want)
		}
	}
}

func TestCheckName(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, good := range []string{"a", "a.", ".", "A-b.example", "_dns.example", "x--y.example", "1.example", "3com.com",
		"0x7f.example", label63 + ".example", name253, name253 + "."} {
		if why := checkName(good); why != "" {
			t.Errorf("%q: %s", good, why)
		}
	}
	for bad, why := range map[string]string{
		"":                    "empty",
		"..":                  "empty label",
		".a":                  "empty label",
		"a..b":                "empty label",
		"-a.example":          "hyphen",
		"a-.example":          "hyphen",
		"a.example-":          "hyphen",
		"a b":                 "' '",
		"a/b":                 "'/'",
		"fe80::1":             "':'",
		"a\x00b":              `'\x00'`,
		"münchen.example":     "xn--",
		"127.1":               "digits and dots",
		"256.1.1.1":           "digits and dots",
		label63 + "a.example": "64 octets",
		name253 + "c":         "254 octets",
		name253 + "c.":        "255 octets",
	} {
		if got := checkName(bad); !strings.Contains(got, why) {
			t.Errorf("%q: %q, want something about %q", bad, got, why)
		}
	}
}

func TestIsLocalhost(t *testing.T) {
	for name, want := range map[string]bool{
		"localhost": true, "LocalHost.": true, "db.localhost": true, "localhost.localdomain": false,
		"mylocalhost": false, "localhost.example": false, "": false,
	} {
		if isLocalhost(name) != want {
			t.Errorf("%q: want %v", name, want)
		}
	}
}
