//go:build amd64 || arm64

package bpf

import (
	"os"
	"syscall"
)

// ThisNetwork is the inode of the calling thread's network namespace
// (namespaces(7)).
func ThisNetwork() (uint32, error) {
	const file = "/proc/thread-self/ns/net"
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return uint32(info.Sys().(*syscall.Stat_t).Ino), nil
}
