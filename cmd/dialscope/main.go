// Command dialscope opens connections and says exactly what happened.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/dialscope/dialscope/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first ^C ends the dial and prints its report, a second one kills
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
