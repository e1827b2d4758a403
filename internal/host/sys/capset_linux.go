package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities that a dial can make use of (capabilities(7)).
const (
	CapDACReadSearch  = unix.CAP_DAC_READ_SEARCH
	CapNetBindService = unix.CAP_NET_BIND_SERVICE
	CapNetAdmin       = unix.CAP_NET_ADMIN
	CapNetRaw         = unix.CAP_NET_RAW
	CapSysPtrace      = unix.CAP_SYS_PTRACE
	CapSysResource    = unix.CAP_SYS_RESOURCE
	CapPerfmon        = unix.CAP_PERFMON
	CapBPF            = unix.CAP_BPF
)

// KeepCapabilities gives up every capability but these, in all threads of the
// process and for good: also a program that it executes gets none back
// (capset(2), PR_SET_NO_NEW_PRIVS). Those that it does not have are not gained.
// Without any capability it does nothing. It wraps [errors.ErrUnsupported] in
// a program that is linked with C, whose threads Go does not know all.
func KeepCapabilities(keep ...int) error {
	has, err := permittedCapabilities()
	if err != nil || has == 0 {
		return err
	}
	var want uint64
	for _, c := range keep {
		want |= 1 << c
	}
	want &= has
	if want == has {
		return nil
	}
	// The header is the same for every thread: 0 is the one that asks.
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{
		{Effective: uint32(want), Permitted: uint32(want)},
		{Effective: uint32(want >> 32), Permitted: uint32(want >> 32)},
	}
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return notForAll("prctl", errno)
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(&data[0])), 0)
	return notForAll("capset", errno)
}

// AllThreads says whether [KeepCapabilities] can reach every thread of this
// program: nil, or why not.
func AllThreads() error {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETUID, 0, 0, 0)
	return notForAll("a system call", errno)
}

func notForAll(call string, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return fmt.Errorf("%s for every thread of a program linked with C: %w", call, errors.ErrUnsupported)
	}
	return os.NewSyscallError(call, errno)
}

// permittedCapabilities reads /proc/self/status.
func permittedCapabilities() (uint64, error) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, is := strings.CutPrefix(line, "CapPrm:"); is {
			return strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		}
	}
	return 0, errors.New("/proc/thread-self/status tells no capabilities")
}

// AtLeastLinux says that the running kernel is of this release or a later one
// (uname(2)).
func AtLeastLinux(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b int
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
