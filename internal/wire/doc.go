// Package wire reads and writes the packets that a connection is made of: IPv4,
// IPv6, TCP, UDP, ICMP and ICMPv6.
//
// Reading has two layers. [Look] and its like give a tolerant view of any
// octets: what is there is shown, and what is cut or broken is said as a
// [Fault], never guessed. [Parse] gives a strict value, [Packet], of a packet
// that is whole and right, or says what is wrong with it. A Packet is also what
// is built: [Packet.Marshal] fills in lengths and checksums, and Parse of that
// gives the same Packet.
//
// Views share memory with the octets that were given; values are copies.
package wire
