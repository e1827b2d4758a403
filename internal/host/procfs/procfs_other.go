//go:build !linux

package procfs

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/dialscope/dialscope/evidence"
)

func unsupported(what string) error {
	return fmt.Errorf("%s on %s: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

// Sysctl needs Linux.
func Sysctl(name string) (*evidence.Sysctl, error) { return nil, unsupported("sysctl " + name) }

// NoFile needs Linux.
func NoFile() (*evidence.Limit, error) { return nil, unsupported("count of open descriptors") }

// FileMax needs Linux.
func FileMax() (*evidence.Limit, error) { return nil, unsupported("count of open files") }

// Conntrack needs Linux.
func Conntrack() (*evidence.Conntrack, error) { return nil, unsupported("connection tracking") }

// Security needs Linux.
func Security() (*evidence.Security, error) { return nil, unsupported("security policies") }

// ConnectPrograms needs Linux.
func ConnectPrograms() ([]evidence.CgroupProgram, error) {
	return nil, unsupported("control groups")
}

// MemoryFree needs Linux.
func MemoryFree() (uint64, error) { return 0, unsupported("free memory") }
