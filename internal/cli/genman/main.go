// Command genman writes the manual page, from the same source as --help. Its
// output depends on nothing but that source: it bears no date.
//
//	genman DIRECTORY
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dialscope/dialscope/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: genman DIRECTORY")
		os.Exit(64)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "genman:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "dialscope.1"), []byte(page(cli.NewManual())), 0o644)
}
