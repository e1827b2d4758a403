package conversation

import (
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// FromPackets is the source of facts that were read from captured packets.
const FromPackets evidence.Source = "packets"

// settled is how soon after the handshake an end that came without any data
// counts as the service's own answer.
const settled = 30 * time.Second

// judge says what a connection's packets mean for its initiator. Where they do
// not tell, why says so and the verdict is empty.
func judge(c *tcpstate.Conn) (v cause.Verdict, why string) {
	if c.Evicted && !answered(c) {
		return v, "given up for want of room before an answer came: what came later counts as another connection"
	}
	switch c.Handshake() {
	case tcpstate.OneSided:
		return v, "only the initiator's packets are in the capture: the other direction was not seen"
	case tcpstate.SYNACKUnacked:
		return judgeUnacked(c)
	case tcpstate.OtherAnswer, tcpstate.SYNACKBad:
		return judgeOther(c)
	case tcpstate.Complete, tcpstate.Simultaneous:
		if v := cause.Explain(evidenceOf(c)); v.Cause != cause.IsOpen {
			if v.Cause == cause.PacketLoss { // of the SYN, and there may be worse
				if end, is := judgeEnd(c); is && end.Outcome != cause.Open {
					return end, ""
				}
			}
			if v.Cause == cause.AcceptedThenReset {
				if other, is := judgeForged(c, endingRST(c), v.Finding); is {
					return other, ""
				}
			}
			return v, ""
		} else if end, is := judgeEnd(c); is {
			return end, ""
		} else {
			doubt(c, &v)
			return v, ""
		}
	case tcpstate.SYNMissing, tcpstate.Midstream:
		if end, is := judgeEnd(c); is {
			return end, ""
		}
		return v, "the beginning is not in the capture"
	}
	v = cause.Explain(evidenceOf(c))
	if e := deciding(c); e != nil && v.Confidence == cause.Certain && c.Ends[tcpstate.Initiator].Relative(e.Fact.(*evidence.ICMP).Quoted.Seq) != 0 {
		v.Confidence = cause.Likely // it is not the SYN that it quotes
	}
	if r := endingRST(c); r != nil && v.Cause == cause.PortClosed {
		// A port may be forwarded to another host than the next one, so this
		// weighs little; but it is said.
		if o, signs := c.Origin(r); o >= tcpstate.OriginDoubtful {
			v.Confidence = cause.Possible
			v.Explanation += " The reset: " + strings.Join(signs, "; ") + "."
		}
	}
	return v, ""
}

// answered says that what began was answered: then what comes later does not
// change that.
func answered(c *tcpstate.Conn) bool {
	switch c.Handshake() {
	case tcpstate.Complete, tcpstate.Simultaneous, tcpstate.RefusedByRST, tcpstate.ICMPAnswered:
		return true
	}
	return false
}

// evidenceOf writes what the packets show as the dial's own observations, so
// that the same rules judge both.
func evidenceOf(c *tcpstate.Conn) *evidence.Dial {
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	remote := to.AddrPort()
	network := "tcp4"
	if remote.Addr().Is6() {
		network = "tcp6"
	}
	began := c.FirstSYN
	took := c.Last - began
	var log evidence.Log
	add := func(at time.Duration, f evidence.Fact) { log.Add(at, FromPackets, f) }
	add(0, &evidence.LocalAddr{Addr: from.AddrPort()})
	if ttl := smallTTL(from); ttl > 0 {
		name := "IP_TTL"
		if remote.Addr().Is6() {
			name = "IPV6_UNICAST_HOPS"
		}
		add(0, &evidence.Call{Call: "setsockopt", Arg: fmt.Sprintf("%s=%d", name, ttl)})
	}
	add(0, &evidence.Connect{Remote: remote, Errno: "EINPROGRESS"})
	info := &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: from.SYNs - min(max(c.Distinct, 1)+refusals(c), from.SYNs)}
	switch c.Handshake() {
	case tcpstate.Complete, tcpstate.Simultaneous:
		took = shaken(c)
		info.State = "ESTABLISHED"
		add(took, &evidence.SOError{})
		add(took, info)
		if m := firstMoments(c); m != nil {
			add(took+m.Watched, m)
			took += m.Watched
		}
	case tcpstate.RefusedByRST:
		took = refusedAt(c) - began
		add(took, &evidence.SOError{Errno: "ECONNREFUSED"})
		info.State = "CLOSE"
		add(took, info)
	default:
		if e := deciding(c); e != nil {
			took = e.At
			log.Add(e.At, e.Source, e.Fact)
			add(took, &evidence.SOError{Errno: e.Fact.(*evidence.ICMP).Errno})
		} else {
			add(took, &evidence.Expired{Limit: took, Scope: "attempt"})
		}
		add(took, info)
	}
	return &evidence.Dial{Target: remote.String(), Network: network, Took: took,
		Attempts: []evidence.Attempt{{Remote: remote, Took: took, Log: log}}}
}

