package conversation

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/frame"
	"github.com/dialscope/dialscope/internal/host/pcapfile"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// Wanted says which connections are reported; the zero value: all.
type Wanted struct {
	Failed bool // only those whose initiator did not get what it asked for
	Causes []cause.ID
	Host   []netip.Prefix // one end is in one of these
	Port   []uint16       // one end has one of these
	Number uint64         // this one alone; 0: any
}

// Reading is one pass over captures.
type Reading struct {
	Wanted Wanted
	Limit  int // connections followed at once; 0: tcpstate.DefaultLimit
	// Rungs is how many packets of each wanted connection are kept for its
	// ladder: the first half of them and the last half.
	Rungs   int
	Brief   bool                // the reports' verdicts have no words: outcome, cause and confidence only
	Each    func(*Report) error // every wanted connection, when it is over; nil: none
	Summary Summary

	tracker *tcpstate.Tracker
	decoder *frame.Decoder
	ladders map[uint64]*rungs
	kept    int // packets in ladders
	failed  error
	live    *live // nil: a file
	memo    map[signature]outcome

	ahead   [64]tcpstate.Segment // decoded, and not followed yet
	options [64][40]byte         // of the SYNs among them
	pending int
}

// outcome is what a summary counts.
type outcome struct {
	outcome cause.Outcome
	cause.Finding
}

func outcomeIn(v cause.Verdict) outcome {
	return outcome{v.Outcome, cause.Finding{Cause: v.Cause, Confidence: v.Confidence}}
}

// Start prepares a reading. The seed is for [tcpstate.NewTracker].
func (r *Reading) Start(seed uint64) {
	r.tracker = tcpstate.NewTracker(seed, r.over)
	if r.Limit <= 0 {
		r.Limit = tcpstate.DefaultLimit
	}
	r.tracker.Limit, r.Summary.Limit = r.Limit, r.Limit
	r.decoder = frame.NewDecoder()
	r.decoder.Segment = &r.ahead[0]
	r.ladders, r.memo = map[uint64]*rungs{}, map[signature]outcome{}
	r.Summary.Causes = map[cause.ID]uint64{}
}

// checkEvery is how many frames are read between two looks at whether to go on.
const checkEvery = 1 << 12

// File reads one capture to its end. A *[pcapfile.Broken] tells that it ended
// early: what was read until then counts. Going asks now and then whether to go
// on; its error ends the reading.
func (r *Reading) File(in io.Reader, going func() error) (pcapfile.Info, error) {
	file, err := pcapfile.Open(in)
	if err != nil {
		return pcapfile.Info{}, err
	}
	var f pcapfile.Frame
	defer func() { r.Summary.Dropped += file.Info().Dropped }()
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			if err := going(); err != nil {
				r.catchUp()
				return file.Info(), err
			}
		}
		if err := file.Next(&f); err != nil {
			r.catchUp()
			switch {
			case r.failed != nil:
				err = r.failed
			case errors.Is(err, io.EOF):
				err = nil
			}
			return file.Info(), err
		}
		r.frame(&f)
		if r.failed != nil {
			return file.Info(), r.failed
		}
	}
}

// End hands on the connections that are still open, and fills the summary.
func (r *Reading) End() error {
	if r.live != nil {
		r.live.ending = true
	}
	r.tracker.Flush()
	s := &r.Summary
	s.names()
	s.Connections, s.GivenUp, s.StrayICMP = r.tracker.Connections, r.tracker.Evicted, r.tracker.StrayICMP
	s.Fragments, s.Skipped = r.decoder.Fragments(), r.decoder.Skipped()
	return r.failed
}

func (r *Reading) frame(f *pcapfile.Frame) {
	r.count(f.Time)
	kind := r.decoder.Frame(frame.LinkType(f.Link), f.Data, f.Length, f.Time, r.Summary.Frames)
	s := r.decoder.Segment
	switch kind {
	case frame.None:
		return
	case frame.Rest, frame.ICMP:
		r.catchUp()
		r.follow(kind, s)
		return
	}
	if s.Flags&tcpstate.SYN != 0 { // nobody asks for those of others; the frame's memory is used again
		options := &r.options[r.pending]
		s.Options = options[:copy(options[:], s.Options)]
	}
	if r.pending++; r.pending == len(r.ahead) {
		r.catchUp()
	} else {
		r.decoder.Segment = &r.ahead[r.pending]
	}
}

// catchUp follows the segments that were decoded.
func (r *Reading) catchUp() {
	all := r.ahead[:r.pending]
	r.pending = 0
	r.Summary.Segments += uint64(len(all))
	if r.Rungs > 0 || r.live != nil {
		r.tracker.Segments(all, r.attend)
	} else {
		r.tracker.Segments(all, nil)
	}
	r.decoder.Segment = &r.ahead[0]
}

func (r *Reading) count(at time.Duration) {
	s := &r.Summary
	s.Frames++
	if s.Frames == 1 || at < s.First {
		s.First = at
	}
	if at > s.Last {
		s.Last = at
	}
}

