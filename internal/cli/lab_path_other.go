//go:build !linux

package cli

import "os"

// programPath is the path to this program.
func programPath() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
