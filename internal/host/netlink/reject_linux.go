package netlink

import (
	"errors"
	"math"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// rejectErrno is the errno of a route that rejects (fib_props, IPv4;
// ip6_rt_type_to_error, IPv6). A throw route ends the look-up in its table
// only; when no other table has a route the result is ENETUNREACH.
func rejectErrno(typ uint8) syscall.Errno {
	switch typ {
	case syscall.RTN_UNREACHABLE:
		return syscall.EHOSTUNREACH
	case syscall.RTN_PROHIBIT:
		return syscall.EACCES
	case syscall.RTN_BLACKHOLE:
		return syscall.EINVAL
	case syscall.RTN_THROW:
		return syscall.ENETUNREACH
	}
	return 0
}

// explain finds who refused: it walks the policy rules as fib_rules_lookup
// does and looks in each table for the longest matching entry that rejects.
// Nothing is claimed after a rule whose match cannot be decided here.
func (l *lookup) explain(c *sys.Netlink, errno syscall.Errno, route *evidence.Route) error {
	rules, err := dumpRules(c, l.family)
	if err != nil {
		return err
	}
	minimum := uint32(0)
	for i := range rules {
		r := &rules[i]
		if r.priority < minimum {
			continue
		}
		switch l.matches(r) {
		case unknown:
			return nil
		case no:
			continue
		}
		switch r.action {
		case actionGoto:
			minimum = r.target
		case actionTable:
			entry, found, err := l.rejecting(c, r.table, errno)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			final := entry.typ != syscall.RTN_THROW
			if final || route.Type == "" { // of several throws the first stands
				route.Type, route.Prefix, route.Table = routeTypeName(entry.typ), entry.prefix, int(entry.table)
			}
			if final {
				return nil
			}
		case actionBlackhole, actionUnreachable, actionProhibit:
			if typ := ruleType[r.action]; typ.errno == errno {
				*route = evidence.Route{To: route.To, Errno: route.Errno, Type: typ.name}
			}
			return nil
		}
	}
	return nil
}

// rejecting finds the longest entry of a table that matches and either has
// this errno or is a throw. The kernel has answered already that no route
// which forwards is better.
func (l *lookup) rejecting(c *sys.Netlink, table uint32, errno syscall.Errno) (best routeMsg, found bool, err error) {
	for typ := uint8(syscall.RTN_BLACKHOLE); typ <= syscall.RTN_THROW; typ++ {
		if typ != syscall.RTN_THROW && rejectErrno(typ) != errno {
			continue
		}
		err = dumpRoutes(c, l.family, table, typ, func(m *routeMsg) {
			if m.prefix.Contains(l.to) && (m.tos == 0 || m.tos == l.tos) &&
				(!found || m.prefix.Bits() > best.prefix.Bits()) {
				best, found = *m, true
			}
		})
		if err != nil {
			return best, false, err
		}
	}
	return best, found, nil
}

// dumpRoutes reads the entries of one type in one table.
func dumpRoutes(c *sys.Netlink, family uint8, table uint32, typ uint8, each func(*routeMsg)) error {
	b := make([]byte, syscall.SizeofRtMsg, syscall.SizeofRtMsg+8)
	b[0], b[7] = family, typ
	if table <= math.MaxUint8 {
		b[4] = byte(table)
	}
	b = appendAttr32(b, syscall.RTA_TABLE, table)
	seen := 0
	err := ask(c, syscall.RTM_GETROUTE, b, func() { seen = 0 }, func(payload []byte) bool {
		m, ok := parseRoute(payload)
		// A kernel before 4.20 does not filter.
		if ok && m.family == family && m.table == table && m.typ == typ {
			each(&m)
		}
		seen++
		return seen < dumpLimit
	})
	if errors.Is(err, syscall.ENOENT) { // no such table
		return nil
	}
	return err
}
