package resolve

import "net/netip"

// Interleave mixes the families of a sorted list as RFC 8305 §4 says: the
// family of the first address leads with firstFamilyCount addresses (less than
// one counts as one), then the families alternate. The order within a family
// is kept, and what one family has left over stands at the end.
func Interleave(addrs []netip.Addr, firstFamilyCount int) []netip.Addr {
	if len(addrs) == 0 {
		return nil
	}
	first := make([]netip.Addr, 0, len(addrs))
	var second []netip.Addr
	leads := isIPv4(addrs[0])
	for _, a := range addrs {
		if isIPv4(a) == leads {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	mixed := make([]netip.Addr, 0, len(addrs))
	head := min(max(firstFamilyCount, 1), len(first))
	mixed = append(mixed, first[:head]...)
	first = first[head:]
	for len(first) > 0 && len(second) > 0 {
		mixed = append(mixed, second[0], first[0])
		first, second = first[1:], second[1:]
	}
	mixed = append(mixed, second...)
	return append(mixed, first...)
}

func isIPv4(a netip.Addr) bool { return a.Is4() || a.Is4In6() }
