//go:build !linux

package cli

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// silentCommand needs to choose a listener's backlog exactly.
func silentCommand(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("silent is for Linux: put [linux] before it")
}

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o644) }
