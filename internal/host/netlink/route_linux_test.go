package netlink

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	vishnl "github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

var (
	addr    = netip.MustParseAddr
	prefix  = netip.MustParsePrefix
	byValue = cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	}
	exceptIndex = cmpopts.IgnoreFields(evidence.Route{}, "Index")
)

func routeTo(t *testing.T, q Query) *evidence.Route {
	t.Helper()
	r, err := RouteTo(q)
	must(t, err)
	return r
}

func wantRoute(t *testing.T, name string, q Query, want evidence.Route) {
	t.Helper()
	want.To = q.To
	got := routeTo(t, q)
	if diff := cmp.Diff(&want, got, byValue, exceptIndex); diff != "" {
		t.Errorf("%s: RouteTo(%+v) (-want +got):\n%s", name, q, diff)
	}
	if (got.Index != 0) != (got.Interface != "" && got.Errno == "") {
		t.Errorf("%s: RouteTo(%+v): interface %q has index %d", name, q, got.Interface, got.Index)
	}
}

func TestRouteForwards(t *testing.T) {
	enterNetNS(t)
	veth := addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	addRoute(t, "198.51.100.0/24", "192.0.2.254", "", 0, 0)
	addRoute(t, "2001:db8:9::/48", "2001:db8::fe", "", 0, 0)
	must(t, vishnl.RouteAdd(&vishnl.Route{Dst: ipNet("203.0.113.0/24"), LinkIndex: veth.Attrs().Index, MTU: 1300,
		Via: &vishnl.Via{AddrFamily: syscall.AF_INET6, Addr: ipNet("2001:db8::fe/128").IP}}))

	v4, v6 := addr("192.0.2.1"), addr("2001:db8::1")
	for name, c := range map[string]struct {
		to   string
		want evidence.Route
	}{
		"on the link": {"192.0.2.9", evidence.Route{
			Type: "unicast", Prefix: prefix("192.0.2.0/24"), Table: 254, Interface: "v0", Source: v4}},
		"through a gateway": {"198.51.100.7", evidence.Route{
			Type: "unicast", Prefix: prefix("198.51.100.0/24"), Table: 254, Interface: "v0", Source: v4, Gateway: addr("192.0.2.254")}},
		"IPv4 through an IPv6 gateway, with MTU": {"203.0.113.7", evidence.Route{
			Type: "unicast", Prefix: prefix("203.0.113.0/24"), Table: 254, Interface: "v0", Source: v4, Gateway: addr("2001:db8::fe"), MTU: 1300}},
		"own address":         {"192.0.2.1", evidence.Route{Type: "local", Prefix: prefix("192.0.2.1/32"), Interface: "lo", Source: v4}},
		"loopback":            {"127.3.2.1", evidence.Route{Type: "local", Prefix: prefix("127.0.0.0/8"), Interface: "lo", Source: addr("127.0.0.1")}},
		"subnet broadcast":    {"192.0.2.255", evidence.Route{Type: "broadcast", Prefix: prefix("192.0.2.255/32"), Interface: "v0", Source: v4}},
		"IPv6 on the link":    {"2001:db8::9", evidence.Route{Type: "unicast", Prefix: prefix("2001:db8::/64"), Table: 254, Interface: "v0", Source: v6}},
		"IPv6 gateway":        {"2001:db8:9::9", evidence.Route{Type: "unicast", Prefix: prefix("2001:db8:9::/48"), Table: 254, Interface: "v0", Source: v6, Gateway: addr("2001:db8::fe")}},
		"IPv6 own address":    {"2001:db8::1", evidence.Route{Type: "local", Prefix: prefix("2001:db8::1/128"), Table: 255, Interface: "lo", Source: v6}},
		"IPv6 loopback":       {"::1", evidence.Route{Type: "local", Prefix: prefix("::1/128"), Table: 255, Interface: "lo", Source: addr("::1")}},
		"IPv4-mapped address": {"::ffff:192.0.2.1", evidence.Route{Type: "local", Prefix: prefix("192.0.2.1/32"), Interface: "lo", Source: v4}},
	} {
		wantRoute(t, name, Query{To: addr(c.to)}, c.want)
	}
}

func TestRouteMulticast(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	addRoute(t, "0.0.0.0/0", "192.0.2.254", "", 0, 0)
	for _, to := range []string{"224.0.0.1", "ff0e::1"} {
		if got := routeTo(t, Query{To: addr(to)}); got.Type != "multicast" || got.Errno != "" {
			t.Errorf("route to %s: type %q errno %q, want multicast", to, got.Type, got.Errno)
		}
	}
	if got := routeTo(t, Query{To: addr("255.255.255.255")}); got.Type != "broadcast" {
		t.Errorf("limited broadcast: type %q", got.Type)
	}
}

