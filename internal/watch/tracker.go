package watch

import (
	"slices"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

// News says what of a story is new.
type News uint8

// The news.
const (
	Begun       News = iota + 1 // an attempt of this host began
	StateIsNew                  // any other change of state
	IsOpen                      // the handshake is complete
	SentAgain                   // a segment was sent again
	ThrownAway                  // this host threw a packet of it away
	HasFailed                   // the attempt failed, or the connection ended in an error
	HasEnded                    // it ended without an error
	Refusal                     // this host sent a RST to somebody for whom it has no socket
	StrayPacket                 // this host threw away a packet that belongs to no story
)

// DefaultLimit is how many stories a tracker follows at once. One takes about
// 1 kB, with all its steps about 3 kB.
const DefaultLimit = 1 << 16

// grace is how long after a socket has closed its error may come: the kernel
// reports it after the change of state, in the same breath (tcp_done_with_error,
// tcp_v4_connect).
const grace = 10 * time.Millisecond

// Tracker follows connections. Tell is called with each news; the story belongs
// to the tracker, and is used for another connection once it has ended.
type Tracker struct {
	Tell  func(*Story, News, *Event)
	Limit int                            // 0: DefaultLimit
	Look  func(*Story)                   // fills Story.Facts and a missing process before a failure is judged; nil: nothing is looked up
	Owner func(e *Event) (Process, bool) // whose a socket is, where the event does not say; nil: nobody is asked

	Words Words // AllWords: every verdict is put into words

	Summary Summary

	stories map[uint64]*Story
	ended   []*Story // closed, and waiting for their errno, oldest first
	free    []*Story
	number  uint64
	sample  []uint64     // cookies in the order of beginnings, for what has to give way
	failed  [8192]uint64 // cookies of the last attempts that failed, in turn: their connect(2) may still have to return
	nextOut int

	verdicts map[shape]cause.Verdict // on connections that were established
}

// Summary counts what a tracker saw.
type Summary struct {
	Events  uint64
	Stories uint64 // without those that stood before

	Begun, Accepted, Opened, Failed, Ended uint64
	Resent, Drops, Refusals                uint64
	GivenUp                                uint64 // stories that were left for want of room
	Causes                                 map[cause.ID]uint64
	Unjudged                               uint64
	Reasons                                map[string]uint64 // of drops
	Handshake                              Times
}

// Standing are the stories under way, in no order.
func (t *Tracker) Standing(each func(*Story)) {
	for _, s := range t.stories {
		if !s.pending {
			each(s)
		}
	}
}

// Add takes the next event.
func (t *Tracker) Add(e *Event) {
	t.settle(e.At)
	t.Summary.Events++
	switch e.Kind {
	case Changed:
		t.changed(e)
	case Stands:
		if t.find(e) == nil {
			t.begin(e, false)
		}
	case Gone:
		t.gone(e)
	case Resent:
		t.Summary.Resent++
		if s := t.find(e); s != nil {
			s.Resent++
			s.take(e)
			s.hear(e)
			s.step(e, "")
			t.tell(s, SentAgain, e)
		}
	case Dropped:
		t.dropped(e)
	case ResetSent:
		t.resetSent(e)
	case ResetReceived:
		if s := t.find(e); s != nil {
			s.RSTIn = true
			s.step(e, "")
		}
	case Failed:
		if s := t.find(e); s != nil && e.Errno != "" {
			s.Errno = e.Errno
			s.step(e, string(e.Errno))
		}
	case ConnectFailed:
		t.connectFailed(e)
	case SocketFailed:
		s := t.begin(e, true)
		s.Call, s.Errno = "socket", e.Errno
		s.step(e, string(e.Errno))
		t.finish(s, e)
	}
}

// Tick lets time pass without an event.
func (t *Tracker) Tick(now time.Time) { t.settle(now) }

// Finish judges what still waits for its errno.
func (t *Tracker) Finish(now time.Time) { t.settle(now.Add(time.Hour)) }

// settle judges the stories whose errno has not come in time.
func (t *Tracker) settle(now time.Time) {
	n := 0
	for _, s := range t.ended {
		if now.Sub(s.Ended) < grace {
			break
		}
		n++
		t.judge(s, nil)
	}
	if n > 0 {
		t.ended = append(t.ended[:0], t.ended[n:]...)
	}
}

func (t *Tracker) find(e *Event) *Story {
	if e.Cookie == 0 {
		return nil
	}
	return t.stories[e.Cookie]
}

func (t *Tracker) tell(s *Story, n News, e *Event) {
	if t.Tell != nil {
		t.Tell(s, n, e)
	}
}

// begin makes a story of an event.
func (t *Tracker) begin(e *Event, seen bool) *Story {
	if t.stories == nil {
		t.stories = map[uint64]*Story{}
	}
	var s *Story
	if n := len(t.free); n > 0 {
		s = t.free[n-1]
		t.free = t.free[:n-1]
		*s = Story{Steps: s.Steps[:0], Drops: s.Drops[:0]}
	} else {
		s = new(Story)
	}
	t.number++
	if e.Kind != Stands {
		t.Summary.Stories++
	}
	s.Number, s.Cookie, s.Network, s.UDP, s.Process = t.number, e.Cookie, e.Network, e.UDP, e.Process
	s.Local, s.Remote, s.State, s.Began, s.Seen = e.Local, e.Remote, e.New, e.At, seen
	s.In, s.Looked = e.In, e.Looked
	s.take(e)
	if s.Process.PID == 0 && t.Owner != nil {
		if p, known := t.Owner(e); known {
			s.Process = p
		}
	}
	if e.Cookie != 0 {
		t.room()
		t.stories[e.Cookie] = s
		t.sample = append(t.sample, e.Cookie)
	}
	return s
}

// room lets the oldest story go where there are too many.
func (t *Tracker) room() {
	limit := t.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	for len(t.stories) >= limit && len(t.sample) > 0 {
		if s := t.stories[t.sample[0]]; s != nil && !s.pending {
			delete(t.stories, s.Cookie)
			t.Summary.GivenUp++
		}
		t.sample = t.sample[1:]
	}
	if len(t.sample) > 4*limit { // most have ended
		kept := t.sample[:0]
		for _, c := range t.sample {
			if t.stories[c] != nil {
				kept = append(kept, c)
			}
		}
		t.sample = kept
	}
}

// take keeps what an event knows better.
func (s *Story) take(e *Event) {
	if e.HasFlow {
		s.Flow = e.Flow
	}
	if e.Local.IsValid() && e.Local.Port() != 0 {
		s.Local = e.Local
	}
	if e.Remote.IsValid() && e.Remote.Port() != 0 {
		s.Remote = e.Remote
	}
	if e.Process.PID != 0 {
		container := s.Process.Container
		s.Process = e.Process
		if s.Process.Container == "" {
			s.Process.Container = container
		}
	}
}

func (t *Tracker) changed(e *Event) {
	s := t.find(e)
	switch {
	case e.Old == sockets.Listen || e.New == sockets.Listen:
		return // a listener, or the copy of one that is not an accepted connection yet
	case s == nil && e.New == sockets.Closed && e.Old != sockets.SYNSent && e.Old != sockets.Established:
		return // the end of a connection of which nothing else was seen
	case s != nil && s.pending:
		t.flush(s)
		s = nil
	}
	if s == nil {
		s = t.begin(e, e.New == sockets.SYNSent || e.Old == sockets.SYNReceived)
		s.In = e.Old == sockets.SYNReceived || e.New == sockets.SYNReceived
		if s.Seen && s.In {
			t.Summary.Accepted++
		} else if s.Seen {
			t.Summary.Begun++
		}
	}
	before := s.State
	if e.Old != sockets.UnknownState {
		before = e.Old
	}
	s.take(e)
	s.step(e, "")
	s.State = e.New
	if s.First == "" {
		s.First = firstBy(before, e.New)
	}
	switch e.New {
	case sockets.SYNSent:
		t.tell(s, Begun, e)
	case sockets.Established:
		s.Opened = e.At
		t.Summary.Opened++
		if d, known := s.Handshake(); known {
			t.Summary.Handshake.Add(d)
			if s.Resent > 0 {
				t.judgeOpening(s)
			}
		}
		t.tell(s, IsOpen, e)
	case sockets.Closed:
		s.before = before
		if s.Errno == "" {
			s.Errno = e.Errno
		}
		t.finish(s, e)
	default:
		t.tell(s, StateIsNew, e)
	}
}

// firstBy says who closed first, as far as one change of state tells: the other
// states on the way may have been missed (RFC 9293 §3.3.2).
func firstBy(before, now sockets.State) string {
	for _, state := range [...]sockets.State{before, now} {
		switch state {
		case sockets.FINWait1, sockets.FINWait2, sockets.Closing:
			return "here"
		case sockets.CloseWait, sockets.LastACK:
			return "peer"
		}
	}
	return ""
}

// finish ends a story: at once where its errno is known, else when it had time
// to come.
func (t *Tracker) finish(s *Story, e *Event) {
	s.Ended = e.At
	orderly := s.before == sockets.LastACK || s.before == sockets.FINWait2 || s.before == sockets.Closing || s.before == sockets.TimeWait
	if s.Errno != "" || s.RSTIn || orderly || s.Cookie == 0 || s.Vanished {
		t.judge(s, e)
		return
	}
	s.pending = true
	t.ended = append(t.ended, s)
}

// flush judges a story that waits, since its socket is used again (connect(2)
// after a failure, which Linux allows).
func (t *Tracker) flush(s *Story) {
	for i, o := range t.ended {
		if o == s {
			t.ended = append(t.ended[:i], t.ended[i+1:]...)
			break
		}
	}
	t.judge(s, nil)
}

func (t *Tracker) judge(s *Story, e *Event) {
	s.pending = false
	if s.before == sockets.SYNSent && s.Cookie != 0 {
		t.failed[t.nextOut%len(t.failed)] = s.Cookie
		t.nextOut++
	}
	if s.before != sockets.FINWait2 {
		s.Errno = s.errnoOf()
	}
	if t.Look != nil && (s.Sync || s.Call != "" || s.before == sockets.SYNSent) {
		t.Look(s)
	}
	if v, known := t.recall(s); known {
		s.Verdict = v
	} else {
		s.Verdict, s.Unjudged = Judge(s)
	}
	if s.Verdict.Cause == "" {
		t.Summary.Unjudged++
	} else {
		t.count(s.Verdict.Cause)
	}
	news := HasEnded
	if s.Failed() {
		news = HasFailed
		t.Summary.Failed++
	} else {
		t.Summary.Ended++
	}
	t.tell(s, news, e)
	if s.Cookie != 0 && t.stories[s.Cookie] == s {
		delete(t.stories, s.Cookie)
	}
	if len(t.free) < 1024 {
		t.free = append(t.free, s)
	}
}

func (t *Tracker) count(id cause.ID) {
	if t.Summary.Causes == nil {
		t.Summary.Causes = map[cause.ID]uint64{}
	}
	t.Summary.Causes[id]++
}

func (t *Tracker) connectFailed(e *Event) {
	s := t.find(e)
	if s == nil && e.Cookie != 0 && slices.Contains(t.failed[:], e.Cookie) {
		return // a blocking call's word on what is told already
	}
	if s == nil {
		s = t.begin(e, true)
		t.Summary.Begun++
		s.before = sockets.Closed
		s.Sync, s.Errno = true, e.Errno
		s.step(e, string(e.Errno))
		t.finish(s, e)
		return
	}
	if !s.pending {
		return // of a connection that stands: EISCONN and the like; or the blocking call's word on what is known
	}
	s.take(e)
	if s.Errno == "" {
		s.Errno, s.Sync = e.Errno, true
		s.step(e, string(e.Errno))
	}
	t.flush(s)
}

func (t *Tracker) gone(e *Event) {
	s := t.find(e)
	if s == nil {
		s = t.begin(e, false)
	}
	if s.pending {
		return
	}
	s.take(e)
	s.before, s.Vanished = s.State, true
	if e.New == sockets.SYNSent || e.Attempt {
		s.before = sockets.SYNSent
	}
	s.step(e, "")
	s.State = sockets.Closed
	t.finish(s, e)
}

func (t *Tracker) dropped(e *Event) {
	t.Summary.Drops++
	if t.Summary.Reasons == nil {
		t.Summary.Reasons = map[string]uint64{}
	}
	t.Summary.Reasons[e.Reason]++
	s := t.find(e)
	if s == nil {
		stray := t.stray(e)
		stray.drop(e)
		t.tell(stray, StrayPacket, e)
		return
	}
	s.take(e)
	s.drop(e)
	s.hear(e)
	s.step(e, e.Reason)
	t.tell(s, ThrownAway, e)
}

func (t *Tracker) resetSent(e *Event) {
	if s := t.find(e); s != nil {
		s.RSTOut, s.RSTReason = true, e.Reason
		s.step(e, e.Reason)
		if s.pending && s.before == sockets.Established {
			t.flush(s)
		}
		return
	}
	t.Summary.Refusals++
	s := t.stray(e)
	s.In, s.RSTOut, s.RSTReason = true, true, e.Reason
	t.tell(s, Refusal, e)
}

// stray is a story of one event, that is not kept.
func (t *Tracker) stray(e *Event) *Story {
	s := &Story{Network: e.Network, UDP: e.UDP, Process: e.Process, Local: e.Local, Remote: e.Remote, Began: e.At, In: e.Packet.Arrived}
	if s.Process.PID == 0 && t.Owner != nil {
		if p, known := t.Owner(e); known {
			s.Process = p
		}
	}
	s.step(e, e.Reason)
	return s
}

// errnoOf is what a process is told when a RST comes (tcp_reset).
func (s *Story) errnoOf() evidence.Errno {
	switch {
	case s.Errno != "":
		return s.Errno
	case !s.RSTIn:
		return ""
	case s.before == sockets.SYNSent:
		return "ECONNREFUSED"
	case s.First == "peer":
		return "EPIPE"
	}
	return "ECONNRESET"
}
