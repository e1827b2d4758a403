//go:build !linux

package sock

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

func send(syscall.RawConn, []byte, SendFlag) (int, error) {
	return 0, fmt.Errorf("dialscope cannot send with flags on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
