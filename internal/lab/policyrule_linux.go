package lab

import "github.com/dialscope/dialscope/internal/host/netns"

var rejectKinds = map[string]netns.RouteKind{
	"unreachable": netns.Unreachable, "prohibit": netns.Prohibit, "blackhole": netns.Blackhole, "throw": netns.Throw,
}

// rule is the fault, which was checked, as netns has it.
func (f *RuleFault) rule() netns.PolicyRule {
	r := netns.PolicyRule{Mark: f.Mark, Not: f.Not, Kind: rejectKinds[f.Kind]}
	if f.Port != 0 {
		r.Protocol, r.Dport = netns.TCP, [2]uint16{f.Port, f.Port}
	}
	if low, high, _ := span(f.Sport, 16); high != 0 {
		r.Protocol, r.Sport = netns.TCP, [2]uint16{uint16(low), uint16(high)}
	}
	if f.UID != "" {
		low, high, _ := span(f.UID, 32)
		r.UID = &[2]uint32{uint32(low), uint32(high)}
	}
	return r
}
