package cause

import (
	"fmt"
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
	{id: OptionBlackhole, needs: []evidence.Kind{"tcp_info"}, mutes: []ID{IsOpen}, judge: optionBlackhole, ref: "RFC 3168 §6.1.1.1; tcp_ecn_fallback"},
	{id: LocalFirewallInput, judge: localFirewallInput, ref: "nft(8) hook input"},
}

func reversePathFilter(v *view) reading {
	if n, _ := v.rose("TcpExt.IPReversePathFilter"); n > 0 && v.silent() && !v.nothingCame() {
		return local(v.each(n), "the counter IPReversePathFilter rose while the answer was awaited")
	}
	return nothing
}

// each is how sure it is that a counter of dropped packets speaks of the
// answers: there is one to each SYN, the last of which may be under way. It is
// the whole network namespace's, and fewer drops are somebody else's.
func (v *view) each(dropped int64) Confidence {
	return either(dropped >= int64(max(1, v.resent())), Likely, Possible)
}

func replyMalformed(v *view) reading {
	if n, _ := v.rose("Tcp.InCsumErrors"); n > 0 && v.silent() && !v.nothingCame() {
		return reading{confidence: v.each(n), culprit: Culprit{Kind: Nobody}, detail: "the counter Tcp InCsumErrors rose while the answer was awaited"}
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
	if v.filterOut.Clear() || v.filterOut.Stops() != nil && v.filterOut.Stops().Verdict == ruleRejects {
		return nothing
	}
	r := dropsHere(v)
	if !r.says() && v.silent() && counted(v.filterOut, ruleDrops) {
		r = local(Likely, "")
	}
	if v.toSelf() && counted(v.filterIn, ruleDrops) {
		return r.named(v.filterIn, ruleDrops) // the answer to an own address goes through the same filter
	}
	return r.named(v.filterOut, ruleDrops).maybe(v.filterOut)
}

// dropsHere is what can be told without the rules.
func dropsHere(v *view) reading {
	if v.datagram != nil && v.datagram.SendErrno == "EPERM" {
		return local(Likely, "send(2) gave EPERM")
	}
	if !v.silent() {
		return nothing
	}
	switch {
	case v.toSelf() && v.tcp():
		// Nothing but this host stands between the SYN and its listener. A busy
		// one may take longer than a short deadline (ksoftirqd).
		full := listenQueueFull(v)
		n, _ := v.undelivered()
		short := v.resent() == 0 && v.waited() < time.Second && n <= 0 && !v.neverLeft()
		return local(either(full.says() && full.confidence != Possible || short, Possible, Likely), "")
	case v.survey != nil && v.survey.target.heard():
		return nothing // the same packet from another socket went out
	case v.packets.left() && v.resent() <= 1:
		return nothing // the capture is behind every filter
	case v.tcp() && v.failedHere() > 0:
		return local(Likely, "sending the SYN again failed inside this host")
	case !v.tcp():
		return nothing // send(2) would have said EPERM
	case v.neverLeft() && !v.unresolvedHop():
		return local(Likely, "no packet left this host")
	case v.tcp() && v.still("TcpExt.TCPRetransFail") && v.resent() > 0 && v.countedAt >= v.infoAt:
		return nothing // a filter that drops in OUTPUT or POSTROUTING makes the retransmission fail
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
	s := v.survey
	if s == nil {
		return r
	}
	if s.target.answered() {
		return nothing
	}
	if s.alive == "" {
		return r.behind(r.detail == "")
	}
	r.detail = s.alive
	if s.plain.answer != "" || s.bare.answer != "" {
		return r // not all that goes to this port is dropped
	}
	// Every router up to it answers the packets for this port too.
	last, _ := s.target.farthest()
	hop, _ := s.beyond(last)
	if (v.onLink() || hop == 0 && s.distance() == last+1) && localFirewallInput(v).confidence != Likely {
		r.confidence = Likely
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
	r := reading{confidence: Possible, culprit: Culprit{Kind: Path}}
	s := v.survey
	switch {
	case s == nil:
		return r
	case s.target.answered() || v.onLink():
		return nothing
	}
	last, router := s.target.farthest()
	r.culprit.Hop, r.culprit.Address = last, router
	switch hop, by := s.beyond(last); {
	case s.plain.answer != "":
		return r.behind(true) // what is dropped is no port's
	case hop > 0 && last > 0 && s.target.tries(last+1) >= 2:
		// A router behind answers other packets with the same TTL, and these not.
		r.confidence = Likely
		r.detail = fmt.Sprintf("hop %d, %s, answers %s", hop, by.routers[hop], by.words())
		return r
	case s.alive == "":
		return r.behind(true) // or there is no host
	}
	return r
}

// words names a trail's packets.
func (t *trail) words() string {
	switch t.protocol {
	case "tcp":
		return fmt.Sprintf("packets to port %d", t.to.Port())
	case "udp":
		return "datagrams"
	}
	return "echo requests"
}

func hostSilent(v *view) reading {
	if !v.silent() || !v.tcp() || v.toSelf() {
		return nothing
	}
	if v.onLink() && alive(v.neighbour) {
		return nothing // it has answered ARP or ND
	}
	r := reading{confidence: Possible, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}}
	s := v.survey
	if s == nil {
		return r
	}
	if s.alive != "" || s.target.answered() {
		return nothing
	}
	last, _ := s.target.farthest()
	hop, _ := s.beyond(last)
	return r.behind(hop > 0 || last == 0 && !v.onLink() || s.kinds() == 0)
}

func replyLost(v *view) reading {
	s := v.survey
	switch {
	case !v.silent() || !v.tcp() || v.toSelf(), s != nil && s.target.answered():
		return nothing
	case pathFirewallDrop(v).confidence == Likely:
		return nothing // its TTL-limited copies are not even answered by the next router
	}
	return reading{confidence: Possible, culprit: Culprit{Kind: Path}}.behind(v.survey != nil)
}

// undelivered is how many packets this host's IP layer received while the
// answer was awaited and neither delivered to a protocol nor counted as
// thrown away for another reason: what its filter drops in PREROUTING or INPUT
// (ip_rcv_core counts before, ip_local_deliver_finish after it). They may be
// anybody's. Seen is false where a counter is missing.
func (v *view) undelivered() (n int64, seen bool) {
	in, out, other := "Ip.InReceives", "Ip.InDelivers", []string{"Ip.InHdrErrors", "Ip.InAddrErrors", "Ip.InDiscards",
		"Ip.ForwDatagrams", "IpExt.InNoRoutes", "IpExt.InTruncatedPkts", "TcpExt.IPReversePathFilter"}
	if v.remote.Addr().Is6() {
		in, out, other = "Ip6.InReceives", "Ip6.InDelivers", []string{"Ip6.InHdrErrors", "Ip6.InAddrErrors", "Ip6.InDiscards",
			"Ip6.OutForwDatagrams", "Ip6.InNoRoutes", "Ip6.InTruncatedPkts", "Ip6.InTooBigErrors"}
	}
	received, seenIn := v.rose(in)
	delivered, seenOut := v.rose(out)
	for n = received - delivered; len(other) > 0; other = other[1:] {
		n -= v.rises[other[0]]
	}
	return n, seenIn && seenOut
}

func localFirewallInput(v *view) reading {
	if !v.silent() || v.neverLeft() || v.toSelf() || v.nothingCame() {
		return nothing
	}
	if !v.tcp() {
		return datagramFiltered(v)
	}
	s := v.survey
	if v.filterIn.Clear() {
		return nothing
	}
	if counted(v.filterIn, ruleDrops) && (s == nil || !s.target.answered()) {
		return local(Likely, "").named(v.filterIn, ruleDrops)
	}
	return delivers(v).named(v.filterIn, ruleDrops).maybe(v.filterIn)
}

// datagramFiltered: a datagram is answered once or not at all, so that one packet
// which came in and was delivered to nobody may be the answer, or anybody's; a
// rule that drops any answer has the word.
func datagramFiltered(v *view) reading {
	if v.datagram == nil || v.datagram.Sent == 0 && v.datagram.SendErrno != "" || v.filterIn.Clear() {
		return nothing
	}
	n, seen := v.undelivered()
	r := nothing
	switch stops := v.filterIn.Stops(); {
	case stops != nil && stops.Verdict == ruleDrops:
		r = local(Likely, "")
	case seen && n > 0:
		r = local(Possible, "a packet came in meanwhile and was delivered to nobody")
	}
	return r.named(v.filterIn, ruleDrops).maybe(v.filterIn)
}

// delivers is what this host's counters tell of the answers.
func delivers(v *view) reading {
	s := v.survey
	if s == nil {
		return local(Possible, "")
	}
	if s.target.answered() {
		return nothing
	}
	n, seen := v.undelivered()
	awaited := int64(1 + v.resent())
	last, _ := s.target.farthest()
	if s.target != nil {
		awaited += int64(s.target.asked[0])
		for ttl, sent := range s.target.asked {
			if ttl > last {
				awaited += int64(sent)
			}
		}
	}
	switch {
	case seen && n <= 0 && (v.resent() > 0 || s.target.insisted()):
		return nothing // all that came in was delivered
	case seen && n >= max(awaited, 3) && n <= 3*max(awaited, 3): // more of them are anybody's
		return local(Likely, fmt.Sprintf("%d packets came in meanwhile and were delivered to nobody", n))
	}
	return local(Possible, "").behind(s.aliveTCP)
}
