package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build-output or build-fail event
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// key names a test, or with an empty test a package.
type key struct{ pkg, test string }

// report follows a test run.
type report struct {
	out                     flusher
	output                  map[key][]string // of what has not ended yet
	running                 map[string]bool  // packages begun and not ended
	passed, failed, skipped int
	brokenPackages          []string          // failed, whatever their tests did
	skips                   map[skip][]string // the tests that gave this reason
	times                   []timed
}

// skip is why tests of a package were not run.
type skip struct{ pkg, reason string }

type timed struct {
	key
	took time.Duration
}

// flusher is what keeps a long run visible while it goes on.
type flusher interface {
	io.Writer
	Flush() error
}

func newReport(out flusher) *report {
	return &report{out: out, output: map[key][]string{}, running: map[string]bool{}, skips: map[skip][]string{}}
}

// read follows events to the end of the input. A line that is no event is
// passed on: go itself speaks there.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if line[0] == '{' && json.Unmarshal(line, &e) == nil {
				r.add(e)
			} else {
				r.out.Write(line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "start":
		r.running[e.Package] = true
	case "output":
		r.output[k] = append(r.output[k], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

func (r *report) endTest(e event) {
	k := key{e.Package, e.Test}
	r.times = append(r.times, timed{k, time.Duration(e.Elapsed * float64(time.Second))})
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		why := skip{e.Package, reason(r.output[k])}
		r.skips[why] = append(r.skips[why], e.Test)
	case "fail":
		r.failed++
		r.print(r.output[k])
	}
	delete(r.output, k)
}

func (r *report) endPackage(e event) {
	delete(r.running, e.Package)
	k := key{pkg: e.Package}
	if e.Action == "fail" {
		r.brokenPackages = append(r.brokenPackages, e.Package)
		for unfinished, lines := range r.output { // a panic ends them without an event
			if unfinished.pkg == e.Package && unfinished.test != "" {
				r.print(lines)
				delete(r.output, unfinished)
			}
		}
		r.print(r.output[k])
	} else {
		for _, line := range r.output[k] {
			if strings.HasPrefix(line, "ok") || strings.HasPrefix(line, "?") {
				fmt.Fprint(r.out, line)
			}
		}
	}
	delete(r.output, k)
	r.out.Flush()
}

func (r *report) print(lines []string) {
	for _, line := range lines {
		if !strings.HasPrefix(line, "=== ") { // RUN, PAUSE, CONT, NAME
			fmt.Fprint(r.out, line)
		}
	}
}

// close prints what concerns the run as a whole.
func (r *report) close() {
	for pkg := range r.running {
		fmt.Fprintf(r.out, "FAIL\t%s\tended without a result\n", pkg)
		r.brokenPackages = append(r.brokenPackages, pkg)
	}
	byName := func(a, b skip) int { return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.reason, b.reason)) }
	for _, why := range slices.SortedFunc(maps.Keys(r.skips), byName) {
		tests := r.skips[why]
		slices.Sort(tests)
		fmt.Fprintf(r.out, "skipped: %s: %s: %s\n", why.pkg, why.reason, strings.Join(tests, " "))
	}
	slices.SortFunc(r.times, func(a, b timed) int { return cmp.Compare(b.took, a.took) })
	for _, t := range r.times[:min(5, len(r.times))] {
		if t.took >= time.Second {
			fmt.Fprintf(r.out, "slow: %5.1f s  %s %s\n", t.took.Seconds(), t.pkg, t.test)
		}
	}
	slices.Sort(r.brokenPackages)
	for _, pkg := range r.brokenPackages {
		fmt.Fprintln(r.out, "failed:", pkg)
	}
	if r.passed+r.failed == 0 {
		fmt.Fprintln(r.out, "no test was run")
	}
	fmt.Fprintln(r.out, r.counts())
}

// counts is the closing line. A package that fails without a failing test (it
// does not build, it leaks) counts as one.
func (r *report) counts() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.passed, max(r.failed, len(r.brokenPackages)), r.skipped)
}

func (r *report) good() bool {
	return r.failed == 0 && len(r.brokenPackages) == 0 && r.passed > 0
}

// reason is the last thing a skipped test said, without the place it said it.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		if place, said, ok := strings.Cut(line, ": "); ok && strings.Contains(place, ".go:") {
			return said
		}
		return line
	}
	return "no reason given"
}
