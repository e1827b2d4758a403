package netlink

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Actions, attributes and flags of a policy rule (linux/fib_rules.h).
const (
	actionTable       = 1 // FR_ACT_TO_TBL
	actionGoto        = 2 // FR_ACT_GOTO
	actionBlackhole   = 6 // FR_ACT_BLACKHOLE
	actionUnreachable = 7 // FR_ACT_UNREACHABLE
	actionProhibit    = 8 // FR_ACT_PROHIBIT

	fraDst       = 1  // FRA_DST
	fraSrc       = 2  // FRA_SRC
	fraIIF       = 3  // FRA_IIFNAME
	fraGoto      = 4  // FRA_GOTO
	fraPriority  = 6  // FRA_PRIORITY
	fraMark      = 10 // FRA_FWMARK
	fraTunID     = 12 // FRA_TUN_ID
	fraTable     = 15 // FRA_TABLE
	fraMask      = 16 // FRA_FWMASK
	fraOIF       = 17 // FRA_OIFNAME
	fraL3MDev    = 19 // FRA_L3MDEV
	fraUIDRange  = 20 // FRA_UID_RANGE
	fraIPProto   = 22 // FRA_IP_PROTO
	fraSport     = 23 // FRA_SPORT_RANGE
	fraDport     = 24 // FRA_DPORT_RANGE
	fraSportMask = 28 // FRA_SPORT_MASK, since Linux 6.15
	fraDportMask = 29 // FRA_DPORT_MASK
	fraKnownLast = 24 // later ones are selectors that this code does not know

	ruleInvert = 2 // FIB_RULE_INVERT

	ruleHeader = 12 // sizeof(struct fib_rule_hdr)
)

// ruleType gives the errno of a rule that refuses by itself
// (fib4_rule_action, __fib6_rule_action). Unlike an unreachable route, an
// unreachable rule gives ENETUNREACH.
var ruleType = map[uint8]struct {
	name  string
	errno syscall.Errno
}{
	actionBlackhole:   {"blackhole", syscall.EINVAL},
	actionUnreachable: {"unreachable", syscall.ENETUNREACH},
	actionProhibit:    {"prohibit", syscall.EACCES},
}

// rule is one policy rule (ip-rule(8)).
type rule struct {
	action     uint8
	tos        uint8
	invert     bool
	src, dst   netip.Prefix // invalid: any
	iif, oif   string
	mark, mask uint32
	table      uint32
	target     uint32 // of goto
	priority   uint32
	protocol   uint8
	uid        [2]uint32
	hasUID     bool
	dport      [2]uint16
	hasDport   bool
	sport      [2]uint16
	hasSport   bool
	undecided  string // a selector that cannot be judged from here
}

// parseRule reads the payload of an RTM_NEWRULE message.
func parseRule(b []byte) (r rule, ok bool) {
	if len(b) < ruleHeader {
		return r, false
	}
	r = rule{tos: b[3], table: uint32(b[4]), action: b[7]}
	r.invert = binary.NativeEndian.Uint32(b[8:])&ruleInvert != 0
	dstLen, srcLen := int(b[1]), int(b[2])
	for typ, v := range attrs(b[ruleHeader:]) {
		switch typ {
		case fraDst:
			r.dst = netip.PrefixFrom(address(v), dstLen)
		case fraSrc:
			r.src = netip.PrefixFrom(address(v), srcLen)
		case fraIIF:
			r.iif = text(v)
		case fraOIF:
			r.oif = text(v)
		case fraGoto:
			r.target = word(v)
		case fraPriority:
			r.priority = word(v)
		case fraMark:
			r.mark = word(v)
		case fraMask:
			r.mask = word(v)
		case fraTable:
			r.table = word(v)
		case fraIPProto:
			if len(v) > 0 {
				r.protocol = v[0]
			}
		case fraUIDRange:
			if len(v) >= 8 {
				r.uid, r.hasUID = [2]uint32{word(v), word(v[4:])}, true
			}
		case fraDport:
			if len(v) >= 4 {
				r.dport = [2]uint16{binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])}
				r.hasDport = true
			}
		case fraSportMask, fraDportMask:
			// All ones stand beside every single port, 0 beside a range
			// (fib_rule_port_match).
			mask := uint16(0)
			if len(v) >= 2 {
				mask = binary.NativeEndian.Uint16(v)
			}
			if mask != 0 && mask != 0xffff {
				r.undecided = "port mask"
			}
		case fraSport:
			if len(v) >= 4 {
				r.sport = [2]uint16{binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])}
				r.hasSport = true
			}
		case fraTunID:
			r.undecided = "tun_id"
		case fraL3MDev:
			r.undecided = "l3mdev"
		default:
			if typ > fraKnownLast {
				r.undecided = fmt.Sprintf("attribute %d", typ)
			}
		}
	}
	return r, true
}

