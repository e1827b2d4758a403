package cause

import (
	"fmt"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// answerRules recognise what a TCP answer says: a handshake, a RST.
var answerRules = []rule{
	{id: PortClosed, judge: portClosed, ref: "RFC 9293 §3.10.7.1; tcp_v4_send_reset"},
	{id: PathFirewallReset, judge: pathFirewallReset, ref: "RFC 3360 §2.1; nf_send_reset"},
	{id: AcceptedThenReset, needs: []evidence.Kind{"so_error"}, judge: acceptedThenReset, ref: "RFC 9293 §3.10.7.4; tcp_reset"},
	{id: AcceptedThenClosed, needs: []evidence.Kind{"first_moments"}, judge: acceptedThenClosed, ref: "RFC 9293 §3.6; poll(2) POLLRDHUP"},
	{id: SYNProxy, needs: []evidence.Kind{"so_error"}, mutes: []ID{IsOpen}, judge: synProxy, ref: "RFC 4987 §3.6; RFC 792 time exceeded; nft(8) synproxy"},
	{id: MTUBlackhole, needs: []evidence.Kind{"probe"}, mutes: []ID{IsOpen}, judge: mtuBlackhole, ref: "RFC 2923 §2.1; RFC 1191 §4; RFC 8201 §4"},
	{id: PacketLoss, needs: []evidence.Kind{"tcp_info"}, mutes: []ID{IsOpen}, judge: packetLoss, ref: "tcp(7) TCP_INFO tcpi_total_retrans; RFC 6298 §2.1"},
	{id: StaleConnection, needs: []evidence.Kind{"tcp_info"}, mutes: []ID{IsOpen}, judge: staleConnection, ref: "RFC 5961 §4; tcp_rcv_synsent_state_process"},
	{id: IsOpen, judge: isOpen, ref: "connect(2); RFC 9293 §3.5"},
}

// refusedByRST says that a TCP RST, and no ICMP error, ended the handshake.
func (v *view) refusedByRST() bool {
	return v.tcp() && v.errno == "ECONNREFUSED" && v.icmp == nil && v.connect != nil
}

func portClosed(v *view) reading {
	if !v.tcp() {
		return udpPortClosed(v)
	}
	if !v.refusedByRST() {
		return nothing
	}
	r := reading{confidence: Likely, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}}
	switch {
	case v.answeredEarly(evidence.AnswerRST).Kind != "", v.resetNearer():
		r.confidence = Possible
	case !v.toSelf():
		// A destination's own filter, or a device in front of it, can send the
		// same RST; only its TTL and its distance tell.
		if localFirewallReject(v).confidence.rank() < Possible.rank() && localFirewallReject(v).says() {
			r.confidence = Possible
		}
	case v.listener != nil && v.listener.Found:
		r.confidence, r.detail = Possible, "a socket listens there now"
	case v.listener != nil && v.increased("Tcp.OutRsts"):
		// Nothing listens, and this host's TCP sent the RST itself.
		r.confidence, r.detail = either(v.allByLoopback(), Certain, Likely), "no socket of this host listens there"
	case v.still("Tcp.OutRsts") && v.allByLoopback():
		return nothing // the host's TCP sent none, and nobody else was asked
	case v.still("Tcp.OutRsts"):
		r.confidence = either(localFirewallReject(v).says(), Possible, Likely)
		r.detail = "this host's TCP sent no RST: a translation may lead to another host"
	case v.listener != nil:
		r.detail = "no socket of this host listens there"
	}
	return r
}

func pathFirewallReset(v *view) reading {
	path := Culprit{Kind: Path}
	switch {
	case v.toSelf():
	case v.refusedByRST() && v.answeredEarly(evidence.AnswerRST).Kind != "":
		return reading{confidence: Likely, culprit: v.answeredEarly(evidence.AnswerRST), detail: "other packets with the same TTL end on the way"}
	case v.refusedByRST() && v.resetNearer():
		answer, _ := v.decisive()
		other := v.nearer(answer)
		return reading{confidence: Likely, culprit: v.maker(answer), detail: fmt.Sprintf("its TTL is %d here, and that of the destination's other answers is %d", answer.TTL, other.TTL)}
	case v.refusedByRST() && localFirewallReject(v).confidence != Certain:
		if s := v.survey; s != nil && s.target.answered() {
			path.Hop, path.Address = s.target.farthest()
		}
		return reading{confidence: Possible, culprit: path}
	case v.outcome == Reset && v.connected():
		return v.resetInjected(path)
	}
	return nothing
}

