package cause

import (
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// endedRules recognise how an established connection ended. They are asked
// instead of all others once a log has an [evidence.End].
var endedRules = []rule{
	{id: PathLost, mutes: []ID{PeerVanished, IdleStateExpired, ZeroWindow}, judge: pathLost, ref: "RFC 1122 §4.2.3.9; RFC 5461 §2; tcp_v4_err sk_err_soft; tcp_write_err; __tcp_retransmit_skb rebuild_header"},
	{id: PathLost, judge: ownWayLost, ref: "__tcp_retransmit_skb rebuild_header; dev_deactivate"},
	{id: ZeroWindow, mutes: []ID{IsOpen, CancelledByCaller}, judge: zeroWindow, ref: "RFC 9293 §3.8.6.1; tcp_probe_timer; tcp_ack_probe; tcp(7) TCP_INFO tcpi_snd_wnd"},
	{id: BrokenPipe, judge: brokenPipe, ref: "send(2) EPIPE; tcp_reset: CLOSE_WAIT gives EPIPE; sk_stream_error"},
	{id: PeerReset, judge: peerReset, ref: "RFC 9293 §3.5.2, §3.10.7.4; tcp_reset"},
	{id: PeerRebooted, judge: peerRebooted, ref: "RFC 9293 §3.5.1, §3.10.7.1; tcp_v4_send_reset; tcp_validate_incoming: a RST is no acknowledgment"},
	{id: IdleStateExpired, judge: idleStateExpired, ref: "RFC 5382 §5 (REQ-5); nf_conntrack-sysctl.rst nf_conntrack_tcp_timeout_established"},
	{id: PathFirewallReset, judge: resetOnTheWay, ref: "RFC 3360 §2.1; RFC 5961 §3"},
	{id: LocalFirewallDrop, judge: filteredOut, ref: "nft(8); nf_hook_slow: a dropped segment is sent again, as a lost one is"},
	{id: LocalFirewallInput, judge: filteredIn, ref: "nft(8); nf_hook_slow"},
	{id: PeerVanished, mutes: []ID{IsOpen}, judge: peerVanished, ref: "RFC 9293 §3.8.3, §3.8.4; tcp_write_timeout; tcp_keepalive_timer; tcp_probe_timer"},
	{id: PeerClosed, mutes: []ID{IsOpen}, judge: peerClosed, ref: "RFC 9293 §3.6; recv(2)"},
	{id: CancelledByCaller, judge: abortedHere, ref: "tcp_abort; sock_diag(7) SOCK_DESTROY; ss(8) -K"},
	{id: PolicyDenied, judge: deniedWhileOpen, ref: "send(2) EPERM, EACCES; BPF_CGROUP_INET_EGRESS"},
	{id: CancelledByCaller, judge: interruptedWhileOpen, ref: "signal(7)"},
	{id: IsOpen, judge: closedHere, ref: "RFC 9293 §3.6, §3.10.4"},
}

// peer is whoever has the address of the connection's other end.
func (v *view) peer() Culprit {
	return Culprit{Kind: Destination, Address: v.remote.Addr()}
}

func peerClosed(v *view) reading {
	e := v.end
	if !e.eof || e.errno != "" {
		return nothing
	}
	// A read also gives 0 after this end's own SHUT_RD; the state tells.
	// Without a FIN of this end's, CLOSE comes from a RST.
	fin := e.flow.FINReceived() || e.flow.State == "CLOSE" && e.ours
	r := reading{confidence: either(fin, Certain, Likely), culprit: v.peer(), blanks: v.stood()}
	if e.shut {
		r.culprit = Culprit{Kind: Nobody}
		r.say = "Both ends closed the connection in order: this one finished sending first, and then the peer[[ at {target}]] did."
	}
	return r
}

// stood is how long the connection had been established when its end was seen.
func (v *view) stood() Blanks {
	if d := v.end.at - v.endedAt; d > 0 {
		return Blanks{"elapsed": Duration(d)}
	}
	return nil
}

func closedHere(v *view) reading {
	e := v.end
	if e.errno != "" || e.eof || e.by == evidence.BySignal {
		return nothing
	}
	r := reading{confidence: either(!e.unanswered(), Certain, Possible), culprit: Culprit{Kind: Nobody}, do: "Nothing is wrong with the connection."}
	if e.sentAgain() {
		r.confidence = Likely
	}
	heard := ""
	if e.known() && e.flow.SinceAck >= patience {
		// An idle connection stands whatever has become of its peer.
		r.blanks = Blanks{"elapsed": Duration(e.flow.SinceAck)}
		heard = "; the peer was last heard {elapsed} before"
		r.do = "Nothing is known to be wrong with the connection; only data, or keepalive, would ask whether the peer is still there."
	}
	switch e.by {
	case evidence.ByLimit:
		r.say = "Nothing had ended the connection to {target} when the time allowed for it was over, and this end closed it" + heard + "."
	case evidence.ByLook:
		r.say = "The connection to {target} stands" + strings.Replace(heard, "before", "ago", 1) + "."
	case evidence.ByReset:
		r.say = "This end reset the connection to {target} itself."
		return r
	case evidence.ByForget:
		r.say = "This end forgot the connection to {target} without a packet: its peer will learn it from a reset."
		return r
	default:
		r.say = "This end closed the connection to {target} in order" + heard + "."
	}
	if e.by != evidence.ByLook && e.flow.Unread > 0 {
		// tcp_close sends RST when data waits that nobody read.
		r.say = fmt.Sprintf("This end closed the connection to {target}, and %d bytes from the peer were never read.", e.flow.Unread)
	}
	return r
}

func interruptedWhileOpen(v *view) reading {
	if e := v.end; e.by == evidence.BySignal && e.errno == "" && !e.eof {
		return reading{confidence: either(!e.unanswered(), Certain, Possible), culprit: Culprit{Kind: Local},
			say: "The connection to {target} stood when this program was interrupted, and this end closed it.",
			do:  "Nothing is wrong with the connection."}
	}
	return nothing
}

// abortedHere: no packet makes ECONNABORTED of an established connection, only
// this host itself (tcp_abort; on Windows, what is ETIMEDOUT elsewhere).
func abortedHere(v *view) reading {
	if v.end.errno != "ECONNABORTED" {
		return nothing
	}
	r := local(Likely, "")
	r.say = "This host itself aborted the connection to {target}: its socket was destroyed from outside the program, as `ss -K` does."
	r.do = "Find out who destroys sockets here: an administrator's `ss -K`, a network manager whose address has gone, or a BPF program (bpf_sock_destroy)."
	return r
}

func deniedWhileOpen(v *view) reading {
	if v.errno == "EPERM" || v.errno == "EACCES" && v.end.by == evidence.ByWrite {
		return local(Likely, "")
	}
	return nothing
}

// brokenPipe: EPIPE says that this end's sending direction is shut. In
// CLOSE_WAIT a RST gives EPIPE and not ECONNRESET, so that without this end's
// own shutdown(2) the peer had closed first.
func brokenPipe(v *view) reading {
	e := v.end
	switch {
	case e.errno == "EPIPE" && e.ours:
		return local(Certain, "this program had closed its sending direction itself")
	case e.errno == "EPIPE" && e.closedBefore:
		return reading{confidence: Certain, culprit: v.peer(), detail: "the peer closed, then reset"}
	case e.errno == "EPIPE":
		return reading{confidence: Likely, culprit: v.peer(), detail: "the peer closed, then reset, and nothing had been read since"}
	case e.errno == "ECONNRESET" && e.closedBefore && e.by == evidence.ByWrite:
		return reading{confidence: Likely, culprit: v.peer(), detail: "the peer closed, then reset"}
	}
	return nothing
}

func peerReset(v *view) reading {
	e := v.end
	switch {
	case e.errno != "ECONNRESET":
		return nothing
	case brokenPipe(v).says():
		return reading{confidence: Possible, culprit: v.peer(), blanks: v.stood()}
	case e.forgotten() && !v.toSelf():
		return reading{confidence: Possible, culprit: v.peer(), blanks: v.stood()}.behind(true)
	}
	return reading{confidence: Likely, culprit: v.peer(), blanks: v.stood()}
}

// peerRebooted: the RST answered data, or a keepalive probe, that came after a
// silence. What was sent again before the RST came was sent to a host that was
// away; a device on the path that forgot would have answered at once. A host
// whose own filter drops what it does not know stays silent instead.
func peerRebooted(v *view) reading {
	e := v.end
	if v.toSelf() {
		return nothing
	}
	if e.errno == "ETIMEDOUT" && e.reachable() && !v.filteredHere() {
		return reading{confidence: Possible, culprit: v.peer(), say: "What was sent to {target} was not acknowledged any more, and a new connection was answered: the peer may have forgotten this one, as after a reboot."}.behind(true)
	}
	if !e.forgotten() {
		return nothing
	}
	away := e.flow.Timeouts >= 2 || e.flow.Probes >= 2
	r := reading{confidence: either(away || v.onLink(), Likely, Possible), culprit: v.peer()}
	return r.behind(e.idle() >= forgetful && !away && !v.onLink())
}

// forgetful is the shortest time after which devices in use forget an idle
// connection: load balancers and home routers have a minute or more (RFC 5382
// §5 asks for two hours and four minutes).
const forgetful = 50 * time.Second

// idleStateExpired: the connection was idle, and what came after the silence
// was answered by a RST, or not at all, although the host is there.
func idleStateExpired(v *view) reading {
	e := v.end
	r := reading{confidence: Possible, culprit: Culprit{Kind: Path}, blanks: Blanks{"elapsed": Duration(e.idle())}}
	switch {
	case e.errno == "ETIMEDOUT" && (v.filteredHere() || v.ownWayGone() != ""):
	case v.toSelf() || e.idle() < patience || e.windowClosed():
	case e.forgotten():
		return r.behind(e.idle() < forgetful || v.onLink())
	case e.errno == "ETIMEDOUT" && e.reachable():
		// The host answers, and this connection's packets get no answer, not even
		// the RST of a host that has forgotten it.
		r.confidence = Likely
		return r
	case e.errno == "ETIMEDOUT" && !e.unreachable():
		return r.behind(e.idle() < forgetful || v.onLink())
	}
	return nothing // whoever drops a new connection drops the old one, too
}

// resetOnTheWay: a RST carries the peer's address whoever made it.
func resetOnTheWay(v *view) reading {
	if v.end.errno == "ECONNRESET" && !v.toSelf() && !v.end.closedBefore {
		return reading{confidence: Possible, culprit: Culprit{Kind: Path}}.behind(true)
	}
	return nothing
}

// pathLost: the error that a timer gave was an ICMP error's (sk_err_soft), or
// this host's own route or interface is gone.
func pathLost(v *view) reading {
	e := v.end
	lost := v.errno == "EHOSTUNREACH" || v.errno == "ENETUNREACH" || v.errno == "ENETDOWN"
	if i := v.icmp; i != nil && !v.fromHere(i) && (lost || v.errno == "ECONNREFUSED" || v.errno == "EPROTO" || v.errno == "ENOPROTOOPT") {
		return reading{confidence: Certain, culprit: v.sender(i), detail: describe(i)}
	}
	if !lost && v.errno != "ETIMEDOUT" && !(v.outcome == Timeout && e.unanswered()) {
		return nothing
	}
	if why := v.ownWayGone(); why != "" {
		if e.flow.Retransmitted > 0 || v.noCarrier() {
			return nothing // see ownWayLost
		}
		return lostHere(either(e.neverLeft(), Certain, Likely), why)
	}
	if p := e.again; p != nil && p.Answer == evidence.AnswerICMP && p.ICMP != nil && !v.fromHere(p.ICMP) {
		// The same way to the same place: what a new SYN met, the old
		// connection's segments met as well.
		return reading{confidence: Likely, culprit: v.sender(p.ICMP), detail: describe(p.ICMP)}
	}
	if !lost {
		return nothing
	}
	if n := v.neighbour; n != nil && (n.State == "FAILED" || n.State == "INCOMPLETE") {
		if !n.Gateway {
			return nothing // the peer itself does not answer ARP or ND: it is the peer that is gone
		}
		return reading{confidence: Likely, culprit: Culprit{Kind: Router, Address: n.Addr}, detail: "the next-hop router does not answer ARP or ND any more"}
	}
	if v.onLink() {
		return local(Possible, "")
	}
	return reading{confidence: Likely, culprit: Culprit{Kind: Router}, detail: "an ICMP error came whose sender the kernel does not tell"}
}

// ownWayLost: this host's own way is gone now, but something was sent again
// before, and nobody answered that: the peer or the path may have gone first. A
// carrier is lost with the other end of the cable as well.
func ownWayLost(v *view) reading {
	if why := v.ownWayGone(); why != "" && (v.gaveUpWaiting() || v.errno == "EHOSTUNREACH" || v.errno == "ENETUNREACH" || v.errno == "ENETDOWN") {
		return lostHere(Likely, why)
	}
	return nothing
}

func lostHere(c Confidence, why string) reading {
	r := local(c, why)
	r.say = "This host lost its own way to {address} while the connection was established[[: {detail}]]."
	return r
}

// noCarrier says that the interface is on, and hears nobody.
func (v *view) noCarrier() bool {
	l := v.link
	return l != nil && l.Exists && l.Up && !l.Carrier && !l.Loopback
}

// ownWayGone says what of this host's own way to the peer is missing now.
func (v *view) ownWayGone() string {
	switch r, l := v.route, v.link; {
	case r != nil && r.Errno != "":
		return fmt.Sprintf("its routing table has no route now (%s)", r.Errno)
	case l != nil && !l.Exists:
		return fmt.Sprintf("its interface %s is gone", l.Name)
	case l != nil && !l.Up:
		return fmt.Sprintf("its interface %s is switched off", l.Name)
	case v.noCarrier():
		return fmt.Sprintf("its interface %s has no carrier", l.Name)
	case v.hostAddr != nil && !v.hostAddr.Local:
		if !v.hostAddr.Addr.IsValid() {
			return "it no longer has the connection's address"
		}
		return fmt.Sprintf("it no longer has the connection's address %s", v.hostAddr.Addr)
	}
	return ""
}

// zeroWindow: the peer's kernel answers, and says that nobody takes what it
// holds. With TCP_USER_TIMEOUT that ends in ETIMEDOUT although every probe is
// answered (tcp_probe_timer).
func zeroWindow(v *view) reading {
	e := v.end
	if e.eof || e.errno != "" && e.errno != "ETIMEDOUT" || !e.windowClosed() {
		return nothing
	}
	r := reading{culprit: v.peer(), blanks: Blanks{}}
	if e.flow.WindowLimited > 0 {
		r.blanks["elapsed"] = Duration(e.flow.WindowLimited)
	}
	switch {
	case e.answeredProbes():
		r.confidence = Certain
	default:
		r.confidence = either(e.answeredOne(), Likely, Possible)
	}
	return r
}

// filteredOut and filteredIn: this host's own packet filter, as it is now, stops
// what this end sends, or what comes back.
func filteredOut(v *view) reading {
	if !v.gaveUpWaiting() || !stopped(v.filterOut) {
		return nothing
	}
	r := local(Likely, "").named(v.filterOut, ruleDrops)
	r.say = "This host's own packet filter drops what is sent on the established connection to {target}[[: {detail}]]."
	return r
}

func filteredIn(v *view) reading {
	if !v.gaveUpWaiting() || stopped(v.filterOut) || !stopped(v.filterIn) {
		return nothing
	}
	r := local(Likely, "").named(v.filterIn, ruleDrops)
	r.say = "This host's own packet filter drops what comes from {address} on the established connection[[: {detail}]]."
	return r
}

// gaveUpWaiting says that the connection ended, or was left, without an answer.
func (v *view) gaveUpWaiting() bool {
	e := v.end
	return e.errno == "ETIMEDOUT" || e.errno == "" && !e.eof && e.by != evidence.ByLook && e.unanswered()
}

// filteredHere says that this host's own packet filter is in the way.
func (v *view) filteredHere() bool {
	return stopped(v.filterOut) || stopped(v.filterIn)
}

// stopped says that a rule drops the packet for sure.
func stopped(f *evidence.Filter) bool {
	rule := f.Stops()
	return rule != nil && rule.Verdict == ruleDrops
}

// peerVanished: what was sent, or asked by keepalive, was not acknowledged until
// a limit was reached.
func peerVanished(v *view) reading {
	e := v.end
	r := reading{confidence: Likely, culprit: v.peer()}
	if e.known() && e.flow.SinceAck > 0 {
		r.blanks = Blanks{"elapsed": Duration(e.flow.SinceAck)}
	}
	n := v.neighbour
	gone := n != nil && !n.Gateway && (n.State == "FAILED" || n.State == "INCOMPLETE")
	switch {
	case e.eof || e.windowClosed() && e.answeredProbes():
		return nothing
	case e.errno == "EHOSTUNREACH" && gone && v.ownWayGone() == "":
		r.detail = "it does not answer ARP or ND any more"
		return r
	case e.errno == "" && e.by != evidence.ByLook && (e.unanswered() || e.sentAgain()):
		r.confidence = Possible
		r.say = "What was sent to {target} was not acknowledged[[ for {elapsed}]] when this end closed the connection."
		return r
	case e.errno != "ETIMEDOUT" && !(v.ownWayGone() != "" && e.unanswered() && OutcomeOf(e.errno) == Unreachable):
		return nothing
	case e.windowClosed() && e.answeredOne(), v.filteredHere(), v.ownWayGone() != "":
		r.confidence = Possible
	case e.reachable(), e.idle() >= forgetful && !e.unreachable() && !v.toSelf():
		r.confidence = Possible // it is back, or a device forgot the connection
	}
	return r
}
