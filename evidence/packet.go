package evidence

import (
	"net/netip"
)

// Capture says that from its time on the attempt's packets were captured: an
// answer that is not among the [Packet]s did not reach this host, unless
// Dropped says that some were lost for want of room. It is filed when the
// capture begins, and again when it has lost something.
type Capture struct {
	Dropped uint64 `json:"dropped"` // frames (packet(7), PACKET_STATISTICS)
}

// Packet is one packet of the attempt's own connection as it passed an
// interface of this host, or an answer of the same destination to an
// experiment. What went out was seen behind this host's packet filter, what came
// in before it (packet(7)).
//
// Its time is the kernel's, read from the wall clock; that of the first SYN is
// the time of connect(2), and what follows within a millisecond may be stamped
// late by as much (net_enable_timestamp).
type Packet struct {
	Direction string         `json:"direction"` // PacketIn, PacketOut
	Own       bool           `json:"own"`       // of the attempt's four-tuple; false: of an experiment's
	Protocol  string         `json:"protocol"`  // tcp; icmp: an echo reply, or the destination's own error about a datagram
	From      netip.AddrPort `json:"from"`
	To        netip.AddrPort `json:"to"`
	Flags     string         `json:"flags,omitempty"` // TCP control bits joined by "+": "SYN+ACK"
	// Seq and Ack are relative, modulo 2³²: Seq to the sender's first sequence
	// number here, Ack to the receiver's. So the right acknowledgment of a SYN is
	// 1. Seq is 0 before the sender's SYN was seen.
	Seq     uint32 `json:"seq"`
	Ack     uint32 `json:"ack"`
	Length  int    `json:"length,omitempty"` // octets of payload
	TTL     uint8  `json:"ttl"`              // as it was here; IPv6's hop limit
	ID      uint16 `json:"ip_id,omitempty"`  // IPv4 identification
	TOS     uint8  `json:"tos,omitempty"`    // DSCP and ECN
	Window  uint16 `json:"window,omitempty"` // not scaled
	Options string `json:"options,omitempty"`
	// Stamp and Echo are TSval and TSecr (RFC 7323 §3.2); 0 where there is no
	// such option.
	Stamp     uint32 `json:"ts_val,omitempty"`
	Echo      uint32 `json:"ts_ecr,omitempty"`
	Interface int    `json:"ifindex"`
	Loopback  bool   `json:"loopback,omitempty"` // it came by this host's loopback: it was made here
	Hardware  string `json:"hardware,omitempty"` // the sender's address on the link
	Checksum  string `json:"checksum,omitempty"` // of received packets: ChecksumGood, ChecksumBad; empty: not known
}

// The directions of a [Packet].
const (
	PacketIn  = "in"
	PacketOut = "out"
)

// What is known of a received packet's checksums. Over virtual links they are
// not computed at all, and nothing is known.
const (
	ChecksumGood = "good"
	ChecksumBad  = "bad"
)

// Kind implements [Fact].
func (*Capture) Kind() Kind { return "capture" }

// Kind implements [Fact].
func (*Packet) Kind() Kind { return "packet" }