// resetNearer says that the RST that refused came from in front of the
// destination's other answers.
func (v *view) resetNearer() bool {
	answer, ok := v.decisive()
	if !ok || !answer.is("RST") {
		return false
	}
	return v.nearer(answer) != nil
}

// resetInjected compares the RST that ended a connection with the SYN-ACK that
// began it.
func (v *view) resetInjected(path Culprit) reading {
	syn, rst, ok := v.bothEnds()
	switch {
	case !ok:
		return reading{confidence: Possible, culprit: path}
	case hops(rst.TTL) < hops(syn.TTL):
		return reading{confidence: Likely, culprit: v.maker(rst), detail: ttlsWords(rst, syn)}
	case rst.TTL == syn.TTL:
		return reading{confidence: Possible, culprit: path}.behind(true)
	}
	return nothing
}

// bothEnds are the SYN-ACK that began a connection and the RST that ended it.
func (v *view) bothEnds() (syn, rst seenPacket, ok bool) {
	syn, ok = v.decisive()
	if !ok || !syn.synAck() {
		return syn, rst, false
	}
	for _, s := range v.packets.came {
		if s.is("RST") {
			return syn, s, true
		}
	}
	return syn, rst, false
}

func ttlsWords(rst, syn seenPacket) string {
	return fmt.Sprintf("the RST came with TTL %d, and the SYN-ACK with %d", rst.TTL, syn.TTL)
}

// answeredEarly names the last router before the device that answered in the
// destination's name: the answer came at a TTL at which another kind of packet
// still ended at a router. Kind is empty where that was not seen.
func (v *view) answeredEarly(answer string) (c Culprit) {
	s := v.survey
	if s == nil || s.target == nil || s.target.reached == 0 || s.target.answer != answer {
		return c
	}
	hop, _ := s.beyond(s.target.reached - 1)
	last, router := s.target.farthest()
	if hop == 0 || last >= s.target.reached {
		return c // or the ways differ in length
	}
	return Culprit{Kind: Path, Address: router, Hop: last}
}

func acceptedThenReset(v *view) reading {
	if v.tcp() && v.outcome == Reset && v.connected() {
		// On the same host the RST was counted where it was made, unless a filter
		// made it. One that is counted after a second can be this end's own, in
		// answer to a SYN-ACK that is sent again (tcp_synack_timeout).
		counted := v.increased("Tcp.OutRsts") && v.countedAt-v.connectAt < 900*time.Millisecond
		r := reading{confidence: either(v.toSelf() && counted, Certain, Likely), culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}, blanks: v.lived()}
		if v.info != nil && v.info.Received > 0 { // a busy program sees both at once
			r.say = fmt.Sprintf("The handshake with {target} completed, %d octets of data came, and then the connection was reset[[ within {elapsed}]].", v.info.Received)
		}
		if syn, rst, ok := v.bothEnds(); ok && !v.toSelf() && hops(syn.TTL) != hops(rst.TTL) {
			r.confidence = Possible // two devices made them
		}
		return r
	}
	return nothing
}

func acceptedThenClosed(v *view) reading {
	if v.outcome == Closed {
		// Who completed the handshake is not known: a proxy on the way ends a
		// connection in the same way.
		return reading{confidence: either(v.toSelf(), Certain, Likely), culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}, blanks: v.lived()}
	}
	return nothing
}

// synProxy: a handshake was completed in front of the destination. Whoever stands in front and answers in the destination's name may
// end the connection when it finds nobody behind.
func synProxy(v *view) reading {
	if !v.tcp() || v.toSelf() || !v.connected() {
		return nothing
	}
	if who := v.answeredEarly(evidence.AnswerSYNACK); who.Kind != "" {
		return reading{confidence: Likely, culprit: who}
	}
	answer, ok := v.decisive()
	if other := v.nearer(answer); other != nil {
		return reading{confidence: Likely, culprit: v.maker(answer),
			detail: fmt.Sprintf("the SYN-ACK came with TTL %d, and the destination's other answers with %d", answer.TTL, other.TTL)}
	}
	if syn, rst, ok := v.bothEnds(); ok && v.outcome == Reset {
		if hops(syn.TTL) < hops(rst.TTL) && initial(syn.TTL) == initial(rst.TTL) {
			return reading{confidence: Likely, culprit: v.maker(syn), detail: ttlsWords(rst, syn)}
		}
	}
	switch {
	case v.outcome == Closed, v.outcome == Reset:
		return reading{confidence: Possible, culprit: Culprit{Kind: Path}}
	case ok && v.untouched(answer) && !v.compared():
		return reading{confidence: Possible, culprit: v.maker(answer)}
	}
	return nothing
}

