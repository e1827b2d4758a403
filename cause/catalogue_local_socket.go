package cause

import "github.com/dialscope/dialscope/evidence"

// localSocketEntries: the socket and its addresses, before anything is sent.
var localSocketEntries = []Entry{
	{
		ID:          NoRoute,
		Group:       GroupLocal,
		Title:       "no route to the destination on this host",
		Explanation: "This host has no route to {address}[[ ({detail})]], so no packet was sent.",
		Detail:      "what speaks against it: \"a route exists now\"",
		Remedy:      "See what the kernel does with the address with `ip route get {address}`, then add the missing route or repair the default route.",
		Errnos:      []evidence.Errno{"ENETUNREACH"},
		Culprit:     Local,
		Page: `connect(2) looks up the route before it sends anything. The rules of the
policy database are tried in turn; when no table holds a route that matches,
or only one of type throw, the call fails at once with ENETUNREACH and the
wire stays silent. With IPv6 the usual reason is that the host has no IPv6
default route at all.

Told from its look-alikes: the error comes within microseconds, and the
kernel gives the same one when it is asked for the route alone. A router's
"net unreachable" brings the same errno, but later and with an entry on the
socket's error queue that names the router (router-no-route). An interface
that is switched off takes its routes with it (link-down). None of this
needs privileges.

By hand:
    ip route get ADDRESS
    ip rule show
    ip route show table all

Elsewhere: BSD systems and macOS may say EHOSTUNREACH for the same thing;
Windows says WSAENETUNREACH (10051).`,
		Reference: "connect(2); ip-route(8); ip_route_output_key_hash_rcu, ip6_route_output_flags; RFC 1122 §3.3.1",
	},
	{
		ID:          RouteRejected,
		Group:       GroupLocal,
		Title:       "a route on this host forbids the destination",
		Explanation: "A route on this host forbids {address}[[ ({detail})]], so no packet was sent.",
		Detail:      "the route: \"blackhole 192.0.2.0/24\"",
		Remedy:      "Find it with `ip route show table all | grep -E 'unreachable|prohibit|blackhole'`, and delete it or add a more specific route.",
		Errnos:      []evidence.Errno{"EHOSTUNREACH", "EACCES", "EINVAL"},
		Culprit:     Local,
		Page: `A route can be a refusal. Its type chooses the error: "unreachable" gives
EHOSTUNREACH, "prohibit" gives EACCES, and "blackhole" gives EINVAL to a
program on the same host (forwarded packets vanish in it without a word).
Routing daemons, VPN clients and container networks install such routes on
purpose, to keep traffic from leaking past a tunnel.

Told from its look-alikes: connect(2) fails at once and asking the kernel
for the route alone gives the same error. A firewall's answer comes as an
ICMP message with a sender, a security policy denies although the route
look-up succeeds (policy-denied). Needs no privileges.

By hand (a rejecting route answers "ip route get" with an error instead of a
route):
    ip route get ADDRESS
    ip route show table all type unreachable
    ip route show table all type prohibit
    ip route show table all type blackhole
    ip rule show

Elsewhere: BSD systems and macOS have "route add -reject" and "-blackhole";
the errors differ.`,
		Reference: "ip-route(8), TYPE; fib_props (net/ipv4/fib_semantics.c); ip6_rt_type_to_error",
	},
	{
		ID:          SourceNotLocal,
		Group:       GroupLocal,
		Title:       "the source address is not on this host",
		Explanation: "The source address[[ {source}]] is not one that a socket of this host can be bound to[[: {detail}]].",
		Detail:      "what is known of the address, a clause: \"it may still have been tentative\"",
		Remedy:      "List this host's addresses with `ip -br addr show` and bind to one of them, or let the kernel choose.",
		Errnos:      []evidence.Errno{"EADDRNOTAVAIL"},
		Culprit:     Local,
		Page: `bind(2) takes only addresses that are configured in the same network
namespace (and, with VRFs, in the same routing domain). An IPv6 address is
refused, too, while duplicate address detection still runs on it, for about
a second after it was added.

Told from its look-alikes: bind(2) fails, not connect(2). EADDRNOTAVAIL from
connect(2) means that no local port is free (ports-exhausted), or that IPv6
is switched off (family-unsupported). Needs no privileges.

By hand:
    ip -br addr show
    ip -6 addr show tentative

Exceptions: IP_FREEBIND, IP_TRANSPARENT and the sysctl
net.ipv4.ip_nonlocal_bind let a socket take a foreign address. The SYN then
leaves with it, and the answer goes to whoever owns the address.`,
		Reference: "bind(2), EADDRNOTAVAIL; inet_addr_valid_or_nonlocal; RFC 4862 §5.4",
	},
	{
		ID:          SourceInUse,
		Group:       GroupLocal,
		Title:       "the local address and port are taken",
		Explanation: "The local address[[ {source}]][[ with port {source_port}]] is already in use[[: {detail}]].",
		Detail:      "who holds it, a clause: \"192.0.2.7:80 is held by a socket in LISTEN of nginx (pid 42)\"",
		Remedy:      "See who holds it with `ss -tanp 'sport = :{source_port|PORT}'`, then stop that program, choose another port, or set SO_REUSEADDR.",
		Errnos:      []evidence.Errno{"EADDRINUSE", "EADDRNOTAVAIL"},
		Culprit:     Local,
		Page: `A local port that was asked for by number belongs to one socket, unless
every holder set SO_REUSEADDR or SO_REUSEPORT. A listener blocks the port
for everyone else; a connection in TIME_WAIT blocks it for 60 seconds. With
SO_REUSEADDR the bind succeeds and the kernel refuses later, in connect(2)
with EADDRNOTAVAIL, if the same four-tuple (both addresses, both ports)
exists already.

Told from its look-alikes: bind(2) fails with EADDRINUSE and the host's
socket table shows a holder. The socket table needs no privileges; the
holder's process is visible only to its owner or with CAP_SYS_PTRACE. When
bind(2) was asked for port 0 and says EADDRINUSE, the ephemeral ports have
run out (ports-exhausted).

By hand:
    ss -tanp 'sport = :PORT'

Elsewhere: BSD systems and macOS say EADDRINUSE for a taken four-tuple as
well. On Windows SO_REUSEADDR lets a second program steal the port;
SO_EXCLUSIVEADDRUSE forbids that and its victims see WSAEACCES (10013).`,
		Reference: "bind(2), EADDRINUSE; socket(7), SO_REUSEADDR; inet_csk_get_port, __inet_check_established",
	},
	{
		ID:          PortsExhausted,
		Group:       GroupLocal,
		Title:       "no ephemeral port is free for this destination",
		Explanation: "No local port is free for a connection to {target}[[: {detail}]].",
		Detail:      "the count: \"28232 of 28232 ephemeral ports in use, 28000 of them in TIME_WAIT\"",
		Remedy:      "Count them with `ss -tan 'dst [{address}]'` against `sysctl net.ipv4.ip_local_port_range`, and reuse connections, add source addresses or widen the range.",
		Errnos:      []evidence.Errno{"EADDRNOTAVAIL", "EAGAIN", "EADDRINUSE"},
		Culprit:     Local,
		Page: `Each connection from one source address to one destination address and port
needs a local port of its own. The range is net.ipv4.ip_local_port_range,
32768 to 60999 by default: 28,232 ports toward each destination. Closed
connections keep theirs in TIME_WAIT for 60 seconds, so about 470 short
connections a second to one server are enough to run out. A socket that is
bound before it connects takes its port for every destination, unless
IP_BIND_ADDRESS_NO_PORT is set.

Told from its look-alikes: the socket table is counted for this destination
and compared with the range; no privileges are needed. connect(2) gives
EADDRNOTAVAIL for TCP and EAGAIN for UDP; bind(2) to port 0 gives
EADDRINUSE. EADDRNOTAVAIL from a bind to a named address is
source-not-local. Ports that run out on a NAT device elsewhere look like
silence, and cannot be counted from here.

By hand:
    sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports
    ss -tan 'dst [ADDRESS]'
    ss -tan state time-wait 'dst [ADDRESS]'
    sysctl net.ipv4.tcp_tw_reuse

tcp_tw_reuse is 2 by default, which reuses TIME_WAIT ports only on loopback;
1 does so for every outgoing connection with timestamps, after one second.

Elsewhere: Windows and macOS use 49152 to 65535 by default ("netsh int ipv4
show dynamicport tcp"; net.inet.ip.portrange.first).`,
		Reference: "ip(7), ip_local_port_range; __inet_hash_connect, inet_autobind; RFC 6056 §2",
	},
	{
		ID:          DescriptorsExhausted,
		Group:       GroupLocal,
		Title:       "no file descriptor is left for a socket",
		Explanation: "The kernel gave no descriptor for a new socket[[: {name} allows {limit}]][[ and {used} are open]].",
		Remedy:      "Compare `prlimit --nofile --pid PID` with `ls /proc/PID/fd | wc -l` and `sysctl fs.file-nr`, then raise the limit or close what is left open.",
		Errnos:      []evidence.Errno{"EMFILE", "ENFILE"},
		Culprit:     Local,
		Page: `socket(2) failed; nothing was sent. EMFILE is the limit of this process
(RLIMIT_NOFILE, often 1024), ENFILE the limit of the whole host
(fs.file-max). A program that forgets to close its connections reaches the
first one sooner or later, whatever its height.

Told from its look-alikes: the errno alone decides. How many descriptors the
process has open is counted from its own /proc/self/fd, without privileges.

By hand:
    prlimit --nofile --pid PID
    ls -l /proc/PID/fd
    sysctl fs.file-nr fs.file-max
    ss -tnp

Many sockets in CLOSE-WAIT in that list are connections that the peer has
ended and the program has not closed: a leak.`,
		Reference: "socket(2), EMFILE, ENFILE; getrlimit(2), RLIMIT_NOFILE; proc(5), fs/file-max",
	},
	{
		ID:          PolicyDenied,
		Group:       GroupLocal,
		Title:       "a security policy of this host said no",
		Explanation: "A security policy of this host does not allow this connection[[: {detail}]].",
		Detail:      "what is known of the policy: \"this process runs under a seccomp filter\"",
		Remedy:      "Look for the denial with `journalctl -k -g 'avc|apparmor|seccomp'` and for cgroup programs with `bpftool cgroup tree`, then allow it or run outside that sandbox.",
		Errnos:      []evidence.Errno{"EPERM", "EACCES", "ETIMEDOUT"},
		Culprit:     Local,
		Page: `Several mechanisms may forbid a connection before the first packet. A cgroup
program on connect makes connect(2) fail with EPERM. SELinux and AppArmor
give EACCES, and so does Landlock. A seccomp filter gives any errno its
author chose, most often EPERM, or kills the process. systemd units set up
several of these (RestrictAddressFamilies=, SocketBindDeny=,
IPAddressDeny=).

A cgroup program on egress works otherwise: it swallows the packets. TCP
does not hear of it, so that connect(2) runs into its timeout as if the
other end were silent.

Told from its look-alikes: the call fails at once although the route look-up
succeeds, and nothing comes from the network. A "prohibit" route also gives
EACCES, but the look-up shows it (route-rejected); a broadcast address also
gives EACCES to UDP (broadcast-denied). Without privileges one sees that a
filter or profile is in force, not what it forbids: which of several
policies said no is known only to the kernel's audit log.

By hand:
    grep -E 'Seccomp|NoNewPrivs' /proc/PID/status
    cat /proc/PID/attr/current
    ausearch -m avc,seccomp -ts recent
    bpftool cgroup tree

A seccomp filter that names connect(2) does not see a connect made through
io_uring: if that one succeeds, the filter is the cause.`,
		Reference: "connect(2), EACCES, EPERM; seccomp(2); landlock(7); systemd.exec(5); BPF_CGROUP_RUN_PROG_INET4_CONNECT",
	},
	{
		ID:          BroadcastDenied,
		Group:       GroupLocal,
		Title:       "a broadcast or multicast address cannot be connected to",
		Explanation: "The destination[[ {address}]] is a broadcast or multicast address. TCP connects only to a single host, and UDP may send to a broadcast address only with SO_BROADCAST set.",
		Remedy:      "See with `ip route get {address}` why the address counts as broadcast (often a wrong prefix length here), and name a single host.",
		Errnos:      []evidence.Errno{"ENETUNREACH", "EACCES"},
		Culprit:     Local,
		Page: `TCP joins exactly two ends. When the route look-up says that the destination
is a broadcast or multicast address, tcp_v4_connect gives up with
ENETUNREACH before it sends anything. A UDP socket without the broadcast
flag gets EACCES for a subnet's broadcast address; 255.255.255.255 without a
route is ENETUNREACH.

Often the address was meant to be a host: with a prefix that is too long on
this side, the last address of each small block looks like its broadcast
address.

Told from its look-alikes: the kernel's route for the address is of type
broadcast or multicast. Needs no privileges.

By hand:
    ip route get ADDRESS
    ip -br addr show

Elsewhere: BSD systems say EACCES, too, but only when the datagram is sent;
Windows says WSAEACCES (10013).`,
		Reference: "RFC 1122 §4.2.3.10; socket(7), SO_BROADCAST; tcp_v4_connect",
	},
	{
		ID:          FamilyUnsupported,
		Group:       GroupLocal,
		Title:       "this host does not speak the address family",
		Explanation: "This process cannot use the address family of {address} on this host[[: {detail}]].",
		Detail:      "why, a clause: \"IPv6 is switched off by the sysctl disable_ipv6\"",
		Remedy:      "Check `sysctl net.ipv6.conf.all.disable_ipv6` and the service's RestrictAddressFamilies= setting, or use an address of the other family.",
		Errnos:      []evidence.Errno{"EAFNOSUPPORT", "EADDRNOTAVAIL"},
		Culprit:     Local,
		Page: `socket(2) or connect(2) gives EAFNOSUPPORT when the kernel was built or
booted without the family (ipv6.disable=1), or when a seccomp filter such as
systemd's RestrictAddressFamilies= forbids it. With IPv6 switched off by
sysctl the socket can still be made; connect(2) then fails with
EADDRNOTAVAIL, because no interface has an IPv6 address to send from.

Told from its look-alikes: EAFNOSUPPORT from socket(2) leaves no other
reading than the kernel's lack of the family or a filter that says so.
EADDRNOTAVAIL is told from ports-exhausted by the sysctl and by counting
ports. A host that speaks IPv6 and merely has no IPv6 route is no-route
(ENETUNREACH). Needs no privileges.

By hand:
    sysctl net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.default.disable_ipv6
    cat /proc/net/if_inet6
    cat /proc/cmdline

Elsewhere: Windows says WSAEAFNOSUPPORT (10047).`,
		Reference: "socket(2), EAFNOSUPPORT; ip-sysctl, disable_ipv6; systemd.exec(5), RestrictAddressFamilies=",
	},
	{
		ID:          BadAddress,
		Group:       GroupLocal,
		Title:       "the destination cannot be used as an address",
		Explanation: "The destination[[ {target}]] is not something a connection can go to[[: {detail}]].",
		Detail:      "what is wrong with it: \"port 0\", \"a link-local address without its zone\"",
		Remedy:      "Give a unicast address, a port from 1 to 65535, and to an fe80:: address its zone (as in fe80::1%eth0; `ip -br link show` lists the names).",
		Errnos:      []evidence.Errno{"EINVAL", "EADDRNOTAVAIL", "ENETUNREACH", "ECONNREFUSED"},
		Culprit:     Local,
		Page: `Some addresses are well formed and still no destination. An IPv6 link-local
address says nothing without the link it belongs to: connect(2) gives
EINVAL. Multicast addresses name groups: ENETUNREACH. Addresses reserved by
their range (240.0.0.0/4) usually find no route.

Port 0 is special. Linux does not refuse it: the SYN to port 0 really
leaves, and the destination answers RST as it would for any closed port, so
the program sees ECONNREFUSED.

The unspecified address (0.0.0.0 or ::) is no error on Linux: it means this
host itself.

Told from its look-alikes: the address is judged by its own bits; no
evidence from outside is needed, and no privileges.

Elsewhere: BSD systems, macOS and Windows refuse port 0 with EADDRNOTAVAIL
(WSAEADDRNOTAVAIL, 10049) before anything is sent.`,
		Reference: "RFC 4007 §6; RFC 6335 §6; RFC 1122 §3.2.1.3; tcp_v6_connect",
	},
	{
		ID:          HopLimitTooSmall,
		Group:       GroupLocal,
		Title:       "this host's own TTL ends before the destination",
		Explanation: "This host sent the packet with a TTL[[ of {limit}]] that ran out on the way[[ at hop {hop}]], before it reached {address}.",
		Remedy:      "Count the hops with `tracepath -n {address}` and raise the TTL above that (IP_TTL on the socket, or `sysctl net.ipv4.ip_default_ttl`).",
		Errnos:      []evidence.Errno{"EHOSTUNREACH"},
		Culprit:     Local,
		Page: `Every router takes one from the TTL (IPv6: hop limit) and drops the packet
when nothing is left, with an ICMP time exceeded message to the sender.
Linux ends the attempt with EHOSTUNREACH at that message. The default of 64
reaches the whole Internet; a smaller one was set on this socket, by a
sysctl, by a route's hoplimit, or by a filter that changes TTLs.

Told from its look-alikes: the same message at full TTL means a loop
(routing-loop). The two are told apart by the TTL that was set on the socket
or in the sysctl. The router that sent the message does what it must: it is
not the culprit. The error queue names it without privileges.

By hand:
    sysctl net.ipv4.ip_default_ttl net.ipv6.conf.all.hop_limit
    tracepath -n ADDRESS

Elsewhere: FreeBSD ends the attempt as well (net.inet.tcp.icmp_may_rst);
systems that follow RFC 5461's classic behavior keep it as a soft error and
give up much later.`,
		Reference: "RFC 1812 §5.3.1; RFC 792, Time Exceeded; RFC 4443 §3.3; ip(7), IP_TTL; tcp_v4_err",
	},
}
