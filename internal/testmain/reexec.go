package testmain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// reexecEnv marks the child that runs in the user namespace.
const reexecEnv = "DIALSCOPE_TEST_USERNS"

// reexec runs this test binary again, once, as root of a user namespace. It
// reports false where that is not needed or not possible: the tests run in
// place then, and [Need] says what is missing.
func reexec() (code int, ok bool) {
	if os.Getenv(reexecEnv) != "" {
		os.Unsetenv(reexecEnv)
		if err := netns.LoopbackUp(); err != nil {
			fmt.Fprintln(os.Stderr, "testmain: loopback in the user namespace:", err)
			return 1, true
		}
		return 0, false
	}
	if netns.Supported() == nil {
		return 0, false
	}
	cmd := exec.Command(self(), os.Args[1:]...)
	cmd.Env = append(os.Environ(), reexecEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := netns.UserNamespace(cmd); err != nil {
		return 0, false
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, quit)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s) // go test's deadline: the child prints its goroutines
		case err := <-ended:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0, true
			case errors.As(err, &exit) && exit.ExitCode() >= 0:
				return exit.ExitCode(), true
			}
			fmt.Fprintln(os.Stderr, "testmain: in the user namespace:", err)
			return 1, true
		}
	}
}
