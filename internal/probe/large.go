package probe

import (
	"context"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// largePackets is the experiment of Large.
const largePackets cause.ExperimentID = "large-packets"

const (
	largeTries = 3 // of a packet that might only have been lost
	smallSize  = 60
	// largePatience is how long answers are awaited at least: what they come from
	// is a host whose round trip is known, but slow paths of ICMP are common.
	largePatience = 100 * time.Millisecond
)

// Large asks whether packets of a size (octets, with the IP header) get to the
// destination as small ones do: datagrams to a port at which nothing is meant to
// listen, that no router may fragment. Where small ones are answered and large
// ones are not, the same with rising TTLs shows how far these get. Nothing is
// sent on the connection itself.
func Large(ctx context.Context, c *Config, size int) (evidence.Log, error) {
	v, err := open(&round{began: c.Began, heard: c.Heard}, c.Way, c.Watch)
	if err != nil {
		return nil, err
	}
	defer v.close()
	r := &run{Config: c, volley: v}
	c.Patience, c.Limit = max(c.Patience, largePatience), max(c.Limit, largePatience)
	to := netip.AddrPortFrom(c.Remote.Addr(), udpPort)
	send := func(size, ttl int) *evidence.Probe {
		if r.left() <= 0 {
			return nil
		}
		return v.send(shot{experiment: string(largePackets), protocol: udp, to: to, ttl: ttl, size: size})
	}
	send(smallSize, 0)
	send(size, 0)
	if r.rest(ctx) {
		return r.log, nil
	}
	if small, large := sized(r.log, size); !small || large {
		return r.log, nil // nobody answers datagrams, or all is well
	}
	for range largeTries - 1 {
		send(size, 0)
	}
	for ttl := 1; ttl <= nextSweep; ttl++ {
		send(size, ttl)
	}
	r.rest(ctx)
	return r.log, nil
}

// sized says whether small packets, and those of a size, were answered. That a
// router says how large they may be is an answer.
func sized(log evidence.Log, size int) (small, large bool) {
	for _, p := range evidence.All[*evidence.Probe](log) {
		answered := p.Answer != "" || p.Errno != ""
		small = small || answered && p.Size != size
		large = large || answered && p.Size == size
	}
	return small, large
}
