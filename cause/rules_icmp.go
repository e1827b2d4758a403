package cause

import (
	"fmt"

	"github.com/dialscope/dialscope/evidence"
)

// icmpRules recognise what an ICMP error in the socket's error queue says.
var icmpRules = []rule{
	{id: LocalFirewallReject, judge: localFirewallReject, mutes: []ID{RouterNoRoute, HostUnreachable, AdminProhibited, FirewallReject}, ref: "nf_send_unreach, nf_send_reset; ip(7) SO_EE_OFFENDER"},
	{id: RouterNoRoute, needs: []evidence.Kind{"icmp"}, judge: icmpRule(RouterNoRoute), ref: "RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1; icmp_err_convert"},
	{id: HostUnreachable, needs: []evidence.Kind{"icmp"}, judge: icmpRule(HostUnreachable), ref: "RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1; icmp_err_convert"},
	{id: AdminProhibited, needs: []evidence.Kind{"icmp"}, judge: icmpRule(AdminProhibited), ref: "RFC 1812 §5.2.7.1; RFC 4443 §3.1; icmp_err_convert"},
	{id: FirewallReject, needs: []evidence.Kind{"icmp"}, judge: icmpRule(FirewallReject), ref: "RFC 1122 §3.2.2.1; RFC 4443 §3.1; nft(8) reject"},
	{id: ICMPRejected, needs: []evidence.Kind{"icmp"}, judge: icmpRejected, ref: "RFC 792; RFC 4443 §3.4; icmp_err_convert, icmpv6_err_convert"},
	{id: HopLimitTooSmall, needs: []evidence.Kind{"icmp"}, judge: hopLimitTooSmall, ref: "RFC 792 time exceeded; ip(7) IP_TTL"},
	{id: RoutingLoop, needs: []evidence.Kind{"icmp"}, judge: routingLoop, ref: "RFC 792 time exceeded; RFC 1812 §5.3.1"},
}

// meaning is the cause that an ICMP destination unreachable stands for; "" for
// every other error.
func meaning(i *evidence.ICMP) ID {
	switch {
	case i.Version == 4 && i.Type == 3:
		switch i.Code {
		case 0, 6, 8, 11:
			return RouterNoRoute
		case 1, 7, 12:
			return HostUnreachable
		case 2, 3:
			return FirewallReject
		case 9, 10, 13, 14, 15:
			return AdminProhibited
		}
	case i.Version == 6 && i.Type == 1:
		switch i.Code {
		case 0:
			return RouterNoRoute
		case 2, 3:
			return HostUnreachable
		case 1, 5, 6:
			return AdminProhibited
		case 4:
			return FirewallReject
		}
	}
	return ""
}

func timeExceeded(i *evidence.ICMP) bool {
	return i.Version == 4 && i.Type == 11 || i.Version == 6 && i.Type == 3
}

// sender is who made an ICMP error, by its own address.
func (v *view) sender(i *evidence.ICMP) Culprit {
	switch {
	case v.fromHere(i):
		return Culprit{Kind: Local}
	case !i.Offender.IsValid():
		return Culprit{Kind: Nobody}
	case i.Offender == v.remote.Addr().WithZone(""):
		return Culprit{Kind: Destination, Address: i.Offender}
	}
	return Culprit{Kind: Router, Address: i.Offender}
}

// describe writes "ICMP type 3 code 13: communication administratively prohibited".
func describe(i *evidence.ICMP) string {
	family, number := "ICMP", fmt.Sprintf("type %d code %d", i.Type, i.Code)
	if i.Version == 6 {
		family = "ICMPv6"
	}
	text := ICMPText(i.Version, i.Type, i.Code)
	if text == "" || text == number {
		return family + " " + number
	}
	return fmt.Sprintf("%s %s: %s", family, number, text)
}

// icmpConfidence is certain when the error ended the attempt and its sender is
// known, and known not to be this host where it counts as a router.
func (v *view) icmpConfidence() Confidence {
	sender := v.sender(v.icmp).Kind
	return either(!v.soft && v.icmp.Offender.IsValid() && (sender != Router || v.knowsOwn()), Certain, Likely)
}

func icmpRule(id ID) func(*view) reading {
	return func(v *view) reading {
		if v.icmp == nil || meaning(v.icmp) != id {
			return nothing
		}
		r := reading{confidence: v.icmpConfidence(), culprit: v.sender(v.icmp), detail: describe(v.icmp)}
		switch {
		case !v.tcp() && id == FirewallReject:
			// To a datagram, "port unreachable" is the host's own answer too.
			r.confidence = Possible
			r.say = "A packet filter[[ at {culprit}]] rejected the datagram with an ICMP error[[ ({detail})]]."
			if v.sender(v.icmp).Kind == Router {
				r.confidence = Likely
			}
		case v.icmp.Version == 4 && v.icmp.Code == 2:
			r.confidence = Likely // or a host without TCP
		}
		return r
	}
}

