// Package frame takes captured frames apart down to the TCP segment or to the
// ICMP error that quotes one: link layers, tags, labels and tunnels.
//
// It reads what the octets hold and never guesses: what it does not understand
// is counted under a name (see [Decoder.Skipped]). In its steady state it
// allocates nothing.
package frame
