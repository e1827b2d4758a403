package sweep

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTargetErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "the target is empty",
		"192.0.2.7/24":            "write 192.0.2.0/24 for the prefix",
		"192.0.2.0/33":            "no prefix",
		"2001:db8::1/64":          "write 2001:db8::/64",
		"192.0.2.9-192.0.2.1":     "the range is reversed: write 192.0.2.1-192.0.2.9",
		"192.0.2.9-1":             "reversed",
		"192.0.2.1-2001:db8::1":   "no range",
		"192.0.2.1-300":           "no range",
		"fe80::1%a-fe80::2%a":     "no range",
		"1.2.3":                   "no address",
		"a..b":                    "no address",
		"a b":                     "no address",
		"[2001:db8::1]x":          "follows the bracket",
		"example.com:http,nosuch": "no service",
		"192.0.2.1:":              "an empty port",
		strings.Repeat("a", 64):   "no address",
		"ex\x00ample":             "no address",
	} {
		_, err := ParseTarget(text, false, service)
		var bad *ParseError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestParseTargetNames(t *testing.T) {
	for text, want := range map[string]Target{
		"example.com":          {Name: "example.com"},
		"ex-ample.com.:443,80": {Name: "ex-ample.com.", Ports: []uint16{80, 443}},
		"a-b":                  {Name: "a-b"},
		"host_1:https":         {Name: "host_1", Ports: []uint16{443}},
	} {
		got, err := ParseTarget(text, false, service)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got.Name != want.Name || cmp.Diff(want.Ports, got.Ports) != "" {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string][]uint16{
		"80": {80}, "22,80": {22, 80}, "80,22,80-82": {22, 80, 81, 82}, "http,https": {80, 443}, " 1 , 2 ": {1, 2},
		"65534-": {65534, 65535}, "-2": {1, 2}, "0": {0},
	} {
		got, err := ParsePorts(text, service)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	if all, err := ParsePorts("-", service); err != nil || len(all) != 65535 || all[0] != 1 {
		t.Errorf("-: %d ports, %v", len(all), err)
	}
	for _, text := range []string{"", ",", "80,", "65536", "9-1", "1-2-3", "x", "-1-2", "80 81", "+80"} {
		if got, err := ParsePorts(text, service); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseExclusion(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7/24": "192.0.2.0-192.0.2.255", "192.0.2.7": "192.0.2.7", "192.0.2.1-9": "192.0.2.1-192.0.2.9",
		"fe80::1%eth0": "fe80::1", "2001:db8::/127": "2001:db8::-2001:db8::1", "::/0": "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		got, err := ParseExclusion(text)
		if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "example.com", "192.0.2.1:80", "192.0.2.0/33", "192.0.2.9-1"} {
		if got, err := ParseExclusion(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestTopPorts(t *testing.T) {
	seen := map[uint16]bool{}
	for _, p := range TopPorts(1 << 20) {
		if seen[p] || p == 0 {
			t.Errorf("port %d is there twice, or 0", p)
		}
		seen[p] = true
	}
	if got := TopPorts(3); len(got) != 3 || got[0] != 443 {
		t.Errorf("%v", got)
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "192.0.2.0/24", "192.0.2.1-9", "[::1]:80", "a:80-90", "::1-::2", "[", "]:", ":", "-", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := ParseTarget(text, true, service)
		if err == nil && target.Name == "" && (!target.Span.First.IsValid() || target.Span.Last.Less(target.Span.First)) {
			t.Errorf("%q: %v", text, target.Span)
		}
		if span, err := ParseExclusion(text); err == nil && span.Last.Less(span.First) {
			t.Errorf("%q: %v", text, span)
		}
	})
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"80", "-", "1-", "-9", "80,443,https", "0-65535", "9-1", ",", "http-", "70000", "1,1,1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePorts(text, service)
		if err != nil {
			if ports != nil {
				t.Errorf("%q: %v and %v", text, ports, err)
			}
			return
		}
		for i, p := range ports {
			if i > 0 && ports[i-1] >= p {
				t.Fatalf("%q: %d follows %d", text, p, ports[i-1])
			}
		}
		if len(ports) == 0 {
			t.Errorf("%q is a list of no port", text)
		}
	})
}
