package resolve

import (
	"math/bits"
	"net/netip"
)

// policy is a row of the default policy table, RFC 6724 §2.1.
type policy struct {
	prefix            netip.Prefix
	precedence, label uint8
}

// policyTable is sorted by prefix length, longest first, so that the first
// match is the longest.
var policyTable = [...]policy{
	{netip.MustParsePrefix("::1/128"), 50, 0},
	{netip.MustParsePrefix("::/96"), 1, 3},
	{netip.MustParsePrefix("2001::/32"), 5, 5},
	{netip.MustParsePrefix("2002::/16"), 30, 2},
	{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	{netip.MustParsePrefix("fec0::/10"), 1, 11},
	{netip.MustParsePrefix("fc00::/7"), 3, 13},
	{netip.MustParsePrefix("::/0"), 40, 1},
}

// policyIPv4 is the row of ::ffff:0:0/96: every IPv4 address (RFC 6724 §2.1).
var policyIPv4 = policy{precedence: 35, label: 4}

func policyOf(a netip.Addr) policy {
	if a.Is4() || a.Is4In6() {
		return policyIPv4
	}
	a = a.WithZone("") // a prefix contains no address with a zone
	for _, p := range policyTable {
		if p.prefix.Contains(a) {
			return p
		}
	}
	return policy{}
}

// scope is RFC 4291 §2.7's multicast scope, as RFC 6724 §3.1 uses it for
// unicast addresses too.
type scope uint8

const (
	scopeLinkLocal scope = 0x2
	scopeSiteLocal scope = 0x5
	scopeGlobal    scope = 0xe
)

// scopeOf is RFC 6724 §3.1 and, for IPv4, §3.2: 127/8 and 169.254/16 are
// link-local, every other address, private ones included, is global.
func scopeOf(a netip.Addr) scope {
	a = a.Unmap()
	if a.IsLoopback() || a.IsLinkLocalUnicast() {
		return scopeLinkLocal
	}
	if a.Is6() {
		b := a.As16()
		if a.IsMulticast() {
			return scope(b[1] & 0xf)
		}
		if b[0] == 0xfe && b[1]&0xc0 == 0xc0 { // fec0::/10, deprecated by RFC 3879
			return scopeSiteLocal
		}
	}
	return scopeGlobal
}

// commonPrefixLen is RFC 6724 §2.2: how many leading bits two addresses of one
// family share; of IPv6 addresses only the 64 bits before the interface
// identifier count.
func commonPrefixLen(a, b netip.Addr) int {
	a, b = a.Unmap(), b.Unmap()
	if a.BitLen() != b.BitLen() {
		return 0
	}
	as, bs := a.AsSlice(), b.AsSlice()
	n := 0
	for i := range min(len(as), 8) {
		same := bits.LeadingZeros8(as[i] ^ bs[i])
		n += same
		if same < 8 {
			break
		}
	}
	return n
}