// dumpRules reads the rules in the order in which the kernel tries them.
func dumpRules(c *sys.Netlink, family uint8) ([]rule, error) {
	b := make([]byte, ruleHeader)
	b[0] = family
	var rules []rule
	start := func() { rules = rules[:0] }
	err := ask(c, syscall.RTM_GETRULE, b, start, func(payload []byte) bool {
		if r, ok := parseRule(payload); ok && payload[0] == family {
			rules = append(rules, r)
		}
		return len(rules) < dumpLimit
	})
	return rules, err
}

// truth has three values: a rule may have selectors that are not known here.
type truth uint8

const (
	no truth = iota
	yes
	unknown
)

// open names a selector of a rule that cannot be decided for this packet; empty:
// there is none.
func (l *lookup) open(r *rule) string {
	switch {
	case r.undecided != "":
		return r.undecided
	case r.hasSport && l.sport == 0:
		return "sport"
	case l.anyMark && r.mask != 0:
		return "fwmark"
	}
	return ""
}

// doubts lists the rules before the one that gave the route which may lead the
// packet elsewhere.
func (l *lookup) doubts(c *sys.Netlink, route *evidence.Route) {
	rules, err := dumpRules(c, l.family)
	if err != nil {
		return
	}
	for i := range rules {
		r := &rules[i]
		switch l.matches(r) {
		case unknown:
			doubt := evidence.RouteRule{Priority: int(r.priority), By: l.open(r)}
			if t, refuses := ruleType[r.action]; refuses {
				doubt.Refuses = evidence.Errno(sys.ErrnoName(t.errno))
			}
			route.Undecided = append(route.Undecided, doubt)
		case yes:
			if r.action == actionTable && route.Errno == "" && int(r.table) == route.Table {
				return
			}
		}
	}
}

// matches judges a rule as fib_rule_match does for a packet made on this host,
// whose input interface is the loopback.
func (l *lookup) matches(r *rule) truth {
	match := (!r.dst.IsValid() || r.dst.Contains(l.to)) &&
		(!r.src.IsValid() || r.src.Bits() == 0 || l.from.IsValid() && r.src.Contains(l.from)) &&
		(r.iif == "" || r.iif == "lo") &&
		(r.oif == "" || r.oif == l.oifName) &&
		(l.anyMark && r.mask != 0 || (l.mark^r.mark)&r.mask == 0) &&
		(r.tos == 0 || r.tos == l.tos) &&
		(r.protocol == 0 || r.protocol == l.protocol) &&
		(!r.hasUID || r.uid[0] <= l.uid && l.uid <= r.uid[1]) &&
		(!r.hasDport || l.port != 0 && r.dport[0] <= l.port && l.port <= r.dport[1]) &&
		(!r.hasSport || l.sport == 0 || r.sport[0] <= l.sport && l.sport <= r.sport[1])
	switch {
	case match && l.open(r) != "":
		return unknown
	case match != r.invert:
		return yes
	}
	return no
}
