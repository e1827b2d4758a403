package cause

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// packetRules recognise what only a connection's own packets show: an answer
// that reached this host and not its socket, and an answer that somebody else
// made.
var packetRules = []rule{
	{id: ReversePathFilter, needs: []evidence.Kind{"packet"}, judge: answerFiltered, ref: "ip-sysctl.rst rp_filter; fib_validate_source; packet(7)"},
	{id: LocalFirewallInput, needs: []evidence.Kind{"packet"}, judge: answerDropped, ref: "nft(8) hooks prerouting, input; packet(7): the tap is before them"},
	{id: ReplyMalformed, needs: []evidence.Kind{"packet"}, judge: answerBroken, ref: "RFC 9293 §3.1 checksum, §3.10.7.3 acknowledgment; packet(7)"},
	{id: LocalFirewallReject, needs: []evidence.Kind{"packet"}, judge: resetByLoopback, mutes: []ID{PortClosed, PathFirewallReset}, ref: "nf_send_reset: the segment is routed to its receiver, this host; packet(7)"},
	{id: PathFirewallReset, needs: []evidence.Kind{"packet"}, judge: twoAnswers, mutes: []ID{PortClosed, AcceptedThenReset}, ref: "RFC 9293 §3.10.7: one SYN has one answer; RFC 3360 §2.1"},
	{id: ListenQueueFull, needs: []evidence.Kind{"packet"}, judge: ackIgnored, mutes: []ID{IsOpen}, ref: "tcp_check_req: LINUX_MIB_LISTENOVERFLOWS; RFC 9293 §3.10.7.4; tcp_synack_retries"},
	{id: PacketLoss, needs: []evidence.Kind{"packet"}, judge: ackLost, ref: "RFC 9293 §3.10.7.4; RFC 6298 §2.1"},
	{id: StaleConnection, needs: []evidence.Kind{"packet"}, judge: challenged, ref: "RFC 5961 §4; tcp_rcv_synsent_state_process"},
}

// answerFiltered: the answer came in by an interface by which this host would
// not send to its source, and the counter of what is dropped for that rose as
// often.
func answerFiltered(v *view) reading {
	good, _, _ := v.answers()
	n, counted := v.rose("TcpExt.IPReversePathFilter")
	if !v.unanswered() || !v.tcp() || len(good) == 0 || !counted || n == 0 {
		return nothing
	}
	other := v.route != nil && good[0].Interface != v.route.Index
	dropped, seen := v.undelivered()
	r := local(Likely, fmt.Sprintf("the %s reached interface %d, and the counter IPReversePathFilter rose", answerName(good[0]), good[0].Interface))
	if other && n >= int64(len(good)) && seen && dropped <= 0 {
		r.confidence = Certain
	}
	return r
}

// answerName names an answer for a person.
func answerName(s seenPacket) string {
	if s.is("RST") {
		return "RST"
	}
	return "SYN-ACK"
}

// answerDropped: a good answer was seen at the interface, and the socket waits
// for one. Of what stands between the two, reverse path filtering and TCP's own
// checks count what they drop; the packet filter is what is left.
func answerDropped(v *view) reading {
	good, _, _ := v.answers()
	if !v.unanswered() || !v.tcp() || v.toSelf() || len(good) == 0 {
		return nothing
	}
	dropped, seen := v.undelivered()
	filtered, counted := v.rose("TcpExt.IPReversePathFilter")
	if counted && filtered > 0 && (!seen || dropped <= 0) {
		return nothing
	}
	r := local(Likely, fmt.Sprintf("the %s reached this host's interface, and not its socket", answerName(good[0])))
	// The capture sees an answer before it is counted as received: one of them may
	// be under way.
	if counted && filtered == 0 && seen && dropped >= int64(len(good)) && v.still("Tcp.InCsumErrors") && v.still("TcpExt.PAWSActive") && !v.filterIn.Clear() {
		r.confidence = Certain
	}
	return r.named(v.filterIn, ruleDrops).maybe(v.filterIn)
}

// answerBroken: all answers that came are broken. A wrong checksum is computed
// here from the octets as they came.
func answerBroken(v *view) reading {
	good, broken, wrong := v.answers()
	if !v.unanswered() || !v.tcp() || len(good) > 0 {
		return nothing
	}
	// Who breaks answers is known where no router is passed.
	r := reading{culprit: Culprit{Kind: Nobody}}
	if v.onLink() {
		r.culprit = Culprit{Kind: Destination, Address: v.remote.Addr()}
	}
	switch {
	case len(broken) > 0 && len(wrong) == 0:
		r.confidence, r.detail = either(v.onLink(), Certain, Likely), fmt.Sprintf("the checksum of the %s is wrong", answerName(broken[0]))
	case len(broken) > 0:
		r.confidence, r.detail = Likely, fmt.Sprintf("the checksum of the %s is wrong", answerName(broken[0]))
	case len(wrong) > 0 && wrong[0].synAck():
		r.confidence, r.detail = Likely, "the SYN-ACK acknowledges what was not sent"
	default:
		return nothing
	}
	return r
}

// synAcksAgain is how often the SYN-ACK came again although this host's
// acknowledgment of it had left half a second before. A SYN that was sent again
// has an answer of its own.
func (v *view) synAcksAgain() (n int) {
	if v.packets == nil || !v.connected() || v.toSelf() || v.synsSeen() != 1 || v.resent() > 0 {
		return 0
	}
	acked := time.Duration(-1)
	for _, s := range v.packets.sent {
		if s.bareAck() && s.Ack == 1 {
			acked = s.at
			break
		}
	}
	for _, s := range v.packets.came {
		if s.good() && s.synAck() && acked >= 0 && s.at >= acked+500*time.Millisecond {
			n++
		}
	}
	return n
}

