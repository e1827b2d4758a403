//go:build !linux

package dialscope

import "github.com/dialscope/dialscope/internal/testmain"

// helpers are programs for namespaces, of which there are none here.
func helpers() []testmain.Option { return nil }
