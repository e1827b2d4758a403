package procfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// ConnectPrograms lists the BPF programs that this process's connect(2) runs
// first, those of its control group (cgroups(7), version 2). It needs
// CAP_NET_ADMIN in the first user namespace.
func ConnectPrograms() ([]evidence.CgroupProgram, error) {
	groups, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	group, dir, ok := cgroupOf(string(groups), string(mounts))
	if !ok {
		return nil, fmt.Errorf("control group: no mount of cgroup2 shows it: %w", fs.ErrNotExist)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	defer f.Close()
	var all []evidence.CgroupProgram
	for _, at := range []struct {
		number uint32
		name   string
	}{{sys.CgroupConnect4, "connect4"}, {sys.CgroupConnect6, "connect6"}} {
		ids, errno := sys.CgroupPrograms(int(f.Fd()), at.number)
		if errno != 0 {
			return nil, os.NewSyscallError("bpf(BPF_PROG_QUERY)", errno)
		}
		for _, id := range ids {
			all = append(all, evidence.CgroupProgram{ID: id, Attach: at.name, Cgroup: group})
		}
	}
	return all, nil
}

// cgroupOf finds a process's group of version 2, and its directory: in
// /proc/PID/cgroup the line of hierarchy 0, and in mountinfo a mount of cgroup2
// (proc(5)).
func cgroupOf(groups, mounts string) (group, dir string, ok bool) {
	for line := range strings.Lines(groups) {
		if path, is := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); is {
			group = path
		}
	}
	if !strings.HasPrefix(group, "/") || strings.Contains(group+"/", "/../") {
		return "", "", false // outside this cgroup namespace
	}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		if within, is := strings.CutPrefix(group, strings.TrimSuffix(fields[3], "/")); is && (within == "" || within[0] == '/') {
			return group, filepath.Join(fields[4], within), true
		}
	}
	return "", "", false
}