// shaken is how long the handshake took. Where the SYN was repeated, the SYN-ACK
// that passed the capture may not have come to the initiator, or late: on a busy
// host a packet is stamped before it is read.
func shaken(c *tcpstate.Conn) time.Duration {
	took := c.SYNACKAt - c.FirstSYN
	if c.Ends[tcpstate.Initiator].SYNs > 1 {
		took = max(took, c.ACKAt-c.FirstSYN)
	}
	return max(took, 0)
}

// smallTTL is a TTL that no system begins with (64, 128 and 255 do, 32 did) and
// that is further from all of those than paths are long; 0: it is not small.
func smallTTL(e *tcpstate.End) int {
	if ttls := e.TTL(); len(ttls) > 0 && ttls[0] <= 16 {
		return int(ttls[0])
	}
	return 0
}

// firstMoments is what the responder did with a fresh connection, when that is
// all that ever happened on it.
func firstMoments(c *tcpstate.Conn) *evidence.FirstMoments {
	if !endedUnused(c) {
		return nil
	}
	return &evidence.FirstMoments{Reset: c.FirstEnd.RST, FIN: !c.FirstEnd.RST, Watched: max(c.FirstEnd.At-c.SYNACKAt, 0)}
}

// endedUnused says that the responder ended a connection on which no data went.
func endedUnused(c *tcpstate.Conn) bool {
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	if from.Bytes > uint64(c.SYN.Data) || to.Bytes > 0 || from.Lacks() || to.Lacks() {
		return false
	}
	return c.FirstEnd.Seen && c.FirstEnd.At >= c.SYNACKAt && c.FirstEnd.By == tcpstate.Responder && !gaveUp(c, tcpstate.Responder) && (!c.FirstEnd.RST || c.FirstEnd.At-c.SYNACKAt <= settled)
}

func refusedAt(c *tcpstate.Conn) time.Duration {
	for i := range c.Detail.RSTs {
		if r := &c.Detail.RSTs[i]; r.Reason == tcpstate.RSTRefusal {
			return r.Time
		}
	}
	return c.Last
}

// believed says that the initiator can take the error for one about its SYN: it
// quotes a segment of its own with the sequence number that is unacknowledged
// (RFC 5927 §4.1; tcp_v4_err, between(seq, snd_una, snd_nxt)). Of several SYNs that
// begin in different numbers each may be meant.
func believed(c *tcpstate.Conn, e *tcpstate.ICMPError) bool {
	from := &c.Ends[tcpstate.Initiator]
	if e.Src != from.Addr || e.SrcPort != from.Port {
		return false
	}
	return c.Distinct > 1 || from.SYNs == 0 || from.Relative(e.Seq) <= 1+uint32(c.SYN.Data)
}

// deciding is the ICMP error that ended the attempt.
func deciding(c *tcpstate.Conn) *evidence.Entry {
	if c.Detail == nil {
		return nil
	}
	for i := range c.Detail.ICMP {
		e := &c.Detail.ICMP[i]
		errno, ends := cause.ICMPErrno(e.Family, e.Type, e.Code)
		if !ends || !believed(c, e) {
			continue
		}
		return &evidence.Entry{At: e.Time - c.FirstSYN, Source: FromPackets, Fact: &evidence.ICMP{
			Version: e.Family, Type: e.Type, Code: e.Code, Errno: errno, Offender: e.Sender.Netip(), MTU: e.MTU,
			To: e.Dst.Netip(), Text: cause.ICMPText(e.Family, e.Type, e.Code),
			Quoted: &evidence.QuotedTCP{SrcPort: e.SrcPort, DstPort: e.DstPort, Seq: e.Seq},
		}}
	}
	return nil
}

