// Package peer plays the other end of a connection from a script. Behind a
// device (a TUN interface, usually) it is a set of hosts and the routers on the
// way to them, which do exactly what a few lines of text say: expect this SYN,
// 50 ms later send that answer, with this TTL, checksum, options, loss.
//
//	host 192.0.2.1 ttl 64
//	router 198.51.100.1
//	expect SYN port 80 within 5s
//	after 50ms send SYN+ACK mss 1460 wscale 7
//	expect ACK
//	after 10ms send RST
//
// The language is described in docs/peer.md. The package knows nothing of the
// kernel under test but the packets that it sends.
package peer
