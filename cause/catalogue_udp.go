package cause

import "github.com/dialscope/dialscope/evidence"

var udpEntries = []Entry{
	{
		ID:          UDPAnswered,
		Group:       GroupUDP,
		Title:       "a datagram came back",
		Explanation: "A datagram came back from {target}[[ after {elapsed}]]: something there answers[[ ({detail})]].",
		Detail:      "what the datagram had asked, where that is known",
		Remedy:      "Nothing needs to be done; if the application still fails, the reason lies in what it says and not in the network.",
		Culprit:     Nobody,
		Page: `UDP has no handshake: connect(2) on a datagram socket only notes the peer's
address and sends nothing. So a datagram was sent and an answer awaited. An
answer proves the way there and back and that something serves the port.

What it does not say: that the answer is right. The content was not judged,
and a device in front may have made it.

By hand:
    nc -u -v ADDRESS PORT
    ss -un 'dst [ADDRESS]'`,
		Reference: "RFC 768; udp(7); connect(2)",
	},
	{
		ID:          UDPSilent,
		Group:       GroupUDP,
		Title:       "no answer came, which UDP does not explain",
		Explanation: "Nothing came back from {target}[[ within {elapsed}]]: an open port, a filtered one and a lost datagram look the same[[; {detail}]].",
		Detail:      "why the service that this port is for may stay silent to what it was asked",
		Remedy:      "Send what the service answers to, or look on {address|the destination} whether it listens (`ss -lun 'sport = :{port}'`) and what arrives (`tcpdump -ni any 'udp port {port}'`).",
		Culprit:     Nobody,
		Page: `A UDP service answers only to what it understands, and many never answer. A
closed port is reported by an ICMP port unreachable, but hosts limit how
many of these they send, and filters often drop them. Silence therefore fits
an open port, a filtered one, and a datagram or answer that was lost.

Told from its look-alikes: it cannot be, and nobody is blamed. An ICMP error
would have ended the doubt: port unreachable from the destination is
port-closed, others have their own causes. Net and host unreachable and time
exceeded reach a connected UDP socket only with IP_RECVERR set. A drop by
this host's own output filter is not silent: the send returns EPERM
(local-firewall-drop).

By hand:
    nc -u -v ADDRESS PORT
    tcpdump -ni any 'icmp or icmp6 or (udp and host ADDRESS)'
and on the destination:
    ss -lun 'sport = :PORT'
    nstat -az UdpNoPorts UdpRcvbufErrors`,
		Reference: "RFC 768; RFC 1122 §4.1.3.3; udp(7); RFC 1812 §4.3.2.8",
	},
	{
		ID:          DatagramTooLarge,
		Group:       GroupUDP,
		Title:       "the datagram is too large to be sent",
		Explanation: "The kernel does not send a datagram this large to {target}[[: {detail}]].",
		Detail:      "the datagram's size, what would have gone, and the path's MTU",
		Remedy:      "Send smaller datagrams[[, of {count} bytes at most]], or use TCP for what is larger; `tracepath {address}` finds the MTU of the path.",
		Errnos:      []evidence.Errno{"EMSGSIZE"},
		Culprit:     Local,
		Page: `A UDP datagram holds at most 65,507 bytes over IPv4 and 65,527 over IPv6: its
length field counts 16 bits (RFC 768), and IPv4 counts its own header too. What
is larger than the path's MTU goes in fragments, unless the socket forbids them
(IP_MTU_DISCOVER); then the MTU less the headers is the limit: 1,472 bytes over
IPv4 and 1,452 over IPv6 on an Ethernet.

Nothing was sent, and nothing is known of the other end. FreeBSD and macOS
refuse more than net.inet.udp.maxdgram, 9,216 bytes, already.

By hand:
    ping -M do -s 1472 ADDRESS
    ip route get ADDRESS
    tracepath ADDRESS`,
		Reference: "RFC 768; RFC 8200 §3; udp(7); ip(7) IP_MTU_DISCOVER, IP_MTU",
	},
}
