package cause

import "github.com/dialscope/dialscope/evidence"

var destinationEntries = []Entry{
	{
		ID:          IsOpen,
		Group:       GroupDestination,
		Title:       "connected",
		Explanation: "The handshake with {target} completed[[ in {elapsed}]].",
		Remedy:      "Nothing needs to be done; if the application still fails, the reason lies above TCP.",
		Culprit:     Nobody,
		Page: `SYN, SYN-ACK, ACK: both ends agree that there is a connection. On Linux that
means that a listener's kernel has taken it into its accept queue; the
server program need not have noticed yet.

What it does not say: who answered. A load balancer, a proxy or a firewall
may complete the handshake in front of a dead server (syn-proxy); that is
claimed only when it was tested for. Nor does it say that the service is
well: the next thing to fail is TLS or the application's own protocol.

How it is decided: the socket became writable and SO_ERROR is 0. The time is
from the first SYN to the SYN-ACK, one round trip, unless SYNs had to be
repeated (packet-loss). A peer that ends the connection at once is
accepted-then-reset or accepted-then-closed.

By hand:
    nc -vz ADDRESS PORT
    ss -tni 'dst [ADDRESS]'`,
		Reference: "RFC 9293 §3.5; connect(2), EINPROGRESS",
	},
	{
		ID:          PortClosed,
		Group:       GroupDestination,
		Title:       "nothing listens on the port",
		Explanation: "Nothing listens at {target}: the host is up and refused[[ after {elapsed}]][[ ({detail})]].",
		Detail:      "what confirms or weakens it: \"no socket of this host listens there\", the ICMP message for UDP",
		Remedy:      "On {address|that host}, look for the service with `ss -ltun 'sport = :{port}'`, and start it or correct the port or the address it is bound to.",
		Errnos:      []evidence.Errno{"ECONNREFUSED"},
		Culprit:     Destination,
		Page: `A SYN for a port without a listener is answered with RST, and connect(2)
gives ECONNREFUSED after one round trip. That is good news about the path:
there and back it works. The service is stopped, has crashed, listens on
another port, or only on another address such as 127.0.0.1. For UDP the same
is said by an ICMP port unreachable from the destination.

Told from its look-alikes: when the destination is this host, its socket
table shows that there is no listener. Elsewhere a reset carries the
destination's address whoever made it, and a firewall can forge it
(path-firewall-reset). Beyond the first link this is therefore never certain
without seeing the reset's TTL (CAP_NET_RAW) or an experiment that excludes
a forger. An ICMP error in answer to a SYN is firewall-reject: the error
queue shows it.

By hand, on the destination:
    ss -ltun 'sport = :PORT'
    systemctl status SERVICE

Elsewhere: Windows repeats the SYN a few times after a reset, so that its
WSAECONNREFUSED (10061) comes a second or two late.`,
		Reference: "RFC 9293 §3.10.7.1, §3.5.2; RFC 1122 §3.2.2.1 (UDP); tcp_v4_send_reset, tcp_reset",
	},
	{
		ID:          HostFirewallDrop,
		Group:       GroupDestination,
		Title:       "the destination is alive and drops these packets silently",
		Explanation: "The host {address|asked for} is alive[[ ({detail})]], and its own packet filter silently drops what is sent to {target|this port}.",
		Detail:      "how it is known to be alive, a clause: \"it answers ARP\"",
		Remedy:      "On {address|that host}, read the input rules with `nft list ruleset` (in a cloud: the security group), and allow {target|the port}.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Destination,
		Page: `The host answers something (an echo request, another port) and nothing to
this port. Its packet filter drops the SYN. A service that is merely stopped
would be refused with a reset.

Told from its look-alikes: whether the drop happens in the host or in the
last router before it cannot be seen from here; both give this end exactly
the same packets. A listener with a full accept queue ignores SYNs as well
(listen-queue-full), and often lets one in after a while. An answer by echo
shows only that someone answers for the address. So this is never certain
from this end alone; a look at the host settles it.

By hand:
    ping -c 3 ADDRESS
    traceroute -n -T -p PORT ADDRESS
and on the destination:
    nft list ruleset
    tcpdump -ni any 'tcp and port PORT'
    nstat -az TcpExtListenOverflows TcpExtListenDrops`,
		Reference: "RFC 2979; nft(8), drop; NF_INET_LOCAL_IN",
	},
	{
		ID:          HostSilent,
		Group:       GroupDestination,
		Title:       "the destination answers nothing at all",
		Explanation: "Every hop up to {address} answers, and the host itself answers nothing: it is off, gone, or drops everything.",
		Remedy:      "Check that the host is on and still has this address, with `ping -c 3 {address}` from its own network if possible.",
		Errnos:      []evidence.Errno{"ETIMEDOUT", "EHOSTUNREACH"},
		Culprit:     Destination,
		Page: `The path works up to the last hop, and behind it is silence for every kind
of packet. The host is switched off, its address has moved, or a filter
there drops all. One would expect the last router to report a host that does
not answer ARP (host-unreachable); many are told not to, and clouds never
do.

Told from its look-alikes: silence on one port alone is no evidence of a
dead host: other ports, echo requests and the other address family must be
silent, too. A router in front that drops everything for this host looks
exactly the same, so certainty is not to be had from this end. When even the
hops before are silent, it is path-firewall-drop. The probes need no
privileges where unprivileged echo is allowed (net.ipv4.ping_group_range).

By hand:
    ping -c 3 ADDRESS
    tracepath -n ADDRESS
    traceroute -n -T -p PORT ADDRESS`,
		Reference: "RFC 1122 §3.2.2.1; RFC 1812 §5.2.7.1; tcp(7), tcp_syn_retries",
	},
	{
		ID:          ListenQueueFull,
		Group:       GroupDestination,
		Title:       "the listener's accept queue is full",
		Explanation: "The accept queue of the listener at {target} is full[[ ({used} of {limit})]], so that new connections are ignored or reset.",
		Remedy:      "On {address|that host}, compare Recv-Q with Send-Q in `ss -ltn 'sport = :{port}'`, and make the server accept faster, or raise its backlog and the limit above it (`sysctl net.core.somaxconn`).",
		Errnos:      []evidence.Errno{"ETIMEDOUT", "ECONNRESET"},
		Culprit:     Destination,
		Page: `The kernel completes handshakes for a listening socket and queues the
connections until the server calls accept(2). The queue holds one more than
the smaller of the server's backlog and net.core.somaxconn. When it is full,
Linux ignores new SYNs, and also the last ACK of handshakes under way; with
tcp_abort_on_overflow=1 it resets the latter. The server hangs, is too slow,
or has run out of descriptors.

To the client: a connect that takes 1, 3 or more seconds or times out, or a
connection that seems open and on which nothing is ever answered.

Told from its look-alikes: from the client's side silently ignored SYNs look
like a drop by a filter (host-firewall-drop) or loss (packet-loss). On the
host itself the socket table shows the queue without privileges, and that is
the only proof; the counters ListenOverflows and ListenDrops belong to the
whole network namespace.
A last ACK that is ignored shows in the packets (--packets, --settle): the
SYN-ACK comes again and again although it was acknowledged.

By hand, on the destination:
    ss -ltn 'sport = :PORT'
    nstat -az TcpExtListenOverflows TcpExtListenDrops
    sysctl net.core.somaxconn net.ipv4.tcp_abort_on_overflow

Elsewhere: BSD systems drop as Linux does; Windows resets, and the client
sees WSAECONNREFUSED (10061).`,
		Reference: "listen(2), backlog; tcp_conn_request, tcp_check_req; ip-sysctl, tcp_abort_on_overflow",
	},
	{
		ID:          AcceptedThenReset,
		Group:       GroupDestination,
		Title:       "connected, then reset before any data",
		Explanation: "The handshake with {target} completed, and then the connection was reset[[ within {elapsed}]], before any data came.",
		Remedy:      "Read the server's log for this moment with `journalctl -u SERVICE --since '10 min ago'`, and if a load balancer or proxy is in front, check what stands behind it.",
		Errnos:      []evidence.Errno{"ECONNRESET"},
		Culprit:     Destination,
		Page: `Someone completed the handshake and then aborted. A server process that
crashes or exits with the connection still in its queue does it; so does one
that closes without reading what the client sent, or with SO_LINGER set to
zero. A load balancer whose backend is down does it, and so does a full
accept queue with tcp_abort_on_overflow=1.

Told from its look-alikes: the socket shows ECONNRESET within the time it
was watched after the handshake; an orderly end is accepted-then-closed.
Whether the server or a device in front of it sent the reset cannot be told
by the socket: path-firewall-reset, and syn-proxy for the handshake itself,
stand among the alternatives unless packets were seen (CAP_NET_RAW).

By hand:
    nc -v ADDRESS PORT
    tcpdump -vni any 'tcp and host ADDRESS and port PORT'
and on the destination:
    journalctl -u SERVICE --since '10 min ago'
    nstat -az TcpExtListenOverflows TcpExtTCPAbortOnClose TcpExtTCPAbortOnData`,
		Reference: "RFC 9293 §3.5.3, §3.6.1; RFC 1122 §4.2.2.13; tcp_close, tcp_reset",
	},
	{
		ID:          AcceptedThenClosed,
		Group:       GroupDestination,
		Title:       "connected, then closed before any data",
		Explanation: "The handshake with {target} completed, and then the other end closed the connection in order[[ within {elapsed}]], before any data came.",
		Remedy:      "Check whom the server lets in (allow lists, TCP wrappers, connection limits), and read its log with `journalctl -u SERVICE --since '10 min ago'`.",
		Culprit:     Destination,
		Page: `The peer accepted and closed at once: a FIN, no data. Servers do that to
clients they do not want (hosts.allow, an address list, a connection limit),
and proxies whose backend cannot be reached. A connect reports success; the
first read gives end of file.

Told from its look-alikes: the socket became readable with nothing to read
(POLLRDHUP) within the time it was watched. A server that would have closed
later is not seen. A peer that waits for the client to speak first and
closes after a while is normal, and no fault. Who closed, the server or a
proxy in front of it, the socket cannot tell.

By hand:
    nc -v ADDRESS PORT
    tcpdump -vni any 'tcp and host ADDRESS and port PORT'`,
		Reference: "RFC 9293 §3.6; poll(2), POLLRDHUP; recv(2)",
	},
	{
		ID:          StaleConnection,
		Group:       GroupDestination,
		Title:       "the destination still holds an old connection with this four-tuple",
		Explanation: "The host {address|asked for} still holds an old connection with the same addresses and ports, and answered the SYN with a challenge ACK[[ ({detail})]].",
		Detail:      "what points to it, a clause: \"the SYN was sent again after 12 ms\"",
		Remedy:      "On {address|that host}, look for it with `ss -tan 'dport = :{source_port|SOURCE_PORT} and dst [{source}]'`, and dial again from another local port.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Destination,
		Page: `A client that crashed, a NAT that forgot, or a fixed source port brings the
same four-tuple (both addresses, both ports) back while the server still has
the earlier connection. The server answers the SYN with an ACK of what it
last saw (a challenge ACK). The client must answer that with a reset, which
clears the old connection, and send its SYN again. Linux does so about 10 ms
later, and the connect succeeds.

When a firewall on the way drops the unexpected ACK or the reset, nothing
clears the old connection, and the connect times out.

Told from its look-alikes: a second SYN after about 10 ms instead of a
second, seen in TCP_INFO without privileges, points to a wrong
acknowledgment. It proves no more than that: damaged or forged replies look
the same (reply-malformed). The challenge ACK itself is seen only in packets
(CAP_NET_RAW).

By hand:
    tcpdump -ni any 'tcp and host ADDRESS and port PORT'
and on the destination:
    nstat -az TcpExtTCPSYNChallenge TcpExtTCPChallengeACK`,
		Reference: "RFC 5961 §4; RFC 9293 §3.5.1; tcp_validate_incoming, tcp_send_challenge_ack",
	},
}
