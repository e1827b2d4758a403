package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The protocols of a ping socket: socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
// icmp(7), for the groups in net.ipv4.ping_group_range.
const (
	ProtoICMP   = unix.IPPROTO_ICMP
	ProtoICMPv6 = unix.IPPROTO_ICMPV6
)

// AbortOnClose makes close(2) send RST and leave no TIME_WAIT: SO_LINGER with
// no time, socket(7).
func AbortOnClose(fd int) syscall.Errno {
	l := unix.Linger{Onoff: 1}
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
	return errno
}
