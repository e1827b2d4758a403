package netns

import (
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Policy is a rule of the local host, other than its firewall, that forbids a
// process to connect.
type Policy uint8

const (
	// Seccomp is a filter that fails every connect(2) with EPERM.
	Seccomp Policy = iota + 1
	// Landlock is a ruleset that fails TCP's connect(2) with EACCES. It needs
	// Linux 6.7; Start fails without it.
	Landlock
	// Cgroup is a control group with a BPF program that fails every connect(2)
	// with EPERM (BPF_CGROUP_INET4_CONNECT). It needs CAP_BPF and CAP_NET_ADMIN
	// in the first user namespace and a mount of cgroup2; Start fails without.
	Cgroup
)

// Deny puts the process, which has not been started, under the policy.
func (c *Cmd) Deny(p Policy) *Cmd {
	c.policy = p
	return c
}

// apply puts the calling thread under the policy, for good.
func (p Policy) apply() error {
	switch p {
	case Seccomp:
		return sys.DenyConnectSeccomp(syscall.EPERM)
	case Landlock:
		return sys.DenyConnectLandlock()
	}
	return nil
}
