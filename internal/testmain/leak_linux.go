package testmain

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// openDescriptors returns the open descriptors and what they refer to
// (proc(5), /proc/pid/fd). It first makes the runtime open those of its poller,
// which stay.
func openDescriptors() (map[int]string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r.Close()
	w.Close()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	open := map[int]string{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // the directory's own, closed by now
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		open[fd] = target
	}
	return open, nil
}

// children names the child processes that still run, and those that ended and
// were not waited for.
func children() []string {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	var left []string
	for _, t := range tasks {
		b, _ := os.ReadFile(t)
		for _, pid := range strings.Fields(string(b)) {
			comm, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
			left = append(left, fmt.Sprintf("process %s: %s", pid, strings.TrimSpace(string(comm))))
		}
	}
	if len(left) == 0 {
		// A kernel without CONFIG_PROC_CHILDREN has no such files.
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err == nil {
			left = append(left, fmt.Sprintf("a child process (wait4 says %d)", pid))
		}
	}
	slices.Sort(left)
	return left
}
