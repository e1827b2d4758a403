package netns

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// cgroup is a control group of one process, which may not connect.
type cgroup struct {
	dir   *os.File
	links []int
}

var cgroups atomic.Uint32

// newCgroup makes one under the mount of cgroup2.
func newCgroup() (g *cgroup, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	root := ""
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); len(fields) >= 5 && strings.HasPrefix(after, "cgroup2 ") {
			root = fields[4]
		}
	}
	if root == "" {
		return nil, fmt.Errorf("no mount of cgroup2: %w", fs.ErrNotExist)
	}
	path := filepath.Join(root, fmt.Sprintf("dialscope-%d-%d", os.Getpid(), cgroups.Add(1)))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	g = new(cgroup)
	if g.dir, err = os.Open(path); err != nil {
		os.Remove(path)
		return nil, err
	}
	for _, attach := range []uint32{sys.CgroupConnect4, sys.CgroupConnect6} {
		link, errno := sys.DenyConnectCgroup(int(g.dir.Fd()), attach)
		if errno != 0 {
			g.close()
			return nil, os.NewSyscallError("bpf", errno)
		}
		g.links = append(g.links, link)
	}
	return g, nil
}

// close takes it away. Its process has been waited for; nil is none.
func (g *cgroup) close() {
	if g == nil {
		return
	}
	for _, link := range g.links {
		sys.Close(link)
	}
	g.dir.Close()
	os.Remove(g.dir.Name())
}
