package dialscope

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/probe"
)

const (
	// overdue is when a handshake without an answer is looked into. Most
	// answers in the Internet come sooner, and the next address of a name has
	// joined the race by then (RFC 8305 §5).
	overdue = 300 * time.Millisecond
	// probing is how long the experiments beside an attempt take at most.
	probing = 1200 * time.Millisecond
	// defaultPackets leaves room for the attempt's own SYNs below 60.
	defaultPackets = 50
)

// experiments are those of one attempt.
type experiments struct {
	ctx  context.Context
	end  context.CancelCauseFunc // ends the attempt
	made bool
	late bool // the counters were read after the second SYN
}

// decisions are the moments at which an attempt may be ended because its
// silence is explained: after its second SYN, and when the last router must
// have reported a host that does not answer.
func (x *examination) decisions() []time.Duration {
	at := []time.Duration{overdue, 3320 * time.Millisecond}
	for _, after := range []time.Duration{80, 110, 200, 300, 500, 800, 1200} {
		at = append(at, x.secondSYN()+after*time.Millisecond)
	}
	return at
}

// secondSYN is when the SYN is sent again; RFC 6298 §2.1 where it is not predicted.
func (x *examination) secondSYN() time.Duration {
	if x.schedule != nil && len(x.schedule.Resend) > 0 {
		return x.schedule.Resend[0]
	}
	return time.Second
}

// experimentBeside runs while the attempt waits for its answer.
func (x *examination) experimentBeside(fd int) {
	since := time.Since(x.Began)
	switch {
	case x.experiments == nil || since < overdue:
	case !x.made:
		if x.mayProbe() {
			x.seeCounters()
			x.seeLink()
			x.experiment(fd, &probe.Config{Patience: 100 * time.Millisecond, Limit: 400 * time.Millisecond})
		}
	case since > x.secondSYN() && !x.FullTimeout:
		x.decide(since)
	}
}

// decide ends the attempt where its silence is explained.
func (x *examination) decide(since time.Duration) {
	slow := time.Duration(0)
	for _, p := range evidence.All[*evidence.Probe](x.Log) {
		slow = max(slow, p.RTT)
	}
	if since < x.secondSYN()+60*time.Millisecond+3*slow {
		return
	}
	if !x.late {
		x.late = true
		x.seeCounters()
	}
	if d := x.soFar(nil, true); cause.Explained(d, 0) {
		x.end(sock.ErrExplained)
	}
}

// experimentAfterwards looks closer at a refusal: was it the destination's?
func (x *examination) experimentAfterwards(err error) {
	var errno syscall.Errno
	if x.experiments == nil || x.made || !errors.As(err, &errno) || errno != syscall.ECONNREFUSED || !x.mayProbe() {
		return
	}
	if _, _, byICMP := evidence.Last[*evidence.ICMP](x.Log); byICMP || x.route.OnLink() {
		return
	}
	rtt := time.Since(x.Began)
	x.experiment(-1, &probe.Config{Patience: min(4*rtt, overdue), Limit: overdue})
}

// mayProbe says that a probe would go the attempt's way and meet somebody.
func (x *examination) mayProbe() bool {
	remote := x.cfg.Remote.Addr()
	switch {
	case x.cfg.Network[0] != 't', x.cfg.HopLimit != 0, x.FastOpen, remote.IsMulticast():
		return false
	case x.route == nil || x.route.Errno != "" || x.route.Type != "unicast":
		return false
	case x.neighbour == "INCOMPLETE" || x.neighbour == "FAILED":
		return false // nothing leaves this link yet
	case x.cfg.Control != nil:
		x.made = true
		x.Add(evidence.FromFeature, &evidence.Unseen{What: "experiments", Why: "the caller's Control function may choose another way for its sockets"})
		return false
	}
	return true
}

// experiment makes the experiments, and files what they bring.
func (x *examination) experiment(watch int, c *probe.Config) {
	x.made = true
	c.Way = probe.Way{Local: x.cfg.Local.Addr(), Interface: x.cfg.Interface, Mark: x.cfg.Mark, TOS: x.cfg.TOS}
	c.Remote, c.Began, c.Watch = x.cfg.Remote, x.Began, watch
	c.OnLink, c.Quiet = x.route.OnLink(), x.Probes == FewProbes
	if c.Packets = x.MaxPackets; c.Packets == 0 {
		c.Packets = defaultPackets
	}
	c.Deadline = time.Now().Add(probing)
	if !x.cfg.Deadline.IsZero() && x.cfg.Deadline.Before(c.Deadline) {
		c.Deadline = x.cfg.Deadline
	}
	c.Judge = func(probes evidence.Log) cause.Verdict {
		return cause.ExplainAttempt(x.soFar(probes, watch >= 0), 0)
	}
	log, err := probe.Run(x.ctx, c)
	if err != nil {
		x.Add(evidence.FromFeature, &evidence.Unseen{What: "experiments", Why: err.Error()})
	}
	for _, e := range log {
		x.AddAt(e.At, e.Source, e.Fact)
	}
}

// soFar is the attempt's evidence up to now; one that still waits is judged as
// if it had been given up.
func (x *examination) soFar(probes evidence.Log, waiting bool) *evidence.Dial {
	log := slices.Concat(x.Log, probes)
	since := time.Since(x.Began)
	if waiting {
		log.Add(since, evidence.FromTimer, &evidence.Expired{Limit: since, Scope: "explained"})
	}
	return &evidence.Dial{Target: x.Target, Network: x.Network, Took: since,
		Attempts: []evidence.Attempt{{Remote: x.cfg.Remote, Took: since, Log: log}}}
}
