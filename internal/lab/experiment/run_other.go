//go:build !linux

package experiment

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

var errNotHere = fmt.Errorf("network namespaces on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Success fails: it needs network namespaces.
func Success(context.Context) (*Table, error) { return nil, errNotHere }

// GiveUp fails: it needs network namespaces.
func GiveUp(context.Context) (*Table, error) { return nil, errNotHere }

// Reuse fails: it needs network namespaces.
func Reuse(context.Context) (*Table, error) { return nil, errNotHere }