// rejects are the route types that refuse, and what connect(2) gives (fib_props).
var rejects = []struct {
	name  string
	typ   int
	errno syscall.Errno
}{
	{"unreachable", syscall.RTN_UNREACHABLE, syscall.EHOSTUNREACH},
	{"prohibit", syscall.RTN_PROHIBIT, syscall.EACCES},
	{"blackhole", syscall.RTN_BLACKHOLE, syscall.EINVAL},
	{"throw", syscall.RTN_THROW, syscall.ENETUNREACH},
}

func TestRouteRejected(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	for i, r := range rejects {
		for _, to := range []netip.Addr{
			netip.AddrFrom4([4]byte{198, 51, 100, byte(i*16 + 5)}),
			netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(i + 1), 15: 5}),
		} {
			entry, err := to.Prefix(to.BitLen() - 4)
			must(t, err)
			addRoute(t, entry.String(), "", "", r.typ, 0)
			wantRoute(t, r.name, Query{To: to}, evidence.Route{
				Errno: evidence.Errno(sys.ErrnoName(r.errno)), Type: r.name, Prefix: entry, Table: 254,
			})
			if got := connectErrno(t, to); got != r.errno {
				t.Errorf("connect through a %s route: %v, want %v", r.name, got, r.errno)
			}
		}
	}
}

func TestRouteNone(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	for _, to := range []netip.Addr{addr("203.0.113.1"), addr("2001:db8:ffff::1")} {
		wantRoute(t, "no route", Query{To: to}, evidence.Route{Errno: "ENETUNREACH"})
		if got := connectErrno(t, to); got != syscall.ENETUNREACH {
			t.Errorf("connect to %v: %v", to, got)
		}
	}
}

func TestRouteRejectedLongestPrefix(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	addRoute(t, "10.0.0.0/8", "", "", syscall.RTN_UNREACHABLE, 0)
	addRoute(t, "10.1.0.0/16", "", "", syscall.RTN_UNREACHABLE, 0)
	addRoute(t, "10.1.2.0/24", "", "", syscall.RTN_PROHIBIT, 0)
	wantRoute(t, "middle", Query{To: addr("10.1.9.9")},
		evidence.Route{Errno: "EHOSTUNREACH", Type: "unreachable", Prefix: prefix("10.1.0.0/16"), Table: 254})
	wantRoute(t, "inner", Query{To: addr("10.1.2.9")},
		evidence.Route{Errno: "EACCES", Type: "prohibit", Prefix: prefix("10.1.2.0/24"), Table: 254})
	addRoute(t, "0.0.0.0/0", "", "", syscall.RTN_BLACKHOLE, 0)
	wantRoute(t, "default", Query{To: addr("203.0.113.1")},
		evidence.Route{Errno: "EINVAL", Type: "blackhole", Prefix: prefix("0.0.0.0/0"), Table: 254})
	addRoute(t, "::/0", "", "", syscall.RTN_UNREACHABLE, 0)
	wantRoute(t, "IPv6 default", Query{To: addr("2001:db8:f::1")},
		evidence.Route{Errno: "EHOSTUNREACH", Type: "unreachable", Prefix: prefix("::/0"), Table: 254})
}

func addRule(t *testing.T, change func(*vishnl.Rule)) {
	t.Helper()
	r := vishnl.NewRule()
	change(r)
	must(t, vishnl.RuleAdd(r))
}

func TestRouteByMark(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
	addRoute(t, "203.0.113.0/24", "192.0.2.254", "", 0, 100)
	addRoute(t, "203.0.113.0/24", "", "", syscall.RTN_PROHIBIT, 1000)
	addRule(t, func(r *vishnl.Rule) { r.Priority, r.Mark, r.Table = 100, 7, 100 })
	addRule(t, func(r *vishnl.Rule) { r.Priority, r.Mark, r.Table = 101, 8, 1000 })
	to := addr("203.0.113.9")
	wantRoute(t, "no mark", Query{To: to}, evidence.Route{Errno: "ENETUNREACH"})
	wantRoute(t, "mark of a gateway", Query{To: to, Mark: 7}, evidence.Route{Type: "unicast", Prefix: prefix("203.0.113.0/24"),
		Table: 100, Interface: "v0", Gateway: addr("192.0.2.254"), Source: addr("192.0.2.1")})
	wantRoute(t, "mark of a prohibition", Query{To: to, Mark: 8}, evidence.Route{Errno: "EACCES", Type: "prohibit",
		Prefix: prefix("203.0.113.0/24"), Table: 1000})
}

