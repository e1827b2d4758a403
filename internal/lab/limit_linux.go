package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// Limit uses up this process's descriptors but for so many, and returns the
// command line that it is to carry out: the inner side of [Confinement]. Its
// arguments are those after "lab limited".
func Limit(args []string) ([]string, error) {
	if len(args) < 3 || args[1] != "--" {
		return nil, errors.New("write lab limited N -- COMMAND")
	}
	left, err := strconv.Atoi(args[0])
	if err != nil || left < 0 {
		return nil, fmt.Errorf("%q is no number of descriptors", args[0])
	}
	// The runtime opens its poller's descriptors with the first file, and ends
	// the process if it cannot.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r.Close()
	w.Close()
	const limit = 64
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return nil, os.NewSyscallError("setrlimit", err)
	}
	var held []int
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			return nil, os.NewSyscallError("open", err)
		}
		held = append(held, fd)
	}
	for range min(left, len(held)) {
		syscall.Close(held[len(held)-1])
		held = held[:len(held)-1]
	}
	return args[2:], nil
}