// judgeUnacked: the SYN-ACK passed the capture, and no ACK of it did.
func judgeUnacked(c *tcpstate.Conn) (v cause.Verdict, why string) {
	if v, is := judgeRefusal(c); is {
		return v, ""
	}
	if c.Detail != nil {
		for i := range c.Detail.RSTs {
			if c.Detail.RSTs[i].Reason == tcpstate.RSTAbandoned {
				return reading(c, cause.Cancelled, "", cause.CancelledByCaller, cause.Local, cause.Likely, nil), ""
			}
		}
	}
	if c.Ends[tcpstate.Initiator].SYNs > 1 || c.Ends[tcpstate.Responder].SYNACKs > 1 {
		// Lost behind the capture, or thrown away by the initiator's own host.
		v := reading(c, cause.Timeout, "", cause.ReplyLost, cause.Path, cause.Possible, nil)
		here := cause.Culprit{Kind: cause.Local, Address: c.Ends[tcpstate.Initiator].Addr.Netip()}
		for _, id := range []cause.ID{cause.LocalFirewallInput, cause.ReversePathFilter, cause.ReplyMalformed} {
			v.Alternatives = append(v.Alternatives, cause.Finding{Cause: id, Confidence: cause.Possible, Culprit: here})
		}
		return v, ""
	}
	return v, "the capture ends, or lacks packets, before the SYN-ACK was acknowledged"
}

// judgeOther: what came back answers no SYN, as a host does that still has an
// older connection of these ports (RFC 5961 §4).
func judgeOther(c *tcpstate.Conn) (v cause.Verdict, why string) {
	to := &c.Ends[tcpstate.Responder]
	if to.Bytes == 0 && to.Packets > 0 && (c.BadSYNACK > 0 || to.SYNACKs == 0 && c.Resets() < int(to.Packets)) {
		return reading(c, cause.Timeout, "", cause.StaleConnection, cause.Destination, cause.Possible,
			cause.Blanks{"detail": "its answer acknowledges something else than this SYN"}), ""
	}
	return v, "what came back is no answer to the SYN: packets are missing, or the capture is damaged"
}

// judgeEnd says how an established connection ended, where its responder or
// the path ended it.
func judgeEnd(c *tcpstate.Conn) (cause.Verdict, bool) {
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	lived := cause.Blanks{"elapsed": cause.Duration(c.Last - c.First)}
	if r := endingRST(c); r != nil {
		peerReset := cause.Finding{Cause: cause.PeerReset, Culprit: cause.Culprit{Kind: cause.Destination, Address: to.AddrPort().Addr()}}
		if v, is := judgeForged(c, r, peerReset); is {
			return v, true
		}
		if forgotten(c, r) {
			return judgeForgotten(c, r), true
		}
		if v, is := judgeSilence(c); is && gaveUp(c, tcpstate.Responder) {
			v.Alternatives = append(v.Alternatives, cause.Finding{Cause: peerReset.Cause, Confidence: cause.Possible, Culprit: peerReset.Culprit})
			return v, true
		}
		if r.By == tcpstate.Responder && !from.SentFIN() {
			v := reading(c, cause.Reset, "ECONNRESET", cause.PeerReset, cause.Destination, cause.Likely, lived)
			if o, _ := c.Origin(r); o == tcpstate.OriginDoubtful {
				v.Confidence = cause.Possible
			}
			v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.PathFirewallReset, Confidence: cause.Possible, Culprit: cause.Culprit{Kind: cause.Path}})
			return v, true
		}
	}
	if v, is := judgeSilence(c); is && !c.Evicted {
		return v, true
	}
	if c.FirstEnd.Seen {
		if c.FirstEnd.By == tcpstate.Responder && !c.FirstEnd.RST {
			v := reading(c, cause.Open, "", cause.PeerClosed, cause.Destination, cause.Certain, lived)
			if !to.FINAcked() || from.Lacks() || c.KnownBy == tcpstate.ByFirstPacket {
				v.Confidence = cause.Likely // nobody says that it arrived, or that it was the first
			}
			return v, true
		}
		return cause.Verdict{}, false
	}
	if c.Evicted {
		return cause.Verdict{}, false
	}
	return judgeWindow(c)
}

