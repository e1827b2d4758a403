//go:build !linux

package reactor

import (
	"context"
	"errors"
	"fmt"
)

func run(context.Context, Config, Source) error {
	return fmt.Errorf("reactor: epoll is Linux's: %w", errors.ErrUnsupported)
}

func reusable() bool { return false }
