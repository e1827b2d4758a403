package testmain

import (
	"context"
	"os"
	"sync"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// quit is the signal that go test sends when its deadline has passed.
var quit os.Signal = syscall.SIGQUIT

// rawSockets needs CAP_NET_RAW (packet(7)).
func rawSockets() error {
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return missing("packet socket (CAP_NET_RAW)", err)
	}
	return syscall.Close(fd)
}

// loadBPF loads a program that returns at once. A raw tracepoint's needs
// CAP_BPF and CAP_PERFMON (capabilities(7)).
func loadBPF() error {
	return missing("tracing program (CAP_BPF, CAP_PERFMON)", sys.LoadTracingProgram())
}

// userNamespaces starts a child in a user namespace; the child does nothing,
// also in a test binary without Main.
var userNamespaces = sync.OnceValue(func() error {
	cmd := Command(context.Background(), doNothing, "-test.run=^$")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
	}
	return missing("user namespace", cmd.Run())
})
