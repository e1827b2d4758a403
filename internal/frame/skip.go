package frame

import (
	"cmp"
	"fmt"
	"slices"
)

// why names a reason for which a frame gave no TCP segment. The low 16 bits
// hold a number, where the reason has one.
type why uint32

const (
	whyLinkType why = (iota + 1) << 16
	whyEtherType
	whyLLC
	whyPPP
	whyFamily
	whyProtocol
	whyVersion
	whyCut
	whyLength
	whyLater
	whyDepth
	whyWiFi
	whyEncrypted
	whyUDP
	whyICMP
	whyQuoted
	whyFragment
	whyFragmentCopy
	whyFragmentMany
	whyOverlap
)

// A few numbers are met so often that they have a name.
var etherNames = map[uint16]string{
	0x0806: "ARP", 0x8035: "RARP", 0x88cc: "LLDP", 0x8863: "PPPoE discovery", 0x888e: "EAPOL", 0x88e5: "MACsec",
	0x8808: "Ethernet flow control", 0x9000: "Ethernet loopback test", 0x88a2: "ATA over Ethernet", 0x8137: "IPX", 0x809b: "AppleTalk",
}

var protocolNames = map[uint16]string{
	2: "IGMP", 17: "UDP", 50: "ESP", 88: "EIGRP", 89: "OSPF", 103: "PIM", 112: "VRRP", 115: "L2TP", 132: "SCTP",
	1: "ICMP", 58: "ICMPv6", 59: "IPv6 without next header",
}

func (w why) String() string {
	n := uint16(w)
	switch w &^ 0xffff {
	case whyLinkType:
		return "frame of " + LinkType(n).String() + ", which is not read"
	case whyEtherType:
		if name := etherNames[n]; name != "" {
			return name
		}
		return fmt.Sprintf("EtherType 0x%04x", n)
	case whyLLC:
		return fmt.Sprintf("LLC frame for SAP 0x%02x", n)
	case whyPPP:
		return fmt.Sprintf("PPP protocol 0x%04x", n)
	case whyFamily:
		return fmt.Sprintf("loopback frame of address family %d", n)
	case whyProtocol:
		if name := protocolNames[n]; name != "" {
			return name
		}
		return fmt.Sprintf("IP protocol %d", n)
	case whyVersion:
		return fmt.Sprintf("IP version %d", n)
	case whyCut:
		return "cut before the end of the TCP header"
	case whyLength:
		return "header with an impossible length"
	case whyLater:
		return "IP fragment whose first one, with the ports, is not in the capture"
	case whyDepth:
		return "more than 12 tunnels or tags within each other"
	case whyWiFi:
		return "802.11 management or control frame"
	case whyEncrypted:
		return "encrypted 802.11 frame"
	case whyUDP:
		return "UDP"
	case whyICMP:
		return "ICMP, not an error about TCP"
	case whyQuoted:
		return "ICMP error that quotes too little"
	case whyFragment:
		return "IP fragment with an impossible length"
	case whyFragmentCopy:
		return "IP fragment that was there before"
	case whyFragmentMany:
		return "IP fragment of a packet in more than 128 of them"
	case whyOverlap:
		return "IP fragment that overlaps another (receivers discard the packet: RFC 5722)"
	}
	return "not understood"
}

// Plain says that the frame is of another protocol, read as it should be: it
// is not TCP, and nothing of TCP was missed in it.
func (w why) plain() bool {
	switch w &^ 0xffff {
	case whyUDP, whyICMP, whyProtocol, whyFragmentCopy:
		return true
	case whyEtherType:
		return etherNames[uint16(w)] != "" && uint16(w) != 0x88e5
	}
	return false
}

// Skipped is a kind of frame that gave no segment, and how many there were.
type Skipped struct {
	What   string `json:"what"`
	Frames uint64 `json:"frames"`
	Other  bool   `json:"other_protocol"` // it is another protocol's; false: TCP may have been in it
}

// maxWhy bounds how many kinds are told apart.
const maxWhy = 512

func (d *Decoder) skip(w why) Kind {
	if _, known := d.skipped[w]; !known && len(d.skipped) >= maxWhy {
		w = 0
	}
	d.skipped[w]++
	return None
}

// Skipped lists what gave no segment, most frequent first.
func (d *Decoder) Skipped() []Skipped {
	var all []Skipped
	for w, n := range d.skipped {
		all = append(all, Skipped{w.String(), n, w.plain()})
	}
	slices.SortFunc(all, func(a, b Skipped) int {
		if c := cmp.Compare(b.Frames, a.Frames); c != 0 {
			return c
		}
		return cmp.Compare(a.What, b.What)
	})
	return all
}
