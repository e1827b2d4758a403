package sys

import (
	"strconv"
	"syscall"
)

// ErrnoName is the POSIX name of a Winsock error ("ECONNREFUSED" for
// WSAECONNREFUSED 10061), "" for 0, and "errno N" for one without a twin. The
// numbers are those of winsock2.h.
func ErrnoName(e syscall.Errno) string {
	if e == 0 {
		return ""
	}
	if name, ok := winsock[e]; ok {
		return name
	}
	return "errno " + strconv.Itoa(int(e))
}

var winsock = map[syscall.Errno]string{
	5:     "EACCES", // ERROR_ACCESS_DENIED
	10004: "EINTR", 10009: "EBADF", 10013: "EACCES", 10014: "EFAULT", 10022: "EINVAL", 10024: "EMFILE",
	10035: "EAGAIN", // WSAEWOULDBLOCK: connect's EINPROGRESS on Windows
	10036: "EINPROGRESS", 10037: "EALREADY", 10038: "ENOTSOCK", 10039: "EDESTADDRREQ", 10040: "EMSGSIZE",
	10041: "EPROTOTYPE", 10042: "ENOPROTOOPT", 10043: "EPROTONOSUPPORT", 10045: "EOPNOTSUPP",
	10047: "EAFNOSUPPORT", 10048: "EADDRINUSE", 10049: "EADDRNOTAVAIL", 10050: "ENETDOWN",
	10051: "ENETUNREACH", 10052: "ENETRESET", 10053: "ECONNABORTED", 10054: "ECONNRESET",
	10055: "ENOBUFS", 10056: "EISCONN", 10057: "ENOTCONN", 10060: "ETIMEDOUT", 10061: "ECONNREFUSED",
	10064: "EHOSTDOWN", 10065: "EHOSTUNREACH",
	121:  "ETIMEDOUT",    // ERROR_SEM_TIMEOUT: ConnectEx
	1225: "ECONNREFUSED", // ERROR_CONNECTION_REFUSED: ConnectEx
	1231: "ENETUNREACH",  // ERROR_NETWORK_UNREACHABLE: ConnectEx
	1232: "EHOSTUNREACH", // ERROR_HOST_UNREACHABLE: ConnectEx
}