// follow lets what a frame held act on its connection.
func (r *Reading) follow(kind frame.Kind, s *tcpstate.Segment) {
	switch kind {
	case frame.TCP:
		r.Summary.Segments++
		r.attend(s, r.tracker.Segment(s))
	case frame.Rest:
		r.Summary.Rests++
		step := r.tracker.Rest(s)
		if step.Conn != nil {
			r.attend(s, step)
		}
	case frame.ICMP:
		r.Summary.ICMP++
		e := &r.decoder.ICMP
		if c := r.tracker.ICMP(e); c != nil && r.Rungs > 0 && r.mayWant(c) {
			r.keep(c.Number, icmpRung(c, e, cause.ICMPText(e.Family, e.Type, e.Code)))
		}
	}
}

// attend has a step kept for the ladder, and noticed where the capture is live.
func (r *Reading) attend(s *tcpstate.Segment, step tcpstate.Step) {
	if r.Rungs > 0 && r.mayWant(step.Conn) {
		r.keep(step.Conn.Number, rungOf(s, &step))
	}
	if r.live != nil {
		r.notice(s, &step)
	}
}

// mayWant decides what is known from the first packet.
func (r *Reading) mayWant(c *tcpstate.Conn) bool {
	w := &r.Wanted
	if w.Number != 0 && c.Number != w.Number {
		return false
	}
	return w.byHost(c) && w.byPort(c)
}

func (w *Wanted) byHost(c *tcpstate.Conn) bool {
	for _, p := range w.Host {
		if p.Contains(c.Ends[0].Addr.Netip()) || p.Contains(c.Ends[1].Addr.Netip()) {
			return true
		}
	}
	return len(w.Host) == 0
}

func (w *Wanted) byPort(c *tcpstate.Conn) bool {
	for _, p := range w.Port {
		if c.Ends[0].Port == p || c.Ends[1].Port == p {
			return true
		}
	}
	return len(w.Port) == 0
}

func (w *Wanted) byOutcome(o outcome) bool {
	if w.Failed && (o.outcome == cause.Open || o.outcome == "") {
		return false
	}
	for _, id := range w.Causes {
		if id == o.Cause {
			return true
		}
	}
	return len(w.Causes) == 0
}

// over takes a connection that is over.
func (r *Reading) over(c *tcpstate.Conn) {
	if len(r.ladders) > 0 {
		defer r.forget(c.Number)
	}
	if r.failed != nil || !r.mayWant(c) {
		return
	}
	o := r.outcomeOf(c)
	if !r.Wanted.byOutcome(o) {
		return
	}
	r.Summary.add(c, o)
	if r.Each == nil {
		return
	}
	if r.live != nil {
		r.leave(c, o)
		return
	}
	r.failed = r.Each(r.report(c, o))
}

// report tells a connection's story as far as it went.
func (r *Reading) report(c *tcpstate.Conn, o outcome) *Report {
	report := reportOf(c)
	if r.Brief {
		report.Outcome, report.Finding = o.outcome, o.Finding
	} else {
		report.Verdict, report.Unjudged = judge(c)
	}
	report.Tunnel = r.decoder.Path(c.Path)
	report.Reused = c.Reused
	if ladder := r.ladders[c.Number]; ladder != nil {
		report.Ladder = ladder.all()
	}
	return report
}

// signature is what the outcome of a connection without ICMP errors depends on,
// in the common cases.
type signature struct {
	handshake    tcpstate.Handshake
	ended, byRST bool
	by           int8
	four         bool
	resent       uint8 // none, once, more often
	late         bool
	quiet        bool
	fin, reset   bool
	finAcked     bool // the responder's
	lacks        bool // something of the initiator's
	known        tcpstate.KnownBy
	givenUp      bool
}

// outcomeOf judges a connection; those alike in everything that counts are
// judged once.
func (r *Reading) outcomeOf(c *tcpstate.Conn) outcome {
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	s := signature{handshake: c.Handshake(), ended: c.FirstEnd.Seen, byRST: c.FirstEnd.RST, by: c.FirstEnd.By, four: to.Addr.Is4(), fin: from.SentFIN(),
		resent: uint8(min(from.SYNs-min(max(c.Distinct, 1)+refusals(c), from.SYNs), 2)), late: shaken(c) >= 900*time.Millisecond,
		quiet: endedUnused(c), finAcked: to.FINAcked(), lacks: from.Lacks(), known: c.KnownBy, givenUp: c.Evicted}
	common := s.handshake == tcpstate.Complete || s.handshake == tcpstate.RefusedByRST || s.handshake == tcpstate.Unanswered ||
		s.handshake == tcpstate.Midstream || s.handshake == tcpstate.OneSided
	if rst := endingRST(c); rst != nil {
		s.reset = rst.By == tcpstate.Responder
		origin, _ := c.Origin(rst)
		common = common && origin < tcpstate.OriginDoubtful && !forgotten(c, rst)
	}
	common = common && !c.Unheard(tcpstate.Initiator).Resent && !c.Unheard(tcpstate.Responder).Resent && to.ZeroWindows == 0
	// Addresses count only where both ends are on one host.
	common = common && from.Addr != to.Addr && !to.Addr.Netip().IsLoopback() && (c.Detail == nil || c.Detail.ICMPCount == 0)
	if !common {
		v, _ := judge(c)
		return outcomeIn(v)
	}
	o, known := r.memo[s]
	if !known {
		v, _ := judge(c)
		o = outcomeIn(v)
		r.memo[s] = o
	}
	return o
}
