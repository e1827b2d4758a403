package payload

import "strings"

// table has one row a service. The order is that in which a port is looked up.
var table = []Payload{
	{
		Name: "echo", Service: "Echo", Ports: []uint16{7}, Data: []byte("dialscope\r\n"),
		Asks: "to be sent back", Reference: "RFC 862",
	},
	{
		Name: "discard", Service: "Discard", Ports: []uint16{9},
		Silence: "a discard service never answers", Reference: "RFC 863",
	},
	{
		Name: "daytime", Service: "Daytime", Ports: []uint16{13}, Data: []byte{},
		Asks: "the time: any datagram is answered", Reference: "RFC 867",
	},
	{
		Name: "chargen", Service: "Character generator", Ports: []uint16{19}, Data: []byte{},
		Asks: "some characters: any datagram is answered", Reference: "RFC 864",
	},
	{
		Name: "time", Service: "Time", Ports: []uint16{37}, Data: []byte{},
		Asks: "the time: any datagram is answered", Reference: "RFC 868",
	},
	{
		Name: "dns", Service: "DNS", Ports: []uint16{53}, Data: dnsQuery(0x0100, "", typeNS),
		Asks: "for the name servers of the root", Reference: "RFC 1035 §4.1",
	},
	{
		Name: "dhcp", Service: "DHCP", Ports: []uint16{67, 68, 546, 547},
		Silence: "a DHCP server answers to port 68 (DHCPv6: 546), or by broadcast, and never to this socket", Reference: "RFC 2131 §4.1; RFC 8415 §7.2",
	},
	{
		Name: "tftp", Service: "TFTP", Ports: []uint16{69}, Data: []byte("\x00\x01dialscope\x00octet\x00"),
		Asks:    "to read a file that does not exist",
		Silence: "a TFTP server answers from another port, which a connected socket does not take", Reference: "RFC 1350 §4",
	},
	{
		Name: "rpcbind", Service: "RPC port mapper", Ports: []uint16{111}, Data: rpcNull(100000, 2),
		Asks: "nothing, by its procedure 0", Reference: "RFC 5531 §9; RFC 1833 §3.2",
	},
	{
		Name: "ntp", Service: "NTP", Ports: []uint16{123}, Data: append([]byte{0<<6 | 4<<3 | 3}, make([]byte, 47)...), // leap 0, version 4, mode 3: client
		Asks: "the time", Reference: "RFC 5905 §7.3",
	},
	{
		Name: "netbios-ns", Service: "NetBIOS name service", Ports: []uint16{137},
		Data: []byte("\x64\x73\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x20CK" + strings.Repeat("A", 30) + "\x00\x00\x21\x00\x01"),
		Asks: "for the node's status: its names", Reference: "RFC 1002 §4.2.17",
	},
	{
		Name: "snmp", Service: "SNMP", Ports: []uint16{161}, Data: []byte("\x30\x3a\x02\x01\x03" +
			"\x30\x0f\x02\x02\x64\x73\x02\x03\x00\xff\xe3\x04\x01\x04\x02\x01\x03" + // msgID, msgMaxSize, reportable, USM
			"\x04\x10\x30\x0e\x04\x00\x02\x01\x00\x02\x01\x00\x04\x00\x04\x00\x04\x00" +
			"\x30\x12\x04\x00\x04\x00\xa0\x0c\x02\x02\x64\x73\x02\x01\x00\x02\x01\x00\x30\x00"),
		Asks:    "for the engine's id, as SNMPv3 discovers it",
		Silence: "an agent that speaks SNMPv1 or v2c only answers nobody without its community (--payload snmp-public tries \"public\")", Reference: "RFC 3414 §4; RFC 3412 §6",
	},
	{
		Name: "snmp-public", Service: "SNMPv1", Data: []byte("\x30\x29\x02\x01\x00\x04\x06public" +
			"\xa0\x1c\x02\x04\x64\x69\x61\x6c\x02\x01\x00\x02\x01\x00" +
			"\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"), // sysDescr.0
		Asks:    "for the system's description, in the community \"public\"",
		Silence: "an agent answers nobody who does not know its community", Reference: "RFC 1157 §4.1.2; RFC 3584 §5.1",
	},
	{
		Name: "xdmcp", Service: "XDMCP", Ports: []uint16{177}, Data: []byte("\x00\x01\x00\x02\x00\x01\x00"), // version 1, Query, no authentication names
		Asks: "whether it manages displays", Reference: "XDMCP 1.1 §2",
	},
	{
		Name: "cldap", Service: "LDAP over UDP", Ports: []uint16{389}, Data: []byte("\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectclass\x30\x00"),
		Asks: "for the root DSE", Reference: "RFC 1798 §4; RFC 4511 §4.5.1; MS-ADTS 3.1.1.3.2",
	},
	{
		Name: "quic", Service: "QUIC", Ports: []uint16{443, 8443, 853, 4433}, Data: quicUnknownVersion(),
		Asks: "in a version that nobody speaks, which is answered with those that are spoken", Reference: "RFC 9000 §6.1, §14.1, §15",
	},
	{
		Name: "ike", Service: "IKEv2", Ports: []uint16{500}, Data: ikeInit(),
		Asks: "to begin a key exchange that is never finished", Reference: "RFC 7296 §1.2, §3",
	},
	{
		Name: "syslog", Service: "Syslog", Ports: []uint16{514},
		Silence: "a syslog receiver never answers", Reference: "RFC 5426 §3",
	},
	{
		Name: "rip", Service: "RIP", Ports: []uint16{520}, Data: []byte("\x01\x02\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 12) + "\x00\x00\x00\x10"), // request, metric infinity: all
		Asks: "for the whole routing table", Silence: "a router need answer its neighbours only", Reference: "RFC 2453 §3.9.1",
	},
	{
		Name: "ipmi", Service: "IPMI (RMCP)", Ports: []uint16{623}, Data: []byte("\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x00\x00\x00"),
		Asks: "for a presence pong", Reference: "ASF 2.0 §3.2.4.2; IPMI 2.0 §13.2.3",
	},
	{
		Name: "openvpn", Service: "OpenVPN", Ports: []uint16{1194}, Data: []byte("\x38dialscop\x00\x00\x00\x00\x00"), // P_CONTROL_HARD_RESET_CLIENT_V2, session, no acks, packet 0
		Asks: "to begin a session", Silence: "a server with tls-auth or tls-crypt answers nobody without its key", Reference: "openvpn doc/doxygen/doc_protocol_overview.h; openvpn(8) --tls-auth",
	},
	{
		Name: "radius", Service: "RADIUS", Ports: []uint16{1812, 1813, 1645, 1646},
		Silence: "a RADIUS server answers nobody without its shared secret, not even for its status", Reference: "RFC 2865 §3; RFC 5997 §3",
	},
	{
		Name: "ssdp", Service: "SSDP (UPnP)", Ports: []uint16{1900},
		Data: []byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n"),
		Asks: "for what it offers", Silence: "a device that only offers nothing of its own to unicast searches (UPnP 1.0) does not answer", Reference: "UPnP Device Architecture 1.1 §1.3.2",
	},
	{
		Name: "nfs", Service: "NFS", Ports: []uint16{2049}, Data: rpcNull(100003, 3),
		Asks: "nothing, by its procedure 0", Reference: "RFC 5531 §9; RFC 1813 §3.3.0",
	},
	{
		Name: "stun", Service: "STUN", Ports: []uint16{3478, 3479, 5349, 19302}, Data: []byte("\x00\x01\x00\x00\x21\x12\xa4\x42dialscope-tx"),
		Asks: "for this host's address as it is seen there (Binding)", Reference: "RFC 8489 §5, §6.2.1",
	},
	{
		Name: "ike-nat", Service: "IKEv2 through NAT", Ports: []uint16{4500}, Data: append([]byte{0, 0, 0, 0}, ikeInit()...),
		Asks: "to begin a key exchange that is never finished", Reference: "RFC 3948 §2.2; RFC 7296 §3.1",
	},
	{
		Name: "sip", Service: "SIP", Ports: []uint16{5060}, Data: []byte(strings.Join([]string{
			"OPTIONS sip:dialscope.invalid SIP/2.0",
			"Via: SIP/2.0/UDP dialscope.invalid;branch=z9hG4bKdialscope;rport",
			"Max-Forwards: 70",
			"From: <sip:dialscope@dialscope.invalid>;tag=dialscope",
			"To: <sip:dialscope.invalid>",
			"Call-ID: dialscope@dialscope.invalid",
			"CSeq: 1 OPTIONS",
			"Content-Length: 0", "", ""}, "\r\n")),
		Asks: "for what it can do (OPTIONS)", Reference: "RFC 3261 §11; RFC 3581 §3",
	},
	{
		Name: "nat-pmp", Service: "NAT-PMP, PCP", Ports: []uint16{5351}, Data: []byte{0, 0},
		Asks: "for the public address", Silence: "a gateway answers its inner side only", Reference: "RFC 6886 §3.2; RFC 6887 §9",
	},
	{
		Name: "mdns", Service: "Multicast DNS", Ports: []uint16{5353}, Data: dnsQuery(0, "_services._dns-sd._udp.local", typePTR),
		Asks: "for the services of the link, directly", Silence: "a responder may answer its own link only", Reference: "RFC 6762 §5.5, §6.7; RFC 6763 §9",
	},
	{
		Name: "llmnr", Service: "LLMNR", Ports: []uint16{5355},
		Silence: "a responder answers for its own name only, which is not known", Reference: "RFC 4795 §2.3",
	},
	{
		Name: "coap", Service: "CoAP", Ports: []uint16{5683}, Data: []byte("\x40\x00\x64\x73"), // confirmable, empty, message id
		Asks: "to reset an empty message (CoAP ping)", Reference: "RFC 7252 §4.3",
	},
	{
		Name: "memcached", Service: "memcached", Ports: []uint16{11211}, Data: []byte("\x64\x73\x00\x00\x00\x01\x00\x00version\r\n"), // request id, 0 of 1
		Asks: "for its version", Silence: "memcached leaves UDP off since 1.5.6", Reference: "memcached doc/protocol.txt, \"UDP protocol\"",
	},
	{
		Name: "wireguard", Service: "WireGuard", Ports: []uint16{51820},
		Silence: "a WireGuard peer never answers who does not know its public key", Reference: "WireGuard: Next Generation Kernel Network Tunnel §5.1, §5.4.2",
	},
}
