package cause

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// localRules recognise what happens before a packet leaves.
var localRules = []rule{
	{id: DescriptorsExhausted, judge: descriptorsExhausted, ref: "socket(2) EMFILE, ENFILE; getrlimit(2) RLIMIT_NOFILE"},
	{id: FamilyUnsupported, mutes: []ID{NoRoute, SourceNotLocal, PortsExhausted}, judge: familyUnsupported, ref: "socket(2) EAFNOSUPPORT; ip-sysctl.rst disable_ipv6"},
	{id: SourceNotLocal, judge: sourceNotLocal, ref: "bind(2) EADDRNOTAVAIL; inet_bind, inet6_bind"},
	{id: SourceInUse, judge: sourceInUse, ref: "bind(2) EADDRINUSE; __inet_check_established"},
	{id: PortsExhausted, judge: portsExhausted, ref: "connect(2) EADDRNOTAVAIL; __inet_hash_connect; udp: EAGAIN"},
	{id: BadAddress, mutes: []ID{NoRoute, PolicyDenied, RouteRejected, BroadcastDenied, PortClosed}, judge: badAddress, ref: "tcp_v6_connect, ip_route_connect; RFC 6335 §6 (port 0)"},
	{id: BroadcastDenied, mutes: []ID{NoRoute, PolicyDenied, RouteRejected}, judge: broadcastDenied, ref: "tcp_v4_connect: RTCF_MULTICAST|RTCF_BROADCAST; ip(7) SO_BROADCAST"},
	{id: LinkDown, mutes: []ID{NoRoute, NeighbourUnresolved, GatewayUnresolved, HostSilent, HostFirewallDrop, PathFirewallDrop, LocalFirewallDrop, HostUnreachable, UDPSilent}, judge: linkDown, ref: "netdevice(7) IFF_UP; RFC 2863 ifOperStatus"},
	{id: RouteRejected, mutes: []ID{NoRoute, PolicyDenied}, judge: routeRejected, ref: "fib_props: RTN_UNREACHABLE, RTN_PROHIBIT, RTN_BLACKHOLE; rtnetlink(7)"},
	{id: NoRoute, needs: []evidence.Kind{"connect"}, judge: noRoute, ref: "fib_lookup; connect(2) ENETUNREACH"},
	{id: PolicyDenied, judge: policyDenied, ref: "connect(2) EPERM, EACCES; security_socket_connect; BPF_CGROUP_INET4_CONNECT"},
	{id: SelfConnect, mutes: []ID{IsOpen}, judge: selfConnect, ref: "RFC 9293 §3.5 simultaneous open; tcp_rcv_synsent_state_process"},
	{id: CancelledByCaller, judge: cancelled, ref: "context.Context; connect(2) EINTR"},
	{id: GatewayUnresolved, mutes: []ID{HostSilent, HostFirewallDrop, PathFirewallDrop, HostUnreachable, UDPSilent, LocalFirewallReject}, judge: gatewayUnresolved, ref: "RFC 826; RFC 4861 §7.2; arp_error_report, ndisc_error_report"},
	{id: NeighbourUnresolved, mutes: []ID{HostSilent, HostFirewallDrop, PathFirewallDrop, HostUnreachable, UDPSilent, LocalFirewallReject}, judge: neighbourUnresolved, ref: "RFC 826; RFC 4861 §7.2; arp_error_report, ndisc_error_report"},
}

func descriptorsExhausted(v *view) reading {
	if !v.before("socket") || v.errno != "EMFILE" && v.errno != "ENFILE" {
		return nothing
	}
	name := map[evidence.Errno]string{"EMFILE": "RLIMIT_NOFILE", "ENFILE": "fs.file-max"}[v.errno]
	for _, l := range v.limits {
		if l.Name == name {
			r := local(either(l.Used >= l.Soft, Certain, Likely), fmt.Sprintf("%d of %d used", l.Used, l.Soft))
			r.blanks = Blanks{"name": name, "used": fmt.Sprint(l.Used), "limit": fmt.Sprint(l.Soft)}
			return r
		}
	}
	return local(Likely, "")
}

