package cause

import "github.com/dialscope/dialscope/evidence"

// localLinkEntries: the way from the socket to the wire.
var localLinkEntries = []Entry{
	{
		ID:          LinkDown,
		Group:       GroupLocal,
		Title:       "the outgoing interface is down",
		Explanation: "The interface[[ {interface}]] that leads to {address} is down[[ ({detail})]], so no packet can leave.",
		Detail:      "what is wrong with it, a clause: \"it is switched off\", \"it has no carrier\", \"this host has no such interface\"",
		Remedy:      "Look at it with `ip -br link show dev {interface}`, then switch it on with `ip link set dev {interface} up`, or, if it shows NO-CARRIER, repair the cable or the other end.",
		Errnos:      []evidence.Errno{"ENETUNREACH", "ENETDOWN", "EHOSTUNREACH"},
		Culprit:     Local,
		Page: `An interface can be down in two ways. Switched off (no UP flag), it loses
its routes, and the connect fails at once with ENETUNREACH as if there were
no route. Without carrier (UP, but no LOWER_UP: a pulled cable, a
switched-off peer, a dead tunnel) it keeps its routes; ARP or neighbor
discovery then gets no answer, and after about 3 seconds the error is
EHOSTUNREACH.

Told from its look-alikes: the interface's flags are read beside the route.
A live link on which only the neighbor is silent is neighbour-unresolved or
gateway-unresolved. An interface that is switched off leaves no route behind
to name it by: it is blamed only when it is known that the route led through
it, otherwise the answer is no-route. Needs no privileges.

By hand:
    ip -br link show
    ip route get ADDRESS
    cat /sys/class/net/INTERFACE/carrier

A loopback interface that is switched off is worse: connects to 127.0.0.1
hang until their timeout.`,
		Reference: "netdevice(7), IFF_UP, IFF_RUNNING; RFC 2863 (ifOperStatus); ip-link(8); fib_sync_down_dev",
	},
	{
		ID:          NeighbourUnresolved,
		Group:       GroupLocal,
		Title:       "the destination is on this link and does not answer ARP or ND",
		Explanation: "No host on {interface|the local link} answers for {address}: ARP or neighbor discovery got no reply.",
		Remedy:      "See the entry with `ip neigh show to {address}`, and check that the host is on, on this network or VLAN, and inside this prefix (`ip route get {address}`).",
		Errnos:      []evidence.Errno{"EHOSTUNREACH"},
		Culprit:     Local,
		Page: `To send to an address on its own link a host must know the link-layer
address. It asks by broadcast (ARP, IPv4) or multicast (neighbor
solicitation, IPv6), three times, one second apart. When nobody answers, the
kernel makes an ICMP host unreachable for itself, and connect(2) gives
EHOSTUNREACH after about 3.1 seconds. The entry then shows FAILED.

The host may be off, gone, on another VLAN, or not on this link at all: a
prefix that is too short makes distant hosts look local.

Told from its look-alikes: the route has no gateway, the error took about 3
seconds, and the neighbor entry is INCOMPLETE or FAILED. A deadline shorter
than 3 seconds sees only a timeout; the entry, still INCOMPLETE, tells it
all the same. When the route has a gateway, it is the router that is silent
(gateway-unresolved); when the link has no carrier, nobody could have
answered (link-down). Needs no privileges.

By hand:
    ip neigh show to ADDRESS
    arping -c 3 -I INTERFACE ADDRESS
    ndisc6 ADDRESS INTERFACE

Elsewhere: the BSDs and macOS say EHOSTDOWN or EHOSTUNREACH.`,
		Reference: "RFC 826; RFC 4861 §7.2.2, §10; arp(7); arp_error_report, ndisc_error_report",
	},
	{
		ID:          GatewayUnresolved,
		Group:       GroupLocal,
		Title:       "the next-hop router does not answer ARP or ND",
		Explanation: "The next-hop router[[ {gateway}]] does not answer ARP or neighbor discovery[[ on {interface}]], so nothing behind it can be reached.",
		Remedy:      "See the entry with `ip neigh show to {gateway}`, check that router and the link to it, and that the route names the right one (`ip route get {address}`).",
		Errnos:      []evidence.Errno{"EHOSTUNREACH"},
		Culprit:     Local,
		Page: `The route leads through a router on this link, and the router's link-layer
address cannot be found: three requests, one second apart, stay unanswered.
The kernel then reports EHOSTUNREACH to everything that waits for that
router, after about 3.1 seconds. Every destination behind it is affected,
not this one alone.

Told from its look-alikes: the route has a gateway and its neighbor entry is
INCOMPLETE or FAILED. A router that answers ARP and then says "host
unreachable" is host-unreachable; its ICMP error has a foreign sender on the
error queue, while this one comes from an address of this host. Needs no
privileges.

By hand:
    ip route get ADDRESS
    ip neigh show to GATEWAY
    arping -c 3 -I INTERFACE GATEWAY`,
		Reference: "RFC 826; RFC 4861 §7.2.2, §7.3.3; RFC 1122 §3.3.1.4; neigh_timer_handler",
	},
	{
		ID:          LocalFirewallDrop,
		Group:       GroupLocal,
		Title:       "this host's own packet filter drops the outgoing packets",
		Explanation: "This host's own packet filter drops what is sent to {target}[[ ({detail})]], so no packet reached the wire.",
		Detail:      "how it is known: \"rule 7 of chain inet filter output: tcp dport 80 drop\"",
		Remedy:      "As root, read the output rules with `nft list ruleset` (or `iptables-save`), and allow {target} in the rule that drops it.",
		Errnos:      []evidence.Errno{"ETIMEDOUT", "EPERM"},
		Culprit:     Local,
		Page: `A drop rule on the output path throws the packet away after TCP has made it.
The filter tells TCP (EPERM), and TCP does not pass it on: it tries again on
its schedule and gives up after two minutes with ETIMEDOUT. To the program
this looks exactly like a silent host far away. A UDP send does return
EPERM.

Told from its look-alikes: each failed retransmission raises the kernel's
counter TCPRetransFail, which anyone may read. The counter belongs to the
whole network namespace, so that another connection's failure may be counted
with it, and the first SYN is not in it. Drops by a cgroup egress program
(policy-denied), by a full tracking table (conntrack-full) and by queueing
raise the same counter. With CAP_NET_ADMIN the rules of nftables are read and
asked what they would do with this packet: the rule that stops it is named
with its handle, and if its own counter rose, that is proof. A rule with a
selector that cannot be decided from here is named as a perhaps.

By hand (tcpdump sees outgoing packets after the filter: if it shows the
SYN, the output filter let it pass):
    nstat -az TcpExtTCPRetransFail
    nft list ruleset
    tcpdump -ni any 'tcp and host ADDRESS and port PORT'

Elsewhere: FreeBSD hands the filter's refusal to the program as EACCES or
EPERM, by version.`,
		Reference: "nft(8), drop; nf_hook_slow; tcp_connect, __tcp_retransmit_skb",
	},
	{
		ID:          LocalFirewallReject,
		Group:       GroupLocal,
		Title:       "this host's own packet filter rejects the outgoing packets",
		Explanation: "This host's own packet filter rejects what is sent to {target}[[ ({detail})]]: the refusal was made here, not at the destination.",
		Detail:      "how it refused: the ICMP message in words, or \"a reset\"",
		Remedy:      "As root, read the output rules with `nft list ruleset` (or `iptables-save`), and change the one that rejects {target}.",
		Errnos:      []evidence.Errno{"ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "ENOPROTOOPT"},
		Culprit:     Local,
		Page: `A reject rule throws the packet away and makes an answer for it: an ICMP
error (port unreachable unless another is named) or a TCP reset. The answer
has this host as its sender or, for a reset, the destination's address as a
disguise. So a "connection refused" can be home-made.

A home-made ICMP error comes back so fast that connect(2) still owns the
socket; the kernel then notes it as a soft error and reports it with the
next SYN, a second later. A deadline of less than a second sees a timeout. A
home-made reset is seen at once.

Told from its look-alikes: for an ICMP error the error queue names the
sender, and a local address settles it. A home-made reset shows by what is
missing: no packet left by the interface, and this host's TCP counted no
reset of its own (TcpOutRsts), for a filter's resets are not counted there.
These counters belong to the whole network namespace. All this needs no
privileges; which rule it was needs CAP_NET_ADMIN, as for local-firewall-drop.

By hand:
    nft list ruleset
    tcpdump -ni any 'host ADDRESS'
    tcpdump -ni lo 'icmp or icmp6'`,
		Reference: "nft(8), reject; nf_send_reset, nf_send_unreach; tcp_v4_err",
	},
	{
		ID:          ConntrackFull,
		Group:       GroupLocal,
		Title:       "this host's connection tracking table is full",
		Explanation: "The connection tracking table of this host is full[[ ({used} of {limit} entries)]], and packets of new connections are dropped.",
		Remedy:      "Compare `sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`, then raise the maximum or shorten the timeouts of what fills it (`conntrack -L`).",
		Errnos:      []evidence.Errno{"ETIMEDOUT", "EPERM"},
		Culprit:     Local,
		Page: `Where a filter or NAT needs connection states, each new connection takes an
entry. When all nf_conntrack_max entries are taken and none can be dropped
early, the kernel drops the packet and logs "nf_conntrack: table full,
dropping packet". Established connections go on; new ones, in and out, time
out.

Told from its look-alikes: count and maximum can be read without privileges,
in the host's own network namespace; a container cannot see the host's
table. A table that is full now may have had room when the SYN was sent, and
the reverse: the counter "drop" in /proc/net/stat/nf_conntrack proves it.
The table of a NAT device elsewhere cannot be seen at all; it looks like
path-firewall-drop.

By hand:
    sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max
    conntrack -S
    journalctl -k -g nf_conntrack`,
		Reference: "nf_conntrack-sysctl, nf_conntrack_max; __nf_conntrack_alloc",
	},
	{
		ID:          SelfConnect,
		Group:       GroupLocal,
		Title:       "the socket is connected to itself",
		Explanation: "The local port[[ {port}]] that was chosen is also the destination port, and the socket connected to itself: no server is there.",
		Remedy:      "Close this connection and start the missing server, and keep its port out of the ephemeral range by adding it to `sysctl net.ipv4.ip_local_reserved_ports`.",
		Culprit:     Local,
		Page: `TCP has a simultaneous open: two ends that send each other a SYN get a
connection without a listener. When a program connects to a port of its own
host in the ephemeral range and nothing listens there, the kernel may choose
that very port as the source. Both ends are then the same socket, the
handshake succeeds, and everything written comes back.

It happens to clients that retry in a loop while a local server restarts,
and then keeps the server from binding its port.

Told from its look-alikes: the socket's own address equals its peer's. One
look settles it, without privileges.

By hand:
    ss -tn state established 'sport = :PORT and dport = :PORT'
    sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports

Elsewhere: other systems allow it as well, by the same rule of TCP. Go's
net.Dialer hides it by dialing again.`,
		Reference: "RFC 9293 §3.5, figure 7 (simultaneous open); ip-sysctl, ip_local_reserved_ports",
	},
	{
		ID:          CancelledByCaller,
		Group:       GroupLocal,
		Title:       "the caller gave up",
		Explanation: "The attempt was ended from this side[[ after {elapsed}]], before an answer came[[: {detail}]].",
		Detail:      "who ended it and why: \"another address of the name connected first\", \"a signal\"",
		Remedy:      "Let it run longer, for example with `dialscope --timeout 30s {target|HOST:PORT}`.",
		Errnos:      []evidence.Errno{"EINTR"},
		Culprit:     Local,
		Page: `The caller's context ended, the user pressed ^C, or another address of the
same name connected first and the race was over. What had been observed
until then is reported; nothing is said to be wrong.

A connect(2) that a signal interrupts (EINTR) is not over: the kernel goes
on with the handshake. It must never be repeated on the same socket, which
would give EALREADY; one waits until the socket is ready and reads SO_ERROR.
Closing the socket ends the attempt: no SYN follows.

Told from its look-alikes: a deadline that passed is no cancellation; it is
reported as a timeout with the causes of the silence.`,
		Reference: "connect(2), EINTR; POSIX connect(); RFC 8305 §5",
	},
}
