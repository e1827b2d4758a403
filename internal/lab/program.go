package lab

import (
	"context"
	"os/exec"
)

// Program prepares a run of dialscope with these arguments.
type Program func(ctx context.Context, args ...string) *exec.Cmd
