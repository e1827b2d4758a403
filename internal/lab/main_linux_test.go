package lab_test

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"testing"

	"github.com/dialscope/dialscope/internal/cli"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m, testmain.Helper("dialscope", dialscope)) }

// dialscope is the program itself, in this binary.
func dialscope(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(args) == 1 && args[0] == "lab-run-silent" {
		return runSilent()
	}
	return cli.Run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
}

func program(ctx context.Context, args ...string) *exec.Cmd {
	return testmain.Command(ctx, "dialscope", args...)
}
