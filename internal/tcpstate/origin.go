package tcpstate

import (
	"fmt"
	"time"
)

// Origin says whether the end in whose name a RST came made it.
type Origin uint8

// What can be said of it.
const (
	OriginUnknown   Origin = iota // there is nothing to compare it with
	OriginNoSign                  // it was compared, and nothing speaks against its sender
	OriginDoubtful                // something does, and has innocent readings
	OriginElsewhere               // only a device between makes such a thing, as far as is known
)

var originNames = [...]string{"unknown", "no-sign-of-another", "perhaps-another", "probably-another"}

// String is the origin as JSON has it.
func (o Origin) String() string { return originNames[o] }

// What each sign weighs. None is a proof by itself; at elsewhere they are.
const (
	weak      = 1
	doubtful  = 2
	strong    = 4
	elsewhere = 4
)

// Origin weighs what speaks for and against a RST's sender: its distance, its
// place among the sender's numbers and identifications, its time, and what the
// sender did afterwards. Signs say in words what speaks against it.
func (c *Conn) Origin(r *RSTSeen) (o Origin, signs []string) {
	from := &c.Ends[r.By]
	weight, compared := 0, false
	against := func(w int, format string, args ...any) {
		weight += w
		signs = append(signs, fmt.Sprintf(format, args...))
	}
	if r.Contradicted {
		compared = true
		w := strong
		if !r.goneOn(from) {
			w = doubtful // as packets that overtook each other look too
		}
		against(w, "its sender went on %s later as if it had not sent it", round(r.After))
	}
	if from.nTTL > 0 && int(from.nTTL) < len(from.TTLs) {
		compared = true
		if from.OtherDistance(r.TTL) {
			w := doubtful
			if from.nTTL == 1 && from.Packets-c.resetsBy(r.By) >= 3 {
				w++ // one distance, and not by chance
			}
			against(w, "its TTL %d is of another distance than the sender's other packets, which have %d", r.TTL, from.TTLs[0])
		}
	} else if r.HostTTL != 0 {
		compared = true
		if !sameDistance(r.HostTTL, r.TTL) {
			against(doubtful, "its TTL %d is of another distance than that address's answers on other ports, which have %d", r.TTL, r.HostTTL)
		}
	}
	if r.Turns > 0 && r.Turn >= time.Millisecond && r.Early >= 0 {
		compared = true
		switch {
		case r.Turns > 1 && r.Early < r.Turn/2:
			against(doubtful, "it came %s after the segment that it acknowledges, and the sender never answered in less than %s", round(r.Early), round(r.Turn))
		case r.Turns == 1 && r.Early < r.Turn/4:
			against(weak, "it came %s after the segment that it acknowledges, and the sender's SYN took %s", round(r.Early), round(r.Turn))
		}
	}
	if r.Beyond {
		against(weak, "its sequence number is beyond everything that its sender sent")
	}
	if r.Strayed {
		against(weak, "its IP identification %d is far from the sender's others, which count on from %d", r.ID, from.id)
	}
	switch {
	case weight >= elsewhere:
		o = OriginElsewhere
	case weight >= doubtful:
		o = OriginDoubtful
	case compared:
		o = OriginNoSign
	}
	return o, signs
}

// goneOn says that a sender's later packets were sent after the RST, and did not
// merely overtake it: they came more than an answer's time after it.
func (r *RSTSeen) goneOn(from *End) bool {
	return r.After > max(time.Duration(from.turn)*time.Microsecond/2, 3*time.Millisecond)
}

func (c *Conn) resetsBy(end int8) (n uint32) {
	for i := range c.Detail.RSTs {
		if c.Detail.RSTs[i].By == end {
			n++
		}
	}
	return n
}

// plausible is how far a sender may be beyond a RST in its name for it to be the
// same connection that goes on. Further off it is more likely another one of the
// same ports, whose SYN the capture lacks.
const plausible = 1 << 24

// contradict notes that an end goes on after a RST in its name: with new data,
// or by acknowledging what the other end sent after it.
func (c *Conn) contradict(s *Segment, side int) {
	if c.Detail == nil {
		return
	}
	me, peer := &c.Ends[side], &c.Ends[1-side]
	for i := range c.Detail.RSTs {
		r := &c.Detail.RSTs[i]
		if r.By != int8(side) || !r.Effective || r.Contradicted {
			continue
		}
		newData := s.Len > 0 && s.Seq-r.Seq < plausible
		newACK := s.Flags&ACK != 0 && me.hasAck && s.Ack-me.ack-1 < plausible && peer.hasSeq && s.Ack == peer.next && peer.nextAt > r.Time
		if newData || newACK {
			r.Contradicted, r.After = true, s.Time-r.Time
		}
	}
}

func round(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond)
	case d < time.Second:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
