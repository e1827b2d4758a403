package probe

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Config says what to find out, and at what price.
type Config struct {
	Way
	Remote   netip.AddrPort
	Began    time.Time // the attempt's; entries are timed since then
	Deadline time.Time // the run ends by then
	Packets  int       // the most to send
	// Patience is how long a round waits at least for what has not answered,
	// and Limit at most; between them it is four times the slowest answer.
	Patience, Limit time.Duration
	OnLink          bool // no router is passed: TTLs tell nothing
	Quiet           bool // touch no other port of the destination
	// Captured says that the answers' packets are captured, which takes the
	// privilege to make segments by hand as well: experiments that need it are
	// made.
	Captured bool
	// Always asks every hop, whatever the verdict, Tries times each; by Protocol
	// (empty: TCP). Reference, where it is not 0, is the port to compare with,
	// which then is always done.
	Always    bool
	Tries     int
	Protocol  string
	Reference uint16
	// Flows, where it is not 0, asks the hops by so many flows, each from a source
	// port of its own that it keeps for all TTLs, Tries times over, Interval apart.
	Flows    int
	Interval time.Duration
	Watch    int // a descriptor whose readiness ends the run; -1: none

	// Judge says what the evidence means with these probes added.
	Judge func(probes evidence.Log) cause.Verdict
	// Heard is called for every answer as it comes; nil: nobody.
	Heard func(evidence.Entry)
}

// The experiments of cause.Experiments that are made here, and one that is not.
const (
	otherSource  cause.ExperimentID = "second-source-port"
	udpDistance  cause.ExperimentID = "udp-port"
	echoRequests cause.ExperimentID = "echo"
	otherPorts   cause.ExperimentID = "reference-port"
	hops         cause.ExperimentID = "hop-limited-connect"
	references   cause.ExperimentID = "hop-limited-reference"
	distances    cause.ExperimentID = "answer-distance"
	plainSYN     cause.ExperimentID = "plain-syn"
	bareACK      cause.ExperimentID = "bare-ack"
	ownPackets   cause.ExperimentID = "own-packets" // they are captured already, or cannot be
	repeat       cause.ExperimentID = "repeat"      // takes seconds: --count does it
)

const (
	minPatience = 30 * time.Millisecond
	maxRounds   = 8
)

// run is one Run under way.
type run struct {
	*Config
	*volley
	done      []cause.ExperimentID
	target    *sweep // toward the attempt's own port
	reference []*sweep
	single    *evidence.Probe // the SYN from another source port
	insisted  bool            // it was sent once more
}

// Run makes the experiments that Judge's verdicts ask for (cause.Choose), as
// many at once as the packets allow, until they leave nothing open that another
// could decide. What comes back is in the order of sending, probes without an
// answer included. The error says why no probe could be sent at all.
func Run(ctx context.Context, c *Config) (evidence.Log, error) {
	v, err := open(&round{began: c.Began, heard: c.Heard}, c.Way, c.Watch)
	if err != nil {
		return nil, err
	}
	defer v.close()
	r := &run{Config: c, volley: v, done: []cause.ExperimentID{repeat, ownPackets, largePackets}}
	if c.OnLink {
		r.done = append(r.done, hops, references)
	}
	if c.Quiet {
		r.done = append(r.done, otherPorts)
	}
	if c.OnLink && c.Always {
		r.done = nil // there is one hop, and it was asked for
	}
	for n := range maxRounds {
		before := len(r.log)
		verdict := c.Judge(r.log)
		settled := verdict.Confidence == cause.Certain || len(verdict.Alternatives) == 0
		if settled && !c.Always {
			break
		}
		if n == 0 && c.Always && c.Flows > 0 {
			if r.flows(ctx) {
				break
			}
			r.done = append(r.done, hops)
			verdict = c.Judge(r.log)
			settled = verdict.Confidence == cause.Certain || len(verdict.Alternatives) == 0
		} else {
			r.further()
		}
		var begun []cause.ExperimentID
		if c.Always {
			begun = r.whatever(n)
		}
		if !settled && r.protocol() == tcp {
			begun = r.choose(verdict, begun)
		}
		r.done = append(r.done, begun...)
		if len(r.log) == before || r.rest(ctx) {
			break
		}
	}
	return r.log, nil
}

