//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// typesFile is where the kernel tells its types (CONFIG_DEBUG_INFO_BTF).
const typesFile = "/sys/kernel/btf/vmlinux"

// Permitted says whether this process may listen: nil, or why not. A program
// that does nothing is loaded, and not attached.
func Permitted() error {
	if err := sys.LoadTracingProgram(); err != nil {
		return refusal(err)
	}
	if _, err := os.Stat(typesFile); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("this kernel does not tell its types, which the programs are fitted to: %w (CONFIG_DEBUG_INFO_BTF)", err)
	}
	return nil
}

// refusal adds to an error what stands behind it.
func refusal(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &verifier):
		return fmt.Errorf("this kernel does not take the program: %w", err)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		status, _ := os.ReadFile("/proc/thread-self/status")
		uids, _ := os.ReadFile("/proc/self/uid_map")
		lockdown, _ := os.ReadFile("/sys/kernel/security/lockdown")
		return fmt.Errorf("%w: %s", err, obstacle(string(status), string(uids), string(lockdown)))
	case errors.Is(err, syscall.ENOSYS):
		return fmt.Errorf("%w: this kernel is built without BPF (CONFIG_BPF_SYSCALL)", err)
	}
	return err
}

// capabilities(7).
const (
	capSysAdmin = 1 << 21
	capPerfmon  = 1 << 38
	capBPF      = 1 << 39
)

// obstacle says what forbids bpf(2), from /proc/thread-self/status,
// /proc/self/uid_map and /sys/kernel/security/lockdown.
func obstacle(status, uids, lockdown string) string {
	effective, known := capabilities(status)
	switch {
	case known && effective&capSysAdmin == 0 && effective&(capBPF|capPerfmon) != capBPF|capPerfmon:
		var missing []string
		if effective&capBPF == 0 {
			missing = append(missing, "CAP_BPF")
		}
		if effective&capPerfmon == 0 {
			missing = append(missing, "CAP_PERFMON")
		}
		verb := " is"
		if len(missing) > 1 {
			verb = " are"
		}
		return strings.Join(missing, " and ") + verb + " missing"
	case uids != "" && strings.Join(strings.Fields(uids), " ") != "0 0 4294967295":
		return "the capabilities are those of a user namespace, and tracing needs them in the first one"
	case strings.Contains(lockdown, "[confidentiality]"):
		return "the kernel is locked down to confidentiality (kernel_lockdown(7)), which forbids to read its memory"
	}
	return "the capabilities are there: a seccomp filter, as containers have it, or a security module is in the way"
}

// capabilities reads the effective set.
func capabilities(status string) (set uint64, known bool) {
	for line := range strings.Lines(status) {
		if value, is := strings.CutPrefix(line, "CapEff:"); is {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return set, err == nil
		}
	}
	return 0, false
}
