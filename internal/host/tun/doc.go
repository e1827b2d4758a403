// Package tun makes TUN interfaces: links whose other end is this program. A
// packet that the kernel routes to the interface is read from the [Device], and
// one that is written to it arrives at the kernel as if from the network
// (Documentation/networking/tuntap.rst). There are no frames and no neighbours:
// a read or write is one IPv4 or IPv6 packet.
//
// The interface belongs to the network namespace of the thread that calls
// [Open], and nothing is left of it when the Device is closed or the process
// ends. It needs CAP_NET_ADMIN there, and the right to open /dev/net/tun, which
// a user namespace does not give. On other systems than Linux Open fails with
// an error that wraps [errors.ErrUnsupported].
package tun
