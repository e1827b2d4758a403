// Package filter judges what a host's packet filter would do with one packet:
// which table, chain and rule of nftables would drop or reject it.
//
// Nothing is asked of the kernel here. Rules come in as the attributes of
// nfnetlink messages (linux/netfilter/nf_tables.h), a packet as what is known
// of it, and what is not known stays unknown bit by bit: a rule matches, does
// not match, or cannot be decided, and the last is never taken for either of
// the others.
package filter
