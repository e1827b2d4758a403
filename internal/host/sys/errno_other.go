//go:build !unix && !windows

package sys

import (
	"strconv"
	"syscall"
)

// ErrnoName is the symbolic name of an errno; this system has none to give.
func ErrnoName(e syscall.Errno) string {
	if e == 0 {
		return ""
	}
	return "errno " + strconv.Itoa(int(e))
}