// judgeForged says that a RST was made by a device between the ends, where that
// is likely, or where at least its distance is another; otherwise is the second
// reading.
func judgeForged(c *tcpstate.Conn, r *tcpstate.RSTSeen, otherwise cause.Finding) (v cause.Verdict, is bool) {
	if r == nil {
		return v, false
	}
	origin, signs := c.Origin(r)
	sure := cause.Likely
	switch {
	case origin == tcpstate.OriginElsewhere:
	case origin == tcpstate.OriginDoubtful && r.By == tcpstate.Responder && c.Ends[r.By].OtherDistance(r.TTL):
		sure = cause.Possible
	default:
		return v, false
	}
	v = reading(c, cause.Reset, "ECONNRESET", cause.PathFirewallReset, cause.Path, sure, nil)
	what := "The reset"
	if r.By == tcpstate.Initiator {
		what = "The reset in the initiator's name"
	}
	v.Explanation += fmt.Sprintf(" %s: %s.", what, strings.Join(signs, "; "))
	if sure == cause.Possible {
		v.Explanation += " A load balancer or NAT that answers in the peer's place looks the same."
	}
	otherwise.Confidence = cause.Possible
	v.Alternatives = append(v.Alternatives, otherwise)
	return v, true
}

// judgeRefusal: a listener answered the very SYN that a RST had refused.
func judgeRefusal(c *tcpstate.Conn) (v cause.Verdict, is bool) {
	if c.Detail == nil {
		return v, false
	}
	for i := range c.Detail.RSTs {
		r := &c.Detail.RSTs[i]
		if r.Reason != tcpstate.RSTRefusal || !c.HasSYNACK || c.SYNACKAt < r.Time || c.LastSYN > r.Time {
			continue
		}
		v = reading(c, cause.Refused, "ECONNREFUSED", cause.PathFirewallReset, cause.Path, cause.Likely, nil)
		v.Explanation += fmt.Sprintf(" A SYN,ACK answered the same SYN %s after the reset: something listens there.", short(c.SYNACKAt-r.Time))
		v.Alternatives = append(v.Alternatives, cause.Finding{Cause: cause.PortClosed, Confidence: cause.Possible,
			Culprit: cause.Culprit{Kind: cause.Destination, Address: c.Ends[tcpstate.Responder].AddrPort().Addr()}})
		return v, true
	}
	return v, false
}

// refusals is how many SYNs were refused before one was accepted. Linux gives up
// at the first; Windows asks thrice.
func refusals(c *tcpstate.Conn) (n uint32) {
	if c.Detail == nil || !c.HasSYNACK {
		return 0
	}
	for i := range c.Detail.RSTs {
		if overtaken(c, &c.Detail.RSTs[i]) {
			n++
		}
	}
	return n
}

// overtaken says that a RST refused a SYN, and that the SYN was accepted later.
func overtaken(c *tcpstate.Conn, r *tcpstate.RSTSeen) bool {
	return r.Reason == tcpstate.RSTRefusal && c.HasSYNACK && r.Time <= c.SYNACKAt
}

// endingRST is the first RST that ended the connection.
func endingRST(c *tcpstate.Conn) *tcpstate.RSTSeen {
	if c.Detail == nil {
		return nil
	}
	for i := range c.Detail.RSTs {
		if r := &c.Detail.RSTs[i]; r.Effective && r.Reason != tcpstate.RSTUnacceptable && !overtaken(c, r) {
			return r
		}
	}
	return nil
}

// reading fills the catalogue's words.
func reading(c *tcpstate.Conn, o cause.Outcome, errno evidence.Errno, id cause.ID, kind cause.Kind, sure cause.Confidence, more cause.Blanks) cause.Verdict {
	remote := c.Ends[tcpstate.Responder].AddrPort()
	local := c.Ends[tcpstate.Initiator].AddrPort()
	v := cause.Verdict{Outcome: o, Errno: errno, Finding: cause.Finding{Cause: id, Culprit: cause.Culprit{Kind: kind}, Confidence: sure},
		Alternatives: []cause.Finding{}, Rule: "packets:" + string(id)}
	switch kind {
	case cause.Destination:
		v.Culprit.Address = remote.Addr()
	case cause.Local:
		v.Culprit.Address = local.Addr()
	}
	blanks := cause.Blanks{"target": remote.String(), "address": remote.Addr().String(), "port": fmt.Sprint(remote.Port()),
		"source": local.Addr().String(), "source_port": fmt.Sprint(local.Port())}
	for name, value := range more {
		blanks[name] = value
	}
	if entry, ok := cause.Lookup(id); ok {
		v.Explanation, v.Remedy = entry.Fill(blanks)
	}
	return v
}
