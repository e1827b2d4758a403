package cause

import (
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// RFC 9293 §3.10.7.4: a SYN-ACK that comes again is acknowledged again. It comes
// again where the first acknowledgment did not count.
func TestAckIgnored(t *testing.T) {
	type step struct {
		after time.Duration
		fact  evidence.Fact
	}
	ack := func() *evidence.Packet { p := went("ACK"); p.Seq, p.Ack = 1, 1; return p }
	synAck := func() evidence.Fact { return came("SYN+ACK", 1, 63) }
	opened := func(retrans uint32, steps ...step) *story {
		s := to(there+":443").add(routed(), &evidence.Capture{}).connecting("EINPROGRESS").from(here+":40000").add(went("SYN"), synAck()).
			soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: retrans})
		for _, p := range steps {
			s.later(p.after).add(p.fact)
		}
		return s
	}
	open := wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"it came once", opened(0, step{0, ack()}), open},
		{"again after 1 and 3 s", opened(0, step{0, ack()}, step{time.Second, synAck()}, step{0, ack()}, step{2 * time.Second, synAck()}, step{0, ack()}),
			wanted{Open, "", ListenQueueFull, Likely, Destination, there, []ID{PacketLoss}, []ID{IsOpen}}},
		{"again once: an acknowledgment may be lost", opened(0, step{0, ack()}, step{time.Second, synAck()}, step{0, ack()}), open},
		{"duplicated on the way", opened(0, step{0, ack()}, step{time.Millisecond, synAck()}, step{time.Millisecond, synAck()}), open},
		{"not acknowledged yet", opened(0, step{time.Second, synAck()}, step{time.Second, synAck()}, step{0, ack()}), open},
		{"of another acknowledgment", opened(0, step{0, ack()}, step{time.Second, came("SYN+ACK", 9, 63)}, step{time.Second, came("SYN+ACK", 9, 63)}), open},
		{"the SYN was sent again, too", opened(0, step{0, ack()}, step{0, went("SYN")}, step{time.Second, synAck()}, step{time.Second, synAck()}), open},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Explain(tt.log.dial())
			check(t, v, tt.want)
			if v.Cause == ListenQueueFull && !strings.Contains(v.Explanation, "came 2 times more") {
				t.Error(v.Explanation)
			}
		})
	}
}
