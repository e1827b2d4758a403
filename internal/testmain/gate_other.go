//go:build !linux

package testmain

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// quit is not sent on every system; Kill is never delivered to a handler.
var quit = os.Kill

var errNotHere = fmt.Errorf("on %s: %w", runtime.GOOS, errors.ErrUnsupported)

func rawSockets() error     { return missing("packet socket", errNotHere) }
func loadBPF() error        { return missing("tracing program", errNotHere) }
func userNamespaces() error { return missing("user namespace", errNotHere) }
