package netlink

import (
	"os"
	"strconv"
	"strings"
)

// Bounds of the search for a socket's process.
const (
	maxProcesses   = 1 << 13
	maxDescriptors = 1 << 16
)

// processOf finds a process that has the socket with this inode open, and its
// command (proc(5), /proc/PID/fd). It sees the processes of this user, with
// CAP_SYS_PTRACE those of all; 0 and "" when none was found.
func processOf(inode uint32) (pid int, command string) {
	if inode == 0 {
		return 0, ""
	}
	link := "socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"
	left := maxDescriptors
	if holds("self", link, &left) {
		return os.Getpid(), commandOf("self")
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return 0, ""
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(maxProcesses) // what was read before an error counts
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && holds(name, link, &left) {
			return pid, commandOf(name)
		}
		if left <= 0 {
			break
		}
	}
	return 0, ""
}

// holds says whether one of a process's descriptors is this link.
func holds(process, link string, left *int) bool {
	dir, err := os.Open("/proc/" + process + "/fd")
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(max(*left, 1))
	*left -= len(names)
	for _, fd := range names {
		if to, err := os.Readlink(dir.Name() + "/" + fd); err == nil && to == link {
			return true
		}
	}
	return false
}

func commandOf(process string) string {
	comm, err := os.ReadFile("/proc/" + process + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(comm), "\n")
}
