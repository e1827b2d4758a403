// Package probe makes the experiments that package cause asks for: single
// packets beside an attempt, most with a small TTL, and what comes back for
// them. No experiment needs a privilege: the ICMP errors are read from the
// error queues of ordinary sockets (ip(7), IP_RECVERR).
//
// All sockets are opened by the caller's goroutine, so that they belong to the
// caller's network namespace, and no goroutine is started.
package probe

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// Way is what decides how this host sends a packet: the same for a probe as
// for the attempt that it is to explain. The zero value leaves all to the
// routing table.
type Way struct {
	Local     netip.Addr // source address
	Interface string     // SO_BINDTODEVICE
	Mark      uint32     // SO_MARK
	TOS       uint8      // IP_TOS, IPV6_TCLASS
	Source    netip.Addr // the attempt's own source, for segments made by hand
}

// shot is one packet to send.
type shot struct {
	experiment string
	protocol   string // tcp, udp, icmp
	to         netip.AddrPort
	ttl        int    // 0: the host's default
	size       int    // of the packet in octets, never fragmented; 0: as small as can be
	form       string // of TCP: made by hand (evidence.FormPlain and its like); empty: by the kernel
	keep       bool   // note the source port
	from       uint16 // the source port; 0: any
}

// The protocols of a probe, as evidence.Probe has them.
const (
	tcp  = "tcp"
	udp  = "udp"
	echo = "icmp"
)

// round is what was sent and what came back so far, in the order of sending.
type round struct {
	began time.Time // entries are timed since then
	log   evidence.Log
	sent  int // packets
	heard func(evidence.Entry)
}

// file writes down a probe; it is completed in place when its answer comes.
func (r *round) file(at time.Time, p *evidence.Probe) {
	r.log.Add(at.Sub(r.began), evidence.FromProbe, p)
	r.sent += p.Sent
}
