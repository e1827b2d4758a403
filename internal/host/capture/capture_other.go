//go:build !linux

package capture

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Capture needs Linux.
type Capture struct{}

// Open needs Linux.
func Open(c Config) (*Capture, error) {
	if _, err := c.Filter.compile(1, mostTags); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("capturing packets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Ready gives nothing.
func (*Capture) Ready() ([]Frame, error) { return nil, errors.ErrUnsupported }

// Read gives nothing.
func (*Capture) Read(time.Time) ([]Frame, error) { return nil, errors.ErrUnsupported }

// Interrupt does nothing.
func (*Capture) Interrupt() {}

// Stats counts nothing.
func (*Capture) Stats() (Stats, error) { return Stats{}, errors.ErrUnsupported }

// Close does nothing.
func (*Capture) Close() {}
