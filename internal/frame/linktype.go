package frame

import "fmt"

// LinkType is a link layer by its number in capture files (LINKTYPE_ of
// tcpdump.org).
type LinkType uint16

// The link layers that are read.
const (
	Null      LinkType = 0   // BSD loopback, the family in the capturing host's order
	Ethernet  LinkType = 1   // IEEE 802.3
	TokenRing LinkType = 6   // IEEE 802.5
	PPP       LinkType = 9   // RFC 1661, with or without HDLC framing
	FDDI      LinkType = 10  // ANSI X3.139
	Raw12     LinkType = 12  // raw IP, as some systems number it
	Raw14     LinkType = 14  // raw IP, OpenBSD
	PPPHDLC   LinkType = 50  // RFC 1662
	PPPoE     LinkType = 51  // RFC 2516, without Ethernet
	ATM       LinkType = 100 // LLC in AAL5, RFC 2684
	Raw       LinkType = 101 // IPv4 or IPv6, by the version
	CiscoHDLC LinkType = 104 //
	WiFi      LinkType = 105 // IEEE 802.11
	Relay     LinkType = 107 // Frame Relay with the header of RFC 2427
	Loop      LinkType = 108 // OpenBSD loopback, the family in network order
	Encap     LinkType = 109 // OpenBSD's view into IPsec
	Cooked    LinkType = 113 // Linux "any" device, v1
	PacketLog LinkType = 117 // OpenBSD's and FreeBSD's pf log
	Prism     LinkType = 119 // IEEE 802.11 behind a Prism header
	Radiotap  LinkType = 127 // IEEE 802.11 behind a radiotap header
	ARCNet    LinkType = 129 // Linux's ARCNET frames, RFC 1051 and RFC 1201
	AVS       LinkType = 163 // IEEE 802.11 behind an AVS header
	PPI       LinkType = 192 // what the PPI header names behind it
	PPPWith   LinkType = 204 // PPP behind a direction
	MPLS      LinkType = 219 // RFC 3032
	IPv4      LinkType = 228
	IPv6      LinkType = 229
	NFLog     LinkType = 239 // Linux netfilter's log
	NetANA    LinkType = 240 // Ethernet behind the header of a netANALYZER
	NetANAPre LinkType = 241 // the same, with preamble
	IPoIB     LinkType = 242 // IP over InfiniBand, RFC 4391
	PKTAP     LinkType = 258 // Darwin's, which names the link layer behind it
	MPacket   LinkType = 274 // Ethernet with preamble, IEEE 802.3br
	CookedV2  LinkType = 276 // Linux "any" device, v2
)

var linkNames = map[LinkType]string{
	Null: "BSD loopback", Ethernet: "Ethernet", PPP: "PPP", Raw12: "raw IP", Raw14: "raw IP", PPPHDLC: "PPP in HDLC",
	PPPoE: "PPPoE", Raw: "raw IP", CiscoHDLC: "Cisco HDLC", WiFi: "802.11", Loop: "OpenBSD loopback",
	Cooked: "Linux cooked v1", Radiotap: "802.11 with radiotap", IPv4: "raw IPv4", IPv6: "raw IPv6", CookedV2: "Linux cooked v2",
	Relay: "Frame Relay", Encap: "OpenBSD IPsec", PacketLog: "pf log", Prism: "802.11 with Prism header", ARCNet: "ARCNET", AVS: "802.11 with AVS header",
	PPI: "PPI", PPPWith: "PPP with direction", NFLog: "netfilter log", IPoIB: "IP over InfiniBand",
	TokenRing: "Token Ring", FDDI: "FDDI", ATM: "ATM", MPLS: "MPLS", NetANA: "netANALYZER", NetANAPre: "netANALYZER with preamble", PKTAP: "PKTAP", MPacket: "Ethernet with preamble",
}

// Known says that frames of this link layer are read.
func (l LinkType) Known() bool { return linkNames[l] != "" }

func (l LinkType) String() string {
	if name := linkNames[l]; name != "" {
		return name
	}
	return fmt.Sprintf("link type %d", uint16(l))
}
