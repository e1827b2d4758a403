package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli"
)

// What is checked in is what the source makes.
func TestTheManualIsUpToDate(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(filepath.Join(dir, "dialscope.1"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("../../../docs/man/dialscope.1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("docs/man/dialscope.1 differs: run go generate ./internal/cli (-kept +made):\n%s", diff)
	}
}

func TestTheManualIsComplete(t *testing.T) {
	text := page(cli.NewManual())
	for _, want := range []string{
		".SH \"NAME\"", ".SH \"SYNOPSIS\"", ".SH \"EXIT STATUS\"", ".SH \"ENVIRONMENT\"",
		`\-\-until\-open`, `\-4, \-\-ipv4`, `.B "doctor"`, `.B "130"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, e := range cause.Catalogue() {
		if !strings.Contains(text, `.B "`+escape(string(e.ID))+`"`) {
			t.Errorf("the cause %s is missing", e.ID)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "'") {
			t.Errorf("prose that roff takes for a macro: %s", line)
		}
		for _, r := range line {
			if r >= 0x80 {
				t.Errorf("a sign that not every roff has, %q, in: %s", r, line)
			}
		}
	}
}

func TestEscape(t *testing.T) {
	r := new(roff)
	r.text(".dot")
	r.text("'quote")
	r.bold(`--a "b" \n`)
	want := "\\&.dot\n\\&'quote\n.B \"\\-\\-a \\(dqb\\(dq \\en\"\n"
	if got := r.b.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWriteNeedsADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(file); err == nil {
		t.Error("a file passes for a directory")
	}
}
