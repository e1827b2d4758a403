package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Shell builds the scenario, runs a command inside one of its hosts, by default
// the user's shell, and takes the network down when it ends. It returns the
// command's exit status.
func Shell(ctx context.Context, s *Scenario, host string, command []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	st, err := Build(ctx, s)
	if err != nil {
		return 0, err
	}
	h := st.Host(host)
	if h == nil {
		return 0, errors.Join(fmt.Errorf("%s has no host %q; its hosts are %s", s.Name, host, s.Plan.names()), st.Close())
	}
	if len(command) == 0 {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		command = []string{shell}
	}
	// Not bound to ctx: ^C is for the shell.
	cmd := h.Command(context.WithoutCancel(ctx), command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	code := 0
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	return code, errors.Join(err, st.Close())
}
