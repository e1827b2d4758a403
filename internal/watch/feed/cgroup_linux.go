package feed

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// CgroupID is the id of a cgroup v2: the inode of its directory.
func CgroupID(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(filepath.Join(path, "cgroup.procs")); err != nil || !info.IsDir() {
		return 0, fmt.Errorf("%s is no cgroup", path)
	}
	return info.Sys().(*syscall.Stat_t).Ino, nil
}
