package cause

var nameEntries = []Entry{
	{
		ID:          NameNotFound,
		Group:       GroupName,
		Title:       "the name does not exist or has no address",
		Explanation: "There is no address for {name}[[ according to {server}]][[: {detail}]].",
		Detail:      "the answer: \"NXDOMAIN\", \"no A or AAAA records\"",
		Remedy:      "Check the spelling, and compare what the server says (`dig[[ @{server}]] {name}`) with what programs get (`getent ahosts {name}`).",
		Culprit:     Resolver,
		Page: `A name server answered, and the answer was no: NXDOMAIN says that the name
does not exist, an empty NOERROR that it exists and has no address record.
Programs see the same error for both. The negative answer is remembered by
resolvers for the time that the zone's SOA record names, so that a name
created a moment ago can stay unknown for a while.

A short name is tried with each suffix of the search list; the answer shown
is the last one. A server that knows only the inside or only the outside of
a network is a frequent reason: another server in resolv.conf(5) is not
asked after an answer, only after silence.

Told from its look-alikes: the answer's code, from which server, stands in
the evidence; no privileges are needed. SERVFAIL is resolver-failure,
silence resolver-timeout. The hosts file and other sources in
nsswitch.conf(5) can give programs another answer than DNS does.

By hand:
    dig NAME A
    dig NAME AAAA
    getent ahosts NAME
    resolvectl query NAME`,
		Reference: "RFC 1035 §4.1.1; RFC 2308 §2, §5; RFC 8020; resolv.conf(5); getaddrinfo(3), EAI_NONAME",
	},
	{
		ID:          ResolverTimeout,
		Group:       GroupName,
		Title:       "the name server did not answer",
		Explanation: "The name server[[ {server}]] gave no answer about {name}[[ within {elapsed}]].",
		Remedy:      "Ask it directly with `dig[[ @{server}]] {name}`, and check the servers in /etc/resolv.conf (with systemd-resolved, `resolvectl status`).",
		Culprit:     Resolver,
		Page: `The question was sent, by default over UDP, and nothing came back: the
server is down, a filter drops port 53, or the server itself waits for
another one. The system's resolver waits 5 seconds and asks again, twice
each server in turn; a dead first server makes every look-up slow even
though the second one answers.

Told from its look-alikes: the attempt to reach the server got no ICMP error
(resolver-unreachable, resolver-refused) and no answer at all
(resolver-failure). Lost, filtered and unanswered cannot be told apart over
UDP. An answer over TCP where UDP has none means that UDP or large answers
are filtered. No privileges are needed.

By hand:
    dig @SERVER NAME
    dig +tcp @SERVER NAME
    cat /etc/resolv.conf
    resolvectl status`,
		Reference: "RFC 1035 §4.2.1; resolv.conf(5), timeout, attempts; getaddrinfo(3), EAI_AGAIN",
	},
	{
		ID:          ResolverUnreachable,
		Group:       GroupName,
		Title:       "the way to the name server is broken",
		Explanation: "The name server[[ {server}]] cannot be reached[[: {detail}]].",
		Detail:      "the errno or the ICMP message: \"ENETUNREACH, no route on this host\"",
		Remedy:      "Repair the way to it first, starting with `ip route get {server}`, or name a server in /etc/resolv.conf that can be reached.",
		Culprit:     Resolver,
		Page: `The question did not get to the server: this host has no route, a router
answered with an ICMP error, or nobody on the link answers for the server's
address. A resolv.conf(5) that was written for another network (a laptop
that moved, a VPN that ended, a container with the host's file) is the usual
reason.

Told from its look-alikes: a connected UDP socket gets the error at once
when this host has no route, and an ICMP error through its error queue, with
its sender; no privileges are needed. Port unreachable is resolver-refused.
Silence is resolver-timeout.

By hand:
    cat /etc/resolv.conf
    ip route get SERVER
    dig @SERVER NAME

Whatever made the way fail is a cause of its own in this catalogue: dial the
server's port 53 to see it.`,
		Reference: "udp(7), errors; ip(7), IP_RECVERR; RFC 1122 §4.1.3.3",
	},
	{
		ID:          ResolverRefused,
		Group:       GroupName,
		Title:       "the name server refused",
		Explanation: "The name server[[ {server}]] refused to answer: {detail|nothing listens there, or its policy excludes this host}.",
		Detail:      "how it refused: \"port 53 is closed\", \"REFUSED\"",
		Remedy:      "Ask it directly with `dig[[ @{server}]] {name}`, then start the resolver there, have this host's address allowed, or name another server in /etc/resolv.conf.",
		Culprit:     Resolver,
		Page: `Two refusals look alike to programs. Either nothing listens on port 53 at
the server's address, which an ICMP port unreachable says (a local resolver
such as systemd-resolved or dnsmasq that is not running, when the address is
127.0.0.53 or another of this host). Or the server answers with the code
REFUSED: it does not serve this client, or it is authoritative for other
zones and does not recurse.

Told from its look-alikes: the first is an error on the socket
(ECONNREFUSED), the second an answer with a code. Both are seen without
privileges. A firewall that rejects port 53 with port unreachable looks like
the first.

By hand:
    dig @SERVER NAME
    ss -lun 'sport = :53'
    resolvectl status`,
		Reference: "RFC 1035 §4.1.1, RCODE 5; RFC 8914 §4.19 (Prohibited); udp(7)",
	},
	{
		ID:          ResolverFailure,
		Group:       GroupName,
		Title:       "the name server failed while looking the name up",
		Explanation: "The name server[[ {server}]] could not look up {name}[[: {detail}]].",
		Detail:      "the code and the extended error: \"SERVFAIL, 22 No Reachable Authority\"",
		Remedy:      "Try `dig +cd[[ @{server}]] {name}` (an answer only with +cd means that DNSSEC validation fails) and `dig +trace {name}`, and tell whoever runs the zone.",
		Culprit:     Resolver,
		Page: `The server answered that it could not find out: SERVFAIL, FORMERR, NOTIMP,
or something that is no answer. With SERVFAIL the fault is usually behind
the server: the zone's own servers are down or disagree, its delegation is
broken, or its DNSSEC signatures have expired.

Told from its look-alikes: the code is in the answer, and many servers add
an extended error (RFC 8914) that names the reason; no privileges are
needed. Whether the server or the zone is at fault is known only by asking a
second, independent server: if both fail, it is the zone.

By hand:
    dig +cd @SERVER NAME
    dig +trace NAME
    delv NAME`,
		Reference: "RFC 1035 §4.1.1; RFC 8914; RFC 4035 §5.5; getaddrinfo(3), EAI_AGAIN, EAI_FAIL",
	},
	{
		ID:          SomeAddressesDead,
		Group:       GroupName,
		Title:       "connected, but some of the name's addresses failed first",
		Explanation: "The connection opened, but {count|some} of the addresses of {name} failed first[[ ({detail})]].",
		Detail:      "the addresses with their causes: \"192.0.2.7: port-closed, 192.0.2.8: host-silent\"",
		Remedy:      "See how each address fares with `dialscope --all {target|HOST:PORT}`, and repair the dead ones or take them out of the name.",
		Culprit:     Destination,
		Page: `A name may have several addresses, and programs try them in the order of RFC
6724, with luck in a staggered race (RFC 8305). The connection hides that
some are dead: a program that does not race waits for each to fail, up to
two minutes. The most frequent case is a name with an IPv6 address that
nobody serves, or a host whose IPv6 does not work.

Told from its look-alikes: each address had an attempt of its own, with its
own cause, and at least one failed before another connected. An address that
was merely slower in the race, and was cancelled when another had won, is
not called dead: the answer is then open. The dead address's own cause
stands in its attempt.

By hand:
    getent ahosts NAME
    dialscope --all HOST:PORT

Elsewhere: browsers and Apple's systems race; most other programs try one
address after the other.`,
		Reference: "RFC 8305 §5; RFC 6724 §6; getaddrinfo(3)",
	},
}