func (r *run) protocol() string {
	if r.Protocol == "" {
		return tcp
	}
	return r.Protocol
}

// whatever asks the hops whatever the verdict: the way first, then what is to
// be compared with it.
func (r *run) whatever(n int) (begun []cause.ExperimentID) {
	switch {
	case n == 0 && r.Flows == 0:
		r.begin(hops)
		return []cause.ExperimentID{hops}
	case (n > 0 || r.Flows > 0) && r.Reference != 0 && len(r.reference) == 0:
		s := newSweep(shot{experiment: string(references), protocol: tcp, to: netip.AddrPortFrom(r.Remote.Addr(), r.Reference)}, 1, 0)
		r.reference = append(r.reference, s)
		s.extend(r.volley, min(nextSweep, r.left()))
	case r.protocol() == tcp && r.target.reached() > 0 && !slices.Contains(r.done, references):
		r.begin(references) // is it the destination that answers there?
		return []cause.ExperimentID{references}
	}
	return nil
}

func (r *run) left() int { return r.Packets - r.sent }

// choose begins every experiment that the verdict leaves worth making, beside
// those begun already.
func (r *run) choose(v cause.Verdict, begun []cause.ExperimentID) []cause.ExperimentID {
	for r.left() > 0 {
		e, ok := cause.Choose(v, cause.Allowed{Packets: r.left(), Done: r.done, Begun: begun, Privileges: r.privileges()})
		if !ok {
			break
		}
		begun = append(begun, e.ID)
		r.begin(e.ID)
	}
	return begun
}

func (r *run) privileges() []string {
	if r.Captured {
		return []string{"CAP_NET_RAW"}
	}
	return nil
}

// further goes on with sweeps: to higher TTLs, and once more to hops that did
// not answer although they lie where it matters.
func (r *run) further() {
	r.insist()
	if r.target != nil && r.Flows == 0 {
		r.again(r.target, r.target.farthest()+3)
		r.repeat(r.target)
		n := nextSweep
		if r.Watch < 0 {
			n = calmSweep
		}
		r.extend(r.target, n)
	}
	for _, s := range r.reference {
		r.again(s, s.farthest()+1)
		r.extend(s, nextSweep)
	}
}

// insist sends the SYN from another source port once more, on the same
// four-tuple: what drops the first SYN of a flow and lets its repetition pass (a
// SYN flood's defence, a lossy link) lets this one pass.
func (r *run) insist() {
	p := r.single
	if p == nil || r.insisted || p.Answer != "" || p.Errno != "" || p.Source == 0 || r.left() <= 0 {
		return
	}
	r.insisted = true
	r.release(p)
	r.send(shot{experiment: string(otherSource), protocol: tcp, to: p.To, keep: true, from: p.Source})
}

// repeat asks the hops of the way as often as was asked for.
func (r *run) repeat(s *sweep) {
	bound := s.farthest()
	if reached := s.reached(); reached > 0 {
		bound = reached
	}
	for ttl := s.first; ttl <= bound && ttl < s.next; ttl++ {
		if len(s.asked[ttl]) < r.Tries && r.left() > 0 {
			s.ask(r.volley, ttl)
		}
	}
}

func (r *run) extend(s *sweep, n int) {
	if s.next > s.first && !s.over() {
		s.extend(r.volley, min(n, r.left()))
	}
}

// again asks hops that did not answer a second time.
func (r *run) again(s *sweep, bound int) {
	if reached := s.reached(); reached > 0 {
		bound = min(bound, reached-1)
	}
	for _, ttl := range s.unanswered(bound) {
		if r.left() <= 0 {
			return
		}
		s.ask(r.volley, ttl)
	}
}

// rest waits for this round's answers; true when the run is to stop.
func (r *run) rest(ctx context.Context) bool {
	began := time.Now()
	for {
		slow := slowest(r.log)
		until := began.Add(min(max(4*slow, r.Patience, minPatience), max(r.Limit, minPatience)))
		if !r.Deadline.IsZero() && until.After(r.Deadline) {
			until = r.Deadline
		}
		if r.wait(ctx, until, func() bool { return slowest(r.log) > slow }) {
			return true
		}
		now := time.Now()
		switch {
		case !r.Deadline.IsZero() && !now.Before(r.Deadline):
			return true
		case r.idle() || !now.Before(until):
			return false
		}
	}
}

