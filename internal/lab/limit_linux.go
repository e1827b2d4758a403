package lab

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// Limit bounds this process's descriptors and returns the command line that
// it is to carry out: the inner side of [Confinement]. Its arguments are those
// after "lab limited".
func Limit(args []string) ([]string, error) {
	if len(args) < 3 || args[1] != "--" {
		return nil, fmt.Errorf("write lab limited N -- COMMAND")
	}
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%q is no number of descriptors", args[0])
	}
	limit := syscall.Rlimit{Cur: n, Max: n}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("setrlimit", err)
	}
	return args[2:], nil
}
