package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// insideEnv marks the process that runs as root of a user namespace.
const insideEnv = "DIALSCOPE_LAB_USERNS"

// InUserNamespace makes sure that networks can be built. Where this user cannot
// it runs the program once more with the same arguments, as root of a user
// namespace, and returns its exit status with done. The error says what forbids
// that, by the name of the sysctl where there is one.
func InUserNamespace(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int, done bool, err error) {
	if os.Getenv(insideEnv) != "" {
		if err := netns.LoopbackUp(); err != nil {
			return 0, false, fmt.Errorf("the loopback interface in the user namespace: %w", err)
		}
		return 0, false, netns.Supported()
	}
	obstacle := netns.Supported()
	if obstacle == nil {
		return 0, false, nil
	}
	cmd := Itself(ctx, args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := netns.UserNamespace(cmd); err != nil {
		return 0, false, err
	}
	if err := cmd.Start(); err != nil {
		return 0, false, obstacle
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return exit.ExitCode(), true, nil
	}
	return 0, true, err
}
