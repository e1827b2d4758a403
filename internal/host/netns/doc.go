// Package netns builds small networks out of Linux network namespaces: hosts,
// links, routers, firewalls, and processes and sockets inside them.
//
// A [Net] holds its hosts by descriptors alone. Nothing is mounted and nothing
// is named in the file system, so nothing stays behind when the process ends,
// however it ends: the kernel takes a namespace down with its last descriptor,
// socket and process (namespaces(7)). No link leads out of a Net: a packet
// sent inside cannot leave it.
//
// Everything is done through netlink and nftables; no ip, nft or tc binary is
// called. It needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which root of a user
// namespace has: see [UserNamespace]. On other systems than Linux every
// constructor fails with an error that wraps [errors.ErrUnsupported].
package netns
