package peer

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/internal/wire"
)

// Script is what a peer is to do. It is not changed by being played, and may be
// played by several devices at once.
type Script struct {
	routers []*node // in the order in which packets from the kernel meet them
	hosts   []*node
	rules   []*rule
	steps   []step
	idle    idle
}

// Addrs returns the addresses of the script's hosts, which the kernel must have
// a route to by the device.
func (s *Script) Addrs() []netip.Addr {
	var all []netip.Addr
	for _, h := range s.hosts {
		all = append(all, h.addrs...)
	}
	return all
}

// idle is what is done with TCP segments that nothing else takes once the steps
// are over.
type idle uint8

const (
	idleIgnore idle = iota
	idleReset       // as a host without that connection would: RFC 9293 §3.10.7.1
)

// node is a host or a router.
type node struct {
	addrs  []netip.Addr
	hop    int   // 1 for the first router
	ttl    uint8 // initial TTL of what it sends
	ipid   idMode
	id     uint16        // with idFixed
	rtt    time.Duration // added to everything that it sends
	silent bool          // a router that sends no ICMP of its own accord
	rate   *rate         // of the ICMP that a router sends of its own accord
	mtu    int           // of the link behind a router; 0: no limit
}

// idMode is how a node chooses the identification of its IPv4 packets.
type idMode uint8

const (
	idCount idMode = iota // one more each time
	idZero                // what Linux does in answers without a connection
	idFixed
)

// rate admits n at once and n more for each period (a token bucket).
type rate struct {
	n   int
	per time.Duration
}

// step is one statement of the part that is played from top to bottom.
type step interface{ play(*player) error }

type (
	expectStep struct {
		line     int
		text     string // as written, for errors
		match    match
		min, max time.Duration // since the previous step; max 0: no limit
	}
	absentStep struct {
		line     int
		text     string
		match    match
		duration time.Duration
	}
	ignoreStep struct {
		line  int
		text  string
		match match
		count int
	}
	sendStep struct {
		line  int
		after time.Duration // since the previous step
		out   outgoing
	}
	waitStep struct {
		line     int
		duration time.Duration
	}
	repeatStep struct {
		count int
		body  []step
	}
	reversedStep struct {
		line int
		body []*sendStep
	}
	endStep struct{}
)

// rule is done for every packet that it matches.
type rule struct {
	line    int
	match   match
	at      *node // the router where it applies; nil: at the host
	first   int   // matches only the first so many; 0: all
	rate    *rate // above it, a matching packet is lost
	lose    bool  // the packet does not arrive
	forward bool  // the packet goes on its way, whatever rules follow
	actions []*sendStep
}

// match says which packets are meant.
type match struct {
	kind       kind
	set, clear wire.Flags // of a TCP segment
	icmp       icmpKind
	conditions []func(*packet) bool
}

type kind uint8

const (
	anyPacket  kind = iota
	anySegment      // TCP, whatever flags
	flagged         // TCP with flags
	data            // TCP with at least an octet of data
	datagram        // UDP
	echo            // an echo request
	icmp
)

// icmpKind is a message by its name, which depends on the protocol, or by type
// and code.
type icmpKind struct {
	name      string
	typ, code uint8
}

func (k icmpKind) number(p wire.Protocol) (typ, code uint8, ok bool) {
	if k.name == "" {
		return k.typ, k.code, true
	}
	return wire.ICMPNumber(p, k.name)
}

// number is a sequence number, an acknowledgement or a timestamp.
type number struct {
	base base
	n    uint32 // added to the base
}

type base uint8

const (
	unset base = iota
	absolute
	relative // written with a sign
	fromISN  // counted from the initial sequence number
)

// outgoing is a packet to be sent: a template that the flow and the packet that
// is answered fill in.
type outgoing struct {
	kind  kind // flagged, datagram, echo (a reply), icmp, or anyPacket: raw
	flags wire.Flags
	seq   number
	ack   number

	window  uint16
	urgent  uint16
	options []option
	payload []byte
	raw     []byte

	icmp    icmpKind
	mtu     uint32
	pointer uint8
	quote   quote

	from       netip.Addr     // zero: who was asked
	to         netip.AddrPort // zero: who asked
	port       uint16         // ours
	clientPort uint16

	ttl         *uint8
	hop         int // where it is sent from; 0: where the sender is
	tos         uint8
	id          *uint16
	mayFragment bool

	badIPSum, badSum bool
	cut              int    // octets taken off the end
	dataOffset       *uint8 // in place of the right one, in 32-bit words
	times            int
}

// option is a TCP option, or, with kind TimestampOption, one to be filled in.
type option struct {
	wire.Option
	value, echo number // timestamps
	raw         bool   // Data is the options field itself
}

// quote says how an ICMP error's quotation differs from the packet that it is about.
type quote struct {
	octets     int // of the transport message; -1: as many as fit
	none       bool
	seq        number
	port       uint16
	clientPort uint16
	from, to   netip.Addr
}
