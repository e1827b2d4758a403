package socktable

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// SocketsOf hands over the inodes of the sockets that a process has open. One
// that has ended, or that this user may not look into, has none.
func SocketsOf(pid int, each func(inode uint32)) {
	fds, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return
	}
	defer fds.Close()
	eachSocket(fds, each)
}

// Descendants are the children of a process, and theirs, that run now (proc(5),
// /proc/PID/stat).
func Descendants(pid int) []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what was read before an error counts
	children := map[int][]int{}
	for _, name := range names {
		child, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + name + "/stat"); err == nil {
			if parent, ok := parentOf(stat); ok {
				children[parent] = append(children[parent], child)
			}
		}
	}
	var all []int
	for next := children[pid]; len(next) > 0; {
		all = append(all, next[0])
		next = append(next[1:len(next):len(next)], children[next[0]]...)
	}
	return all
}

// parentOf reads "12 (name) S 1 ...": the name may hold anything.
func parentOf(stat []byte) (pid int, ok bool) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	pid, err := strconv.Atoi(fields[1])
	return pid, err == nil
}