func familyUnsupported(v *view) reading {
	switch {
	case v.before("socket") && v.errno == "EAFNOSUPPORT":
		// A seccomp filter gives the same errno (systemd's RestrictAddressFamilies=).
		return local(either(v.security != nil && v.security.Seccomp == 0, Certain, Likely), "")
	case v.ipv6Off() == off && (v.errno == "EADDRNOTAVAIL" || v.errno == "ENETUNREACH" || v.errno == "EACCES"):
		return local(either(!v.hidden["links"] && !v.hidden["sysctl"], Certain, Likely), "IPv6 is switched off by the sysctl disable_ipv6")
	case v.ipv6Off() == partlyOff && (v.errno == "EADDRNOTAVAIL" || v.errno == "ENETUNREACH"):
		return local(Possible, "IPv6 is switched off on some interfaces by the sysctl disable_ipv6")
	case v.errno == "EAFNOSUPPORT":
		return local(Likely, "")
	}
	return nothing
}

func sourceNotLocal(v *view) reading {
	if v.before("bind") && v.errno == "EADDRNOTAVAIL" {
		if v.hostAddr != nil && v.hostAddr.Local {
			return local(Possible, "the address is on this host now; it may have been tentative (RFC 4862 §5.4)")
		}
		return local(either(v.hostAddr != nil, Certain, Likely), "")
	}
	return nothing
}

func sourceInUse(v *view) reading {
	held := ""
	if h := v.holder; h != nil && h.Local.IsValid() {
		held = fmt.Sprintf("%s is held by a socket in %s", h.Local, h.State)
		if h.Command != "" {
			held += fmt.Sprintf(" of %s (pid %d)", h.Command, h.PID)
		}
	}
	switch {
	case v.before("bind") && v.errno == "EADDRINUSE" && !strings.HasSuffix(v.call.Arg, ":0"):
		return local(either(v.holder != nil, Certain, Likely), held)
	case v.sync() && v.errno == "EADDRNOTAVAIL" && v.boundPort():
		// The port is free to bind (SO_REUSEADDR), and the four-tuple is not free to connect.
		return local(Likely, held)
	}
	return nothing
}

// boundPort says that the caller chose the source port.
func (v *view) boundPort() bool {
	for _, c := range evidence.All[*evidence.Call](v.log) {
		if c.Call == "bind" && c.Errno == "" && !strings.HasSuffix(c.Arg, ":0") {
			return true
		}
	}
	return false
}

func portsExhausted(v *view) reading {
	switch {
	case v.sync() && (v.errno == "EADDRNOTAVAIL" || v.errno == "EAGAIN") && !v.boundPort():
	case v.before("bind") && v.errno == "EADDRINUSE" && strings.HasSuffix(v.call.Arg, ":0"):
	default:
		return nothing
	}
	if v.ports == nil {
		return local(Likely, "")
	}
	size := int(v.ports.High) - int(v.ports.Low) + 1
	r := local(Possible, fmt.Sprintf("%d of %d ephemeral ports in use, %d of them in TIME_WAIT", v.ports.InUse, size, v.ports.Waits))
	r.blanks = Blanks{"used": fmt.Sprint(v.ports.InUse), "limit": fmt.Sprint(size)}
	if v.ports.InUse >= size {
		r.confidence = Certain
	} else if v.errno == "EAGAIN" || v.ports.InUse*10 >= size*9 { // between the failure and the count some have come free
		r.confidence = Likely
	}
	return r
}

