package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// printMachine says what the figures were measured on.
func printMachine(w io.Writer, work string) {
	fmt.Fprintf(w, "%s, Linux %s %s, %d × %s, %s\n",
		time.Now().UTC().Format(time.DateOnly), firstLine("/proc/sys/kernel/osrelease"), runtime.GOARCH,
		runtime.NumCPU(), processor(), runtime.Version())
	if fi, err := os.Stat(filepath.Join(work, "dialscope")); err == nil {
		fmt.Fprintf(w, "dialscope %s, %.1f MB\n", commit(), float64(fi.Size())/1e6)
	}
	fmt.Fprintln(w, "µs where no unit stands; median of rounds (smallest–largest); ratios are taken round by round")
}

func firstLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor"
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "of an unknown commit"
	}
	return strings.TrimSpace(string(out))
}