// An unreachable rule gives ENETUNREACH, an unreachable route EHOSTUNREACH
// (fib4_rule_action, __fib6_rule_action).
func TestRouteRefusedByRule(t *testing.T) {
	for action, want := range map[uint8]evidence.Route{
		actionBlackhole:   {Errno: "EINVAL", Type: "blackhole"},
		actionUnreachable: {Errno: "ENETUNREACH", Type: "unreachable"},
		actionProhibit:    {Errno: "EACCES", Type: "prohibit"},
	} {
		for _, to := range []string{"203.0.113.0/24", "2001:db8:7::/48"} {
			t.Run(want.Type+" "+to, func(t *testing.T) {
				enterNetNS(t)
				addVeth(t, "v0", "v1", "192.0.2.1/24", "2001:db8::1/64")
				addRoute(t, "0.0.0.0/0", "192.0.2.254", "", 0, 0)
				addRoute(t, "::/0", "2001:db8::fe", "", 0, 0)
				addRule(t, func(r *vishnl.Rule) {
					r.Priority, r.Dst, r.Type, r.Family = 50, ipNet(to), action, familyOf(to)
				})
				dst := prefix(to).Addr().Next()
				wantRoute(t, "rule", Query{To: dst}, want)
			})
		}
	}
}

// connect(2) looks up a second time with the source that the first gave.
func TestRouteRuleFromChosenSource(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24")
	addRule(t, func(r *vishnl.Rule) {
		r.Priority, r.Src, r.Type, r.Family = 50, ipNet("192.0.2.1/32"), actionProhibit, syscall.AF_INET
	})
	to := addr("192.0.2.9")
	wantRoute(t, "rule from", Query{To: to}, evidence.Route{Errno: "EACCES", Type: "prohibit"})
	if got := connectErrno(t, to); got != syscall.EACCES {
		t.Errorf("connect: %v, want EACCES", got)
	}
}

func TestRouteRuleOfPort(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24")
	addRule(t, func(r *vishnl.Rule) {
		r.Priority, r.Type, r.Family = 50, actionProhibit, syscall.AF_INET
		r.IPProto, r.Dport = syscall.IPPROTO_TCP, vishnl.NewRulePortRange(5000, 6000)
	})
	to := addr("192.0.2.9")
	wantRoute(t, "port in the rule", Query{To: to, Port: 5432}, evidence.Route{Errno: "EACCES", Type: "prohibit"})
	for name, q := range map[string]Query{
		"other port":     {To: to, Port: 80},
		"other protocol": {To: to, Port: 5432, Protocol: syscall.IPPROTO_UDP},
	} {
		if got := routeTo(t, q); got.Errno != "" {
			t.Errorf("%s: %s", name, got.Errno)
		}
	}
}

func TestRouteWithSourceAndInterface(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64", "fe80::10/64")
	to := addr("192.0.2.9")
	onLink := evidence.Route{Type: "unicast", Prefix: prefix("192.0.2.0/24"), Table: 254, Interface: "v0"}
	for _, from := range []string{"192.0.2.2", "203.0.113.5"} { // the second is on no interface: bound with IP_FREEBIND
		onLink.Source = addr(from)
		wantRoute(t, "from "+from, Query{To: to, From: addr(from)}, onLink)
	}
	for _, from := range []string{"192.0.2.1", "203.0.113.5"} {
		wantRoute(t, "no route from "+from, Query{To: addr("198.51.100.1"), From: addr(from)}, evidence.Route{Errno: "ENETUNREACH"})
	}
	wantRoute(t, "no such interface", Query{To: to, Interface: "nope"}, evidence.Route{Errno: "ENODEV", Interface: "nope"})

	// A socket that is bound to an interface takes every destination for on-link
	// where no route says otherwise (ip_route_output_key_hash_rcu).
	if got := routeTo(t, Query{To: addr("203.0.113.5"), Interface: "v0"}); got.Errno != "" || !got.OnLink() || got.Prefix.IsValid() {
		t.Errorf("bound to an interface without a route: %+v", got)
	}
	linkLocal := routeTo(t, Query{To: addr("fe80::99%v0")})
	if linkLocal.Interface != "v0" || linkLocal.Prefix != prefix("fe80::/64") || !linkLocal.OnLink() {
		t.Errorf("link-local with a zone: %+v", linkLocal)
	}
}

func TestRouteLinkDown(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24")
	must(t, vishnl.LinkSetDown(linkNamed(t, "v0")))
	wantRoute(t, "own link down", Query{To: addr("192.0.2.9")}, evidence.Route{Errno: "ENETUNREACH"})
	wantRoute(t, "bound to a link that is down", Query{To: addr("192.0.2.9"), Interface: "v0"}, evidence.Route{Errno: "ENETUNREACH"})
}

func TestRouteBadQuery(t *testing.T) {
	for name, q := range map[string]Query{
		"no destination": {},
		"two families":   {To: addr("192.0.2.1"), From: addr("::1")},
	} {
		if r, err := RouteTo(q); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func BenchmarkRouteTo(b *testing.B) {
	q := Query{To: addr("127.0.0.1")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := RouteTo(q); err != nil {
			b.Fatal(err)
		}
	}
}
