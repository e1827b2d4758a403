package socktable

import (
	"os"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/internal/sockets"
)

// readHost reads what the diagnosis needs of this network namespace.
func readHost() sockets.Host {
	h := sockets.Host{
		ListenOverflows: -1, MaxOrphans: setting("tcp_max_orphans"), MaxTimeWait: setting("tcp_max_tw_buckets"),
	}
	if content, err := os.ReadFile("/proc/thread-self/net/netstat"); err == nil {
		h.ListenOverflows = sockets.Counter(string(content), "TcpExt:", "ListenOverflows")
	}
	if fields := strings.Fields(valueOf("ip_local_port_range")); len(fields) == 2 {
		h.PortLow, _ = strconv.Atoi(fields[0])
		h.PortHigh, _ = strconv.Atoi(fields[1])
	}
	h.PortsReserved = sockets.PortsIn(strings.TrimSpace(valueOf("ip_local_reserved_ports")), h.PortLow, h.PortHigh)
	return h
}

func valueOf(name string) string {
	content, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
	if err != nil {
		return ""
	}
	return string(content)
}

func setting(name string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(valueOf(name)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
