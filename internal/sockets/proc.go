package sockets

import (
	"strconv"
	"strings"
)

// CgroupPath finds in the content of /proc/PID/cgroup (cgroups(7)) the path that
// says most: that of cgroup v2, or of version 1 where v2's is the root.
func CgroupPath(content string) string {
	best := ""
	for line := range strings.Lines(content) {
		number, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		_, path, ok := strings.Cut(rest, ":")
		switch {
		case !ok || path == "/":
		case number == "0":
			return path
		case ContainerOf(path) != "" || best == "":
			best = path
		}
	}
	return best
}

// idLength is how much of a container's id is shown, as docker and crictl do.
const idLength = 12

// ContainerOf is the container that a cgroup's path names, as docker, podman,
// containerd, CRI-O and LXC name theirs: an id of 64 hexadecimal digits, cut to 12,
// or LXC's and systemd-nspawn's own name. Empty: none.
func ContainerOf(path string) string {
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		part := strings.TrimSuffix(parts[i], ".scope")
		if name, is := strings.CutPrefix(part, "lxc.payload."); is {
			return name
		}
		if name, is := strings.CutPrefix(part, "machine-"); is {
			return strings.TrimSuffix(name, ".service")
		}
		if cut := strings.LastIndexAny(part, "-:"); cut >= 0 {
			part = part[cut+1:]
		}
		if len(part) == 64 && strings.Trim(part, "0123456789abcdef") == "" {
			return part[:idLength]
		}
	}
	return ""
}

// Counter finds a counter in the form of /proc/net/snmp and netstat: a line of
// names and a line of values, both led by the group. -1: it is not there.
func Counter(content, group, name string) int64 {
	var names []string
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != group {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := range min(len(names), len(fields)) {
			if names[i] != name {
				continue
			}
			if n, err := strconv.ParseInt(fields[i], 10, 64); err == nil {
				return n
			}
		}
		return -1
	}
	return -1
}

// PortsIn counts the ports of a list ("1,7-9", ip_local_reserved_ports) that lie
// in a range.
func PortsIn(list string, low, high int) (n int) {
	for item := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if errFrom == nil && errTo == nil {
			n += max(0, min(to, high)-max(from, low)+1)
		}
	}
	return n
}
