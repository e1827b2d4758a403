//go:build !linux

package dialscope

import (
	"errors"
	"fmt"
	"net"
	"runtime"
)

// UDPConn needs Linux: what connect(2) does to a connected datagram socket, and
// to AF_UNSPEC, is this system's own.
type UDPConn struct{ *net.UDPConn }

// NewUDPConn says that this system is not supported.
func NewUDPConn(*net.UDPConn) (*UDPConn, error) {
	return nil, fmt.Errorf("dialscope cannot change a UDP socket's peer on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
