package lab

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
)

// Shell builds the scenario, runs a command inside one of its hosts, by default
// the user's shell, and takes the network down when it ends. It returns the
// command's exit status.
func Shell(ctx context.Context, s *Scenario, host string, command []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	if err := s.CheckHost(host); err != nil {
		return 0, err
	}
	st, err := Build(ctx, s)
	if err != nil {
		return 0, err
	}
	if len(command) == 0 {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		command = []string{shell}
	}
	// Not bound to ctx: ^C is for the shell.
	cmd := st.Host(host).Command(context.WithoutCancel(ctx), command[0], command[1:]...)
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
