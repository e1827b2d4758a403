package netns

import (
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
)

// PolicyRule selects the packets that a routing rule refuses (ip-rule(8)). Zero
// fields select all.
type PolicyRule struct {
	Protocol Protocol  // of those that carry the ports
	Dport    [2]uint16 // first and last
	Sport    [2]uint16
	UID      *[2]uint32
	Mark     uint32
	Not      bool // the packets that it does not select
	Kind     RouteKind
}

// RejectPort adds a routing rule that refuses TCP packets to a port, for both
// families, before any table is asked: Blackhole, Unreachable or Prohibit.
func (h *Host) RejectPort(port uint16, kind RouteKind) error {
	return h.RejectBy(PolicyRule{Protocol: TCP, Dport: [2]uint16{port, port}, Kind: kind})
}

// RejectBy adds a routing rule that refuses what it selects, for both families,
// before any table is asked.
func (h *Host) RejectBy(p PolicyRule) error {
	for _, family := range []int{syscall.AF_INET, syscall.AF_INET6} {
		r := netlink.NewRule()
		r.Family, r.Type, r.Priority = family, uint8(p.Kind), 100
		r.IPProto, r.Mark, r.Invert = int(p.Protocol), p.Mark, p.Not
		if p.Dport != [2]uint16{} {
			r.Dport = netlink.NewRulePortRange(p.Dport[0], p.Dport[1])
		}
		if p.Sport != [2]uint16{} {
			r.Sport = netlink.NewRulePortRange(p.Sport[0], p.Sport[1])
		}
		if p.UID != nil {
			r.UIDRange = netlink.NewRuleUIDRange(p.UID[0], p.UID[1])
		}
		if err := h.rt.RuleAdd(r); err != nil {
			return fmt.Errorf("host %s: routing rule: %w", h.name, err)
		}
	}
	return nil
}