// compared says that other answers of the destination were seen, so that
// nearer has spoken.
func (v *view) compared() bool {
	for _, p := range v.packets.others {
		if p.From.Port() != v.remote.Port() || p.Protocol != "tcp" {
			return true
		}
	}
	return false
}

// lived is how long the connection stood when its end was seen.
func (v *view) lived() Blanks {
	if v.moments == nil {
		return nil
	}
	return Blanks{"elapsed": Duration(v.moments.Watched)}
}

// resentAfterSilence says that the handshake was completed after the SYN's
// timer had run out: the first RTO is 1 s (RFC 6298 §2.1), and the kernel's
// quick second SYN about 10 ms after an unacceptable answer is no loss.
func (v *view) resentAfterSilence() bool {
	return v.connected() && v.resent() > 0 && v.shaken() >= 900*time.Millisecond
}

// late says that the answer took as long as a peer takes to send a lost SYN-ACK
// again (RFC 6298 §2: 1 s), while no SYN was sent again here.
func (v *view) late() bool {
	return v.tcp() && v.connected() && v.info != nil && v.resent() == 0 && !v.toSelf() && v.shaken() >= 900*time.Millisecond
}

func packetLoss(v *view) reading {
	if v.late() {
		return reading{confidence: Possible, culprit: Culprit{Kind: Path}, blanks: Blanks{"count": "none"},
			say: "No SYN was sent again, but the answer came " + Duration(v.shaken()) + " after it: slowly, or because the first SYN-ACK was lost and the peer sent it again."}
	}
	if !v.resentAfterSilence() {
		return nothing
	}
	r := reading{confidence: Likely, culprit: Culprit{Kind: Path}, blanks: Blanks{"count": fmt.Sprint(v.resent())}}
	switch {
	case v.kernel.dropped > 0 && v.kernel.dropped >= v.resent():
		r.culprit, r.detail = Culprit{Kind: Local}, "this host's own kernel dropped the SYN" // each that was lost
	case v.toSelf():
		r.confidence, r.culprit = Possible, Culprit{Kind: Local} // a loopback loses nothing by itself
	case optionBlackhole(v).confidence == Likely:
		r.confidence = Possible
	}
	return r
}

func staleConnection(v *view) reading {
	if s := v.survey; v.silent() && s != nil && s.target != nil && s.target.answered() && s.target.answer == evidence.AnswerSYNACK {
		return reading{confidence: either(v.resent() > 0, Likely, Possible), culprit: Culprit{Kind: Destination, Address: v.remote.Addr()},
			detail: "another source port is answered"}
	}
	if v.connected() && v.resent() > 0 && v.shaken() < 900*time.Millisecond {
		if s, ok, known := v.challenge(); known && !ok {
			return nothing // no answer came that would have caused it
		} else if ok {
			return reading{confidence: Likely, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}, detail: challengeWords(s)}
		}
		return reading{confidence: Likely, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()},
			detail: "the SYN was sent again before its timer ran out, which an unacceptable acknowledgment causes"}
	}
	return nothing
}

