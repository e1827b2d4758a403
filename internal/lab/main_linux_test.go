package lab_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"testing"

	"github.com/dialscope/dialscope/internal/cli"
	"github.com/dialscope/dialscope/internal/testmain"
)

// A scenario mostly waits: many run side by side, however few processors there are.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "20"); err != nil {
		panic(err)
	}
	testmain.Main(m, testmain.Helper("dialscope", dialscope))
}

// dialscope is the program itself, in this binary.
func dialscope(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(args) == 1 && args[0] == "lab-run-idle" {
		return runIdle()
	}
	return cli.Run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
}

func program(ctx context.Context, args ...string) *exec.Cmd {
	return testmain.Command(ctx, "dialscope", args...)
}