func badAddress(v *view) reading {
	a := v.remote.Addr()
	zone := a.Zone()
	switch {
	case v.connect == nil && v.call != nil:
		return nothing // it failed before the address came into play
	case v.remote.Port() == 0 && v.errno == "ECONNREFUSED" && v.icmp == nil:
		return local(either(v.toSelf(), Certain, Likely), "no service can listen on port 0: to bind(2) it means \"any\"")
	case v.remote.Port() == 0 && v.errno == "EINVAL":
		return local(Certain, "port 0 is not a port that a datagram can be sent to")
	case a.Is6() && a.IsLinkLocalUnicast() && zone == "" && v.errno == "EINVAL":
		return local(Certain, fmt.Sprintf("a link-local address needs its zone: %s%%INTERFACE", a))
	case a.Is6() && zone != "" && v.sync() && (v.errno == "EINVAL" || v.errno == "ENETUNREACH" || v.errno == "ENODEV") && v.route != nil && v.route.Index == 0:
		return local(Likely, fmt.Sprintf("this host has no interface %q", zone))
	case a.IsMulticast() && v.tcp() && v.sync() && (v.errno == "ENETUNREACH" || v.errno == "EINVAL"):
		return local(Likely, "TCP has no multicast")
	case v.sync() && v.errno == "EINVAL" && (v.route == nil || v.route.Errno == ""):
		return local(Possible, "").behind(v.refusingRule() != nil)
	case v.sync() && v.errno == "EADDRNOTAVAIL" && a.Is6() && (v.ports == nil || v.ports.InUse == 0):
		return local(Possible, "no source address fits it")
	}
	return nothing
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func broadcastDenied(v *view) reading {
	broadcast := v.remote.Addr() == limitedBroadcast || v.route != nil && v.route.Type == "broadcast"
	switch {
	case !v.sync():
		return nothing
	case v.tcp() && v.errno == "ENETUNREACH" && broadcast:
		return local(Certain, "TCP has no broadcast")
	case !v.tcp() && v.errno == "EACCES" && broadcast:
		return local(Certain, "")
	case !v.tcp() && v.errno == "ENETUNREACH" && v.remote.Addr() == limitedBroadcast:
		return local(Likely, "")
	case v.tcp() && v.errno == "ENETUNREACH" && v.remote.Addr().Is4() && v.remote.Addr().IsMulticast():
		return local(Possible, "")
	}
	return nothing
}

func linkDown(v *view) reading {
	if v.before("setsockopt") && v.errno == "ENODEV" {
		if v.link != nil && v.link.Exists {
			return local(Possible, "")
		}
		return local(either(v.link != nil, Certain, Likely), "this host has no such interface")
	}
	if v.errno == "ENETDOWN" {
		return local(either(v.link == nil || !v.link.Up, Certain, Likely), "")
	}
	if l := v.link; l != nil && l.Exists && (!l.Up || !l.Carrier) && (v.errno == "EHOSTUNREACH" || v.errno == "ENETUNREACH" || v.silent()) {
		if v.icmp != nil && !v.fromHere(v.icmp) {
			return nothing // an answer came from outside
		}
		detail := "it is switched off"
		if l.Up {
			detail = "it has no carrier"
		}
		r := local(Certain, detail)
		r.blanks = Blanks{"interface": l.Name}
		return r
	}
	if v.sync() && v.errno == "ENETUNREACH" && v.route != nil && v.route.Errno == "ENETUNREACH" {
		for _, l := range v.down {
			for _, p := range l.Prefixes {
				if p.Masked().Contains(v.remote.Addr().WithZone("")) {
					r := local(Likely, fmt.Sprintf("%s has %s and is switched off", l.Name, p))
					r.blanks = Blanks{"interface": l.Name}
					return r
				}
			}
		}
		for _, l := range v.down {
			if !l.Loopback && len(l.Prefixes) > 0 {
				r := local(Possible, fmt.Sprintf("%s has an address and is switched off", l.Name))
				r.blanks = Blanks{"interface": l.Name}
				return r
			}
		}
	}
	return nothing
}

func routeRejected(v *view) reading {
	if !v.sync() || v.route == nil {
		return nothing
	}
	if rule := v.refusingRule(); rule != nil && (v.route.Errno == "" || v.route.Type == "") {
		return local(Possible, fmt.Sprintf("routing rule %d selects by %s, and gives %s", rule.Priority, rule.By, v.errno)).behind(v.route.Errno == v.errno)
	}
	if v.route.Errno != v.errno {
		if v.errno != "" && len(v.route.Undecided) > 0 && (v.errno == "EACCES" || v.errno == "EINVAL" || v.errno == "EHOSTUNREACH") {
			return local(Possible, fmt.Sprintf("routing rule %d may ask another table", v.route.Undecided[0].Priority))
		}
		return nothing
	}
	switch v.route.Type {
	case "unreachable", "prohibit", "blackhole":
		detail := v.route.Type
		if v.route.Prefix.IsValid() {
			detail += " " + v.route.Prefix.String()
		}
		return local(Certain, detail)
	}
	switch v.errno {
	case "EHOSTUNREACH", "EACCES", "EINVAL":
		// The look-up itself refuses: a route, or a routing rule (ip-rule(8)).
		return local(either(v.route.Type == "", Certain, Likely), "")
	}
	return nothing
}

// refusingRule is a routing rule that could not be decided for the attempt's
// packets and gives this errno; nil: there is none.
func (v *view) refusingRule() *evidence.RouteRule {
	if v.route == nil || v.errno == "" {
		return nil
	}
	for i := range v.route.Undecided {
		if r := &v.route.Undecided[i]; r.Refuses == v.errno {
			return r
		}
	}
	return nil
}

func noRoute(v *view) reading {
	if !v.sync() || v.errno != "ENETUNREACH" {
		return nothing
	}
	switch {
	case v.route == nil:
		return local(Likely, "")
	case v.route.Errno == "ENETUNREACH":
		if linkDown(v).says() || v.ipv6Off() == partlyOff || v.refusingRule() != nil && v.route.Type == "" {
			return local(Possible, "")
		}
		return local(either(len(v.route.Undecided) == 0 && !v.hidden["links"] && !v.hidden["sysctl"], Certain, Likely), "")
	}
	return local(Possible, "a route exists now")
}

func policyDenied(v *view) reading {
	switch {
	case v.icmp != nil:
		return nothing // EACCES that an ICMPv6 error brought
	case v.connect == nil && v.call != nil && v.call.Call == "setsockopt" && (v.errno == "EPERM" || v.errno == "EACCES"):
		name, _, _ := strings.Cut(v.call.Arg, "=")
		return local(Certain, fmt.Sprintf("setting %s needs a privilege that this process does not have", name))
	case v.connect == nil && v.call != nil && (v.errno == "EPERM" || v.errno == "EACCES"):
		detail := ""
		if v.before("bind") && v.errno == "EACCES" {
			detail = "a port below net.ipv4.ip_unprivileged_port_start needs CAP_NET_BIND_SERVICE"
		}
		return local(Likely, detail)
	case v.sync() && (v.errno == "EPERM" || v.errno == "EACCES"):
		switch {
		case v.refusingRule() != nil:
			return local(Possible, v.suspects())
		case v.route == nil || v.route.Errno != "" || len(v.route.Undecided) > 0 && v.errno == "EACCES":
			return local(Likely, "")
		}
		// The route exists and is no broadcast: connect(2) was refused by a
		// policy in front of the network.
		return local(Certain, v.suspects())
	case v.before("socket") && v.errno == "EAFNOSUPPORT" && (v.security == nil || v.security.Seccomp != 0):
		return local(Possible, v.suspects())
	case v.datagram != nil && v.datagram.SendErrno == "EPERM":
		return local(Possible, "")
	case v.silent() && v.tcp() && (v.neverLeft() || v.failedHere() > 0):
		return local(Possible, "a cgroup program swallows the packets")
	}
	return nothing
}

// suspects narrows down which policy it can have been.
func (v *view) suspects() string {
	if v.security == nil {
		return ""
	}
	program := v.connectPrograms()
	switch {
	case program != "" && v.security.Seccomp == 0:
		return program + ", and no seccomp filter"
	case program != "":
		return program + ", and under a seccomp filter"
	case v.security.Seccomp == 0:
		return "seccomp is ruled out: this process has no filter"
	}
	return "this process runs under a seccomp filter"
}

// connectPrograms names the BPF programs of the control group that this
// connect(2) ran: one that says no makes it fail with EPERM
// (BPF_CGROUP_RUN_PROG_INET4_CONNECT).
func (v *view) connectPrograms() string {
	if v.errno != "EPERM" {
		return ""
	}
	attach := "connect4"
	if v.remote.Addr().Is6() {
		attach = "connect6"
	}
	var ids []string
	group := ""
	for _, p := range v.security.Programs {
		if p.Attach == attach {
			ids, group = append(ids, fmt.Sprint(p.ID)), p.Cgroup
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("this process runs under BPF program %s at %s of control group %s", strings.Join(ids, ", "), attach, group)
}

func selfConnect(v *view) reading {
	if v.tcp() && v.outcome == Open && v.local != nil && v.local.Addr == v.remote {
		return local(Certain, "")
	}
	return nothing
}

func cancelled(v *view) reading {
	if v.gaveUp == nil || v.outcome != Cancelled {
		return nothing
	}
	r := local(Certain, v.gaveUp.Reason)
	if v.gaveUp.By == "race" {
		r.detail = "another address of the name connected first"
	}
	return r
}

func gatewayUnresolved(v *view) reading   { return unresolvedNeighbour(v, true) }
func neighbourUnresolved(v *view) reading { return unresolvedNeighbour(v, false) }

// unresolvedNeighbour: ARP or ND got no answer. After three probes, one second
// apart, the kernel reports EHOSTUNREACH from its own address; a deadline that
// passes first sees the entry INCOMPLETE.
func unresolvedNeighbour(v *view, gateway bool) reading {
	n := v.neighbour
	if n == nil || n.Gateway != gateway {
		return nothing
	}
	// The kernel's own word about a neighbour is "host unreachable", no other
	// code (arp_error_report, ndisc_error_report).
	answered := v.icmp != nil && (!v.fromHere(v.icmp) || meaning(v.icmp) != HostUnreachable)
	if answered || v.errno != "EHOSTUNREACH" && !v.silent() {
		return nothing
	}
	r := local("", "")
	switch n.State {
	case "FAILED":
		r.confidence = Certain
	case "INCOMPLETE":
		r.confidence = either(v.errno == "EHOSTUNREACH" && v.waited() > time.Second, Certain, Likely)
	case "NONE": // forgotten since (gc_stale_time), or nobody asked for it
		r.confidence = either(v.errno == "EHOSTUNREACH" && v.waited() > 100*time.Millisecond, Likely, "")
	}
	if r.confidence == "" {
		return nothing
	}
	return r
}

// neverLeft says that this host counted no packet out on the way where the SYN
// should have gone. Only interfaces that count at once can prove it, and only
// where no translation led the SYN out by another one.
func (v *view) neverLeft() bool {
	return v.connect != nil && (v.sentNothing() || v.software() && v.still("link.tx_packets"))
}

// sentNothing says that no packet of the family was handed to any interface.
func (v *view) sentNothing() bool {
	if v.remote.Addr().Is6() {
		return v.still("Ip6.OutTransmits")
	}
	return v.still("Ip.OutTransmits")
}

// allByLoopback says that every IP packet that this host received came in by
// the interface of the route to itself: an answer was made here. Only a
// translation can bring the answer to a packet for an own address from outside.
func (v *view) allByLoopback() bool {
	received4, seen4 := v.rose("Ip.InReceives")
	received6, seen6 := v.rose("Ip6.InReceives")
	looped, seen := v.rose("link.rx_packets")
	return v.link != nil && v.link.Loopback && seen && seen4 && seen6 && looped > 0 && looped == received4+received6
}
