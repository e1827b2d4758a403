package cause

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
)

func TestErrnoNumbersAreLinux(t *testing.T) {
	if slices.Contains([]string{"mips", "mipsle", "mips64", "mips64le"}, runtime.GOARCH) {
		t.Skip("errno numbers are not the generic ones here")
	}
	numbers := map[string]syscall.Errno{
		"EACCES": syscall.EACCES, "EADDRINUSE": syscall.EADDRINUSE, "EADDRNOTAVAIL": syscall.EADDRNOTAVAIL,
		"EAFNOSUPPORT": syscall.EAFNOSUPPORT, "EAGAIN": syscall.EAGAIN, "EALREADY": syscall.EALREADY,
		"EBADF": syscall.EBADF, "ECONNABORTED": syscall.ECONNABORTED, "ECONNREFUSED": syscall.ECONNREFUSED,
		"ECONNRESET": syscall.ECONNRESET, "EDESTADDRREQ": syscall.EDESTADDRREQ, "EFAULT": syscall.EFAULT,
		"EHOSTDOWN": syscall.EHOSTDOWN, "EHOSTUNREACH": syscall.EHOSTUNREACH, "EINPROGRESS": syscall.EINPROGRESS,
		"EINTR": syscall.EINTR, "EINVAL": syscall.EINVAL, "EISCONN": syscall.EISCONN, "EMFILE": syscall.EMFILE,
		"EMSGSIZE": syscall.EMSGSIZE, "ENETDOWN": syscall.ENETDOWN, "ENETUNREACH": syscall.ENETUNREACH,
		"ENFILE": syscall.ENFILE, "ENOBUFS": syscall.ENOBUFS, "ENODEV": syscall.ENODEV, "ENOMEM": syscall.ENOMEM,
		"ENONET": syscall.ENONET, "ENOPROTOOPT": syscall.ENOPROTOOPT, "ENOTCONN": syscall.ENOTCONN,
		"ENOTSOCK": syscall.ENOTSOCK, "EOPNOTSUPP": syscall.EOPNOTSUPP, "EPERM": syscall.EPERM, "EPIPE": syscall.EPIPE,
		"EPROTO": syscall.EPROTO, "EPROTONOSUPPORT": syscall.EPROTONOSUPPORT, "EPROTOTYPE": syscall.EPROTOTYPE,
		"ETIMEDOUT": syscall.ETIMEDOUT,
	}
	for _, e := range Errnos() {
		if want, known := numbers[string(e.Name)]; !known || e.Number != int(want) {
			t.Errorf("%s is %d, the system says %d (known: %v)", e.Name, e.Number, int(want), known)
		}
	}
}
