package cause

import "github.com/dialscope/dialscope/evidence"

var endEntries = []Entry{
	{
		ID:          PeerClosed,
		Group:       GroupEnd,
		Title:       "the peer closed the connection in order",
		Explanation: "The peer[[ at {target}]] closed the connection in order with a FIN[[ after {elapsed}]], and nothing more will come from it.",
		Remedy:      "Nothing is wrong if the exchange was complete; otherwise read the peer's log for this moment with `journalctl -u SERVICE --since '10 min ago'`.",
		Culprit:     Destination,
		Page: `FIN says: I have sent everything. A read returns 0, end of file. The other
direction stays open: this end may still send, and the peer may still read
(a half-closed connection), until it closes as well. An idle limit of the
server or of a proxy, a finished answer and an orderly shutdown all end this
way.

Told from its look-alikes: a read of 0 is always a FIN; a reset is
ECONNRESET (peer-reset). A program that writes on without reading meets
broken-pipe. A FIN does not say whether the peer's program closed or its
kernel did so because the program died. No privileges are needed.

By hand:
    ss -tno 'dst [ADDRESS]'
CLOSE-WAIT there means that the peer has closed and the program here has
not.`,
		Reference: "RFC 9293 §3.6, §3.6.1; recv(2); shutdown(2)",
	},
	{
		ID:          PeerReset,
		Group:       GroupEnd,
		Title:       "the peer reset the connection",
		Explanation: "The connection to {target} was reset by the other end[[ after {elapsed}]], and data still on the way is lost.",
		Remedy:      "Read the peer's log for this moment with `journalctl -u SERVICE --since '10 min ago'`, and watch for the reset with `tcpdump -vni any 'tcp and host {address} and port {port}'`.",
		Errnos:      []evidence.Errno{"ECONNRESET"},
		Culprit:     Destination,
		Page: `A reset ends a connection at once, in both directions. The peer's kernel
sends it when its program closes with unread data, closes with SO_LINGER
zero, or is gone when data arrives after its end; when the connection is
unknown there (peer-rebooted); and some middleboxes send it in its name when
they have forgotten the connection (idle-state-expired) or want it to end.

Told from its look-alikes: ECONNRESET is certain, its author is not: a reset
carries the peer's address whoever made it. Its TTL and its place in the
sequence hint at the author and are seen only in packets (CAP_NET_RAW). The
error is reported once; later writes give EPIPE (broken-pipe).

By hand:
    tcpdump -vni any 'tcp and host ADDRESS and port PORT'
and on the peer:
    nstat -az TcpOutRsts TcpExtTCPAbortOnClose TcpExtTCPAbortOnData

Elsewhere: Windows says WSAECONNRESET (10054), and WSAECONNABORTED (10053)
when its own end gave up.`,
		Reference: "RFC 9293 §3.5.2, §3.5.3; RFC 1122 §4.2.2.13; RFC 5961 §3; tcp_reset",
	},
	{
		ID:          BrokenPipe,
		Group:       GroupEnd,
		Title:       "wrote after the connection had ended",
		Explanation: "The program wrote to {target} after the connection had already ended[[ ({detail})]].",
		Detail:      "how it had ended: \"the peer closed, then reset\"",
		Remedy:      "Read from the connection before writing: an end of file or ECONNRESET seen there says how it ended; `ss -tan 'dst [{address}]'` shows its state.",
		Errnos:      []evidence.Errno{"EPIPE"},
		Culprit:     Destination,
		Page: `The first write after a peer's close succeeds: it only reaches the kernel's
buffer, and the peer's kernel answers it with a reset. The second write
fails with EPIPE, and SIGPIPE is sent to programs that do not ignore it.
EPIPE also comes after this end's own shutdown of writing.

Told from its look-alikes: EPIPE says that this end's sending side is shut,
not why. What came before says it: end of file on a read (peer-closed),
ECONNRESET (peer-reset), or this program's own shutdown(2). A program that
reads first never needs to meet it. No privileges are needed.

By hand:
    ss -tan 'dst [ADDRESS]'
    strace -e trace=network -p PID

Elsewhere: Windows says WSAECONNRESET (10054), WSAECONNABORTED (10053) or
WSAESHUTDOWN (10058) and has no signal.`,
		Reference: "send(2), EPIPE; signal(7), SIGPIPE; tcp_sendmsg_locked, sk_stream_error",
	},
	{
		ID:          PeerVanished,
		Group:       GroupEnd,
		Title:       "the peer no longer acknowledges anything",
		Explanation: "What was sent to {target} was not acknowledged any more[[ for {elapsed}]], and the connection was given up.",
		Remedy:      "Check whether the host is still there with `ping -c 3 {address}`; to notice sooner next time, set keepalives or TCP_USER_TIMEOUT.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Destination,
		Page: `Data, or a keepalive probe, was sent again and again without an
acknowledgment until a limit was reached: about 15 minutes for data by
default (tcp_retries2 = 15), 2 hours and 11 minutes for an idle connection
with default keepalives, or what TCP_USER_TIMEOUT says. The peer lost its
power or its network, or the path is broken in silence.

An idle connection without keepalives notices nothing, ever.

Told from its look-alikes: from this end a dead peer, a path that drops
everything and a middlebox that forgot the connection (idle-state-expired)
are the same silence. Whether the host answers a new connect or an echo
request narrows it down. An ICMP error during the silence makes it
path-lost. TCP_INFO shows the retransmissions without privileges.

By hand:
    ss -tnoi 'dst [ADDRESS]'
    sysctl net.ipv4.tcp_retries2 net.ipv4.tcp_keepalive_time
    ping -c 3 ADDRESS`,
		Reference: "RFC 9293 §3.8.3, §3.8.4; RFC 5482; tcp(7), tcp_retries2, TCP_USER_TIMEOUT; tcp_write_timeout",
	},
	{
		ID:          PeerRebooted,
		Group:       GroupEnd,
		Title:       "the peer has forgotten the connection",
		Explanation: "After a silence the peer[[ at {target}]] answered data with a reset: it no longer knows the connection, as after a reboot.",
		Remedy:      "Connect again, and see on {address|the peer} with `uptime -s` when it started.",
		Errnos:      []evidence.Errno{"ECONNRESET"},
		Culprit:     Destination,
		Page: `A host that starts anew knows nothing of its old connections. When data for
one of them arrives, its TCP answers with a reset, as for any segment of a
connection that does not exist. Until this end sends something, it notices
nothing. A failover to another machine with the same address does the same.

Told from its look-alikes: a silence, then a reset in answer to this end's
data, and not before. A middlebox that forgot the connection and rejects its
packets shows exactly the same to the socket (idle-state-expired). A new
connect that works at once fits both. Only the host's own uptime, or an
earlier failover in its log, settles it.

By hand, on the peer:
    uptime -s
    journalctl --list-boots`,
		Reference: "RFC 9293 §3.5.1, §3.10.7.1; tcp_v4_send_reset",
	},
	{
		ID:          PathLost,
		Group:       GroupEnd,
		Title:       "the way to the peer broke while connected",
		Explanation: "The way to {address} broke while the connection was established[[: {detail}]].",
		Detail:      "the ICMP message and its sender, or what is wrong with the own route",
		Remedy:      "Find where it breaks with `ip route get {address}` and `tracepath -n {address}`.",
		Errnos:      []evidence.Errno{"EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"},
		Culprit:     Router,
		Page: `A router reports that it can no longer reach the peer, or this host has lost
its own route or interface. TCP does not give up at the first such message,
for paths often come back: it notes the error, goes on sending, and reports
it only when its own timer ends the connection. A socket with IP_RECVERR is
told the errno at once, but not the router: the kernel fills the error queue
of a TCP socket only while it connects.

When this host's own route is gone, there may be no message at all: the
kernel's sends fail silently and the end is ETIMEDOUT. Then the culprit is
this host.

Told from its look-alikes: the errno of an ICMP error, or a route look-up that
fails now and did not before; both without privileges. The router is named by
one new connection to the same target after the end, whose error queue holds
the message with its sender. Silence without any of these is peer-vanished.

By hand:
    ip route get ADDRESS
    ip monitor route
    tracepath -n ADDRESS
    ss -tnoi 'dst [ADDRESS]'`,
		Reference: "RFC 1122 §4.2.3.9; RFC 5461 §2; RFC 9293 §3.9.2.2; ip(7), IP_RECVERR; tcp_v4_err, tcp_ld_RTO_revert",
	},
	{
		ID:          IdleStateExpired,
		Group:       GroupEnd,
		Title:       "a device on the path forgot the idle connection",
		Explanation: "A device on the path forgot the connection to {target} while it was idle[[ for {elapsed}]], and lets its packets pass no more.",
		Remedy:      "Send keepalives more often than the device forgets, on the socket (TCP_KEEPIDLE) or for all with `sysctl -w net.ipv4.tcp_keepalive_time=60`.",
		Errnos:      []evidence.Errno{"ETIMEDOUT", "ECONNRESET"},
		Culprit:     Path,
		Page: `NAT devices, firewalls and load balancers keep a state for each connection
and throw it away after a time without packets: 350 seconds, 4 minutes and
15 minutes are common, although RFC 5382 asks for 2 hours and 4 minutes at
least. Neither end is told. The next packet finds no state and is dropped,
or answered with a reset.

Told from its look-alikes: the connection worked, was idle for long, and
then failed at the first data, while a new connection to the same place
works at once. From one end that also fits a peer that rebooted
(peer-rebooted) or vanished (peer-vanished); the idle time at which it
happens, found by repeating, tells most. The device cannot be named by its
silence.

By hand:
    ss -tno 'dst [ADDRESS]'
    sysctl net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl
    sysctl net.ipv4.tcp_keepalive_probes

The keepalive sysctls are only defaults: they hold for sockets that have
SO_KEEPALIVE set.`,
		Reference: "RFC 5382 §5 (REQ-5); RFC 9293 §3.8.4; tcp(7), TCP_KEEPIDLE",
	},
	{
		ID:          ZeroWindow,
		Group:       GroupEnd,
		Title:       "the peer stopped reading",
		Explanation: "The peer[[ at {target}]] has stopped reading[[ for {elapsed}]]: its receive window is zero, and what is written here waits.",
		Remedy:      "On {address|the peer}, see the unread bytes (Recv-Q) with `ss -tnp 'sport = :{port}'`, and find out why that process does not read.",
		Errnos:      []evidence.Errno{"ETIMEDOUT"},
		Culprit:     Destination,
		Page: `Each acknowledgment says how much the receiver can still take. When its
program does not read, its buffer fills and the window shrinks to zero. The
sender waits and probes; the connection is healthy and may stay so for days,
while writes block or give EAGAIN. There is no errno, unless
TCP_USER_TIMEOUT is set.

Told from its look-alikes: the probes are acknowledged, so the peer's kernel
and the path are alive (not peer-vanished), and the window it announces is
zero; TCP_INFO and the queue of unsent bytes show it without privileges. Why
the program does not read is seen only on the peer: it hangs, is stopped,
waits for something else, or waits for this end to read its answer (a
deadlock of both).

By hand:
    ss -tnoi 'dst [ADDRESS]'
and on the peer:
    ss -tnp 'sport = :PORT'`,
		Reference: "RFC 9293 §3.8.6.1; RFC 1122 §4.2.2.17; tcp_probe_timer; tcp(7), TCP_USER_TIMEOUT",
	},
}
