package cause

import "github.com/dialscope/dialscope/evidence"

// thrownAwayEntries: a reply came, and this host did not let it in.
var thrownAwayEntries = []Entry{
	{
		ID:          ReversePathFilter,
		Group:       GroupThrownAway,
		Title:       "the reply came in on an interface that this host distrusts",
		Explanation: "A reply from {address} arrived[[ on {interface}]], and this host's reverse path filter dropped it, because its own route to that address leads elsewhere.",
		Remedy:      "Check `sysctl net/ipv4/conf/all/rp_filter net/ipv4/conf/{interface}/rp_filter`, and make the routes symmetric or set the loose mode (2) there.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Local,
		Page: `With rp_filter in strict mode (1) a packet is let in only by the interface
through which its sender would be answered. On a host with two uplinks, a
VPN or policy routing the answer may rightly come in by the other one. It is
dropped before any packet filter sees it, and the connect times out although
the far end did answer. The greater of the settings "all" and the
interface's own holds. There is no such sysctl for IPv6; filters there use
nftables' fib expression.

Told from its look-alikes: the counter IPReversePathFilter rises while the
attempt waits. Anyone may read it, but it counts for the whole network
namespace, so that a rise can be another connection's; no rise rules the
cause out. Seeing the SYN-ACK arrive (CAP_NET_RAW) makes it firm, the
kernel's drop reason IP_RPFILTER settles it (CAP_BPF with CAP_PERFMON).

By hand (tcpdump sees incoming packets before this filter):
    nstat -az TcpExtIPReversePathFilter
    ip route get ADDRESS
    tcpdump -ni any 'tcp and host ADDRESS'
    sysctl -w net.ipv4.conf.all.log_martians=1`,
		Reference: "RFC 3704 §2.2, §2.4; ip-sysctl, rp_filter; fib_validate_source",
	},
	{
		ID:          LocalFirewallInput,
		Group:       GroupThrownAway,
		Title:       "this host's own input filter dropped the reply",
		Explanation: "A reply from {address} arrived, and this host's own input filter dropped it[[ ({detail})]].",
		Detail:      "how it is known: \"9 packets came in meanwhile and were delivered to nobody\"",
		Remedy:      "As root, read the input rules with `nft list ruleset` (or `iptables-save`), and let replies in: ct state established,related accept.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Local,
		Page: `An input filter that lets in only what it knows, without a rule for replies
to this host's own connections, drops the SYN-ACK. The far end has the
connection half open and repeats its SYN-ACK; this end repeats its SYN. Both
look silent to each other.

Told from its look-alikes: the filter drops the packet after IP has counted
it and before TCP does, so that the counter InReceives rises and InDelivers
does not. Anyone may read these, but they are the whole namespace's: where as
many packets vanish as replies were awaited this is likely, where none does
it is ruled out. With CAP_NET_ADMIN the rule is named, and its own counter is
proof. So is the SYN-ACK seen on the wire (CAP_NET_RAW) with no
effect on the socket, or the kernel's drop reason NETFILTER_DROP (CAP_BPF
with CAP_PERFMON).

By hand (tcpdump sees incoming packets before the filter: a SYN-ACK there,
and still a timeout, is this):
    tcpdump -ni any 'tcp and host ADDRESS and port PORT'
    nft list ruleset
    nstat -az IpInReceives IpInDelivers
    conntrack -L -d ADDRESS`,
		Reference: "nft(8), ct state; NF_INET_LOCAL_IN; ip_rcv_core, ip_local_deliver_finish; enum skb_drop_reason",
	},
	{
		ID:          ReplyMalformed,
		Group:       GroupThrownAway,
		Title:       "the reply was damaged or did not belong to the attempt",
		Explanation: "A reply came that TCP must not accept[[ ({detail})]], and it was thrown away.",
		Detail:      "what is wrong with it: \"bad checksum\", \"wrong acknowledgment number\"",
		Remedy:      "Look at the replies with `tcpdump -vvni any 'tcp and host {address} and port {port}'`, and suspect a middlebox, a NAT or a faulty network card between the two ends.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Destination,
		Page: `A segment with a bad checksum is dropped without a word. One that
acknowledges something never sent is answered with a reset (a SYN-ACK) or
ignored (a reset), and the SYN is sent again, on Linux about 10 ms later.
Such replies come from devices that rewrite packets wrongly, from broken
checksum offload, from NAT that mixes up connections, and from a destination
that still remembers an older connection (stale-connection).

Told from its look-alikes: the counter InCsumErrors of TCP rises for a bad
checksum, and anyone may read it, for the whole namespace. A wrong
acknowledgment leaves only an early second SYN, which is no proof. Seeing
the packets (CAP_NET_RAW) settles both; who damaged them on the way remains
unknown, so the sender is named only as the one from whom they came.

By hand (checksums of outgoing packets look wrong in tcpdump when the card
computes them; only incoming ones count):
    nstat -az TcpInCsumErrors
    tcpdump -vvni any 'tcp and host ADDRESS and port PORT'
    ethtool -S INTERFACE`,
		Reference: "RFC 9293 §3.1 (checksum), §3.10.7.3; tcp_rcv_synsent_state_process",
	},
}
