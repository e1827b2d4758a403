package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Readlinkat is readlinkat(2): it reads the symbolic link name in the directory
// dir into b and allocates nothing. The name must end in a zero octet.
func Readlinkat(dir int, name, b []byte) (n int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0)
	return int(r), errno
}
