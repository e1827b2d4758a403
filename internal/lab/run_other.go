//go:build !linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
)

var errNotHere = fmt.Errorf("%w: network namespaces on %s: %w", ErrNotPossible, runtime.GOOS, errors.ErrUnsupported)

// Run says that the scenario is not possible on this system.
func Run(_ context.Context, s *Scenario, l Level, _ Program) *Result {
	return &Result{Scenario: s.Name, Level: l, Truth: s.TruthAt(l), NotPossible: "network namespaces on " + runtime.GOOS}
}

// Shell fails: there are no network namespaces on this system.
func Shell(context.Context, *Scenario, string, []string, io.Reader, io.Writer, io.Writer) (int, error) {
	return 0, errNotHere
}

// Capture fails: there are no network namespaces on this system.
func Capture(context.Context, *Scenario, Level, string, Program, io.Writer) (int, *Result, error) {
	return 0, nil, errNotHere
}

// Limit fails: it is the inner side of a [Confinement].
func Limit([]string) ([]string, error) { return nil, errNotHere }

// InUserNamespace fails: there are no user namespaces on this system.
func InUserNamespace(context.Context, []string, io.Reader, io.Writer, io.Writer) (int, bool, error) {
	return 0, false, errNotHere
}
