package cause

import "github.com/dialscope/dialscope/evidence"

// pathICMPEntries: something on the way refused and said so.
var pathICMPEntries = []Entry{
	{
		ID:          RouterNoRoute,
		Group:       GroupPath,
		Title:       "a router has no route to the destination",
		Explanation: "The router[[ {culprit}]][[ at hop {hop}]] answered that it has no route to {address}[[ ({detail})]].",
		Detail:      "the ICMP message: \"ICMP type 3 code 0: net unreachable\"",
		Remedy:      "Ask whoever runs {culprit|that router} about its route to {address}, and see how far packets get with `tracepath -n {address}`.",
		Errnos:      []evidence.Errno{"ENETUNREACH", "ENONET"},
		Culprit:     Router,
		Page: `A router that finds no route for a packet drops it and tells the sender:
ICMP destination unreachable, code 0 (net unreachable), 6, 8 or 11 in IPv4,
"no route to destination" in IPv6. Linux ends the attempt at that message,
with ENETUNREACH, or ENONET for code 8.

Told from its look-alikes: the error queue holds the message and names its
sender, without privileges. This host's own missing route gives the same
errno, but at once and without a message (no-route). The sender is the
router that gave up, not necessarily the one that is wrong: the fault may be
a missing announcement far behind it. An ICMP message can be forged by
anyone who sees or guesses the four-tuple and the sequence number; the
kernel checks that it quotes what was really sent.

By hand:
    tracepath -n ADDRESS
    tcpdump -vni any 'icmp or icmp6'

Elsewhere: BSD systems and macOS treat it as a soft error: they go on
sending SYNs and give up after some more, or after 75 seconds, with
EHOSTUNREACH.`,
		Reference: "RFC 792; RFC 1122 §3.2.2.1; RFC 4443 §3.1; RFC 5461 §2; icmp_err_convert, tcp_v4_err",
	},
	{
		ID:          HostUnreachable,
		Group:       GroupPath,
		Title:       "a router says that the host is unreachable",
		Explanation: "The router[[ {culprit}]][[ at hop {hop}]] answered that the host {address|asked for} cannot be reached[[ ({detail})]], as it does when the host is off or gone.",
		Detail:      "the ICMP message: \"ICMP type 3 code 1: host unreachable\"",
		Remedy:      "Check that the host is on and still has this address; `ping -c 3 {address}` shows when it is back.",
		Errnos:      []evidence.Errno{"EHOSTUNREACH", "EHOSTDOWN"},
		Culprit:     Router,
		Page: `The last router found a route, asked for the host's link-layer address by
ARP or neighbor discovery, and got no answer. It tells the sender: ICMP code
1 (host unreachable), 7 or 12 in IPv4, "address unreachable" in IPv6. Linux
ends the attempt with EHOSTUNREACH, or EHOSTDOWN for code 7. The message
typically takes about 3 seconds, the time of the router's own three
requests.

Told from its look-alikes: the error queue names the sender, without
privileges. When the sender is an address of this host, it is this host that
asked in vain (neighbour-unresolved, gateway-unresolved) or its own filter
that rejects (local-firewall-reject). Some firewalls use this code for their
rejections and some operators for their discard routes: that cannot be told
from here, except when it comes far too fast for three ARP requests.

By hand:
    tracepath -n ADDRESS
    tcpdump -vni any 'icmp or icmp6'

Elsewhere: BSD systems and macOS treat it as a soft error and give up much
later.`,
		Reference: "RFC 792; RFC 1122 §3.2.2.1; RFC 1812 §5.2.7.1; RFC 4443 §3.1; icmp_err_convert",
	},
	{
		ID:          AdminProhibited,
		Group:       GroupPath,
		Title:       "a firewall says that the traffic is prohibited",
		Explanation: "The device[[ {culprit}]][[ at hop {hop}]] does not let this traffic pass, by policy[[ ({detail})]].",
		Detail:      "the ICMP message: \"ICMP type 3 code 13: communication administratively prohibited\"",
		Remedy:      "Ask whoever runs {culprit|that device} to allow {target} from {source}; its refusal can be seen with `tcpdump -vni any 'icmp or icmp6'`.",
		Errnos:      []evidence.Errno{"EHOSTUNREACH", "ENETUNREACH", "EACCES"},
		Culprit:     Router,
		Page: `A filter that is polite enough to answer: ICMP destination unreachable with
code 13 (9 and 10 for a whole network or host), "communication with
destination administratively prohibited" or "source address failed policy"
in IPv6. Linux ends the attempt with EHOSTUNREACH (code 9: ENETUNREACH), and
over IPv6 with EACCES.

Told from its look-alikes: the code says it, and the error queue names the
sender, both without privileges. The sender may be a router, a firewall, or
the destination's own packet filter (its address is the destination's); an
address of this host means local-firewall-reject. EACCES can also come from
this host (route-rejected, policy-denied): then there is no message.

By hand:
    tcpdump -vni any 'icmp or icmp6'
    traceroute -n -T -p PORT ADDRESS

Elsewhere: FreeBSD reports it as ECONNREFUSED in SYN-SENT, so that a
prohibition looks like a closed port.`,
		Reference: "RFC 1812 §5.2.7.1; RFC 1122 §3.2.2.1; RFC 4443 §3.1; icmp_err_convert",
	},
	{
		ID:          FirewallReject,
		Group:       GroupPath,
		Title:       "a firewall rejected the packet with an ICMP error",
		Explanation: "A packet filter[[ at {culprit}]][[ (hop {hop})]] rejected the SYN with an ICMP error[[ ({detail})]]: a closed port would have answered with a reset.",
		Detail:      "the ICMP message: \"ICMP type 3 code 3: port unreachable\"",
		Remedy:      "Ask whoever runs {culprit|that device} to allow {target}; on Linux the rule stands in `nft list ruleset` there.",
		Errnos:      []evidence.Errno{"ECONNREFUSED", "ENOPROTOOPT"},
		Culprit:     Router,
		Page: `TCP answers a SYN to a closed port with RST. An ICMP port unreachable (code
3; IPv6: 4) or protocol unreachable (code 2) in answer to a SYN therefore
comes from a filter: it is what "reject" does in nftables and iptables when
nothing else is said. The program sees ECONNREFUSED, as if the port were
closed.

Told from its look-alikes: the error queue holds the ICMP message and its
sender, without privileges; for a reset the queue is empty (port-closed).
The sender is often the destination itself: then its own packet filter said
no, and whether something listens behind it remains unknown. For UDP the
same message from the destination is the normal answer of a closed port.

By hand:
    tcpdump -vni any 'icmp or icmp6 or (tcp and host ADDRESS)'

Elsewhere: BSD systems and macOS end the attempt with ECONNREFUSED, too.`,
		Reference: "RFC 1122 §3.2.2.1, §4.2.3.9; RFC 9293 §3.9.2.2; nft(8), reject",
	},
	{
		ID:          ICMPRejected,
		Group:       GroupPath,
		Title:       "an ICMP error ended the attempt",
		Explanation: "An ICMP error[[ from {culprit}]][[ at hop {hop}]] ended the attempt[[ ({detail})]].",
		Detail:      "the ICMP message: \"ICMP type 12 code 0: pointer indicates the error\"",
		Remedy:      "Look at the message and the packet it quotes with `tcpdump -vvni any 'icmp or icmp6'`, and ask whoever runs {culprit|that device} what it objects to.",
		Errnos:      []evidence.Errno{"EPROTO", "EOPNOTSUPP", "ENOPROTOOPT"},
		Culprit:     Router,
		Page: `Some ICMP errors are rare: parameter problem (the sender could not make
sense of a header field: EPROTO), source route failed (EOPNOTSUPP), protocol
unreachable (ENOPROTOOPT), and codes that newer RFCs added. Linux ends a
connection attempt at every ICMP error that it has an errno for.
"Fragmentation needed" and "packet too big" are not among them: they only
lower the packet size.

Told from its look-alikes: type, code and sender stand in the error queue,
without privileges. What in the packet was objected to is told by the
pointer of a parameter problem, if there is one: IP options and IPv6
extension headers are the usual victims.

By hand:
    tcpdump -vvni any 'icmp or icmp6'`,
		Reference: "RFC 792; RFC 4443 §3.4; RFC 9293 §3.9.2.2; icmp_err_convert, icmpv6_err_convert",
	},
	{
		ID:          RoutingLoop,
		Group:       GroupPath,
		Title:       "the packet runs in a circle until its TTL is used up",
		Explanation: "The packet used up its full TTL on the way[[ and ended at {culprit}]]: routers pass it round in a circle.",
		Remedy:      "Find the routers that repeat with `traceroute -n -m 64 {address}`, and ask whoever runs them.",
		Errnos:      []evidence.Errno{"EHOSTUNREACH"},
		Culprit:     Router,
		Page: `Two or more routers think of each other as the way to the destination. The
packet goes round until its TTL is used up; the router that takes the last
one drops it and answers time exceeded. Linux ends the attempt with
EHOSTUNREACH. Loops come with routing changes and may heal by themselves in
seconds; lasting ones are often a default route and an unused part of an
announced prefix.

Told from its look-alikes: the message alone does not prove a loop. A TTL
that was set too small on this host brings the same one
(hop-limit-too-small), so the TTL that was used must be known to be the full
default. A path of more than 60 hops would look the same and is not known to
exist. A traceroute that shows the same addresses again and again is the
proof. The error queue names the router without privileges; it is one of the
circle, not necessarily the one that is wrong.

By hand:
    traceroute -n -m 64 ADDRESS

Elsewhere: FreeBSD ends the attempt as well; other systems may only time
out.`,
		Reference: "RFC 1812 §5.3.1; RFC 792, Time Exceeded; RFC 4443 §3.3; tcp_v4_err",
	},
}
