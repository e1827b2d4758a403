package cause

import (
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// silenceRules recognise what can stand behind an attempt that got no answer.
// Without experiments most of them only remain possible; the absence of ICMP
// proves nothing (routers limit it).
var silenceRules = []rule{
	{id: ReversePathFilter, mutes: []ID{UDPSilent}, judge: reversePathFilter, ref: "ip-sysctl.rst rp_filter; fib_validate_source; LINUX_MIB_IPRPFILTER"},
	{id: ReplyMalformed, mutes: []ID{UDPSilent}, judge: replyMalformed, ref: "RFC 9293 §3.1 checksum; TCP_MIB_CSUMERRORS"},
	{id: ConntrackFull, mutes: []ID{UDPSilent}, judge: conntrackFull, ref: "nf_conntrack-sysctl.rst nf_conntrack_max; init_conntrack"},
	{id: PathFirewallDrop, judge: pathFirewallDrop, ref: "RFC 2979 §3"},
	{id: HostFirewallDrop, judge: hostFirewallDrop, ref: "RFC 2979 §3; RFC 9293 §3.10.7"},
	{id: HostSilent, judge: hostSilent, ref: "RFC 1122 §4.2.3.5"},
	{id: LocalFirewallDrop, mutes: []ID{UDPSilent}, judge: localFirewallDrop, ref: "nf_hook_slow: NF_DROP gives EPERM, which tcp_connect swallows; LINUX_MIB_TCPRETRANSFAIL"},
	{id: ReplyLost, judge: replyLost, ref: "RFC 9293 §3.8.1"},
	{id: ListenQueueFull, judge: listenQueueFull, ref: "listen(2); tcp_v4_syn_recv_sock; tcp_conn_request"},
	{id: OptionBlackhole, needs: []evidence.Kind{"tcp_info"}, judge: optionBlackhole, ref: "RFC 3168 §6.1.1.1; tcp_ecn_fallback"},
	{id: LocalFirewallInput, judge: localFirewallInput, ref: "nft(8) hook input"},
}

func reversePathFilter(v *view) reading {
	if v.silent() && v.increased("TcpExt.IPReversePathFilter") {
		return local(Likely, "the counter IPReversePathFilter rose while the answer was awaited")
	}
	return nothing
}

func replyMalformed(v *view) reading {
	if v.silent() && v.increased("Tcp.InCsumErrors") {
		return reading{confidence: Likely, culprit: Culprit{Kind: Nobody}, detail: "the counter Tcp InCsumErrors rose while the answer was awaited"}
	}
	return nothing
}

func conntrackFull(v *view) reading {
	blocked := v.silent() || v.datagram != nil && v.datagram.SendErrno == "EPERM"
	if !blocked || v.conntrack == nil || v.conntrack.Max == 0 {
		return nothing
	}
	full := v.conntrack.Count >= v.conntrack.Max
	dropped := v.increased("conntrack.drop")
	switch {
	case full && dropped, full && v.datagram != nil && v.datagram.SendErrno == "EPERM":
		return local(Likely, "")
	case full, dropped:
		return local(Possible, "")
	}
	return nothing
}

func localFirewallDrop(v *view) reading {
	if v.datagram != nil && v.datagram.SendErrno == "EPERM" {
		return local(Likely, "send(2) gave EPERM")
	}
	if !v.silent() {
		return nothing
	}
	failed, counted := v.rose("TcpExt.TCPRetransFail")
	switch {
	case v.toSelf() && v.tcp():
		// Nothing but this host stands between the SYN and its listener. A busy
		// one may take longer than a short deadline.
		full := listenQueueFull(v)
		return local(either(full.says() && full.confidence != Possible || v.waited() < 100*time.Millisecond, Possible, Likely), "")
	case v.tcp() && counted && failed > 0:
		return local(Likely, "sending the SYN again failed inside this host")
	case v.neverLeft() && !v.unresolvedHop():
		return local(Likely, "no packet left this host")
	case v.tcp() && counted && failed == 0 && v.resent() > 0:
		return nothing // a filter that drops in OUTPUT or POSTROUTING makes the retransmission fail
	case !v.tcp():
		return nothing // send(2) would have said EPERM
	}
	return local(Possible, "")
}

// unresolvedHop says that the packet waits for ARP or ND.
func (v *view) unresolvedHop() bool {
	return v.neighbour != nil && (v.neighbour.State == "INCOMPLETE" || v.neighbour.State == "FAILED")
}

// alive says that the next hop has answered ARP or ND lately.
func alive(n *evidence.Neighbour) bool {
	if n == nil {
		return false
	}
	switch n.State {
	case "REACHABLE", "DELAY", "STALE", "PROBE":
		return true
	}
	return false
}

func hostFirewallDrop(v *view) reading {
	if !v.silent() || !v.tcp() || v.toSelf() {
		return nothing
	}
	r := reading{confidence: Possible, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}}
	if v.onLink() && alive(v.neighbour) {
		r.detail = "it answers ARP or neighbor discovery, so it is up"
	}
	return r
}

func pathFirewallDrop(v *view) reading {
	if !v.silent() || !v.tcp() || v.toSelf() {
		return nothing
	}
	if v.onLink() && alive(v.neighbour) {
		return nothing // there is no router on the way
	}
	return reading{confidence: Possible, culprit: Culprit{Kind: Path}}
}

func hostSilent(v *view) reading {
	if !v.silent() || !v.tcp() || v.toSelf() {
		return nothing
	}
	if v.onLink() && alive(v.neighbour) {
		return nothing // it has answered ARP or ND
	}
	return reading{confidence: Possible, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}}
}

func replyLost(v *view) reading {
	if v.silent() && v.tcp() && !v.toSelf() {
		return reading{confidence: Possible, culprit: Culprit{Kind: Path}}
	}
	return nothing
}

func localFirewallInput(v *view) reading {
	if v.silent() && v.tcp() && !v.neverLeft() && !v.toSelf() {
		return local(Possible, "")
	}
	return nothing
}