// begin sends the first packets of an experiment.
func (r *run) begin(id cause.ExperimentID) {
	host := r.Remote.Addr()
	one := func(protocol string, port uint16) {
		if r.left() > 0 {
			r.send(shot{experiment: string(id), protocol: protocol, to: netip.AddrPortFrom(host, port)})
		}
	}
	byHand := func(form string, n int) {
		for ; n > 0 && r.left() > 0; n-- {
			r.send(shot{experiment: string(id), protocol: tcp, to: r.Remote, form: form})
		}
	}
	switch id {
	case plainSYN:
		byHand(evidence.FormPlain, 2)
	case bareACK:
		byHand(evidence.FormACK, 2)
	case distances:
		one(echo, 0)
		one(udp, udpPort)
		if !r.Quiet {
			one(tcp, closedPort)
			one(tcp, 443)
		}
	case otherSource:
		if r.left() > 0 {
			r.single = r.send(shot{experiment: string(id), protocol: tcp, to: r.Remote, keep: true})
		}
	case udpDistance:
		one(udp, udpPort)
	case echoRequests:
		one(echo, 0)
	case otherPorts:
		for _, port := range referencePorts {
			if port != r.Remote.Port() {
				one(tcp, port)
			}
		}
	case hops:
		r.target = newSweep(shot{experiment: string(id), protocol: r.protocol(), to: r.Remote}, 1, 0)
		n := firstSweep
		if r.Watch < 0 { // nobody waits, and the destination does answer
			n = calmSweep
		}
		r.target.extend(r.volley, min(n, r.left()))
	case references:
		r.refer(string(id))
	}
}

const (
	// udpPort is traceroute's first, at which nothing is meant to listen
	// (IANA: 33434 is assigned to traceroute).
	udpPort = 33434
	// closedPort is in the dynamic range (RFC 6335 §6): rarely a service's.
	closedPort = 61439
)

// referencePorts are a port that is likely to be closed and those that filters
// most often let pass: an answer from any shows that the host is alive.
var referencePorts = []uint16{closedPort, 443, 80, 22}

// refer begins sweeps by what the host did answer, at the hops where the
// attempt's own packets ended: does something else get further there? One by
// TCP, one by something else, since a device that forges resets for one port
// may do so for all.
func (r *run) refer(id string) {
	from, most := 1, 0
	if r.target != nil {
		from = r.target.farthest() + 1
		if reached := r.target.reached(); reached > 0 {
			from, most = reached, 3
		}
	}
	kinds := r.answered()
	if len(kinds) == 0 {
		kinds = []shot{{protocol: udp, to: netip.AddrPortFrom(r.Remote.Addr(), udpPort)}}
		if !slices.ContainsFunc(evidence.All[*evidence.Probe](r.log), func(p *evidence.Probe) bool {
			return p.Protocol == echo && p.Errno != ""
		}) {
			kinds = append(kinds, shot{protocol: echo, to: netip.AddrPortFrom(r.Remote.Addr(), 0)})
		}
	}
	for _, s := range kinds {
		s.experiment = id
		sweep := newSweep(s, from, most)
		r.reference = append(r.reference, sweep)
		sweep.extend(r.volley, min(referenceSweep, r.left()))
	}
}

// referenceSweep is how many hops beyond the last one a reference is asked for at once.
const referenceSweep = 5

// answered gives the kinds of packets that the destination answered at full
// TTL: at most one of TCP and one other.
func (r *run) answered() (kinds []shot) {
	have := map[bool]bool{}
	for _, p := range evidence.All[*evidence.Probe](r.log) {
		isTCP := p.Protocol == tcp
		if p.TTL == 0 && p.Form == "" && p.Reached() && p.To != r.Remote && !have[isTCP] {
			have[isTCP] = true
			kinds = append(kinds, shot{protocol: p.Protocol, to: p.To})
		}
	}
	return kinds
}
