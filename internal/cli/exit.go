package cli

import (
	"fmt"

	"github.com/dialscope/dialscope/cause"
)

// The exit statuses of dial. They are a contract. 64 and 70 are those of
// sysexits(3), 130 is the shell's own for SIGINT.
const (
	exitOpen        = 0
	exitRefused     = 1
	exitTimeout     = 2
	exitUnreachable = 3
	exitUnresolved  = 4
	exitLocal       = 5
	exitUsage       = 64
	exitFailed      = 70
	exitCancelled   = 130
)

// exitStatuses is the table for the manual.
var exitStatuses = []struct {
	code int
	text string
}{
	{exitOpen, "open"},
	{exitRefused, "refused, reset or closed by the peer"},
	{exitTimeout, "timeout: no answer in the time allowed"},
	{exitUnreachable, "unreachable or denied"},
	{exitUnresolved, "the name has no address"},
	{exitLocal, "a fault of this host: ports, descriptors, source address"},
	{exitUsage, "usage: the command line, the environment or a line of a file"},
	{exitFailed, "the measurement itself failed"},
	{exitCancelled, "interrupted; the report so far was printed"},
}

// exitOf is the status that a verdict stands for.
func exitOf(o cause.Outcome) int {
	switch o {
	case cause.Open:
		return exitOpen
	case cause.Refused, cause.Reset, cause.Closed:
		return exitRefused
	case cause.Timeout:
		return exitTimeout
	case cause.Unreachable, cause.Denied:
		return exitUnreachable
	case cause.Unresolved:
		return exitUnresolved
	case cause.LocalFault:
		return exitLocal
	case cause.Cancelled:
		return exitCancelled
	}
	return exitFailed
}

// exitCode ends the run with a status and without a word.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// exit makes an error of a status, nil for success.
func exit(code int) error {
	if code == exitOpen {
		return nil
	}
	return exitCode(code)
}
