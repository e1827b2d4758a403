package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// MemoryFree is how many octets this process can still have: what the host has
// available (MemAvailable, proc(5)), or less where its cgroup bounds it
// (memory.max of cgroup v2, of itself and of those above).
func MemoryFree() (uint64, error) {
	content, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	free, err := parseMemAvailable(string(content))
	if err != nil {
		return 0, err
	}
	if self, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		free = min(free, cgroupFree("/sys/fs/cgroup", string(self)))
	}
	return free, nil
}

// parseMemAvailable reads "MemAvailable:  23456 kB".
func parseMemAvailable(content string) (uint64, error) {
	for line := range strings.Lines(content) {
		if rest, is := strings.CutPrefix(line, "MemAvailable:"); is {
			if kb, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil {
				return kb << 10, nil
			}
		}
	}
	return 0, fmt.Errorf("memory: /proc/meminfo has no MemAvailable")
}

// cgroupFree is what the groups from the process's own up to the root leave;
// self is /proc/self/cgroup.
func cgroupFree(root, self string) uint64 {
	const unbounded = 1 << 62
	least := uint64(unbounded)
	for line := range strings.Lines(self) {
		group, is := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !is {
			continue
		}
		for {
			if limit, ok := octets(root + group + "/memory.max"); ok {
				used, _ := octets(root + group + "/memory.current")
				least = min(least, limit-min(limit, used))
			}
			at := strings.LastIndexByte(group, '/')
			if at < 0 || group == "/" {
				break
			}
			group = group[:at]
		}
	}
	return least
}

func octets(file string) (uint64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64) // "max": none
	return n, err == nil
}
