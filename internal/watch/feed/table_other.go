//go:build !linux

package feed

import (
	"errors"
	"fmt"
	"runtime"
)

// OpenTable needs Linux.
func OpenTable(Options) (Source, error) {
	return nil, fmt.Errorf("the table of sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
