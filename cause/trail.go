package cause

import (
	"fmt"
	"net/netip"

	"github.com/dialscope/dialscope/evidence"
)

// trail is what one kind of packet met on its way to the destination: at which
// router each small TTL ended, and where the destination answered.
type trail struct {
	protocol string
	to       netip.AddrPort
	routers  map[int]netip.Addr // by TTL: who said that it ended there
	asked    map[int]int        // by TTL: packets sent; 0 is the full TTL
	reached  int                // the smallest TTL at which the destination answered; 0: none did
	full     bool               // the destination answered at full TTL
	answer   string             // what it said
	vain     map[uint16]int     // by source port: SYNs at full TTL that nobody answered
}

// farthest is the highest TTL that a router answered, with its address.
func (t *trail) farthest() (ttl int, router netip.Addr) {
	if t == nil {
		return 0, netip.Addr{}
	}
	for n, a := range t.routers {
		if n > ttl {
			ttl, router = n, a
		}
	}
	return ttl, router
}

// answered says that the destination, or a device in its name, answered.
func (t *trail) answered() bool { return t != nil && (t.full || t.reached > 0) }

// heard says that anybody answered.
func (t *trail) heard() bool { return t.answered() || t != nil && len(t.routers) > 0 }

// survey is what the experiments beside an attempt found.
type survey struct {
	target     *trail   // the attempt's own port
	references []*trail // everything else
	alive      string   // how the destination is known to be alive; empty: it is not
	aliveTCP   bool     // another of its ports answered, so that TCP from it comes in here

	plain, bare byHand // SYNs without options; acknowledgments of nothing
	large       sizes
}

// sizes is what became of packets of two sizes, none of which may be fragmented.
type sizes struct {
	size     int  // the larger one, octets
	small    bool // the destination answered a small one
	large    bool // it answered a large one, or somebody said how large it may be
	tried    int  // large ones at full TTL
	farthest int  // the highest TTL at which a router answered a large one
	router   netip.Addr
}

func (z *sizes) add(v *view, p *evidence.Probe) {
	switch full := p.TTL == 0; {
	case p.Size < z.size:
		z.small = z.small || full && p.Reached()
	case full:
		z.tried += p.Sent
		z.large = z.large || p.Answer != "" || p.Errno != ""
	case p.Expired() && !v.fromHere(p.ICMP) && p.TTL > z.farthest:
		z.farthest, z.router = p.TTL, p.From
	case p.Answer != "" && !p.Expired():
		z.large = true
	}
}

// byHand is what answered segments of one form toward the attempt's own port.
type byHand struct {
	sent   int
	answer string
}

func (s *survey) formed(p *evidence.Probe) {
	b := &s.plain
	if p.Form == evidence.FormACK {
		b = &s.bare
	}
	b.sent += p.Sent
	if p.Reached() && (p.Answer == evidence.AnswerRST || p.Answer == evidence.AnswerSYNACK) {
		b.answer = p.Answer
		s.aliveTCP = true
		if s.alive == "" {
			s.alive = map[string]string{
				evidence.FormACK: "it answers an acknowledgment that belongs to no connection", evidence.FormPlain: "it answers a SYN without options",
			}[p.Form]
		}
	}
}

// readProbes makes the survey; nil where no probe was sent.
func readProbes(v *view, probes []*evidence.Probe) *survey {
	var s *survey
	size := 0
	for _, p := range probes {
		size = max(size, p.Size)
	}
	for _, p := range probes {
		if p.Sent == 0 || p.Experiment == "" {
			continue
		}
		if s == nil {
			s = &survey{large: sizes{size: size}}
		}
		if p.Experiment == "large-packets" {
			s.large.add(v, p)
			continue
		}
		if p.Form != "" {
			s.formed(p)
			continue
		}
		t := s.trail(v, p)
		t.asked[p.TTL] += p.Sent
		if p.TTL == 0 && p.Source != 0 && p.Answer == "" {
			t.vain[p.Source] += p.Sent
		}
		switch {
		case p.Expired() && !v.fromHere(p.ICMP) && p.TTL > 0:
			t.routers[p.TTL] = p.From
		case p.Reached():
			t.meet(p)
			if t != s.target {
				s.live(p)
			}
		}
	}
	return s
}

func (s *survey) trail(v *view, p *evidence.Probe) *trail {
	if p.Protocol == "tcp" && p.To == v.remote {
		if s.target == nil {
			s.target = newTrail(p)
		}
		return s.target
	}
	for _, t := range s.references {
		if t.protocol == p.Protocol && t.to == p.To {
			return t
		}
	}
	s.references = append(s.references, newTrail(p))
	return s.references[len(s.references)-1]
}

func newTrail(p *evidence.Probe) *trail {
	return &trail{protocol: p.Protocol, to: p.To, routers: map[int]netip.Addr{}, asked: map[int]int{}, vain: map[uint16]int{}}
}

func (t *trail) meet(p *evidence.Probe) {
	t.answer = p.Answer
	switch {
	case p.TTL == 0:
		t.full = true
	case t.reached == 0 || p.TTL < t.reached:
		t.reached = p.TTL
	}
}

// live notes how the destination showed itself.
func (s *survey) live(p *evidence.Probe) {
	words := ""
	switch p.Answer {
	case evidence.AnswerRST, evidence.AnswerSYNACK:
		words, s.aliveTCP = fmt.Sprintf("its port %d answers", p.To.Port()), true
	case evidence.AnswerEcho:
		words = "it answers an echo request"
	default:
		words = "it answers a datagram"
	}
	if s.alive == "" {
		s.alive = words
	}
}

// beyond is the lowest TTL above one at which a router, not the destination,
// answered a reference; 0: none did. This shows that packets go on from there
// and that the destination is farther.
func (s *survey) beyond(ttl int) (hop int, by *trail) {
	for _, t := range s.references {
		for n := range t.routers {
			if n > ttl && (hop == 0 || n < hop) {
				hop, by = n, t
			}
		}
	}
	return hop, by
}

// distance is the smallest TTL at which the destination answered a reference,
// 0 where it is not known.
func (s *survey) distance() (ttl int) {
	for _, t := range s.references {
		if t.reached > 0 && (ttl == 0 || t.reached < ttl) {
			ttl = t.reached
		}
	}
	return ttl
}

// tries is how many packets of a trail were sent at a TTL or above, small TTLs only.
func (t *trail) tries(from int) (n int) {
	for ttl, packets := range t.asked {
		if ttl >= from {
			n += packets
		}
	}
	return n
}

// insisted says that a SYN was repeated on its own four-tuple, and in vain both
// times: neither a loss nor a device that drops the first SYN of a flow.
func (t *trail) insisted() bool {
	if t == nil {
		return false
	}
	for _, n := range t.vain {
		if n > 1 {
			return true
		}
	}
	return false
}

// kinds is how many kinds of packets were sent to the destination that were
// not answered by it.
func (s *survey) kinds() (n int) {
	for _, t := range s.references {
		if !t.answered() {
			n++
		}
	}
	return n
}
