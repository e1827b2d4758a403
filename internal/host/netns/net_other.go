//go:build !linux

package netns

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
)

var errNoNamespaces = fmt.Errorf("network namespaces on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Net is a set of hosts and the links between them. It exists on Linux only.
type Net struct{}

// New fails: there are no network namespaces on this system.
func New() (*Net, error) { return nil, errNoNamespaces }

// Close does nothing.
func (*Net) Close() error { return nil }

// Supported says why no network can be built here.
func Supported() error { return errNoNamespaces }

// UserNamespace fails: there are no user namespaces on this system.
func UserNamespace(*exec.Cmd) error { return errNoNamespaces }

// LoopbackUp fails: there are no network namespaces on this system.
func LoopbackUp() error { return errNoNamespaces }
