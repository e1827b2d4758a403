package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// statusCommand is "status N COMMAND...": the command exits with that status.
// Its output is in the files stdout and stderr of the script's directory, since
// only exec can be asked with stdout and stderr.
func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		got = exited.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != code {
		ts.Fatalf("exit status %d, want %d", got, code)
	}
}

// jsonCommand is "json LINE PATH VALUE": the value at a path (a.b.0.c) of that
// line of standard output, counted from 1 and from -1 at the end. * is any
// value, - is none.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, 3, "json LINE PATH VALUE")
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	if n < 0 {
		n += len(lines) + 1
	}
	if n < 1 || n > len(lines) {
		ts.Fatalf("standard output has %d lines", len(lines))
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(lines[n-1])))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		ts.Fatalf("line %d is no JSON: %v\n%s", n, err, lines[n-1])
	}
	got, ok := at(value, strings.Split(args[1], "."))
	switch {
	case args[2] == "-" && !ok, args[2] == "*" && ok:
	case !ok:
		ts.Fatalf("%s: absent, want %s", args[1], args[2])
	case fmt.Sprint(got) != args[2]:
		ts.Fatalf("%s: %v, want %s", args[1], got, args[2])
	}
}

// at follows a path; len is a list's length.
func at(value any, path []string) (any, bool) {
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			if step == "len" {
				value = len(v)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}
