package target

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"example.com:443", "example.com:443"},
		{"  example.com:443  ", "example.com:443"},
		{"192.0.2.1:80", "192.0.2.1:80"},
		{"192.0.2.1:0", "192.0.2.1:0"},
		{"192.0.2.1:65535", "192.0.2.1:65535"},
		{"[2001:db8::1]:80", "[2001:db8::1]:80"},
		{"[2001:DB8:0::1]:80", "[2001:db8::1]:80"},
		{"[fe80::1%eth0]:22", "[fe80::1%eth0]:22"},
		{"[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]:80"},
		{"under_score.example:80", "under_score.example:80"},
		{"trailing.dot.:80", "trailing.dot.:80"},
		{"localhost:http", "localhost:80"},
		{"db:postgresql", "db:5432"},
		{"db:PostgreSQL", "db:5432"},
		{"cache:redis", "cache:6379"},
		{"https://example.com/path?q=1#f", "example.com:443"},
		{"HTTP://example.com", "example.com:80"},
		{"https://example.com:8443/", "example.com:8443"},
		{"https://user:secret@example.com/", "example.com:443"},
		{"https://[2001:db8::1]/", "[2001:db8::1]:443"},
		{"http://[fe80::1%25eth0]:8080/", "[fe80::1%eth0]:8080"},
		{"postgres://u:p@db.example/orders", "db.example:5432"},
		{"postgresql+asyncpg://db.example/orders", "db.example:5432"},
		{"jdbc:postgresql://db.example/orders", "db.example:5432"},
		{"git+ssh://git.example/repo", "git.example:22"},
		{"wss://example.com/socket", "example.com:443"},
		{"ssh://git@example.com", "example.com:22"},
		{"socks5h://proxy.example", "proxy.example:1080"},
	} {
		got, err := Parse(c.in, "tcp")
		if err != nil {
			t.Errorf("Parse(%q): %v", c.in, err)
			continue
		}
		if got.String() != c.want {
			t.Errorf("Parse(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

// Each error names the input, what is wrong, and what to write instead.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ in, reason, remedy string }{
		{"", "empty", "HOST:PORT"},
		{" \t", "empty", "HOST:PORT"},
		{"example.com", "a port is missing", "dialscope example.com:443"},
		{"example.com:", "a port is missing", "dialscope example.com:443"},
		{"example.com/path", "no scheme", "https://example.com/path"},
		{"example.com:80/path", "a path follows the port 80", "whole URL"},
		{"example.com:53/udp", "/udp", "--network udp"},
		{":8080", "the host is missing", "localhost:8080"},
		{"example.com:65536", "out of range", "0 to 65535"},
		{"example.com:-1", "out of range", "0 to 65535"},
		{"example.com:99999999999999999999", "out of range", "0 to 65535"},
		{"db:postgersql", `no service is called "postgersql"`, "did you mean postgresql?"},
		{"db:qqqqqqqqqq", "no service", "write the port as a number"},
		{"2001:db8::1", "a port is missing", "[2001:db8::1]:443"},
		{"2001:db8::1:80", "needs brackets", "[2001:db8::1]:80 for port 80 of 2001:db8::1"},
		{"2001:db8::1:http", "needs brackets", "[2001:db8::1]:http"},
		{"2001:db8:0:0:0:0:0:1", "a port is missing", "[2001:db8::1]:443"},
		{"2001:db8:0:0:0:0:0:1:80", "needs brackets", "[2001:db8:0:0:0:0:0:1]:80"},
		{"a:b:c", "too many colons", "HOST:PORT"},
		{"[2001:db8::1", "not closed", "[2001:db8::1]:PORT"},
		{"[2001:db8::1]", "a port is missing", "[2001:db8::1]:443"},
		{"[2001:db8::1]443", "a port is missing", "[2001:db8::1]:443"},
		{"[example.com]:80", "IPv6", "example.com:PORT"},
		{"[192.0.2.1]:80", "IPv6", "192.0.2.1:PORT"},
		{"300.1.1.1:80", "no IPv4 address", "0 to 255"},
		{"010.0.0.1:80", "no IPv4 address", "leading zeros"},
		{"127.1:80", "no IPv4 address", "four numbers"},
		{"exa mple.com:80", "no spaces", "HOST:PORT"},
		{"user@example.com:22", "no host name", "URL"},
		{"bücher.example:80", "ASCII", "xn--"},
		{"a..b:80", "empty label", "dot"},
		{strings.Repeat("a.", 127) + "aa:80", "253", "shorten"},
		{"https://", "names no host", "https://HOST/"},
		{"https:///path", "names no host", "https://HOST/"},
		{"foo://example.com/", `no port is known for the scheme "foo"`, "foo://example.com:PORT/"},
		{"unix:///run/x.sock", "names no network host", "HOST:PORT"},
		{"https://example.com:70000/", "out of range", "65535"},
		{"https://example.com:x/", `no service is called "x"`, "number"},
		{"postgres://u:p@a:1,b:2/db", "no host name", "one host"},
		{"https://300.1.1.1/", "no IPv4 address", "0 to 255"},
	} {
		got, err := Parse(c.in, "tcp")
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("Parse(%q) = %v, %v; want an *Error", c.in, got, err)
			continue
		}
		if !strings.Contains(bad.Reason, c.reason) || !strings.Contains(bad.Remedy, c.remedy) {
			t.Errorf("Parse(%q): %v\nwant the reason %q and the remedy %q", c.in, err, c.reason, c.remedy)
		}
	}
}

// A password in a URL must not end up in a log or a terminal.
func TestErrorsHidePasswords(t *testing.T) {
	for _, in := range []string{
		"foo://user:hunter2@example.com/",
		"https://user:hunter2@example.com:70000/",
		"https://user:hunter2@/",
		"https://user:hunter2@a b/",
		"https://user:hunter2/x@example.com/",
		"postgres://u:hunter2@a:1,b:2/db",
		"https://user:%zzhunter2@example.com/",
	} {
		_, err := Parse(in, "tcp")
		if err == nil {
			t.Errorf("Parse(%q) succeeded", in)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q) repeats the password: %v", in, err)
		}
	}
}

func TestErrorIsOneShortLine(t *testing.T) {
	_, err := Parse(strings.Repeat("x", 5000)+"\x1b[31m\n:80", "tcp")
	if err == nil {
		t.Fatal("no error")
	}
	if text := err.Error(); len(text) > 300 || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("error of %d bytes: %q", len(text), text)
	}
}

func TestSchemesAndServicesAreLowerCase(t *testing.T) {
	for _, name := range Services() {
		if name != strings.ToLower(name) {
			t.Errorf("service %q", name)
		}
	}
	for name := range schemes {
		if name != strings.ToLower(name) {
			t.Errorf("scheme %q", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"example.com:443", "[fe80::1%eth0]:22", "2001:db8::1:80", "https://u:p@h:1/x?y#z",
		"jdbc:postgresql://db/x", "[::]:0", "a:b:c", "%:1", "h:http", "\x00:1", "[[::1]]:2", "x+y://h", "A://0::0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Parse(in, "tcp")
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || bad.Reason == "" {
				t.Fatalf("Parse(%q): %T %v", in, err, err)
			}
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("Parse(%q): control characters in %q", in, err.Error())
			}
			return
		}
		again, err := Parse(got.String(), "tcp")
		if err != nil || again != got {
			t.Fatalf("Parse(%q) = %v; parsed again: %v, %v", in, got, again, err)
		}
	})
}
