package resolve

import (
	"net/netip"
	"strings"
)

// hostsTable is hosts(5), by lower-case name.
type hostsTable map[string]hostsRecord

type hostsRecord struct {
	addrs []netip.Addr // in the order of the file, all lines that have the name
	line  int          // the first of them
}

// parseHosts reads the file as Go does: everything after # is a comment, a line
// without a valid address is passed over, names are compared without case.
func parseHosts(text []byte) hostsTable {
	table := hostsTable{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		f := fields(line)
		if len(f) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(f[0])
		if err != nil {
			continue
		}
		addr = addr.Unmap()
		for _, name := range f[1:] {
			key := hostsKey(name)
			r, known := table[key]
			if !known {
				r.line = number
			}
			r.addrs = append(r.addrs, addr)
			table[key] = r
		}
	}
	return table
}

// hostsKey makes names comparable. A name with a dot is the same with and
// without its trailing dot; a single label is not: "db." is a top-level domain,
// "db" is what the file calls db.
func hostsKey(name string) string {
	name = strings.ToLower(name)
	if strings.Contains(name, ".") {
		name = rooted(name)
	}
	return name
}
