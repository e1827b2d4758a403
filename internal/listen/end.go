package listen

import (
	"syscall"

	"github.com/dialscope/dialscope/cause"
)

// ending is one kind of end: an index into endings, small enough to count by.
type ending uint8

// The endings that a server can tell.
const (
	peerFIN ending = iota
	peerRST
	brokenPipe
	peerTimeout
	pathICMP
	hereFIN
	hereRST
	hereSilence
	otherError
	endingCount
)

// endings say who ended a connection and how; the causes are those of "an
// established connection ends".
var endings = [endingCount]struct {
	by, how string
	cause   cause.ID
}{
	peerFIN:     {"peer", "FIN", cause.PeerClosed},
	peerRST:     {"peer", "RST", cause.PeerReset},
	brokenPipe:  {"peer", "RST", cause.BrokenPipe},
	peerTimeout: {"path", "timeout", cause.PeerVanished},
	pathICMP:    {"path", "ICMP", cause.PathLost},
	hereFIN:     {"here", "FIN", ""},
	hereRST:     {"here", "RST", ""},
	hereSilence: {"crash", "silence", ""},
	otherError:  {"here", "error", ""},
}

// endOf is the end that an errno of recv(2), send(2) or SO_ERROR stands for
// (tcp_reset, tcp_write_err, icmp_err_convert).
func endOf(e syscall.Errno) ending {
	switch e {
	case syscall.ECONNRESET:
		return peerRST
	case syscall.EPIPE:
		return brokenPipe
	case syscall.ETIMEDOUT:
		return peerTimeout
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNREFUSED, syscall.ENOPROTOOPT, syscall.EACCES,
		syscall.EOPNOTSUPP, syscall.EPROTO, syscall.ENETDOWN:
		return pathICMP
	}
	return otherError
}
