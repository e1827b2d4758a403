package frame

import "fmt"

// LinkType is a link layer by its number in capture files (LINKTYPE_ of
// tcpdump.org).
type LinkType uint16

// The link layers that are read.
const (
	Null      LinkType = 0   // BSD loopback, the family in the capturing host's order
	Ethernet  LinkType = 1   // IEEE 802.3
	PPP       LinkType = 9   // RFC 1661, with or without HDLC framing
	Raw12     LinkType = 12  // raw IP, as some systems number it
	Raw14     LinkType = 14  // raw IP, OpenBSD
	PPPHDLC   LinkType = 50  // RFC 1662
	PPPoE     LinkType = 51  // RFC 2516, without Ethernet
	Raw       LinkType = 101 // IPv4 or IPv6, by the version
	CiscoHDLC LinkType = 104 //
	WiFi      LinkType = 105 // IEEE 802.11
	Loop      LinkType = 108 // OpenBSD loopback, the family in network order
	Cooked    LinkType = 113 // Linux "any" device, v1
	Radiotap  LinkType = 127 // IEEE 802.11 behind a radiotap header
	IPv4      LinkType = 228
	IPv6      LinkType = 229
	CookedV2  LinkType = 276 // Linux "any" device, v2
)

var linkNames = map[LinkType]string{
	Null: "BSD loopback", Ethernet: "Ethernet", PPP: "PPP", Raw12: "raw IP", Raw14: "raw IP", PPPHDLC: "PPP in HDLC",
	PPPoE: "PPPoE", Raw: "raw IP", CiscoHDLC: "Cisco HDLC", WiFi: "802.11", Loop: "OpenBSD loopback",
	Cooked: "Linux cooked v1", Radiotap: "802.11 with radiotap", IPv4: "raw IPv4", IPv6: "raw IPv6", CookedV2: "Linux cooked v2",
}

// Known says that frames of this link layer are read.
func (l LinkType) Known() bool { return linkNames[l] != "" }

func (l LinkType) String() string {
	if name := linkNames[l]; name != "" {
		return name
	}
	return fmt.Sprintf("link type %d", uint16(l))
}
