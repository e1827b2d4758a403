package netlink

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// linux/neighbour.h: struct ndtmsg, its attributes, and within struct
// ndt_config and struct ndt_stats what is read.
const (
	ndtmsgSize    = 4
	ndtaThresh3   = 4
	ndtaConfig    = 5
	ndtaStats     = 7
	ndtcEntries   = 4
	ndtsTableFull = 80
)

// NeighbourTablesOf asks for the tables of ARP and ND. Where such a table is
// full, the SYN to an address without an entry is dropped inside this host, and
// nobody is told (ip_finish_output2, neigh_alloc).
func NeighbourTablesOf() (*NeighbourTables, error) {
	c, err := sys.OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("neighbour tables: %w", err)
	}
	defer c.Close()
	t := new(NeighbourTables)
	start := func() { *t = NeighbourTables{} }
	if err := ask(c, syscall.RTM_GETNEIGHTBL, make([]byte, ndtmsgSize), start, func(payload []byte) bool {
		t.add(payload)
		return true
	}); err != nil {
		return nil, fmt.Errorf("neighbour tables: %w", err)
	}
	return t, nil
}

// add reads the payload of an RTM_NEWNEIGHTBL message. Those of single
// interfaces have no numbers.
func (t *NeighbourTables) add(b []byte) {
	if len(b) < ndtmsgSize {
		return
	}
	entries, limit := 0, 0
	for typ, v := range attrs(b[ndtmsgSize:]) {
		switch {
		case typ == ndtaThresh3:
			limit = int(word(v))
		case typ == ndtaConfig && len(v) >= ndtcEntries+4:
			entries = int(word(v[ndtcEntries:]))
		case typ == ndtaStats && len(v) >= ndtsTableFull+8:
			t.Fulls += binary.NativeEndian.Uint64(v[ndtsTableFull:])
		}
	}
	if limit > 0 && (t.Limit == 0 || entries*t.Limit > t.Entries*limit) {
		t.Entries, t.Limit = entries, limit
	}
}
