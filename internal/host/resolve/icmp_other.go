//go:build !linux

package resolve

import (
	"net"
	"net/netip"
	"syscall"
)

// reportICMP has nothing to switch on: without Linux's error queue only what
// the system reports of itself is seen, usually port unreachable.
func reportICMP(string, string, syscall.RawConn) error { return nil }

// offender is not told on this system.
func offender(net.Conn) netip.Addr { return netip.Addr{} }
