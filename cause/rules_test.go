package cause

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

const (
	here    = "192.0.2.10"
	gateway = "192.0.2.1"
	there   = "203.0.113.5"
	mid     = "198.51.100.1"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// story is a log in the making: facts in order, a millisecond apart, or at the
// time that a later takes.
type story struct {
	network string
	remote  string
	at      time.Duration
	log     evidence.Log
}

func to(remote string) *story { return &story{network: "tcp", remote: remote} }

func (s *story) add(facts ...evidence.Fact) *story {
	for _, f := range facts {
		s.at += time.Millisecond
		s.log.Add(s.at, "test", f)
	}
	return s
}

func (s *story) later(d time.Duration) *story { s.at += d; return s }

func (s *story) dial() *evidence.Dial {
	return &evidence.Dial{Target: s.remote, Network: s.network, Took: s.at,
		Attempts: []evidence.Attempt{{Remote: netip.MustParseAddrPort(s.remote), Took: s.at, Log: s.log}}}
}

// connecting is the usual beginning.
func (s *story) connecting(errno evidence.Errno) *story {
	return s.add(&evidence.Connect{Remote: netip.MustParseAddrPort(s.remote), Errno: errno})
}

func (s *story) soError(errno evidence.Errno) *story { return s.add(&evidence.SOError{Errno: errno}) }

func (s *story) from(a string) *story {
	return s.add(&evidence.LocalAddr{Addr: netip.MustParseAddrPort(a)})
}

func icmp(typ, code uint8, errno evidence.Errno, offender string) *evidence.ICMP {
	version := uint8(4)
	if ip(offender).Is6() {
		version = 6
	}
	return &evidence.ICMP{Version: version, Type: typ, Code: code, Errno: errno, Offender: ip(offender)}
}

func routed() *evidence.Route {
	return &evidence.Route{To: ip(there), Type: "unicast", Interface: "eth0", Index: 2, Gateway: ip(gateway), Source: ip(here)}
}

func onLink(dst string) *evidence.Route {
	return &evidence.Route{To: ip(dst), Type: "unicast", Interface: "eth0", Index: 2, Source: ip(here)}
}

func toSelf(dst string) *evidence.Route {
	return &evidence.Route{To: ip(dst), Type: "local", Interface: "lo", Index: 1, Source: ip(dst)}
}

func rejected(errno evidence.Errno, typ string) *evidence.Route {
	return &evidence.Route{To: ip(there), Errno: errno, Type: typ}
}

func neighbour(addr, state string, gw bool) *evidence.Neighbour {
	return &evidence.Neighbour{Addr: ip(addr), Interface: "eth0", State: state, Gateway: gw}
}

func veth() *evidence.Link {
	return &evidence.Link{Name: "eth0", Index: 2, Exists: true, Up: true, Carrier: true, Type: "veth"}
}

func lo() *evidence.Link {
	return &evidence.Link{Name: "lo", Index: 1, Exists: true, Up: true, Carrier: true, Loopback: true}
}

func onLo(received int64) *evidence.Counters {
	return &evidence.Counters{Scope: "link:lo", Rise: map[string]int64{"rx_packets": received}}
}

func netns(rise map[string]int64) *evidence.Counters {
	return &evidence.Counters{Scope: "netns", Rise: rise}
}

func silence(s *story, d time.Duration) *story {
	return s.connecting("EINPROGRESS").from(here+":40000").later(d).
		add(&evidence.TCPInfo{State: "SYN_SENT"}, &evidence.Expired{Limit: d, Scope: "dial"})
}

type wanted struct {
	outcome      Outcome
	errno        evidence.Errno
	cause        ID
	confidence   Confidence
	kind         Kind
	address      string
	alternatives []ID // each must be there; nil with Certain: none may
	never        []ID // none may be there
}

func TestRules(t *testing.T) {
	remote := there + ":443"
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		// Before a packet leaves.
		{"no route", to(remote).connecting("ENETUNREACH").add(rejected("ENETUNREACH", "")),
			wanted{Unreachable, "ENETUNREACH", NoRoute, Certain, Local, "", nil, nil}},
		{"no route, and the table was not seen", to(remote).connecting("ENETUNREACH"),
			wanted{Unreachable, "ENETUNREACH", NoRoute, Likely, Local, "", nil, nil}},
		{"the route appeared since", to(remote).connecting("ENETUNREACH").add(routed()),
			wanted{Unreachable, "ENETUNREACH", NoRoute, Possible, Local, "", nil, nil}},
		{"no route while an interface that had one is down", to(remote).connecting("ENETUNREACH").add(rejected("ENETUNREACH", ""),
			&evidence.Link{Name: "eth1", Exists: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/24")}}),
			wanted{Unreachable, "ENETUNREACH", LinkDown, Likely, Local, "", nil, nil}},
		{"no route, and some other interface is down", to(remote).connecting("ENETUNREACH").add(rejected("ENETUNREACH", ""),
			&evidence.Link{Name: "eth1", Exists: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.9/24")}}),
			wanted{Unreachable, "ENETUNREACH", LinkDown, Possible, Local, "", []ID{NoRoute}, nil}},
		{"unreachable route", to(remote).connecting("EHOSTUNREACH").add(rejected("EHOSTUNREACH", "unreachable")),
			wanted{Unreachable, "EHOSTUNREACH", RouteRejected, Certain, Local, "", nil, nil}},
		{"prohibit route", to(remote).connecting("EACCES").add(rejected("EACCES", "prohibit")),
			wanted{Denied, "EACCES", RouteRejected, Certain, Local, "", nil, nil}},
		{"blackhole route", to(remote).connecting("EINVAL").add(rejected("EINVAL", "blackhole")),
			wanted{LocalFault, "EINVAL", RouteRejected, Certain, Local, "", nil, nil}},
		{"a routing rule refuses", to(remote).connecting("EACCES").add(rejected("EACCES", "")),
			wanted{Denied, "EACCES", RouteRejected, Certain, Local, "", nil, nil}},
		{"denied, the route is fine", to(remote).connecting("EPERM").add(routed(), &evidence.Security{Seccomp: 0}),
			wanted{Denied, "EPERM", PolicyDenied, Certain, Local, "", nil, nil}},
		{"denied, the route was not seen", to(remote).connecting("EACCES"),
			wanted{Denied, "EACCES", PolicyDenied, Likely, Local, "", nil, nil}},
		{"mark without privilege", to(remote).add(&evidence.Call{Call: "setsockopt", Arg: "SO_MARK=1", Errno: "EPERM"}),
			wanted{Denied, "EPERM", PolicyDenied, Certain, Local, "", nil, nil}},
		{"descriptors", to(remote).add(&evidence.Call{Call: "socket", Errno: "EMFILE"}, &evidence.Limit{Name: "RLIMIT_NOFILE", Soft: 64, Used: 64}),
			wanted{LocalFault, "EMFILE", DescriptorsExhausted, Certain, Local, "", nil, nil}},
		{"family, no filter", to("[2001:db8::1]:443").add(&evidence.Call{Call: "socket", Errno: "EAFNOSUPPORT"}, &evidence.Security{Seccomp: 0}),
			wanted{LocalFault, "EAFNOSUPPORT", FamilyUnsupported, Certain, Local, "", nil, nil}},
		{"family, or a filter", to("[2001:db8::1]:443").add(&evidence.Call{Call: "socket", Errno: "EAFNOSUPPORT"}, &evidence.Security{Seccomp: 2}),
			wanted{LocalFault, "EAFNOSUPPORT", FamilyUnsupported, Likely, Local, "", []ID{PolicyDenied}, nil}},
		{"IPv6 switched off", to("[::1]:443").connecting("EADDRNOTAVAIL").add(&evidence.Sysctl{Name: "net.ipv6.conf.all.disable_ipv6", Value: "1"}),
			wanted{LocalFault, "EADDRNOTAVAIL", FamilyUnsupported, Certain, Local, "", nil, nil}},
		{"source not here", to(remote).add(&evidence.Call{Call: "bind", Arg: "192.0.2.99:0", Errno: "EADDRNOTAVAIL"}, &evidence.HostAddr{Addr: ip("192.0.2.99")}),
			wanted{LocalFault, "EADDRNOTAVAIL", SourceNotLocal, Certain, Local, "", nil, nil}},
		{"source taken", to(remote).add(&evidence.Call{Call: "bind", Arg: here + ":22", Errno: "EADDRINUSE"}, &evidence.Holder{State: "LISTEN"}),
			wanted{LocalFault, "EADDRINUSE", SourceInUse, Certain, Local, "", nil, nil}},
		{"four-tuple taken", to(remote).add(&evidence.Call{Call: "bind", Arg: here + ":2200"}).connecting("EADDRNOTAVAIL"),
			wanted{LocalFault, "EADDRNOTAVAIL", SourceInUse, Likely, Local, "", nil, []ID{PortsExhausted}}},
		{"ports exhausted", to(remote).connecting("EADDRNOTAVAIL").add(&evidence.Ports{Low: 40000, High: 40003, InUse: 4, Waits: 4}),
			wanted{LocalFault, "EADDRNOTAVAIL", PortsExhausted, Certain, Local, "", nil, nil}},
		{"ports, some free by now", to(remote).connecting("EADDRNOTAVAIL").add(&evidence.Ports{Low: 40000, High: 40099, InUse: 95}),
			wanted{LocalFault, "EADDRNOTAVAIL", PortsExhausted, Likely, Local, "", nil, nil}},
		{"link-local without zone", to("[fe80::1]:443").connecting("EINVAL"),
			wanted{LocalFault, "EINVAL", BadAddress, Certain, Local, "", nil, nil}},
		{"port 0 here", to("127.0.0.1:0").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED"),
			wanted{Refused, "ECONNREFUSED", BadAddress, Certain, Local, "", nil, []ID{PortClosed}}},
		{"multicast", to("224.0.0.1:443").connecting("ENETUNREACH").add(&evidence.Route{To: ip("224.0.0.1"), Type: "multicast", Interface: "eth0", Index: 2}),
			wanted{Unreachable, "ENETUNREACH", BadAddress, Likely, Local, "", nil, []ID{NoRoute}}},
		{"broadcast", to("192.0.2.255:443").connecting("ENETUNREACH").add(&evidence.Route{To: ip("192.0.2.255"), Type: "broadcast", Interface: "eth0", Index: 2}),
			wanted{Unreachable, "ENETUNREACH", BroadcastDenied, Certain, Local, "", nil, nil}},
		{"own hop limit", to(remote).add(&evidence.Call{Call: "setsockopt", Arg: "IP_TTL=1"}, routed()).connecting("EINPROGRESS").from(here + ":40000").soError("EHOSTUNREACH").add(icmp(11, 0, "EHOSTUNREACH", gateway)),
			wanted{Unreachable, "EHOSTUNREACH", HopLimitTooSmall, Likely, Local, "", []ID{RoutingLoop}, nil}},
		{"no carrier", to(remote).add(routed()).connecting("EINPROGRESS").later(3*time.Second).soError("EHOSTUNREACH").add(neighbour(gateway, "FAILED", true), &evidence.Link{Name: "eth0", Index: 2, Exists: true, Up: true}),
			wanted{Unreachable, "EHOSTUNREACH", LinkDown, Certain, Local, "", nil, nil}},
		{"neighbour failed", to("192.0.2.77:443").add(onLink("192.0.2.77")).connecting("EINPROGRESS").from(here+":40000").later(3*time.Second).soError("EHOSTUNREACH").add(icmp(3, 1, "EHOSTUNREACH", here), neighbour("192.0.2.77", "FAILED", false), veth()),
			wanted{Unreachable, "EHOSTUNREACH", NeighbourUnresolved, Certain, Local, "", nil, nil}},
		{"gateway failed", to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").later(3*time.Second).soError("EHOSTUNREACH").add(icmp(3, 1, "EHOSTUNREACH", here), neighbour(gateway, "FAILED", true), veth()),
			wanted{Unreachable, "EHOSTUNREACH", GatewayUnresolved, Certain, Local, "", nil, nil}},
		{"deadline while ARP waits", silence(to("192.0.2.77:443").add(onLink("192.0.2.77")), time.Second).add(neighbour("192.0.2.77", "INCOMPLETE", false), veth()),
			wanted{Timeout, "", NeighbourUnresolved, Likely, Local, "", nil, []ID{HostSilent, HostFirewallDrop}}},
		{"filter drops the SYN", silence(to(remote).add(routed()), 2*time.Second).add(netns(map[string]int64{"TcpExt.TCPRetransFail": 1, "Ip.OutTransmits": 0}), veth()),
			wanted{Timeout, "", LocalFirewallDrop, Likely, Local, "", []ID{PolicyDenied}, nil}},
		{"filter rejects with ICMP", to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").soError("ECONNREFUSED").add(icmp(3, 3, "ECONNREFUSED", here), veth()),
			wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Certain, Local, "", nil, []ID{FirewallReject}}},
		{"filter rejects with RST", to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").soError("ECONNREFUSED").add(netns(map[string]int64{"Tcp.OutRsts": 0, "Ip.OutTransmits": 0}), veth()),
			wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Certain, Local, "", nil, []ID{PortClosed}}},
		{"soft ICMP, then our deadline", to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").later(100*time.Millisecond).add(icmp(3, 3, "ECONNREFUSED", here), &evidence.Expired{Limit: 100 * time.Millisecond, Scope: "dial"}),
			wanted{Timeout, "", LocalFirewallReject, Likely, Local, "", nil, nil}},
		{"conntrack full", silence(to(remote).add(routed()), time.Second).add(&evidence.Conntrack{Count: 8, Max: 8}, &evidence.Counters{Scope: "conntrack", Rise: map[string]int64{"drop": 2}}),
			wanted{Timeout, "", ConntrackFull, Likely, Local, "", nil, nil}},
		{"self-connect", to("127.0.0.1:40000").connecting("").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}).from("127.0.0.1:40000"),
			wanted{Open, "", SelfConnect, Certain, Local, "", nil, nil}},
		{"cancelled", to(remote).connecting("EINPROGRESS").add(&evidence.Cancelled{By: "caller"}),
			wanted{Cancelled, "", CancelledByCaller, Certain, Local, "", nil, nil}},

		// A reply was thrown away.
		{"rp_filter", silence(to(remote).add(routed()), time.Second).add(netns(map[string]int64{"TcpExt.IPReversePathFilter": 1})),
			wanted{Timeout, "", ReversePathFilter, Likely, Local, "", nil, nil}},
		{"bad checksum", silence(to(remote).add(routed()), time.Second).add(netns(map[string]int64{"Tcp.InCsumErrors": 1})),
			wanted{Timeout, "", ReplyMalformed, Likely, Nobody, "", nil, nil}},

		// On the path.
		{"network unreachable", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("ENETUNREACH").add(icmp(3, 0, "ENETUNREACH", mid)),
			wanted{Unreachable, "ENETUNREACH", RouterNoRoute, Certain, Router, mid, nil, nil}},
		{"host unreachable", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("EHOSTUNREACH").add(icmp(3, 1, "EHOSTUNREACH", mid)),
			wanted{Unreachable, "EHOSTUNREACH", HostUnreachable, Certain, Router, mid, nil, nil}},
		{"prohibited", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("EHOSTUNREACH").add(icmp(3, 13, "EHOSTUNREACH", mid)),
			wanted{Unreachable, "EHOSTUNREACH", AdminProhibited, Certain, Router, mid, nil, nil}},
		{"prohibited by the destination", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("EHOSTUNREACH").add(icmp(3, 10, "EHOSTUNREACH", there)),
			wanted{Unreachable, "EHOSTUNREACH", AdminProhibited, Certain, Destination, there, nil, nil}},
		{"port unreachable to a SYN", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("ECONNREFUSED").add(icmp(3, 3, "ECONNREFUSED", mid)),
			wanted{Refused, "ECONNREFUSED", FirewallReject, Certain, Router, mid, nil, []ID{PortClosed}}},
		{"protocol unreachable", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("ENOPROTOOPT").add(icmp(3, 2, "ENOPROTOOPT", mid)),
			wanted{Unreachable, "ENOPROTOOPT", FirewallReject, Likely, Router, mid, []ID{ICMPRejected}, nil}},
		{"source route failed", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("EOPNOTSUPP").add(icmp(3, 5, "EOPNOTSUPP", mid)),
			wanted{Unreachable, "EOPNOTSUPP", ICMPRejected, Certain, Router, mid, nil, nil}},
		{"time exceeded at full TTL", to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").soError("EHOSTUNREACH").add(icmp(11, 0, "EHOSTUNREACH", mid), &evidence.Sysctl{Name: "net.ipv4.ip_default_ttl", Value: "64"}),
			wanted{Unreachable, "EHOSTUNREACH", RoutingLoop, Likely, Router, mid, nil, []ID{HopLimitTooSmall}}},
		{"v6 policy", to("[2001:db8::5]:443").connecting("EINPROGRESS").from("[2001:db8::1]:40000").soError("EACCES").add(icmp(1, 5, "EACCES", "2001:db8:1::1")),
			wanted{Denied, "EACCES", AdminProhibited, Certain, Router, "2001:db8:1::1", nil, []ID{PolicyDenied}}},
		{"an ICMP error, and then the handshake", to(remote).add(routed()).connecting("EINPROGRESS").add(icmp(3, 13, "EHOSTUNREACH", mid)).soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"a soft error, and the handshake is complete", to(remote).add(routed()).connecting("EINPROGRESS").add(&evidence.SOError{Errno: "EHOSTUNREACH", Soft: true}, icmp(3, 13, "EHOSTUNREACH", mid), &evidence.TCPInfo{State: "ESTABLISHED"}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"silence behind a router", silence(to(remote).add(routed()), time.Second),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{HostFirewallDrop, HostSilent, LocalFirewallDrop}, nil}},
		{"silence, and sending again did not fail", func() *story {
			s := to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").later(2 * time.Second)
			return s.add(&evidence.TCPInfo{State: "SYN_SENT", Retransmits: 1, TotalRetrans: 1}, &evidence.Expired{Limit: 2 * time.Second}, netns(map[string]int64{"TcpExt.TCPRetransFail": 0}))
		}(),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{HostFirewallDrop, HostSilent}, []ID{LocalFirewallDrop}}},
		{"silence of a neighbour that answers ARP", silence(to("192.0.2.77:443").add(onLink("192.0.2.77")), time.Second).add(neighbour("192.0.2.77", "REACHABLE", false), veth()),
			wanted{Timeout, "", HostFirewallDrop, Possible, Destination, "192.0.2.77", []ID{LocalFirewallDrop}, []ID{HostSilent, PathFirewallDrop}}},
		{"a SYN sent twice", to(remote).connecting("EINPROGRESS").later(1010 * time.Millisecond).soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: 1}),
			wanted{Open, "", PacketLoss, Likely, Path, "", []ID{ListenQueueFull, OptionBlackhole}, []ID{IsOpen}}},
		{"an answer as late as one that was sent again", to(remote).connecting("EINPROGRESS").later(1010 * time.Millisecond).soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}),
			wanted{Open, "", IsOpen, Likely, Nobody, "", []ID{PacketLoss}, nil}},
		{"a slow answer that nobody sent twice", to(remote).connecting("EINPROGRESS").later(600 * time.Millisecond).soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, []ID{PacketLoss}}},
		{"a second SYN after 10 ms is no loss", to(remote).connecting("EINPROGRESS").later(10 * time.Millisecond).soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: 1}),
			wanted{Open, "", StaleConnection, Likely, Destination, there, nil, []ID{PacketLoss}}},

		// At the destination.
		{"open", to(remote).connecting("EINPROGRESS").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"open, and it spoke first", to(remote).connecting("EINPROGRESS").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}, &evidence.FirstMoments{Bytes: 9}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"spoke and closed", to(remote).connecting("EINPROGRESS").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}, &evidence.FirstMoments{Bytes: 9, FIN: true}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"fast open deferred the handshake", to(remote).add(&evidence.Connect{Remote: netip.MustParseAddrPort(remote), FastOpen: true}).soError("").add(&evidence.TCPInfo{State: "SYN_SENT"}),
			wanted{Open, "", IsOpen, Possible, Nobody, "", nil, nil}},
		{"closed port, far", to(remote).add(routed()).connecting("EINPROGRESS").soError("ECONNREFUSED"),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{PathFirewallReset}, nil}},
		{"closed port, here, watched", to("127.0.0.1:81").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED").add(netns(map[string]int64{"Tcp.OutRsts": 1, "Ip.InReceives": 2, "Ip6.InReceives": 0}), &evidence.Listener{}, lo(), onLo(2)),
			wanted{Refused, "ECONNREFUSED", PortClosed, Certain, Destination, "127.0.0.1", nil, nil}},
		{"closed port, here, not watched", to("127.0.0.1:81").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED").add(&evidence.Listener{}),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, "127.0.0.1", []ID{LocalFirewallReject}, nil}},
		{"RST here although something listens", to("127.0.0.1:81").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED").add(&evidence.Listener{Found: true, Bound: netip.MustParseAddrPort("127.0.0.1:81")}),
			wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Likely, Local, "", []ID{PortClosed}, nil}},
		{"RST here that TCP did not send", to("127.0.0.1:81").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED").add(netns(map[string]int64{"Tcp.OutRsts": 0, "Ip.InReceives": 2, "Ip6.InReceives": 0}), &evidence.Listener{}, lo(), onLo(2)),
			wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Certain, Local, "", nil, nil}},
		{"RST that TCP did not send, packets from outside", to("127.0.0.1:81").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED").add(netns(map[string]int64{"Tcp.OutRsts": 0, "Ip.InReceives": 7, "Ip6.InReceives": 0}), &evidence.Listener{}, lo(), onLo(2)),
			wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Likely, Local, "", []ID{PortClosed}, nil}},
		{"own address translated to another host", to("127.0.0.1:81").add(toSelf("127.0.0.1")).connecting("EINPROGRESS").soError("ECONNREFUSED").add(netns(map[string]int64{"Tcp.OutRsts": 0, "Ip.InReceives": 1, "Ip6.InReceives": 0}), &evidence.Listener{}, lo(), onLo(0)),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, "127.0.0.1", nil, []ID{LocalFirewallReject}}},
		{"reset after the handshake", to(remote).add(routed()).connecting("EINPROGRESS").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}, &evidence.FirstMoments{Reset: true}),
			wanted{Reset, "ECONNRESET", AcceptedThenReset, Likely, Destination, there, []ID{PathFirewallReset, ListenQueueFull}, nil}},
		{"reset before we looked", to(remote).add(routed()).connecting("EINPROGRESS").soError("ECONNRESET"),
			wanted{Reset, "ECONNRESET", AcceptedThenReset, Likely, Destination, there, nil, nil}},
		{"closed after the handshake", to(remote).connecting("EINPROGRESS").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}, &evidence.FirstMoments{FIN: true}),
			wanted{Closed, "", AcceptedThenClosed, Likely, Destination, there, []ID{SYNProxy}, nil}},
		{"own accept queue full", silence(to("127.0.0.1:81").add(toSelf("127.0.0.1")), time.Second).add(netns(map[string]int64{"TcpExt.ListenOverflows": 1, "Ip.OutTransmits": 2}), &evidence.Listener{Found: true, QueueLen: 2, Backlog: 1}),
			wanted{Timeout, "", ListenQueueFull, Certain, Destination, "127.0.0.1", nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

func TestRulesUDP(t *testing.T) {
	udp := func() *story {
		s := to(there + ":53").add(routed())
		s.network = "udp"
		return s.connecting("").from(here + ":40000")
	}
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"no probe", udp(), wanted{Open, "", IsOpen, Possible, Nobody, "", nil, nil}},
		{"answered", udp().add(&evidence.Datagram{Sent: 1, Answered: true}), wanted{Open, "", UDPAnswered, Certain, Nobody, "", nil, nil}},
		{"silent, and nothing is known of this host's own filter", udp().add(&evidence.Datagram{Sent: 1}, &evidence.Expired{Limit: time.Second}), wanted{Timeout, "", UDPSilent, Likely, Nobody, "", nil, []ID{LocalFirewallInput, LocalFirewallDrop}}},
		{"silent, and all that came in was delivered", udp().add(&evidence.Datagram{Sent: 1}, &evidence.Expired{Limit: time.Second}, netns(map[string]int64{"Ip.InReceives": 2, "Ip.InDelivers": 2})),
			wanted{Timeout, "", UDPSilent, Certain, Nobody, "", nil, []ID{LocalFirewallInput}}},
		{"silent, and a packet was delivered to nobody", udp().add(&evidence.Datagram{Sent: 1}, &evidence.Expired{Limit: time.Second}, netns(map[string]int64{"Ip.InReceives": 1, "Ip.InDelivers": 0, "Ip.OutTransmits": 1})),
			wanted{Timeout, "", UDPSilent, Likely, Nobody, "", []ID{LocalFirewallInput}, nil}},
		{"an empty datagram, silent", udp().add(&evidence.Datagram{}, &evidence.Expired{Limit: time.Second}, netns(map[string]int64{"Ip.InReceives": 0, "Ip.InDelivers": 0})),
			wanted{Timeout, "", UDPSilent, Certain, Nobody, "", nil, nil}},
		{"the deadline passed before anything was sent", udp().add(&evidence.Expired{Limit: time.Millisecond}, netns(map[string]int64{"Ip.OutTransmits": 0})),
			wanted{Timeout, "", HostSilent, Possible, Nobody, "", nil, []ID{LocalFirewallDrop, LocalFirewallInput, UDPSilent}}},
		{"too large", udp().add(&evidence.Datagram{SendErrno: "EMSGSIZE", Size: 65508, Limit: 65507, PathMTU: 1500}), wanted{LocalFault, "EMSGSIZE", DatagramTooLarge, Certain, Local, "", nil, []ID{PolicyDenied}}},
		{"too large, by a system that does not say how much", udp().add(&evidence.Datagram{SendErrno: "EMSGSIZE"}), wanted{LocalFault, "EMSGSIZE", DatagramTooLarge, Certain, Local, "", nil, nil}},
		{"port unreachable", udp().add(icmp(3, 3, "ECONNREFUSED", there), &evidence.Datagram{Sent: 1, RecvErrno: "ECONNREFUSED"}),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{FirewallReject}, nil}},
		{"port unreachable from a router", udp().add(icmp(3, 3, "ECONNREFUSED", mid), &evidence.Datagram{Sent: 1, RecvErrno: "ECONNREFUSED"}),
			wanted{Refused, "ECONNREFUSED", FirewallReject, Likely, Router, mid, nil, nil}},
		{"prohibited", udp().add(icmp(3, 13, "EHOSTUNREACH", mid), &evidence.Datagram{Sent: 1, RecvErrno: "EHOSTUNREACH"}),
			wanted{Unreachable, "EHOSTUNREACH", AdminProhibited, Certain, Router, mid, nil, nil}},
		{"dropped on the way out", udp().add(&evidence.Datagram{SendErrno: "EPERM"}), wanted{Denied, "EPERM", LocalFirewallDrop, Likely, Local, "", []ID{PolicyDenied}, nil}},
		{"broadcast", func() *story {
			s := to("192.0.2.255:9")
			s.network = "udp"
			return s.connecting("EACCES").add(&evidence.Route{To: ip("192.0.2.255"), Type: "broadcast", Interface: "eth0", Index: 2})
		}(), wanted{Denied, "EACCES", BroadcastDenied, Certain, Local, "", nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

func check(t *testing.T, v Verdict, want wanted) {
	t.Helper()
	if v.Outcome != want.outcome || v.Errno != want.errno || v.Cause != want.cause || v.Confidence != want.confidence || v.Culprit.Kind != want.kind {
		t.Errorf("got %s %s: %s %s by %s; want %+v", v.Outcome, v.Errno, v.Confidence, v.Cause, v.Culprit.Kind, want)
	}
	if want.address != "" && v.Culprit.Address != ip(want.address) {
		t.Errorf("culprit %v, want %s", v.Culprit.Address, want.address)
	}
	has := func(id ID) bool {
		for _, a := range v.Alternatives {
			if a.Cause == id {
				return true
			}
		}
		return false
	}
	for _, id := range want.alternatives {
		if !has(id) {
			t.Errorf("%s is not among the alternatives %v", id, v.Alternatives)
		}
	}
	for _, id := range want.never {
		if has(id) || v.Cause == id {
			t.Errorf("%s is named: %s, %v", id, v.Cause, v.Alternatives)
		}
	}
	if v.Confidence == Certain && len(v.Alternatives) > 0 {
		t.Errorf("certain, and yet %v", v.Alternatives)
	}
}
