package resolve

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sources answers from a table "destination source …".
func sources(pairs ...string) func(netip.Addr) netip.Addr {
	table := map[netip.Addr]netip.Addr{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			table[netip.MustParseAddr(pairs[i])] = netip.MustParseAddr(pairs[i+1])
		}
	}
	return func(a netip.Addr) netip.Addr { return table[a] }
}

func TestSort(t *testing.T) {
	for _, test := range []struct {
		name string
		// destination, source, … in the order that is wanted
		want []string
		// the order may also be turned around and comes out the same
		both bool
	}{
		// RFC 6724 §10.2, the examples that need no knowledge of deprecated or
		// home addresses.
		{"§10.2 prefer matching scope, IPv6", []string{"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", "169.254.13.78"}, true},
		{"§10.2 prefer matching scope, IPv4", []string{"198.51.100.121", "198.51.100.117", "2001:db8:1::1", "fe80::1"}, true},
		{"§10.2 prefer higher precedence", []string{"2001:db8:1::1", "2001:db8:1::2", "10.1.2.3", "10.1.2.4"}, true},
		{"§10.2 prefer smaller scope", []string{"fe80::1", "fe80::2", "2001:db8:1::1", "2001:db8:1::2"}, true},
		{"§10.2 longest matching prefix", []string{"2001:db8:1::1", "2001:db8:1::2", "2001:db8:3ffe::1", "2001:db8:3f44::2"}, true},
		{"§10.2 prefer matching label", []string{"2002:c633:6401::1", "2002:c633:6401::2", "2001:db8:1::1", "2002:c633:6401::2"}, true},
		{"§10.2 prefer higher precedence over 6to4", []string{"2001:db8:1::1", "2001:db8:1::2", "2002:c633:6401::1", "2002:c633:6401::2"}, true},
		// Rule by rule.
		{"rule 1", []string{"192.0.2.1", "192.0.2.9", "2001:db8::1", ""}, true},
		{"rule 1, nothing reachable", []string{"2001:db8::1", "", "192.0.2.1", ""}, false},
		{"rule 5 before rule 6: Teredo source", []string{"192.0.2.1", "192.0.2.9", "2001:db8::1", "2001::9"}, true},
		{"rule 6: unique local after IPv4", []string{"192.0.2.1", "192.0.2.9", "fd00::1", "fd00::9"}, true},
		{"rule 6: the loopback addresses", []string{"::1", "::1", "127.0.0.1", "127.0.0.1"}, true},
		{"rule 8 is not for private IPv4: all are global", []string{"10.0.0.1", "10.0.0.9", "192.0.2.1", "10.0.0.9"}, false},
		{"rule 9 counts no bit of the interface identifier", []string{"2001:db8::ffff", "2001:db8::1", "2001:db8::2", "2001:db8::1"}, false},
		// go.dev/issue/13283: round robin of IPv4 is kept.
		{"rule 9 is not for IPv4", []string{"54.83.193.112", "10.2.3.4", "23.23.172.185", "10.2.3.4", "10.3.0.1", "10.2.3.4"}, false},
		{"a zone does not hide the policy", []string{"fe80::1%lo", "fe80::2", "fec0::1", "fec0::2"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []netip.Addr
			for i := 0; i < len(test.want); i += 2 {
				want = append(want, netip.MustParseAddr(test.want[i]))
			}
			in := slices.Clone(want)
			if got := Sort(in, sources(test.want...)); !slices.Equal(got, want) {
				t.Errorf("in order: %v, want %v", got, want)
			}
			if !slices.Equal(in, want) {
				t.Error("the caller's slice was changed")
			}
			if !test.both {
				return
			}
			slices.Reverse(in)
			if got := Sort(in, sources(test.want...)); !slices.Equal(got, want) {
				t.Errorf("reversed: %v, want %v", got, want)
			}
		})
	}
}

