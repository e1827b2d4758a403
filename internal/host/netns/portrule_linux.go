package netns

import (
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
)

// RejectPort adds a routing rule (ip-rule(8)) that refuses TCP packets to a
// port, for both families, before any table is asked: Blackhole, Unreachable
// or Prohibit.
func (h *Host) RejectPort(port uint16, kind RouteKind) error {
	for _, family := range []int{syscall.AF_INET, syscall.AF_INET6} {
		r := netlink.NewRule()
		r.Family, r.Type, r.Priority = family, uint8(kind), 100
		r.IPProto, r.Dport = syscall.IPPROTO_TCP, netlink.NewRulePortRange(port, port)
		if err := h.rt.RuleAdd(r); err != nil {
			return fmt.Errorf("host %s: rule for port %d: %w", h.name, port, err)
		}
	}
	return nil
}
