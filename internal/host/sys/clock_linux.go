package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Monotonic reads CLOCK_MONOTONIC (clock_gettime(2)), on which the kernel
// times its events: bpf_ktime_get_ns, and Go's own monotonic clock.
func Monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // fails for an unknown clock only
	return time.Duration(t.Nano())
}
