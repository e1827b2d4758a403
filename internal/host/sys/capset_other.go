//go:build !linux

package sys

// Capabilities are Linux's.
const (
	CapDACReadSearch = iota
	CapNetBindService
	CapNetAdmin
	CapNetRaw
	CapSysPtrace
	CapSysResource
	CapPerfmon
	CapBPF
)

// KeepCapabilities does nothing: this system has none.
func KeepCapabilities(...int) error { return nil }

// AtLeastLinux is false: it is another system.
func AtLeastLinux(int, int) bool { return false }
