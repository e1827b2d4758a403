package dialscope

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/capture"
)

const (
	// mostOwn and mostOther bound the packets of an attempt that are kept: of its
	// own connection, and answers to its experiments.
	mostOwn   = 48
	mostOther = 48
)

// captured is the capture beside an attempt; nil: none.
type captured struct {
	capture.Attempt
	from  *capture.Capture
	own   int
	other int
	lost  uint64
	syn   bool // the first SYN was filed
}

// capturePackets begins to capture, before the first SYN.
func (x *examination) capturePackets() {
	if x.cfg.Network[0] != 't' || x.FastOpen {
		return
	}
	p := &captured{Attempt: capture.Attempt{Remote: x.cfg.Remote}}
	from, err := capture.Open(capture.Config{Filter: p.Wanted()})
	if err != nil {
		x.blind = err.Error()
		return
	}
	p.from = from
	x.captured = p
	x.Add(evidence.FromPackets, &evidence.Capture{})
}

// seeNoPackets files why none were captured.
func (x *examination) seeNoPackets() {
	why := x.blind
	switch {
	case x.captured != nil:
		return
	case why == "" && x.Packets && x.cfg.Network[0] != 't':
		why = "they are captured for TCP"
	case why == "" && x.Packets:
		why = "with Fast Open the handshake is later"
	case why == "":
		why = "they were not asked for (Dialer.Packets, dialscope --packets auto)"
	}
	x.Add(evidence.FromFeature, &evidence.Unseen{What: "packets", Why: why})
}

// seePackets files what has been captured since it was called last.
func (x *examination) seePackets() {
	p := x.captured
	if p == nil {
		return
	}
	if !p.Local.IsValid() {
		local, _, known := evidence.First[*evidence.LocalAddr](x.Log)
		if !known {
			return
		}
		p.Local = netip.AddrPortFrom(local.Addr.Addr().Unmap(), local.Addr.Port())
	}
	_, connected, _ := evidence.First[*evidence.Connect](x.Log)
	for range mostOwn { // bounded, also where they come as fast as they are read
		frames, err := p.from.Ready()
		if len(frames) == 0 || err != nil {
			break
		}
		inOrder(frames)
		for i := range frames {
			f := &frames[i]
			fact := p.Fact(f)
			if fact == nil {
				continue
			}
			// Both are readings of the wall clock, which has no monotonic part in a frame.
			at := max(connected, f.At.Sub(x.Began.Round(0)))
			if fact.Own && fact.Direction == evidence.PacketOut && !p.syn {
				at, p.syn = connected, true // connect(2) sends it
			}
			x.keepPacket(min(at, time.Since(x.Began)), fact)
		}
	}
	if s, err := p.from.Stats(); err == nil && s.Dropped > p.lost {
		p.lost = s.Dropped
		x.Add(evidence.FromPackets, &evidence.Capture{Dropped: p.lost})
	}
}

// inOrder mends times: a frame that came before the kernel had switched time
// stamps on has the time at which it was read (__sock_recv_timestamp), which is
// later than that of the frames behind it.
func inOrder(frames []capture.Frame) {
	for i := len(frames) - 2; i >= 0; i-- {
		if next := frames[i+1].At; frames[i].At.After(next) {
			frames[i].At = next
		}
	}
}

func (x *examination) keepPacket(at time.Duration, fact *evidence.Packet) {
	kept, most := &x.captured.other, mostOther
	if fact.Own {
		kept, most = &x.captured.own, mostOwn
	}
	if *kept < most {
		*kept++
		x.AddAt(at, evidence.FromPackets, fact)
	}
}

// endCapture files the last packets and stops capturing.
func (x *examination) endCapture() {
	if x.captured != nil {
		x.seePackets()
		x.captured.from.Close()
		x.captured = nil
	}
}

// packetsOf picks out of a log what was captured.
func packetsOf(log evidence.Log) (packets evidence.Log) {
	for _, e := range log {
		if e.Source == evidence.FromPackets {
			packets = append(packets, e)
		}
	}
	return packets
}
