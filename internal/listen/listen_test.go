package listen

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestParseAddress(t *testing.T) {
	services := func(name string) (uint16, bool) {
		return 8080, name == "http-alt"
	}
	for input, want := range map[string]string{
		"127.0.0.1:9000":        "127.0.0.1:9000",
		":9000":                 "127.0.0.1:9000",
		"9000":                  "127.0.0.1:9000",
		"localhost:9000":        "127.0.0.1:9000",
		":0":                    "127.0.0.1:0",
		"*:9000":                "[::]:9000",
		"0.0.0.0:9000":          "0.0.0.0:9000",
		"[::1]:9000":            "[::1]:9000",
		"[::ffff:127.0.0.1]:9":  "127.0.0.1:9",
		"[fe80::1%lo]:9000":     "[fe80::1%lo]:9000",
		"127.0.0.1:9000-9002":   "127.0.0.1:9000 127.0.0.1:9001 127.0.0.1:9002",
		"127.0.0.1:9000-9000":   "127.0.0.1:9000",
		"127.0.0.1:65534-65535": "127.0.0.1:65534 127.0.0.1:65535",
		"127.0.0.1:http-alt":    "127.0.0.1:8080",
	} {
		got, err := ParseAddress(input, services)
		var words []string
		for _, a := range got {
			words = append(words, a.String())
		}
		if strings.Join(words, " ") != want || err != nil {
			t.Errorf("%q: %v, %v; want %s", input, got, err, want)
		}
	}
	for input, says := range map[string]string{
		"":                      "a port is missing",
		"127.0.0.1":             "a port is missing",
		"127.0.0.1:":            "a port is missing",
		"::1":                   "brackets",
		"::1:9000":              "brackets",
		"[::1]":                 "a port is missing",
		"127.0.0.1:70000":       "out of range",
		"127.0.0.1:nonsense":    "no service",
		"127.0.0.1:9-8":         "no range",
		"127.0.0.1:0-8":         "no range",
		"127.0.0.1:8-":          "a port is missing",
		"example.invalid:80":    "names are not looked up",
		"127.0.0.1:1-65535":     "too many",
		"300.0.0.1:9":           "no address",
		"127.0.0.1:9000-9001-2": "no service",
	} {
		got, err := ParseAddress(input, nil)
		var bad *AddressError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), says) || bad.Remedy == "" || !strings.Contains(err.Error(), input) {
			t.Errorf("%q: %v, %v; want %q", input, got, err, says)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:9000-9009", "[::1]:0", "*:http", "[fe80::1%eth0]:1", ":-1", "[]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		addrs, err := ParseAddress(input, nil)
		if (err == nil) == (len(addrs) == 0) || len(addrs) > MostListeners {
			t.Errorf("%q: %d addresses, %v", input, len(addrs), err)
		}
		for _, a := range addrs {
			if !a.IsValid() || a.Addr() != a.Addr().Unmap() {
				t.Errorf("%q: %v", input, a)
			}
		}
	})
}

func TestConflict(t *testing.T) {
	given := func(names ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	}
	for _, pair := range []string{
		"never-accept echo", "never-accept delay", "never-accept count", "never-accept refuse-after", "never-accept welcome",
		"reset close", "reset never-close", "reset echo", "reset welcome", "reset crash-after", "close never-close", "close echo",
		"crash-after never-close", "echo discard", "echo never-read", "echo silent", "discard never-read", "silent welcome", "silent speak-first",
		"udp reset", "udp backlog", "udp never-accept", "udp count",
	} {
		names := strings.Fields(pair)
		one, other, why, found := Conflict(given(names...))
		if !found || one != names[0] || other != names[1] || why == "" {
			t.Errorf("%s: %q %q %q %v", pair, one, other, why, found)
		}
		slices.Reverse(names)
		if _, _, _, found := Conflict(given(names...)); !found {
			t.Errorf("%s the other way round is let through", pair)
		}
		for _, alone := range names {
			if _, _, _, found := Conflict(given(alone)); found {
				t.Errorf("%s alone contradicts itself", alone)
			}
		}
	}
	for _, fine := range [][]string{
		{}, {"never-accept", "backlog"}, {"reset", "delay"}, {"close", "welcome"}, {"close", "delay"}, {"echo", "welcome"}, {"echo", "crash-after"},
		{"never-read", "never-close"}, {"silent", "never-read"}, {"udp", "echo", "delay"}, {"udp", "welcome"}, {"udp", "never-read"}, {"welcome", "speak-first"},
		{"refuse-after", "count", "echo"}, {"json", "count", "quiet"},
	} {
		if one, other, _, found := Conflict(given(fine...)); found {
			t.Errorf("%v: %s and %s", fine, one, other)
		}
	}
}

func TestBindErrorUnwraps(t *testing.T) {
	err := error(&BindError{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Call: "bind", Err: syscall.EADDRINUSE})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "bind 127.0.0.1:9") {
		t.Error(err)
	}
}
