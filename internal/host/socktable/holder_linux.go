package socktable

import (
	"os"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sockets"
)

// FindHolders looks for the processes that hold the table's sockets (proc(5),
// /proc/PID/fd). It sees those of this user, with CAP_SYS_PTRACE all of this
// PID namespace.
func FindHolders(t *sockets.Table) {
	rows := make(map[uint32]int32, len(t.Sockets))
	for i := range t.Sockets {
		if inode := t.Sockets[i].Inode; inode != 0 {
			rows[inode] = int32(i)
		}
	}
	err := eachProcess(func(pid int, fds *os.File) {
		at := int32(-1)
		eachSocket(fds, func(inode uint32) {
			row, wanted := rows[inode]
			if !wanted {
				return
			}
			if at < 0 {
				at = int32(len(t.Processes))
				t.Processes = append(t.Processes, Process(pid))
			}
			s := &t.Sockets[row]
			if n := len(s.Holders); n == 0 || s.Holders[n-1] != at { // a process may have a socket twice
				s.Holders = append(s.Holders, at)
			}
		})
	})
	if err != nil {
		t.NoProcesses = err.Error()
		return
	}
	for i := range t.Sockets {
		if s := &t.Sockets[i]; s.Inode != 0 && len(s.Holders) == 0 {
			t.Unheld++
		}
	}
}

// eachProcess hands over every process whose descriptors can be read.
func eachProcess(each func(pid int, fds *os.File)) error {
	proc, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if fds, err := os.Open("/proc/" + name + "/fd"); err == nil {
			each(pid, fds)
			fds.Close()
		}
	}
	return nil
}

// eachSocket hands over the inodes of the sockets that a process has open.
func eachSocket(fds *os.File, each func(inode uint32)) {
	var name [24]byte
	var link [64]byte
	dir := int(fds.Fd())
	for {
		names, err := fds.Readdirnames(1024)
		for _, fd := range names {
			if len(fd) >= len(name) {
				continue
			}
			name[copy(name[:], fd)] = 0
			if n, errno := sys.Readlinkat(dir, name[:], link[:]); errno == 0 {
				if inode, ok := socketInode(link[:n]); ok {
					each(inode)
				}
			}
		}
		if err != nil || len(names) == 0 {
			return // what was read before an error counts: a process may end meanwhile
		}
	}
}

// socketInode reads "socket:[4711]".
func socketInode(link []byte) (inode uint32, ok bool) {
	const head = "socket:["
	if len(link) < len(head)+2 || string(link[:len(head)]) != head || link[len(link)-1] != ']' {
		return 0, false
	}
	for _, c := range link[len(head) : len(link)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		inode = inode*10 + uint32(c-'0')
	}
	return inode, true
}

// Process describes a process by its number. What cannot be read stays empty.
func Process(pid int) sockets.Process {
	dir := "/proc/" + strconv.Itoa(pid)
	p := sockets.Process{PID: pid}
	if comm, err := os.ReadFile(dir + "/comm"); err == nil {
		p.Name = strings.TrimSuffix(string(comm), "\n")
	}
	if content, err := os.ReadFile(dir + "/cgroup"); err == nil {
		p.Cgroup = sockets.CgroupPath(string(content))
		p.Container = sockets.ContainerOf(p.Cgroup)
	}
	return p
}
