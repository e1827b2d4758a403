//go:build !linux

package socktable

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/dialscope/dialscope/internal/sockets"
)

// Read needs Linux.
func Read(time.Time, Query) (*sockets.Table, error) {
	return nil, fmt.Errorf("the table of sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Process knows nothing on this system.
func Process(pid int) sockets.Process { return sockets.Process{PID: pid} }

// SocketsOf needs Linux.
func SocketsOf(int, func(uint32)) {}

// Descendants needs Linux.
func Descendants(int) []int { return nil }

// FindHolders needs Linux.
func FindHolders(*sockets.Table) {}
