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
