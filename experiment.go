package dialscope

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
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
	// probing is how long the experiments beside an attempt take at most. Over
	// short paths they take a third of a second.
	probing = 2500 * time.Millisecond
	// defaultPackets leaves room for the attempt's own SYNs below 60.
	defaultPackets = 50
)

// experiments are those of one attempt.
type experiments struct {
	ctx    context.Context
	end    context.CancelCauseFunc // ends the attempt
	looked bool                    // this host was looked at when the answer was overdue
	made   bool
	late   bool // the counters were read after the second SYN
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

// sentAgain is when the second SYN was seen to be sent; 0: it was not. The
// kernel's timers run late, by a few percent and by what a busy host adds.
func (x *examination) sentAgain() time.Duration {
	_, connected, _ := evidence.First[*evidence.Connect](x.Log)
	syns := 0
	for _, e := range x.Log {
		switch f := e.Fact.(type) {
		case *evidence.KernelRetransmit:
			return e.At - connected
		case *evidence.Packet:
			if !f.Own || f.Direction != evidence.PacketOut || !strings.HasPrefix(f.Flags, "SYN") {
				continue
			}
			if syns++; syns == 2 {
				return e.At - connected
			}
		}
	}
	return 0
}

// experimentBeside runs while the attempt waits for its answer.
func (x *examination) experimentBeside(fd int) {
	if x.experiments == nil || x.sinceSYN() < overdue {
		return
	}
	if !x.looked {
		x.looked = true
		x.seeCounters()
		x.seeLink()
		x.seeListener()
		x.seeRules()
	}
	if !x.made && !x.explained() && x.mayProbe() {
		x.experiment(fd, &probe.Config{Patience: 100 * time.Millisecond, Limit: 400 * time.Millisecond})
		x.seeCounters()
	}
	if !x.FullTimeout {
		x.decide(x.sinceSYN())
	}
}

// sinceSYN is how long ago connect(2) was called. On a busy host the attempt
// began much earlier.
func (x *examination) sinceSYN() time.Duration {
	_, at, _ := evidence.First[*evidence.Connect](x.Log)
	return time.Since(x.Began) - at
}

// explained says that no answer which may still come would say more.
func (x *examination) explained() bool { return cause.Explained(x.judged(x.Log, true), 0) }

// decide ends the attempt where its silence is explained. The second SYN's
// answer is awaited once that SYN was sent.
func (x *examination) decide(since time.Duration) {
	slow := time.Duration(0)
	for _, p := range evidence.All[*evidence.Probe](x.Log) {
		slow = max(slow, p.RTT)
	}
	if again := max(x.secondSYN(), x.sentAgain()); since > again {
		if since < again+60*time.Millisecond+3*slow {
			return
		}
		if !x.late {
			x.late = true
			x.seeCounters()
			x.seeRules()
		}
	}
	if x.explained() {
		x.end(sock.ErrExplained)
	}
}

// experimentAfterwards looks closer at a refusal: was it the destination's?
func (x *examination) experimentAfterwards(err error) {
	if x.experiments == nil || x.made || x.others.Load() || !x.worthALook(err) || !x.mayProbe() {
		return
	}
	rtt := time.Since(x.Began)
	x.experiment(-1, &probe.Config{Patience: min(4*rtt, overdue), Limit: overdue})
}

// worthALook says that the end of an attempt leaves open who made it.
func (x *examination) worthALook(err error) bool {
	if x.Probes == PathProbes {
		return !errors.Is(err, sock.ErrCancelled)
	}
	if err == nil {
		return x.opaque()
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) || errno != syscall.ECONNREFUSED || x.route == nil || x.route.OnLink() {
		return false
	}
	_, _, byICMP := evidence.Last[*evidence.ICMP](x.Log)
	return !byICMP
}

// opaque says that a handshake seems to have been completed by somebody in front
// of the destination.
func (x *examination) opaque() bool {
	if x.captured == nil || x.others.Load() {
		return false
	}
	v := cause.ExplainAttempt(x.judged(x.Log, false), 0)
	return v.Cause == cause.IsOpen && slices.ContainsFunc(v.Alternatives, func(f cause.Finding) bool { return f.Cause == cause.SYNProxy })
}

// mayProbe says that a probe would go the attempt's way and meet somebody.
func (x *examination) mayProbe() bool {
	remote := x.cfg.Remote.Addr()
	switch {
	case x.cfg.Network[0] != 't' && x.Probes != PathProbes, x.cfg.HopLimit != 0, x.FastOpen, remote.IsMulticast():
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
	if watch >= 0 {
		x.sysctlText("net.ipv4.tcp_ecn") // for both families: does the first SYN carry what the second does not
	}
	c.Way = probe.Way{Local: x.cfg.Local.Addr(), Interface: x.cfg.Interface, Mark: x.cfg.Mark, TOS: x.cfg.TOS}
	c.Remote, c.Began, c.Watch = x.cfg.Remote, x.Began, watch
	if local, _, known := evidence.Last[*evidence.LocalAddr](x.Log); known && x.captured != nil && x.cfg.Network[0] == 't' {
		c.Source, c.Captured = local.Addr.Addr().Unmap(), true
	}
	c.OnLink, c.Quiet = x.route.OnLink(), x.Probes == FewProbes
	c.Always, c.Tries, c.Reference, c.Protocol = x.Probes == PathProbes, x.HopTries, x.ReferencePort, x.cfg.Network[:3]
	if c.Always {
		c.Limit = max(c.Limit, time.Second)
	}
	if c.Packets = x.MaxPackets; c.Packets == 0 {
		c.Packets = defaultPackets
	}
	c.Deadline = time.Now().Add(probing)
	if c.Always {
		c.Flows, c.Interval = x.Flows, x.HopInterval
		c.Deadline = time.Now().Add(2*probing + time.Duration(max(0, x.HopTries-1))*(x.HopInterval+time.Second))
		if x.HopProtocol != "" {
			c.Protocol = x.HopProtocol
		}
	}
	if !x.cfg.Deadline.IsZero() && x.cfg.Deadline.Before(c.Deadline) {
		c.Deadline = x.cfg.Deadline
	}
	before := slices.Clip(x.Log)
	c.Judge = func(probes evidence.Log) cause.Verdict {
		x.seePackets()
		return cause.ExplainAttempt(x.judged(slices.Concat(before, probes, packetsOf(x.Log[len(before):])), watch >= 0), 0)
	}
	heard := map[evidence.Fact]bool{}
	c.Heard = func(e evidence.Entry) {
		heard[e.Fact] = true
		x.AddAt(e.At, e.Source, e.Fact)
	}
	log, err := probe.Run(x.ctx, c)
	if err != nil {
		x.Add(evidence.FromFeature, &evidence.Unseen{What: "experiments", Why: err.Error()})
	}
	for _, e := range log {
		if !heard[e.Fact] {
			x.AddAt(e.At, e.Source, e.Fact)
		}
	}
}

// experimentWithSize asks, beside a connection, whether full segments would
// pass.
func (x *examination) experimentWithSize() {
	info, _, known := evidence.Last[*evidence.TCPInfo](x.Log)
	if !x.LargePackets || x.cfg.Network[0] != 't' || !known || x.others.Load() || !x.mayProbe() {
		return
	}
	size := int(info.SndMSS) + 40 // RFC 9293 §3.7.1: the fixed headers
	if x.cfg.Remote.Addr().Is6() {
		size += 20
	}
	if slices.Contains(info.Options, "timestamps") {
		size += 12 // RFC 7323 appendix A
	}
	c := &probe.Config{Remote: x.cfg.Remote, Began: x.Began, Watch: -1, Packets: cmp.Or(x.MaxPackets, defaultPackets), Deadline: time.Now().Add(probing)}
	c.Way = probe.Way{Local: x.cfg.Local.Addr(), Interface: x.cfg.Interface, Mark: x.cfg.Mark, TOS: x.cfg.TOS}
	if info.RTT > 0 {
		c.Patience = 4 * info.RTT
	}
	log, err := probe.Large(context.Background(), c, size)
	if err != nil {
		x.Add(evidence.FromFeature, &evidence.Unseen{What: "large_packets", Why: err.Error()})
	}
	for _, e := range log {
		x.AddAt(e.At, e.Source, e.Fact)
	}
}

// judged is a log as a dial; an attempt that still waits is judged as if it had
// been given up now.
func (x *examination) judged(log evidence.Log, waiting bool) *evidence.Dial {
	since := time.Since(x.Began)
	if waiting {
		log = slices.Clip(log)
		log.Add(since, evidence.FromTimer, &evidence.Expired{Limit: since, Scope: "explained"})
	}
	return &evidence.Dial{Target: x.Target, Network: x.Network, Took: since,
		Attempts: []evidence.Attempt{{Remote: x.cfg.Remote, Took: since, Log: log}}}
}
