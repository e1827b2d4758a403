// Command testreport reads `go test -json` and prints what a person wants of
// it: one line a package, the whole output of what failed, every skip with its
// reason, the slowest tests, and a closing line with the counts.
//
//	go test -json ./... | go run ./scripts/testreport [-summary FILE]
//
// It fails when a test or package failed, when nothing was run, and when the
// input ends in mid-package.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
)

func main() {
	summary := flag.String("summary", "", "also write the closing line to `FILE`")
	flag.Parse()

	out := bufio.NewWriter(os.Stdout)
	r := newReport(out)
	err := r.read(os.Stdin)
	r.close()
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err == nil && *summary != "" {
		err = os.WriteFile(*summary, []byte(r.counts()+"\n"), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !r.good() {
		os.Exit(1)
	}
}
