//go:build !linux

package lab

import "os"

// self is the path to this program.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
