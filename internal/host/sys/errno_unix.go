//go:build unix

package sys

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrnoName is the symbolic name of an errno ("ECONNREFUSED"); "" for 0 and
// "errno N" for one that this system does not name.
func ErrnoName(e syscall.Errno) string {
	if e == 0 {
		return ""
	}
	switch e {
	case unix.EAGAIN:
		return "EAGAIN" // also EWOULDBLOCK
	case unix.EOPNOTSUPP:
		return "EOPNOTSUPP" // also ENOTSUP
	}
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return "errno " + strconv.Itoa(int(e))
}
