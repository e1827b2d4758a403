package conversation

import (
	"errors"
	"os"
	"time"

	"github.com/dialscope/dialscope/internal/frame"
	"github.com/dialscope/dialscope/internal/host/capture"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// What a live capture tells of a connection, and when.
const (
	EventOpened = "opened" // the handshake was complete a second ago, and it stands
	EventAsking = "asking" // the third SYN went out, and nothing came back
	EventEnded  = "ended"  // both directions are closed, or a RST came, a second ago
	EventSilent = "silent" // nothing of it was seen for 2 MSL after its last SYN
	EventLeft   = "left"   // it was under way when the capture ended
)

// settle is how long what just happened is given to show what comes of it: a
// forged RST is told by what follows.
const settle = time.Second

// Packets is where a live reading gets its frames from.
type Packets interface {
	Read(until time.Time) ([]capture.Frame, error)
	Stats() (capture.Stats, error)
}

// Lines are what a live reading calls beside [Reading.Each]. Nil: nobody cares.
type Lines struct {
	Frame func(*capture.Frame) error // every frame, before it is read
	Lost  func(packets uint64)       // so many were lost since it was called last, for want of room
	Idle  func() error               // there is nothing to read for now
}

// live is what a live reading remembers.
type live struct {
	waiting []waiting
	told    map[uint64]string // the last event of each connection that is followed
	seen    [1 << 12]sighting // the last frames, by what is in them
	ending  bool
}

// waiting is a connection that is to be told about. Its record may have become
// another's, which its number tells.
type waiting struct {
	conn   *tcpstate.Conn
	number uint64
	event  string
	due    time.Duration
}

type sighting struct {
	sum       uint64
	at        time.Duration
	ifindex   int
	direction capture.Direction
}

// tick is how often what is due is told while nothing is captured.
const tick = 200 * time.Millisecond

// Live reads what passes an interface until a moment (zero: for ever) or until
// the source ends (os.ErrDeadlineExceeded from [capture.Capture.Interrupt]).
// Start comes before it, and End after.
func (r *Reading) Live(from Packets, until time.Time, l Lines) error {
	r.live = &live{told: map[uint64]string{}}
	counted := time.Time{}
	for {
		now := time.Now()
		if now.Sub(counted) >= time.Second {
			counted = now
			if err := r.losses(from, l.Lost); err != nil {
				return err
			}
		}
		if !until.IsZero() && !now.Before(until) {
			return r.losses(from, l.Lost)
		}
		wake := now.Add(tick)
		if !until.IsZero() && until.Before(wake) {
			wake = until
		}
		frames, err := from.Read(wake)
		for i := range frames {
			if l.Frame != nil {
				if err := l.Frame(&frames[i]); err != nil {
					return err
				}
			}
			r.captured(&frames[i])
		}
		switch {
		case r.failed != nil:
			return r.failed
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(wake):
			return r.losses(from, l.Lost) // interrupted
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		r.due(time.Duration(time.Now().UnixNano()))
		if r.failed == nil && len(frames) == 0 && l.Idle != nil {
			r.failed = l.Idle()
		}
		if r.failed != nil {
			return r.failed
		}
	}
}

func (r *Reading) losses(from Packets, tell func(uint64)) error {
	s, err := from.Stats()
	if err != nil {
		return err
	}
	if n := s.Dropped - r.Summary.Dropped; n > 0 {
		r.Summary.Dropped = s.Dropped
		if tell != nil {
			tell(n)
		}
	}
	return nil
}

// captured follows one frame.
func (r *Reading) captured(f *capture.Frame) {
	at := time.Duration(f.At.UnixNano())
	r.count(at)
	kind := r.decoder.Bare(f.VLANs[:], f.Data, f.Length, at, r.Summary.Frames)
	if kind == frame.TCP && r.live.again(r.decoder.Segment, f) {
		r.Summary.Copies++
		return
	}
	r.follow(kind, r.decoder.Segment)
}

// again says that the same frame was seen on another interface a moment ago, as
// happens to what is bridged, routed or tagged on one host.
func (l *live) again(s *tcpstate.Segment, f *capture.Frame) bool {
	sum := s.Src.Lo*0x9e3779b97f4a7c15 ^ s.Dst.Lo*0xc2b2ae3d27d4eb4f ^ s.Src.Hi ^ s.Dst.Hi<<1 ^
		(uint64(s.SrcPort)<<48|uint64(s.DstPort)<<32|uint64(s.Seq))*0x165667b19e3779f9 ^
		(uint64(s.Ack)<<32|uint64(s.ID)<<16|uint64(s.Flags))*0x27d4eb2f165667c5 ^ uint64(s.Len)<<40
	sum ^= sum >> 29
	place := &l.seen[sum%uint64(len(l.seen))]
	const moment = 100 * time.Millisecond
	if place.sum == sum && place.ifindex != f.Interface && s.Time-place.at < moment && place.at-s.Time < moment {
		return true
	}
	*place = sighting{sum, s.Time, f.Interface, f.Direction}
	return false
}

// notice plans what is to be told.
func (r *Reading) notice(s *tcpstate.Segment, step *tcpstate.Step) {
	c := step.Conn
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	switch {
	case step.Ended:
		r.live.wait(c, EventEnded, s.Time+settle)
	case step.Opened:
		r.live.wait(c, EventOpened, s.Time+settle)
	case step.Sense == tcpstate.SenseSYNAgain && from.SYNs == 3 && to.Packets == 0:
		r.live.wait(c, EventAsking, s.Time)
	}
}

func (l *live) wait(c *tcpstate.Conn, event string, due time.Duration) {
	l.waiting = append(l.waiting, waiting{c, c.Number, event, due})
}

// due tells what has waited long enough, and lets time pass for the tracker.
func (r *Reading) due(now time.Duration) {
	l := r.live
	rest := l.waiting[:0]
	for _, w := range l.waiting {
		switch {
		case w.conn.Number != w.number: // over, and told
		case w.due > now:
			rest = append(rest, w)
		case w.event == EventOpened && w.conn.Closed():
		default:
			r.tell(w.conn, w.event)
		}
	}
	l.waiting = rest
	r.tracker.Advance(now - settle) // what the kernel still has in its ring is not overtaken
}

// tell reports a connection that is still followed.
func (r *Reading) tell(c *tcpstate.Conn, event string) {
	if r.failed != nil || r.Each == nil || !r.mayWant(c) {
		return
	}
	o := r.outcomeOf(c)
	if !r.Wanted.byOutcome(o) {
		return
	}
	report := r.report(c, o)
	report.Event, report.Again = event, r.live.told[c.Number] != ""
	r.live.told[c.Number] = event
	r.failed = r.Each(report)
}

// leave reports a connection that is not followed any more, unless its end was
// told.
func (r *Reading) leave(c *tcpstate.Conn, o outcome) {
	last := r.live.told[c.Number]
	delete(r.live.told, c.Number)
	if last == EventEnded {
		return
	}
	report := r.report(c, o)
	report.Again = last != ""
	switch {
	case c.Closed():
		report.Event = EventEnded
	case r.live.ending:
		report.Event = EventLeft
	default:
		report.Event = EventSilent
	}
	r.failed = r.Each(report)
}
