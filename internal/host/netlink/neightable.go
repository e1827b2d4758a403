package netlink

// NeighbourTables is how full the tables of neighbours are, ARP's and ND's.
// They are one each for all network namespaces of the host (neigh_table_init).
type NeighbourTables struct {
	Entries, Limit int    // of the fuller one; the limit is gc_thresh3 (arp(7))
	Fulls          uint64 // packets that were dropped because a table was full, since the host began
}