// ackIgnored: each time that the SYN-ACK comes again it is acknowledged again.
// That two acknowledgments got lost one after the other is less likely than that
// they are thrown away.
func ackIgnored(v *view) reading {
	n := v.synAcksAgain()
	if n == 0 {
		return nothing
	}
	return reading{confidence: either(n >= 2, Likely, Possible), culprit: Culprit{Kind: Destination, Address: v.remote.Addr()},
		say: fmt.Sprintf("To this host the handshake with {target} is complete, but the SYN-ACK came %s although it had been acknowledged: the acknowledgment is thrown away there, as by a listener whose accept queue is full.", timesMore(n))}
}

func timesMore(n int) string {
	if n == 1 {
		return "once more"
	}
	return fmt.Sprintf("%d times more", n)
}

// ackLost is the other reading of that.
func ackLost(v *view) reading {
	if v.synAcksAgain() == 0 {
		return nothing
	}
	return reading{confidence: Possible, culprit: Culprit{Kind: Path}, blanks: Blanks{"count": "none"},
		say: "The SYN-ACK came again although it had been acknowledged: the acknowledgment was lost on the way."}
}

// challenged: in answer to the SYN came an acknowledgment of something else.
// Devices that try a client's honesty send such ones, too, so that it remains
// likely.
func challenged(v *view) reading {
	_, _, wrong := v.answers()
	if !v.unanswered() || len(wrong) == 0 || wrong[0].synAck() {
		return nothing
	}
	return reading{confidence: Likely, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}, detail: challengeWords(wrong[0])}
}

func challengeWords(s seenPacket) string {
	if s.bareAck() {
		return "it answers the SYN with an acknowledgment of another connection (a challenge ACK)"
	}
	return fmt.Sprintf("its first answer, %s, acknowledges what was not sent", s.Flags)
}

// challenge is the answer that made the kernel send its SYN again at once; ok
// is false where none was seen. Known is false where none could be.
func (v *view) challenge() (s seenPacket, ok, known bool) {
	if v.packets == nil || !v.packets.left() {
		return s, false, false
	}
	for _, s := range v.packets.came {
		if s.Ack != 1 && (s.synAck() || s.reset() || s.bareAck()) {
			return s, true, true
		}
		if s.good() {
			break
		}
	}
	return s, false, v.packets.complete
}

// resetByLoopback: the RST that bears another host's address came by this host's
// own loopback. No packet from outside does.
func resetByLoopback(v *view) reading {
	if !v.refusedByRST() || v.toSelf() {
		return nothing
	}
	for _, s := range v.packets.came {
		if s.is("RST") && s.Loopback {
			return local(Certain, "the RST came by this host's own loopback").named(v.filterOut, ruleRejects)
		}
	}
	return nothing
}

// twoAnswers: the SYN was both refused and accepted. One host does one of them.
// Where both came the same distance, it may be two behind one address.
func twoAnswers(v *view) reading {
	if v.packets == nil || v.toSelf() || !v.refusedByRST() || v.synsSeen() != 1 {
		return nothing
	}
	var rst, syn *seenPacket
	for i := range v.packets.came {
		switch s := &v.packets.came[i]; {
		case s.good() && s.synAck():
			syn = s
		case s.good() && rst == nil:
			rst = s
		}
	}
	if rst == nil || syn == nil || rst.Loopback {
		return nothing
	}
	r := reading{confidence: Likely, culprit: v.maker(*rst), detail: fmt.Sprintf("its TTL is %d, and that of the SYN-ACK that came as well is %d", rst.TTL, syn.TTL)}
	if hops(rst.TTL) < hops(syn.TTL) && initial(rst.TTL) == initial(syn.TTL) {
		r.confidence = Certain
	}
	return r
}

// synsSeen is how many SYNs of the connection were seen to leave.
func (v *view) synsSeen() (n int) {
	for _, s := range v.packets.sent {
		if s.is("SYN") {
			n++
		}
	}
	return n
}

// maker is where an answer was made that comes from in front of the destination.
func (v *view) maker(answer seenPacket) Culprit {
	c := Culprit{Kind: Path}
	switch far := hops(answer.TTL) + 1; {
	case v.survey != nil && v.survey.router(far).IsValid():
		c.Hop, c.Address = far, v.survey.router(far)
	case v.survey != nil && v.survey.target != nil:
		c.Hop, c.Address = v.survey.target.farthest()
	case far == 1 && v.route != nil && v.route.Gateway.IsValid():
		c.Hop, c.Address = 1, v.route.Gateway.WithZone("")
	}
	return c
}

// router is who answered at a TTL.
func (s *survey) router(ttl int) (a netip.Addr) {
	if s.target != nil && s.target.routers[ttl].IsValid() {
		return s.target.routers[ttl]
	}
	for _, t := range s.references {
		if t.routers[ttl].IsValid() {
			return t.routers[ttl]
		}
	}
	return a
}

// askedForECN says whether the first SYN carried the bits that the second did
// not (RFC 3168 §6.1.1); known is false where they were not seen.
func (v *view) askedForECN() (yes, known bool) {
	if v.packets == nil || len(v.packets.sent) == 0 || !v.packets.sent[0].is("SYN") {
		return false, false
	}
	return v.packets.sent[0].is("ECE"), true
}

// untouched says that an answer seems to have passed no router although the
// route has a gateway: its TTL is one with which packets start. Networks whose
// routers do not count look so as well.
func (v *view) untouched(s seenPacket) bool {
	return hops(s.TTL) == 0 && v.route != nil && v.route.Errno == "" && !v.route.OnLink() && !v.toSelf()
}
