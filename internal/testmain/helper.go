package testmain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// helperEnv names the helper that a child process is to run.
const helperEnv = "DIALSCOPE_TEST_HELPER"

// doNothing is a helper that every test binary has.
const doNothing = "true"

// Helper makes f a program that tests can run as a child process: see
// [Command]. Its result is the exit status.
func Helper(name string, f func(args []string) int) Option {
	return func(c *config) { c.helpers[name] = f }
}

// Command prepares a run of this test binary in which [Main] calls the helper
// of that name instead of the tests. Its environment is this process's with
// the helper's name added: append to cmd.Env, do not replace it.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, self(), args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	return cmd
}

func (c *config) helper() (code int, ok bool) {
	name, ok := os.LookupEnv(helperEnv)
	if !ok {
		return 0, false
	}
	if name == doNothing {
		return 0, true
	}
	f := c.helpers[name]
	if f == nil {
		fmt.Fprintf(os.Stderr, "testmain: no helper %q\n", name)
		return 127, true
	}
	os.Unsetenv(helperEnv)
	return f(os.Args[1:]), true
}
