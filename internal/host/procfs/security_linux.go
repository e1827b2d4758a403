package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/evidence"
)

// Security is what this thread can know of policies that deny system calls:
// seccomp(2) and no_new_privs (/proc/thread-self/status), the active Linux
// security modules, and this thread's profile under the first of them that has
// one. Modules and profile are empty where they cannot be read. A Landlock
// domain and the rules themselves cannot be seen from within; for programs of the
// control group see [ConnectPrograms].
func Security() (*evidence.Security, error) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return nil, fmt.Errorf("security: %w", err)
	}
	s := new(evidence.Security)
	if err := parseStatus(string(status), s); err != nil {
		return nil, fmt.Errorf("security: %w", err)
	}
	s.LSM = optional("/sys/kernel/security/lsm")
	s.Profile = optional("/proc/thread-self/attr/current")
	return s, nil
}

// parseStatus reads the two lines of /proc/PID/status that matter; a kernel
// without seccomp has no such line, and the mode is then 0.
func parseStatus(status string, s *evidence.Security) error {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		if key != "Seccomp" && key != "NoNewPrivs" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(value))
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", key, err)
		case key == "Seccomp":
			s.Seccomp = n
		default:
			s.NoNewPrivs = n != 0
		}
	}
	return nil
}

func optional(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(content), "\x00\n")
}
