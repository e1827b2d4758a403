package netns

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
)

// nobody is the user and the group without rights (overflowuid, user_namespaces(7)).
const nobody = 65534

// Unprivileged makes the process run as user and group 65534 without any
// capability. Where this process is root of a user namespace that has no such
// user, the child gets a user namespace of its own in which it is 65534: there
// too it has no capability over the host's network.
//
// The program must be one that this user may execute: a test binary lies in a
// directory closed to others, and is reached as /proc/self/exe.
func (c *Cmd) Unprivileged() *Cmd {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	a := c.SysProcAttr
	if mapped("/proc/self/uid_map", nobody) && mapped("/proc/self/gid_map", nobody) {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		return c
	}
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	return c
}

// mapped reports whether the user namespace knows the id (user_namespaces(7),
// uid_map: first id inside, first id outside, count).
func mapped(file string, id uint64) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(lines.Text(), &inside, &outside, &count); n == 3 && id >= inside && id-inside < count {
			return true
		}
	}
	return false
}
