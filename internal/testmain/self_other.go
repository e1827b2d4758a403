//go:build !linux

package testmain

import "os"

// self is the path to this test binary.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