func listenQueueFull(v *view) reading {
	if s := v.survey; v.silent() && s != nil && (s.alive == "" || pathFirewallDrop(v).confidence == Likely) {
		return nothing // the SYN does not get there, or nobody is there
	}
	r := reading{culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}}
	full := v.listener != nil && v.listener.Found && v.listener.QueueLen > v.listener.Backlog
	overflowed := v.toSelf() && (v.increased("TcpExt.ListenOverflows") || v.increased("TcpExt.ListenDrops"))
	switch {
	case !v.tcp():
		return nothing
	case v.toSelf() && v.silent() && full:
		r.confidence = either(overflowed, Certain, Likely)
		r.detail = fmt.Sprintf("%d connections wait to be accepted, and the queue holds %d", v.listener.QueueLen, v.listener.Backlog+1)
		r.blanks = Blanks{"used": fmt.Sprint(v.listener.QueueLen), "limit": fmt.Sprint(v.listener.Backlog + 1)}
	case overflowed && (v.silent() || v.resentAfterSilence()):
		r.confidence = Likely
	case v.silent() && !v.toSelf() && v.survey != nil && v.survey.plain.answer != "":
		return nothing
	case v.silent() && !v.toSelf() && v.survey != nil && v.survey.bare.answer == evidence.AnswerRST:
		// No filter keeps packets from this port, and SYNs it ignores
		// (RFC 9293 §3.10.7.2: a listener refuses an acknowledgment).
		r.confidence, r.detail = Likely, "SYNs are ignored there, and an acknowledgment that belongs to no connection is refused"
	case v.resentAfterSilence(), v.outcome == Reset && v.connected(), v.silent() && !v.toSelf():
		r.confidence = Possible
	case v.silent() && v.listener != nil && v.listener.Found:
		r.confidence = Possible
	default:
		return nothing
	}
	return r
}

// optionBlackhole: the kernel's second SYN carries no ECN bits
// (tcp_ecn_clear_syn), so that a path which drops those looks like one lost
// packet. Where SYNs from other sockets, with the bits as well, died beside the
// first and the second SYN was answered, it was hardly chance. Other options
// stand in every SYN, and a path that drops them is silent for every port.
func optionBlackhole(v *view) reading {
	s := v.survey
	switch {
	case s == nil || !v.silent():
	case s.plain.answer != "":
		return reading{confidence: Likely, culprit: Culprit{Kind: Path}, detail: "some option that all SYNs of this host have"}
	case s.plain.sent >= 2:
		return nothing
	}
	if v.silent() && v.tcp() && !v.toSelf() && (s == nil || !s.aliveTCP && !s.target.answered()) {
		return reading{confidence: Possible, culprit: Culprit{Kind: Path}}.behind(s != nil)
	}
	if !v.resentAfterSilence() || v.toSelf() || v.resent() != 1 {
		return nothing
	}
	if yes, known := v.askedForECN(); known && !yes {
		return nothing // both SYNs were the same
	}
	if s == nil || s.target == nil || s.target.answered() || v.sysctls["net.ipv4.tcp_ecn"] != "1" {
		return reading{confidence: Possible, culprit: Culprit{Kind: Path}}
	}
	last, router := s.target.farthest()
	r := reading{confidence: Possible, culprit: Culprit{Kind: Path, Address: router, Hop: last}, detail: "ECN bits"}
	if died := s.target.asked[0] + s.target.tries(last+1); died >= 3 || died > 0 && s.plain.answer != "" {
		r.confidence = Likely
	}
	return r
}

// mtuBlackhole: beside an open connection, packets as large as its full segments
// got no answer where small ones did, and no router said how large they may be.
// A filter that only drops large datagrams looks the same.
func mtuBlackhole(v *view) reading {
	if !v.tcp() || v.outcome != Open || v.survey == nil {
		return nothing
	}
	z := v.survey.large
	if !z.small || z.large || z.tried < 3 {
		return nothing
	}
	return reading{confidence: Likely, culprit: Culprit{Kind: Path, Address: z.router, Hop: z.farthest},
		say: fmt.Sprintf("The connection is open, and packets of %d octets, the size of its full segments, get no answer from {address} where small ones do[[; {culprit} is the last that answered one]].", z.size)}
}

func isOpen(v *view) reading {
	if v.outcome != Open || v.datagram != nil {
		return nothing
	}
	r := reading{confidence: Certain, culprit: Culprit{Kind: Nobody}}
	switch {
	case !v.tcp():
		r.confidence = Possible
		r.say = "This host has a route and a source address for {target}; UDP has no handshake, no datagram was sent, and nothing is known of the other end."
	case v.late():
		r.confidence = Likely // a lost SYN-ACK that was sent again is late, too
	case synProxy(v).confidence == Possible:
		r.confidence = Likely // a handshake was completed; with whom is looked into
	case v.connect.FastOpen && v.info != nil && v.info.State == "SYN_SENT":
		r.confidence = Possible
		r.say = "TCP Fast Open deferred the handshake with {address} to the first write: no packet has been sent yet, and nothing is known of the other end."
	}
	return r
}
