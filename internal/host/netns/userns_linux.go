package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// UserNamespace makes cmd, which has not been started, run as root of a new
// user namespace (user_namespaces(7)): no more than this user outside, but
// with every capability over the namespaces made inside.
//
// The process gets a network namespace of its own as well. It must: a thread
// that visits another namespace needs CAP_SYS_ADMIN over the one it comes home
// to (setns(2)). The loopback interface there is down: see [LoopbackUp].
func UserNamespace(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	a := cmd.SysProcAttr
	a.Cloneflags |= syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	return nil
}

// LoopbackUp brings up the loopback interface of the network namespace in
// which the process is.
func LoopbackUp() error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: lo.Index, Name: lo.Name}}
	return netlink.LinkSetUp(link)
}

// obstacle names what stands in the way when a namespace cannot be made.
func obstacle(err error) string {
	knob := func(name string) string {
		b, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		return strings.TrimSpace(string(b))
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("user.max_net_namespaces is %s", knob("user.max_net_namespaces"))
	case errors.Is(err, syscall.EINVAL):
		return "the kernel has no network namespaces (CONFIG_NET_NS)"
	case !errors.Is(err, syscall.EPERM):
		return "see unshare(2)"
	case knob("kernel.apparmor_restrict_unprivileged_userns") == "1":
		return "CAP_SYS_ADMIN is missing; a user namespace does not give it: kernel.apparmor_restrict_unprivileged_userns is 1"
	case knob("kernel.unprivileged_userns_clone") == "0":
		return "CAP_SYS_ADMIN is missing; no user namespace without it: kernel.unprivileged_userns_clone is 0"
	case knob("user.max_user_namespaces") == "0":
		return "CAP_SYS_ADMIN is missing; no user namespace either: user.max_user_namespaces is 0"
	}
	return "CAP_SYS_ADMIN is missing; root has it, and so has root of a user namespace"
}
