//go:build !linux

package feed

import "errors"

// CgroupID needs Linux.
func CgroupID(string) (uint64, error) { return 0, errors.ErrUnsupported }
