package cause

import (
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// packets is what was captured of an attempt. A nil *packets: nothing was
// captured, and nothing may be concluded.
type packets struct {
	complete bool         // none were lost
	sent     []seenPacket // of the connection
	came     []seenPacket // of the connection
	others   []*evidence.Packet
}

type seenPacket struct {
	at time.Duration
	*evidence.Packet
}

func readPackets(log evidence.Log) *packets {
	var p *packets
	for _, e := range log {
		switch f := e.Fact.(type) {
		case *evidence.Capture:
			if p == nil {
				p = &packets{complete: true}
			}
			p.complete = p.complete && f.Dropped == 0
		case *evidence.Packet:
			if p == nil {
				p = new(packets)
			}
			switch s := (seenPacket{e.At, f}); {
			case !f.Own:
				p.others = append(p.others, f)
			case f.Direction == evidence.PacketOut:
				p.sent = append(p.sent, s)
			default:
				p.came = append(p.came, s)
			}
		}
	}
	return p
}

// is says that a segment has all of these control bits.
func (s seenPacket) is(flags ...string) bool { return hasFlags(s.Packet, flags...) }

func hasFlags(p *evidence.Packet, flags ...string) bool {
	have := strings.Split(p.Flags, "+")
	for _, f := range flags {
		if !slices.Contains(have, f) {
			return false
		}
	}
	return true
}

// synAck, reset and bareAck are the answers that RFC 9293 §3.10.7.3 tells apart
// in SYN-SENT.
func (s seenPacket) synAck() bool { return s.is("SYN", "ACK") && !s.is("RST") }
func (s seenPacket) reset() bool  { return s.is("RST", "ACK") }
func (s seenPacket) bareAck() bool {
	return s.is("ACK") && !s.is("SYN") && !s.is("RST") && !s.is("FIN")
}

// good says that the kernel had to take an answer in SYN-SENT.
func (s seenPacket) good() bool {
	return (s.synAck() || s.reset()) && s.Ack == 1 && s.Checksum != evidence.ChecksumBad
}

// inTime is how long before the end an answer must have come for the kernel to
// have judged it: on a busy host it waits for ksoftirqd with the time of its
// arrival on it.
const inTime = 100 * time.Millisecond

// answers are those to the SYN that came in time, by what this host could make
// of them: good ones, ones whose checksum is wrong, and ones that acknowledge
// what was not sent.
func (v *view) answers() (good, broken, wrong []seenPacket) {
	if v.packets == nil || v.toSelf() {
		return nil, nil, nil
	}
	for _, s := range v.packets.came {
		switch {
		case s.at > v.endedAt-inTime || s.Loopback || v.packets.refused(s):
		case s.Checksum == evidence.ChecksumBad:
			broken = append(broken, s)
		case s.good():
			good = append(good, s)
		case s.Ack != 1 && (s.synAck() || s.reset() || s.bareAck()):
			wrong = append(wrong, s)
		}
	}
	return good, broken, wrong
}

// refused says that this host's TCP sent a RST for a segment: no filter took
// it, it came to a socket that was closed by then (RFC 9293 §3.10.7.1).
func (p *packets) refused(s seenPacket) bool {
	return slices.ContainsFunc(p.sent, func(r seenPacket) bool {
		return r.at >= s.at && r.is("RST") && s.is("ACK") && r.Seq == s.Ack
	})
}

// answeredHere says that an answer to the SYN was seen at an interface of this
// host although the socket never had one.
func (v *view) answeredHere() bool {
	good, broken, wrong := v.answers()
	return len(good)+len(broken)+len(wrong) > 0
}

// left says that the SYN was seen to leave this host, behind its packet filter.
func (p *packets) left() bool {
	return p != nil && slices.ContainsFunc(p.sent, func(s seenPacket) bool { return s.is("SYN") && !s.Loopback })
}

// nothingCame says that no segment of this connection reached this host. Only
// where the SYN was seen is it known how the connection looks outside: a
// translation on this host would show another.
func (v *view) nothingCame() bool {
	return v.packets.left() && v.packets.complete && len(v.packets.came) == 0
}

// hops is how many routers a packet has passed, by what its TTL can have been
// when it was sent: senders start with 32, 64, 128 or 255 (RFC 1700; the
// stacks in use).
func hops(ttl uint8) int {
	for _, initial := range []int{32, 64, 128} {
		if int(ttl) <= initial {
			return initial - int(ttl)
		}
	}
	return 255 - int(ttl)
}

// decisive is the answer that ended the handshake; ok is false where it was not
// seen.
func (v *view) decisive() (s seenPacket, ok bool) {
	if v.packets == nil {
		return s, false
	}
	for _, s := range v.packets.came {
		switch {
		case s.Ack != 1:
		case v.connected() && s.synAck(), v.errno == "ECONNREFUSED" && s.is("RST"):
			return s, true
		}
	}
	return seenPacket{}, false
}

// nearer gives an answer of the destination that came from farther than this one,
// where this one was made nearer to this host than all others that bear its
// address: in front of it. Answers from other ports are of the same stack and begin with the same
// TTL; an answer that is no TCP may begin with another, and counts where its
// distance is that of the way there, too.
//
// An address that a router translates for some ports only looks the same, so
// that this proves nothing by itself.
func (v *view) nearer(answer seenPacket) (other *evidence.Packet) {
	if answer.Packet == nil || v.toSelf() || v.onLink() {
		return nil
	}
	own := hops(answer.TTL)
	for _, p := range v.packets.others {
		if p.From.Port() == v.remote.Port() && p.Protocol == "tcp" || p.Loopback {
			continue // the same port: whoever made the one made the other
		}
		far := hops(p.TTL)
		if far <= own {
			return nil // somebody with this address answers from there
		}
		alike := p.Protocol == "tcp" && initial(p.TTL) == initial(answer.TTL)
		if alike || v.survey != nil && v.survey.distance() == far+1 {
			other = p
		}
	}
	return other
}

func initial(ttl uint8) int { return int(ttl) + hops(ttl) }
