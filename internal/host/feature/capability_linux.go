package feature

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// capability is a bit of capabilities(7).
type capability uint

const (
	netAdmin capability = 12
	netRaw   capability = 13
	sysAdmin capability = 21
	perfmon  capability = 38
	capBPF   capability = 39
)

func (c capability) String() string {
	switch c {
	case netAdmin:
		return "CAP_NET_ADMIN"
	case netRaw:
		return "CAP_NET_RAW"
	case sysAdmin:
		return "CAP_SYS_ADMIN"
	case perfmon:
		return "CAP_PERFMON"
	case capBPF:
		return "CAP_BPF"
	}
	return "CAP_" + strconv.Itoa(int(c))
}

// capabilities are the sets of the calling thread (/proc/PID/status).
type capabilities struct{ effective, bounding uint64 }

func ownCapabilities() (capabilities, error) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return capabilities{}, err
	}
	return parseCapabilities(string(status))
}

func parseCapabilities(status string) (c capabilities, err error) {
	var effective, bounding bool
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		if key != "CapEff" && key != "CapBnd" {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return c, fmt.Errorf("%s: %w", key, err)
		}
		if key == "CapEff" {
			c.effective, effective = set, true
		} else {
			c.bounding, bounding = set, true
		}
	}
	if !effective || !bounding {
		return c, fmt.Errorf("no capability sets in the process status")
	}
	return c, nil
}

func hold(set uint64, caps []capability) bool {
	for _, c := range caps {
		if set&(1<<c) == 0 {
			return false
		}
	}
	return true
}

// refused words a refusal that these capabilities would lift.
func refused(call string, errno syscall.Errno, caps ...capability) finding {
	f := finding{state: No, why: call + ": " + sys.ErrnoName(errno)}
	switch errno {
	case syscall.EPERM, syscall.EACCES:
	default:
		f.why += ", which no privilege changes: this kernel lacks it, or it is switched off"
		return f
	}
	names := make([]string, len(caps))
	for i, c := range caps {
		names[i] = c.String()
	}
	own, err := ownCapabilities()
	switch {
	case err != nil:
		f.why += "; it needs " + strings.Join(names, " and ")
		f.needs = setcap(names)
	case hold(own.effective, caps):
		f.why += " although the process has " + strings.Join(names, " and ") +
			": a seccomp filter, a security module or a user namespace is in the way"
	case !hold(own.bounding, caps):
		f.why += "; it needs " + strings.Join(names, " and ") + ", which this container or service may not have at all"
		f.needs = "docker run"
		for _, n := range names {
			f.needs += " --cap-add " + strings.TrimPrefix(n, "CAP_")
		}
	default:
		f.why += "; it needs " + strings.Join(names, " and ")
		f.needs = setcap(names)
	}
	return f
}

func setcap(names []string) string {
	return "sudo setcap " + strings.ToLower(strings.Join(names, ",")) + "+ep $(command -v dialscope)"
}
