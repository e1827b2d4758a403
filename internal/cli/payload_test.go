package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/payload"
)

func TestPayloadValues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "question")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	dns, _ := payload.Named("dns")
	for text, want := range map[string]struct {
		name string
		data string
	}{
		"dns":          {"dns", string(dns.Data)},
		"DNS":          {"dns", string(dns.Data)},
		"wireguard":    {"wireguard", ""},
		"empty":        {"empty", ""},
		"text:":        {"given", ""},
		"zeros:3":      {"given", "\x00\x00\x00"},
		"text:a:b":     {"given", "a:b"},
		"hex:0a0B ff":  {"given", "\n\x0b\xff"},
		"hex:0a:0b":    {"given", "\n\x0b"},
		"file:" + file: {"given", "from a file"},
	} {
		var d datagram
		if err := d.Set(text); err != nil || d.name != want.name || string(d.data) != want.data || d.data == nil || d.String() != text {
			t.Errorf("%q: %+v, %v", text, d, err)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, mostPayload+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"dnss":               "no payload of that name: write empty, echo, ",
		"hex:abc":            "no hexadecimal octets",
		"hex:zz":             "no hexadecimal octets",
		"file:" + file + "x": "no such file",
		"file:" + large:      "more than 131072 bytes",
		"zeros:x":            "no size",
		"zeros:131073":       "no size",
		"base64:xx":          "nothing begins with base64",
	} {
		var d datagram
		err := d.Set(text)
		var own *valueError
		if !errors.As(err, &own) || !strings.Contains(err.Error(), says) || d.text != "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// By the port, unless the command line says what.
func TestProbe(t *testing.T) {
	o := new(options)
	for port, want := range map[uint16]string{53: "dns", 123: "ntp", 443: "quic", 51820: "wireguard", 4: "empty"} {
		if name, data := o.probe(port); name != want || data == nil {
			t.Errorf("port %d: %s %v", port, name, data)
		}
	}
	if err := o.payload.Set("text:hello"); err != nil {
		t.Fatal(err)
	}
	if name, data := o.probe(53); name != "given" || string(data) != "hello" {
		t.Errorf("%s %q", name, data)
	}
}

func TestPayloadList(t *testing.T) {
	a, out := testApp("LANG", "C.UTF-8", "COLUMNS", "80")
	root := a.root()
	root.SetArgs([]string{"--payload", "list"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, name := range payload.Names() {
		if !bytes.Contains(out.Bytes(), []byte("\n"+name+" ")) && !bytes.HasPrefix(out.Bytes(), []byte(name)) {
			t.Errorf("no %s", name)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > 80 {
			t.Errorf("too wide: %s", line)
		}
	}
}

// B3: a datagram that is too large is EMSGSIZE, and what would have gone is said.
func TestPayloadTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, make([]byte, 70000), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COLUMNS", "120")
	out := new(bytes.Buffer)
	code := Run(t.Context(), []string{"--network", "udp", "--payload", "file:" + file, "127.0.0.1:9"}, strings.NewReader(""), out, out)
	for _, want := range []string{"70000 bytes, and at most 65507 go", "the datagram is too large to be sent", "(certain)", "of 65507 bytes at most", "EMSGSIZE"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if code != exitLocal || t.Failed() {
		t.Errorf("status %d\n%s", code, out)
	}
}
