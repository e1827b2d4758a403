// Package cli is the command line: what a person types, and everything that a
// person reads. One file a command; what is said of a dial is in answer, how a
// terminal shows it in terminal, what a target may look like in target.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/kernel"
)

//go:generate go run ./genman ../../docs/man

// app is one run of the command.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) string

	options  *options
	confined bool           // the process is this run's own: it may give up privileges
	events   *kernel.Events // nil: the kernel is not listened to
	commands []string       // names of the commands beside dial, for a mistyped one
}

// Run runs the command with its arguments (without the program's name) and
// returns its exit status. When ctx ends, dials under way are given up and
// their reports so far are printed.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return (&app{stdin: stdin, stdout: stdout, stderr: stderr, env: os.Getenv}).run(ctx, args)
}

// Main is [Run] for a process that does nothing else: a dial gives up, for good,
// the privileges that it does not make use of.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return (&app{stdin: stdin, stdout: stdout, stderr: stderr, env: os.Getenv, confined: true}).run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(nmapOutput(args))
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return a.status(root.ExecuteContext(ctx))
}

// status says a failure on the error stream, in one sentence, and gives the
// exit status.
func (a *app) status(err error) int {
	var code exitCode
	var bad *usageError
	switch {
	case err == nil:
		return exitOpen
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &bad):
		a.complain(bad.Error())
		return exitUsage
	}
	a.complain(err.Error())
	return exitFailed
}

// complain writes one line to the error stream.
func (a *app) complain(text string) {
	style := terminal.Detect(a.stderr, terminal.Auto, a.env)
	fmt.Fprintf(a.stderr, "dialscope: %s\n", terminal.Printable(style.Text(text)))
}

// print writes to standard output. A write that fails ends the run: what was
// found out is lost.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fmt.Errorf("the answer could not be written: %w", err)
	}
	return nil
}
