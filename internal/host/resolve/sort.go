package resolve

import (
	"net/netip"
	"slices"
)

// Sort orders destinations as RFC 6724 §6 says and returns a new slice. source
// gives the source address that the kernel would choose for a destination, an
// invalid one for a destination that it cannot reach; it is called once per
// address. The sort is stable: what the rules leave open keeps the server's
// order (rule 10).
//
// As Go's resolver does, rules 3, 4 and 7 are left out (a process cannot see
// deprecated, home and encapsulated addresses portably) and rule 9 is limited
// to IPv6: among IPv4 addresses it would defeat the server's round robin.
func Sort(addrs []netip.Addr, source func(netip.Addr) netip.Addr) []netip.Addr {
	sorted := slices.Clone(addrs)
	if len(sorted) < 2 {
		return sorted
	}
	candidates := make([]candidate, len(sorted))
	for i, a := range sorted {
		candidates[i] = newCandidate(a, source(a))
	}
	slices.SortStableFunc(candidates, compare)
	for i, c := range candidates {
		sorted[i] = c.addr
	}
	return sorted
}

// candidate is a destination with what the rules need to know of it.
type candidate struct {
	addr, source      netip.Addr
	dest, src         policy
	destScope, scope  scope
	commonPrefix      int
	reachable, isIPv6 bool
}

func newCandidate(addr, source netip.Addr) candidate {
	c := candidate{addr: addr, source: source, reachable: source.IsValid()}
	c.isIPv6 = addr.Is6() && !addr.Is4In6()
	c.dest, c.destScope = policyOf(addr), scopeOf(addr)
	if c.reachable {
		c.src, c.scope = policyOf(source), scopeOf(source)
		c.commonPrefix = commonPrefixLen(source, addr)
	}
	return c
}

// compare is negative when a is to be tried before b (RFC 6724 §6).
func compare(a, b candidate) int {
	const preferA, preferB = -1, 1
	prefer := func(a, b bool) int {
		switch {
		case a && !b:
			return preferA
		case b && !a:
			return preferB
		}
		return 0
	}
	// Rule 1: avoid unusable destinations.
	if !a.reachable || !b.reachable {
		return prefer(a.reachable, b.reachable)
	}
	// Rule 2: prefer matching scope.
	if c := prefer(a.destScope == a.scope, b.destScope == b.scope); c != 0 {
		return c
	}
	// Rule 5: prefer matching label.
	if c := prefer(a.dest.label == a.src.label, b.dest.label == b.src.label); c != 0 {
		return c
	}
	// Rule 6: prefer higher precedence.
	if c := int(b.dest.precedence) - int(a.dest.precedence); c != 0 {
		return c
	}
	// Rule 8: prefer smaller scope.
	if c := int(a.destScope) - int(b.destScope); c != 0 {
		return c
	}
	// Rule 9: use the longest matching prefix.
	if a.isIPv6 && b.isIPv6 {
		return b.commonPrefix - a.commonPrefix
	}
	return 0
}
