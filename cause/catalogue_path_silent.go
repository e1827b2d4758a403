package cause

import "github.com/dialscope/dialscope/evidence"

// pathSilentEntries: something on the way interfered and did not say so.
var pathSilentEntries = []Entry{
	{
		ID:          PathFirewallDrop,
		Group:       GroupPath,
		Title:       "something on the path drops the packets silently",
		Explanation: "Something on the path silently drops the packets to {target}[[ beyond hop {hop}]][[ ({culprit} is the last that answered)]][[; {detail}]].",
		Detail:      "what shows that other packets go on, a clause: \"hop 3, 198.51.100.10, answers echo requests\"",
		Remedy:      "As root, see how far a SYN gets with `traceroute -n -T -p {port} {address}`, and ask whoever runs the device after the last answer.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Path,
		Page: `A filter with a drop rule throws the SYN away without a word. TCP sends it
again after 1, 2, 3, 4, 5, 7, 11 and more seconds and gives up after about
two minutes (Linux 6.5 and later with the default settings; older kernels:
1, 3, 7, 15, 31 and 63 seconds). Filters in clouds and at the edge of
networks do this as a rule.

Told from its look-alikes: silence by itself tells nothing. Probes with a
small TTL make each router on the way answer: the last that does stands
before the drop. A router that drops while it forwards still answers such
probes, so it is named itself; and where the last hop before the host is
reached, a drop in that router and one in the host look exactly the same
(host-firewall-drop). Routers limit their ICMP answers and some never
answer, so one silent hop is weak evidence. The probes need no privileges: a
connect with IP_TTL set, and the error queue.

By hand:
    traceroute -n -T -p PORT ADDRESS
    tracepath -n ADDRESS
    ping -c 3 ADDRESS

Elsewhere: the silence lasts 75 seconds on BSD systems and macOS, about 21
on Windows.`,
		Reference: "RFC 2979; RFC 1812 §4.3.2.8 (rate limits); tcp(7), tcp_syn_retries; tcp_retransmit_timer",
	},
	{
		ID:          PathFirewallReset,
		Group:       GroupPath,
		Title:       "a device on the path forged the reset",
		Explanation: "The reset did not come from {address} but from a device in front of it[[: it was made behind {culprit}]][[, hop {hop}]][[; {detail}]].",
		Detail:      "how it is known, a clause: \"other packets with the same TTL do not reach the destination\"",
		Remedy:      "Compare the TTL of the reset with that of other packets from the host in `tcpdump -vni any 'tcp and host {address}'`, and ask whoever runs the firewalls between.",
		Errnos:      []evidence.Errno{"ECONNREFUSED", "ECONNRESET"},
		Culprit:     Path,
		Page: `A firewall can refuse in the destination's name: it sends a RST with the
destination's address as the sender. The program sees ECONNREFUSED, or
ECONNRESET when the reset comes after the handshake, and believes that the
service is down.

Told from its look-alikes: to the socket a forged reset and an honest one
are the same; without privileges the cause remains port-closed with this
among its alternatives. What tells them apart: a reset that comes back for a
SYN whose TTL ended before the destination was made on the way. So was one
whose own TTL shows fewer hops than the host's other packets, or that came
faster than the host can answer. The first needs no privileges, the second
needs to see packets (CAP_NET_RAW).

By hand:
    tcpdump -vni any 'tcp and host ADDRESS'
    traceroute -n -T -p PORT ADDRESS`,
		Reference: "RFC 3360; RFC 9293 §3.10.7.1",
	},
	{
		ID:          SYNProxy,
		Group:       GroupPath,
		Title:       "a device in front of the destination completed the handshake",
		Explanation: "A device in front of {address}[[ ({culprit})]][[ at hop {hop}]] completed the handshake in its place, which says nothing about the server behind it.",
		Remedy:      "Test the service by a request that only the server itself can answer, starting with `nc {address} {port}`.",
		Culprit:     Path,
		Page: `Load balancers, SYN-flood protection, transparent proxies and some mobile
and hotel networks answer the SYN themselves and open a connection to the
server afterwards, if at all. The connect succeeds even when the server is
down; the failure comes later as a reset, an early end, or silence after the
first request.

Told from its look-alikes: a completed handshake never says who completed
it, so "open" claims no more than that. That a device answers is known when
a SYN whose TTL ends before the destination is answered by a SYN-ACK, when
ports that cannot be open all are, or when the SYN-ACK comes faster than the
host can answer. The first two need no privileges; comparing TTLs needs to
see packets (CAP_NET_RAW). A load balancer that owns the address is the
destination, not a proxy in front of it.

By hand:
    traceroute -n -T -p PORT ADDRESS
    tcpdump -vni any 'tcp and host ADDRESS'`,
		Reference: "RFC 4987 §3.8; RFC 3135",
	},
	{
		ID:          OptionBlackhole,
		Group:       GroupPath,
		Title:       "SYNs with a certain option die on the path",
		Explanation: "A SYN that carries {detail|a certain option} is dropped on the path, and a plain one passes.",
		Detail:      "the option or bits: \"ECN bits\", \"TCP Fast Open\", \"timestamps\"",
		Remedy:      "Confirm it by switching the option off for a moment (for ECN `sysctl -w net.ipv4.tcp_ecn=0`), and report the path to whoever runs it.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Path,
		Page: `Some old or overcautious middleboxes drop a SYN for what it carries: the ECN
bits, a Fast Open cookie, Multipath TCP, timestamps, IP options, or a
traffic class. Everything else to the same address passes.

Linux falls back by itself in some cases: the SYN that is sent again after a
second has no ECN bits, so that a path that eats them shows as a connection
that always takes a second longer. Fast Open is switched off after failures.

Told from its look-alikes: random loss also costs one second, but not every
time (packet-loss). Two attempts that differ in the option alone, each
repeated, tell them apart; no privileges are needed for the options that a
socket can switch.

By hand:
    sysctl net.ipv4.tcp_ecn net.ipv4.tcp_fastopen net.ipv4.tcp_timestamps
    tcpdump -vni any 'tcp and host ADDRESS'`,
		Reference: "RFC 3168 §6.1.1.1; RFC 7413 §4.1.3.1; ip-sysctl, tcp_ecn_fallback; tcp_ecn_clear_syn",
	},
	{
		ID:          ReplyLost,
		Group:       GroupPath,
		Title:       "the destination answered, and the answer was lost on the way back",
		Explanation: "The SYN reached {address} and was answered there, and the answer was lost on the way back.",
		Remedy:      "On {address|the destination}, follow the way back with `tracepath -n {source}`, and look for a filter or a missing route there.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Path,
		Page: `The way there and the way back are two paths, often through different
devices. When the answers are lost, this end times out while the far end
shows a connection in SYN-RECV. The reasons: the destination has no route or
a wrong one to this source address, a stateful firewall saw only one
direction, or a filter stands on the way back.

Told from its look-alikes: from this end alone it cannot be told from a SYN
that never arrived. Evidence from the far end is needed: a packet capture,
its socket table, or its own dialscope. An answer that reached this host and
was thrown away here is reverse-path-filter or local-firewall-input.

By hand, on the destination:
    ss -tn state syn-recv
    tcpdump -ni any 'tcp and host SOURCE and port PORT'
    ip route get SOURCE`,
		Reference: "RFC 9293 §3.5; ss(8); tcpdump(8)",
	},
	{
		ID:          PacketLoss,
		Group:       GroupPath,
		Title:       "connected, but only after the SYN was sent again",
		Explanation: "The connection to {target} opened only after the SYN had been sent again[[ (retransmissions: {count})]][[, {elapsed} after the first]].",
		Remedy:      "Measure the loss with `mtr -n -r -c 100 {address}`, and look at the server's queue with `ss -ltn 'sport = :{port}'` there.",
		Culprit:     Path,
		Page: `The first SYN, or the answer to it, did not arrive; the copy one second
later did. The program notices nothing but the delay of a second, or of 3
and more. Loss comes from full queues, bad links and rate limits.

Told from its look-alikes: TCP_INFO counts the SYNs of the socket, without
privileges. Where they were lost is not in it, so nobody is named. A
listener whose accept queue is full ignores SYNs and looks the same
(listen-queue-full); a path that drops ECN costs exactly one second every
time (option-blackhole); a second SYN about 10 ms after the first is not a
loss but the answer to a wrong acknowledgment (stale-connection). Repeating
the connect tells how often it happens: one such connect proves very little.

By hand:
    mtr -n -r -c 100 ADDRESS
    nstat -az TcpRetransSegs TcpExtTCPSynRetrans
    ss -tni 'dst [ADDRESS]'

Elsewhere: the first copy comes after 1 second on all current systems (RFC
6298), after 3 on older ones.`,
		Reference: "RFC 6298 §2, §5; tcp(7), TCP_INFO; tcp_retransmit_timer",
	},
	{
		ID:          MTUBlackhole,
		Group:       GroupPath,
		Title:       "full-sized packets vanish on the path",
		Explanation: "Small packets to {address} pass and full-sized ones vanish on the path[[: nothing larger than {limit} bytes gets through]].",
		Remedy:      "Find the size that still passes with `ping -M do -s 1472 {address}`, and let ICMP \"too big\" messages through or clamp the MSS at the narrow link.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Path,
		Page: `Each link has a largest packet size. A router that cannot forward a packet
that must not be fragmented answers "fragmentation needed" (IPv6: "packet
too big") with the size that fits. When a filter eats this message, the
sender goes on with packets that never arrive. The handshake and small
requests pass; the first large page, file or TLS certificate hangs. Tunnels,
VPNs and PPPoE are where the size shrinks.

Told from its look-alikes: the connection is established, short segments are
acknowledged, and those of full size are retransmitted again and again;
TCP_INFO shows it without privileges. A path that loses everything is
path-lost, a peer that does not read announces a zero window (zero-window).

By hand (1472 bytes of payload make a packet of 1500 bytes in IPv4, 1452 in
IPv6):
    tracepath -n ADDRESS
    ping -M do -s 1472 ADDRESS
    ip route get ADDRESS
    sysctl net.ipv4.tcp_mtu_probing

tcp_mtu_probing=1 lets Linux find a smaller size by itself after several
losses.`,
		Reference: "RFC 1191; RFC 8201; RFC 2923 §2.1; RFC 4821; ip-sysctl, tcp_mtu_probing",
	},
}
