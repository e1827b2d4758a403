package probe

import (
	"time"

	"github.com/dialscope/dialscope/evidence"
)

const (
	// firstSweep is how many TTLs are asked at once at first, nextSweep how
	// many more while routers go on answering. Most paths end within 16 hops.
	firstSweep = 10
	nextSweep  = 8
	// calmSweep is how many are asked at a time where the destination has
	// answered before: each that gets there is answered again.
	calmSweep = 5
	// silentHops in a row end a sweep: routers that never answer are common, so
	// many of them in a row are not.
	silentHops = 4
	// lastTTL is farther than measured paths go.
	lastTTL = 32
)

// sweep is a series of probes toward one port with rising TTLs. Every hop is
// asked once, and once more if it did not answer: Linux routers send about one
// ICMP error a second to one destination after a burst of six
// (inet_peer_xrlim_allow).
type sweep struct {
	shot
	first, next int
	most        int // TTLs to ask at all; 0: until silence
	asked       map[int][]*evidence.Probe
}

func newSweep(s shot, from, most int) *sweep {
	return &sweep{shot: s, first: from, next: from, most: most, asked: map[int][]*evidence.Probe{}}
}

// farthest is the highest TTL that ended at a router which said so.
func (s *sweep) farthest() int {
	far := 0
	for ttl, probes := range s.asked {
		for _, p := range probes {
			if p.Expired() {
				far = max(far, ttl)
			}
		}
	}
	return far
}

// reached is the lowest TTL at which the destination answered; 0: none.
func (s *sweep) reached() int {
	low := 0
	for ttl, probes := range s.asked {
		for _, p := range probes {
			if p.Reached() && (low == 0 || ttl < low) {
				low = ttl
			}
		}
	}
	return low
}

// over says that no higher TTL is worth asking.
func (s *sweep) over() bool {
	switch asked := s.next - s.first; {
	case asked == 0:
		return false
	case s.reached() > 0, s.next > lastTTL, s.most > 0 && asked >= s.most:
		return true
	}
	return s.next-1-max(s.farthest(), s.first-1) >= silentHops
}

// extend asks the next TTLs, at most n.
func (s *sweep) extend(v *volley, n int) {
	if s.over() {
		return
	}
	for ; n > 0 && s.next <= lastTTL && (s.most == 0 || s.next-s.first < s.most); n-- {
		s.ask(v, s.next)
		s.next++
	}
}

func (s *sweep) ask(v *volley, ttl int) {
	one := s.shot
	one.ttl = ttl
	s.asked[ttl] = append(s.asked[ttl], v.send(one))
}

// unanswered lists the TTLs up to a bound that were asked once and not
// answered, lowest first.
func (s *sweep) unanswered(bound int) (ttls []int) {
	for ttl := s.first; ttl < s.next && ttl <= bound; ttl++ {
		if probes := s.asked[ttl]; len(probes) == 1 && probes[0].Answer == "" && probes[0].Errno == "" {
			ttls = append(ttls, ttl)
		}
	}
	return ttls
}

// slowest is the longest round trip of a log.
func slowest(l evidence.Log) (rtt time.Duration) {
	for _, p := range evidence.All[*evidence.Probe](l) {
		rtt = max(rtt, p.RTT)
	}
	return rtt
}
