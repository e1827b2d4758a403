package sys

import (
	"os"
	"syscall"
	"testing"
)

func TestPrivilegesLeaveNoDescriptor(t *testing.T) {
	count := func() int64 {
		info, err := os.Stat("/proc/self/fd") // its size is the number of descriptors, Linux 6.2
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := count()
	t.Log("io_uring:", IOURingSetup(), "bpf:", LoadRawTracepoint())
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// A refusal is a permission or an absence, never a malformed question.
func TestPrivilegesAskWell(t *testing.T) {
	abi, landlock := LandlockABI()
	if landlock == 0 && abi < 1 {
		t.Errorf("Landlock ABI %d", abi)
	}
	for name, errno := range map[string]syscall.Errno{
		"io_uring_setup": IOURingSetup(), "landlock_create_ruleset": landlock, "bpf": LoadRawTracepoint(),
	} {
		switch errno {
		case 0, syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.ENOMEM:
		default:
			t.Errorf("%s: %v", name, errno)
		}
	}
}
