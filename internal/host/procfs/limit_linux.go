package procfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
)

const descriptors = "/proc/self/fd"

// NoFile is the limit of open descriptors of this process (RLIMIT_NOFILE,
// getrlimit(2)) and how many are open. Since Linux 6.2 they are counted without
// opening one, so that the answer is right when there is none left; before, a
// process without a free descriptor is told as one that uses all of its limit.
func NoFile() (*evidence.Limit, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	l := &evidence.Limit{Name: "RLIMIT_NOFILE", Soft: r.Cur, Hard: r.Max}
	used, err := openDescriptors()
	switch {
	case errors.Is(err, syscall.EMFILE):
		l.Used = r.Cur
	case err != nil:
		return nil, fmt.Errorf("open descriptors: %w", err)
	default:
		l.Used = used
	}
	return l, nil
}

func openDescriptors() (uint64, error) {
	// proc_readfd_count: the directory's size is the number of descriptors.
	if info, err := os.Stat(descriptors); err == nil && info.Size() > 0 {
		return uint64(info.Size()), nil
	}
	dir, err := os.Open(descriptors)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return uint64(max(len(names)-1, 0)), err // without the directory's own
}

// FileMax is the limit of open files of the whole host (fs.file-max) and how
// many are open (fs.file-nr, proc(5)). Processes with CAP_SYS_ADMIN may go
// beyond it.
func FileMax() (*evidence.Limit, error) {
	content, err := os.ReadFile("/proc/sys/fs/file-nr")
	if err != nil {
		return nil, fmt.Errorf("open files of the host: %w", err)
	}
	l, err := parseFileNr(string(content))
	if err != nil {
		return nil, fmt.Errorf("open files of the host: %w", err)
	}
	return l, nil
}

// parseFileNr reads "allocated free maximum".
func parseFileNr(content string) (*evidence.Limit, error) {
	fields := strings.Fields(content)
	if len(fields) != 3 {
		return nil, fmt.Errorf("fs.file-nr: %q has not three fields", content)
	}
	var n [3]uint64
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("fs.file-nr: %w", err)
		}
		n[i] = v
	}
	if n[1] > n[0] {
		return nil, fmt.Errorf("fs.file-nr: %q has more free than allocated", content)
	}
	return &evidence.Limit{Name: "fs.file-max", Soft: n[2], Used: n[0] - n[1]}, nil
}
