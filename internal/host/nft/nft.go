// Package nft reads the packet filter rules of this host, or of the network
// namespace that the calling thread is in (nft(8)). It needs CAP_NET_ADMIN
// there.
package nft

import "github.com/dialscope/dialscope/internal/filter"

// Read lists tables, chains and rules, with the elements of the sets that rules
// ask if they are wanted. Without CAP_NET_ADMIN the error is EPERM. A ruleset
// that changes while it is read is read again, and after the third time given up.
func Read(elements bool) (*filter.Ruleset, error) { return read(elements) }

// Legacy lists the tables of the iptables that is older than nftables. Its rules
// are not read. It needs root.
func Legacy() []string { return legacy() }
