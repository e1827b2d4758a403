package lab

import (
	"cmp"
	"context"
	"os"
	"os/exec"
)

// Program prepares a run of dialscope with these arguments.
type Program func(ctx context.Context, args ...string) *exec.Cmd

// Itself is the [Program] that is running.
func Itself(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, self(), args...)
	cmd.Args[0] = os.Args[0]
	return cmd
}

// Args is the command line of the scenario's dial, after the program's name.
func (s *Scenario) Args(extra ...string) []string {
	args := append(append([]string{cmp.Or(s.Dial.Command, "dial")}, extra...), s.Dial.Flags...)
	return append(args, s.Dial.Target)
}