func TestSortAsksOncePerAddress(t *testing.T) {
	calls := 0
	source := func(netip.Addr) netip.Addr { calls++; return netip.IPv4Unspecified() }
	Sort(addrs("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), source)
	if calls != 4 {
		t.Errorf("%d calls for 4 addresses", calls)
	}
	if calls = 0; len(Sort(addrs("192.0.2.1"), source)) != 1 || calls != 0 {
		t.Errorf("%d calls for one address: there is nothing to sort", calls)
	}
	if got := Sort(nil, source); len(got) != 0 {
		t.Errorf("%v of nothing", got)
	}
}

// RFC 6724 §2.1.
func TestPolicy(t *testing.T) {
	for addr, want := range map[string][2]uint8{
		"::1": {50, 0}, "2001:db8::1": {40, 1}, "192.0.2.1": {35, 4}, "::ffff:192.0.2.1": {35, 4},
		"2002::1": {30, 2}, "2001::1": {5, 5}, "fd00::1": {3, 13}, "fc00::1": {3, 13}, "::2": {1, 3},
		"fec0::1": {1, 11}, "3ffe::1": {1, 12}, "fe80::1%eth0": {40, 1}, "127.0.0.1": {35, 4},
	} {
		if p := policyOf(netip.MustParseAddr(addr)); p.precedence != want[0] || p.label != want[1] {
			t.Errorf("%s: precedence %d, label %d, want %v", addr, p.precedence, p.label, want)
		}
	}
	for i := 1; i < len(policyTable); i++ {
		if policyTable[i].prefix.Bits() > policyTable[i-1].prefix.Bits() {
			t.Errorf("row %d has a longer prefix than the one before it", i)
		}
	}
}

// RFC 6724 §3.1, §3.2.
func TestScope(t *testing.T) {
	for addr, want := range map[string]scope{
		"127.0.0.1": scopeLinkLocal, "169.254.1.1": scopeLinkLocal, "::1": scopeLinkLocal, "fe80::1": scopeLinkLocal,
		"10.0.0.1": scopeGlobal, "192.168.0.1": scopeGlobal, "192.0.2.1": scopeGlobal, "::ffff:127.0.0.1": scopeLinkLocal,
		"2001:db8::1": scopeGlobal, "fd00::1": scopeGlobal, "fec0::1": scopeSiteLocal,
		"ff02::1": scopeLinkLocal, "ff05::1": scopeSiteLocal, "ff0e::1": scopeGlobal, "ff01::1": 1,
	} {
		if got := scopeOf(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: scope %x, want %x", addr, got, want)
		}
	}
}

// RFC 6724 §2.2.
func TestCommonPrefixLen(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"fe80::1", "fe80::2", 64}, {"2001:db8::1", "2001:db8:8000::1", 32}, {"2001:db8::", "3001:db8::", 3},
		{"8000::", "::", 0}, {"192.0.2.1", "192.0.2.1", 32}, {"192.0.2.1", "192.0.2.2", 30},
		{"192.0.2.1", "::ffff:192.0.2.1", 32}, {"192.0.2.1", "2001:db8::1", 0}, {"fe80::1%a", "fe80::1%b", 64},
	} {
		if got := commonPrefixLen(netip.MustParseAddr(test.a), netip.MustParseAddr(test.b)); got != test.want {
			t.Errorf("%s, %s: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

var anyAddr = rapid.Custom(func(t *rapid.T) netip.Addr {
	if rapid.Bool().Draw(t, "ipv4") {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")
		a, _ := netip.AddrFromSlice(b)
		return a
	}
	b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")
	a, _ := netip.AddrFromSlice(b)
	return a
})

// Sorting and interleaving lose and invent nothing, and an address that cannot
// be reached never stands before one that can.
func TestSortAndInterleaveKeepTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(anyAddr, 0, 12).Draw(t, "addresses")
		from := map[netip.Addr]netip.Addr{}
		for _, a := range in {
			if rapid.Bool().Draw(t, "reachable") {
				from[a] = anyAddr.Draw(t, "source")
			}
		}
		sorted := Sort(in, func(a netip.Addr) netip.Addr { return from[a] })
		mixed := Interleave(sorted, rapid.IntRange(-1, 4).Draw(t, "first family count"))
		for _, got := range [][]netip.Addr{sorted, mixed} {
			a, b := slices.Clone(in), slices.Clone(got)
			slices.SortFunc(a, netip.Addr.Compare)
			slices.SortFunc(b, netip.Addr.Compare)
			if !slices.Equal(a, b) {
				t.Fatalf("%v became %v", in, got)
			}
		}
		for i := 1; i < len(sorted); i++ {
			if from[sorted[i]].IsValid() && !from[sorted[i-1]].IsValid() {
				t.Fatalf("%v: unreachable before reachable", sorted)
			}
		}
	})
}

// RFC 8305 §4.
func TestInterleave(t *testing.T) {
	a, b, c := "2001:db8::a", "2001:db8::b", "2001:db8::c"
	x, y, z := "192.0.2.1", "192.0.2.2", "192.0.2.3"
	for _, test := range []struct {
		in    []string
		count int
		want  []string
	}{
		{nil, 1, nil},
		{[]string{a}, 1, []string{a}},
		{[]string{a, b, c, x, y, z}, 1, []string{a, x, b, y, c, z}},
		{[]string{a, b, c, x, y, z}, 2, []string{a, b, x, c, y, z}},
		{[]string{a, b, c, x, y, z}, 9, []string{a, b, c, x, y, z}},
		{[]string{x, y, z, a}, 1, []string{x, a, y, z}},
		{[]string{x, a, b, c}, 1, []string{x, a, b, c}},
		{[]string{x, a, y, b}, 0, []string{x, a, y, b}},
		{[]string{x, a, y, b}, -5, []string{x, a, y, b}},
		{[]string{a, b, c}, 1, []string{a, b, c}},
		{[]string{"::ffff:192.0.2.9", a, x}, 1, []string{"::ffff:192.0.2.9", a, x}},
	} {
		if got := Interleave(addrs(test.in...), test.count); !slices.Equal(got, addrs(test.want...)) {
			t.Errorf("%v, %d: %v, want %v", test.in, test.count, got, test.want)
		}
	}
}

func TestSourceFor(t *testing.T) {
	for dest, want := range map[string]string{"127.0.0.1": "127.0.0.1", "127.0.0.53": "127.0.0.1", "::ffff:127.0.0.1": "127.0.0.1"} {
		if got := SourceFor(netip.MustParseAddr(dest)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", dest, got, want)
		}
	}
	if got := SourceFor(netip.IPv6Loopback()); got.IsValid() && got != netip.IPv6Loopback() {
		t.Errorf("::1: %v", got)
	}
	for _, dest := range []netip.Addr{{}, netip.MustParseAddr("fe80::1%nosuchlink")} {
		if got := SourceFor(dest); got.IsValid() {
			t.Errorf("%v: %v, want none", dest, got)
		}
	}
}

func BenchmarkSourceFor(b *testing.B) {
	a := netip.MustParseAddr("127.0.0.1")
	for b.Loop() {
		SourceFor(a)
	}
}
