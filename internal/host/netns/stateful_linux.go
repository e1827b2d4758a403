package netns

import (
	"fmt"
	"time"
)

// Stateful makes a router remember the TCP connections that pass through it and
// forget those that are idle for so long (whole seconds, at least one): what
// belongs to none that it knows it drops (nf_conntrack-sysctl.rst,
// nf_conntrack_tcp_loose, nf_conntrack_tcp_timeout_established). It has to stand
// before the connections begin.
func (h *Host) Stateful(idle time.Duration) (*Firewall, error) {
	for name, value := range map[string]string{
		"net.netfilter.nf_conntrack_tcp_loose":               "0",
		"net.netfilter.nf_conntrack_tcp_timeout_established": fmt.Sprint(max(1, int(idle/time.Second))),
	} {
		if err := h.Sysctl(name, value); err != nil {
			return nil, err
		}
	}
	return h.Firewall(Rule{Forward, Match{Protocol: TCP}, Verdict{kind: dropInvalid}})
}