func icmpRejected(v *view) reading {
	i := v.icmp
	switch {
	case i == nil || i.Local || timeExceeded(i):
		return nothing
	case i.Version == 4 && i.Type == 3 && i.Code == 2:
		return reading{confidence: Possible, culprit: v.sender(i), detail: describe(i)}
	case meaning(i) != "":
		return nothing
	}
	return reading{confidence: v.icmpConfidence(), culprit: v.sender(i), detail: describe(i)}
}

// defaultHopLimit is this host's TTL, 0 when it is not known.
func (v *view) defaultHopLimit() (n int) {
	for _, name := range []string{"net.ipv4.ip_default_ttl", "net.ipv6.conf." + v.routeInterface() + ".hop_limit"} {
		if s, ok := v.sysctls[name]; ok {
			fmt.Sscan(s, &n)
		}
	}
	return n
}

func (v *view) routeInterface() string {
	if v.route == nil {
		return ""
	}
	return v.route.Interface
}

// farthest is more hops than any path in use has: RFC 1812's successors assume
// 64 to suffice (RFC 1700 default TTL), and measured paths end under 32.
const farthest = 40

func hopLimitTooSmall(v *view) reading {
	if v.icmp == nil || !timeExceeded(v.icmp) {
		return nothing
	}
	ttl, chosen := v.hopLimit(), true
	if ttl == 0 {
		ttl, chosen = v.defaultHopLimit(), false
	}
	if ttl == 0 || ttl > farthest {
		return nothing
	}
	r := reading{confidence: either(chosen, Likely, Possible), culprit: Culprit{Kind: Local}, detail: describe(v.icmp)}
	r.blanks = Blanks{"limit": fmt.Sprint(ttl), "hop": fmt.Sprint(ttl), "culprit": v.icmp.Offender.String()}
	return r
}

func routingLoop(v *view) reading {
	if v.icmp == nil || !timeExceeded(v.icmp) {
		return nothing
	}
	r := reading{confidence: Likely, culprit: v.sender(v.icmp), detail: describe(v.icmp)}
	if hopLimitTooSmall(v).says() {
		r.confidence = Possible
	}
	return r
}

// localFirewallReject: the answer was made here. An ICMP error shows it by its
// sender; a RST does where this host's TCP counted none sent, or where no
// packet left.
func localFirewallReject(v *view) reading {
	r := rejectsHere(v)
	if v.connected() {
		return r // it was a later packet; the rules were asked about the first
	}
	if v.icmp == nil && v.filterOut.Clear() && (!v.toSelf() || v.filterIn.Clear()) {
		return nothing
	}
	if v.icmp == nil && v.filterOut.Stops() != nil && v.filterOut.Stops().Verdict == ruleDrops {
		return nothing
	}
	return r.named(v.filterOut, ruleRejects)
}

// rejectsHere is what can be told without the rules.
func rejectsHere(v *view) reading {
	if v.icmp != nil {
		if !v.fromHere(v.icmp) || meaning(v.icmp) == "" {
			return nothing
		}
		if gatewayUnresolved(v).says() || neighbourUnresolved(v).says() {
			return local(Possible, describe(v.icmp)) // the kernel's own word about a neighbour
		}
		if meaning(v.icmp) == HostUnreachable && !v.toSelf() {
			return local(Likely, describe(v.icmp))
		}
		if !v.tcp() && meaning(v.icmp) == FirewallReject {
			return local(Possible, describe(v.icmp)) // nothing is bound to that port here
		}
		return local(v.icmpConfidence(), describe(v.icmp))
	}
	switch {
	case v.datagram != nil && v.datagram.SendErrno == "EPERM":
		// A reject in the output chain drops the datagram, too; the error that it
		// makes waits in the queue.
		return local(Possible, "send(2) gave EPERM")
	case v.tcp() && v.toSelf() && v.outcome == Reset && v.connected() && v.still("Tcp.OutRsts"):
		return local(Likely, "this host's TCP sent no RST, so its filter made it")
	case v.errno != "ECONNREFUSED" || !v.tcp() || v.sync() || v.remote.Port() == 0:
		return nothing
	}
	switch {
	case v.toSelf() && v.listener != nil && v.listener.Found:
		return local(Likely, fmt.Sprintf("a socket listens on %s, and yet a RST came", v.listener.Bound))
	case v.toSelf() && v.still("Tcp.OutRsts") && v.still("link.rx_packets"):
		return nothing // nothing passed the loopback: a translation led elsewhere
	case v.toSelf() && v.still("Tcp.OutRsts"):
		return local(either(v.allByLoopback(), Certain, Likely), "this host's TCP sent no RST, so its filter made it")
	case v.toSelf():
		if v.increased("Tcp.OutRsts") {
			return nothing
		}
		return local(Possible, "")
	case v.neverLeft() && v.still("Tcp.OutRsts"):
		return local(either(v.sentNothing(), Certain, Likely), "no packet left this host, and its TCP sent no RST")
	case v.neverLeft():
		return local(Likely, "no packet left this host")
	case v.rises != nil && v.software() && v.increased("link.rx_packets") && v.increased("link.tx_packets"):
		return nothing // packets went out and came in: nothing points here
	}
	return local(Possible, "")
}
