// Package netns builds small networks out of Linux network namespaces: hosts,
// links, routers, firewalls, and processes and sockets inside them.
//
// A [Net] holds its hosts by descriptors alone. Nothing is mounted and nothing
// is named in the file system, so nothing stays behind when the process ends,
// however it ends: the kernel takes a namespace down with its last descriptor,
// socket and process (namespaces(7)). No link leads out of a Net: a packet
// sent inside cannot leave it.
//
// What to know when working with namespaces: /proc/net is /proc/self/net, the
// view of the process's main thread; code that runs inside [Host.Do] reads
// /proc/thread-self/net instead. Package net keeps one cache of interface names
// for the process: write the zone of a link-local address as a number,
// [Interface].Index, when dialing. The kernel's neighbour tables are one for all
// namespaces (net.ipv4.neigh.default.gc_thresh3, 1024 entries): hundreds of
// Nets at once run out of them. A packet's whole way through a Net is often
// one system call of its sender, so that an ICMP error arrives while connect(2)
// still holds the socket: a TCP/IPv6 socket without IPV6_RECVERR hears of it
// only when the SYN is sent again, a second later (tcp_v6_err).
//
// Everything is done through netlink and nftables; no ip, nft or tc binary is
// called. It needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which root of a user
// namespace has: see [UserNamespace]. On other systems than Linux every
// constructor fails with an error that wraps [errors.ErrUnsupported].
package netns
