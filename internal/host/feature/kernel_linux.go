package feature

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/bpf"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// asked words the outcome of a question that needs no privilege.
func asked(what string, err error) finding {
	if err != nil {
		return finding{state: No, why: err.Error()}
	}
	return finding{state: Yes, why: what + " was answered"}
}

func tryRtnetlink() finding {
	_, err := netlink.RouteTo(netlink.Query{To: netip.AddrFrom4([4]byte{127, 0, 0, 1})})
	return asked("a route look-up", err)
}

func trySockDiag() finding {
	_, err := netlink.ListenerAt(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1))
	return asked("a search for a listener", err)
}

func tryCounters() finding {
	_, err := netlink.TakeCounters("lo")
	return asked("a reading of the counters", err)
}

// tryIOURing sets up a ring (kernel.io_uring_disabled since Linux 6.6).
func tryIOURing() finding {
	errno := sys.IOURingSetup()
	if errno == 0 {
		return finding{state: Yes, why: "io_uring_setup(2) was taken"}
	}
	f := finding{state: No, why: "io_uring_setup(2): " + sys.ErrnoName(errno)}
	if errno != syscall.EPERM {
		return f
	}
	if s, err := procfs.Sysctl("kernel.io_uring_disabled"); err == nil && s.Value != "0" {
		f.why += " (kernel.io_uring_disabled is " + s.Value + ")"
		f.needs = "sudo sysctl -w kernel.io_uring_disabled=0"
	} else {
		f.why += ": a seccomp filter, as containers have it, or a security module"
	}
	return f
}

// tryKernelEvents loads a program and does not attach it.
func tryKernelEvents() finding {
	err := bpf.Permitted()
	if err == nil {
		return finding{state: Yes, why: "a raw tracepoint program was loaded; it was not attached"}
	}
	if errno := sys.LoadRawTracepoint(); errno == syscall.EPERM || errno == syscall.EACCES {
		f := refused("bpf(BPF_PROG_LOAD) of a raw tracepoint program", errno, capBPF, perfmon)
		if set, err := procfs.Sysctl("kernel.unprivileged_bpf_disabled"); err == nil && f.needs != "" {
			f.why += " (kernel.unprivileged_bpf_disabled is " + set.Value + "; tracing needs them with any value)"
		}
		return f
	}
	return finding{state: No, why: err.Error()}
}

// tryNftables asks for the list of tables, which nfnetlink gives only to the
// network's administrator (nfnetlink_rcv).
func tryNftables() finding {
	const (
		netlinkNetfilter = 12          // NETLINK_NETFILTER
		getTable         = 10<<8 | 0x1 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
	)
	c, err := sys.OpenNetlink(netlinkNetfilter)
	if err != nil {
		return finding{state: No, why: err.Error()}
	}
	defer c.Close()
	tables := 0
	err = c.Ask(getTable, syscall.NLM_F_DUMP, make([]byte, 4), func(uint16, []byte) bool { tables++; return true })
	var errno syscall.Errno
	switch {
	case err == nil, errors.Is(err, sys.ErrDumpInterrupted):
		return finding{state: Yes, why: fmt.Sprintf("the list of tables was given; there are %d", tables)}
	case errors.As(err, &errno):
		return refused("listing nftables", errno, netAdmin)
	}
	return finding{state: No, why: err.Error()}
}

// tryUserNamespaces reads the settings. To try would take a process of its own.
func tryUserNamespaces() finding {
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		return finding{state: No, why: "this kernel has no user namespaces: " + err.Error()}
	}
	own, err := ownCapabilities()
	privileged := err == nil && hold(own.effective, []capability{sysAdmin})
	for _, s := range []struct {
		name, closed, open string
		forAll             bool // holds for privileged users too
	}{
		{"user.max_user_namespaces", "0", "15000", true},
		{"kernel.unprivileged_userns_clone", "0", "1", false},             // Debian
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0", false}, // Ubuntu
	} {
		set, err := procfs.Sysctl(s.name)
		if err == nil && set.Value == s.closed && (s.forAll || !privileged) {
			return finding{state: No, why: s.name + " is " + set.Value, needs: "sudo sysctl -w " + s.name + "=" + s.open}
		}
	}
	return finding{state: Unknown, why: "the settings allow it; it was not tried, and a seccomp filter or security module may refuse"}
}

func tryLandlock() finding {
	abi, errno := sys.LandlockABI()
	switch errno {
	case 0:
		return finding{state: Yes, why: fmt.Sprintf("landlock_create_ruleset(2) gives ABI %d", abi)}
	case syscall.EOPNOTSUPP:
		return finding{state: No, why: "Landlock is in this kernel and was not switched on when it started (lsm=)"}
	}
	return finding{state: No, why: "landlock_create_ruleset(2): " + sys.ErrnoName(errno)}
}

// tryGiveUp asks whether privileges can be given up in every thread.
func tryGiveUp() finding {
	own, err := ownCapabilities()
	switch {
	case err != nil:
		return finding{state: Unknown, why: err.Error()}
	case own.effective == 0:
		return finding{state: Yes, why: "this process has no privileges to give up"}
	}
	if err := sys.AllThreads(); err != nil {
		return finding{state: No, why: err.Error(), needs: "make build"}
	}
	return finding{state: Yes, why: "this program's threads are all Go's own"}
}
