package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/dialscope/dialscope/internal/filter"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Messages of nfnetlink's subsystem for nftables (linux/netfilter/nfnetlink.h,
// nf_tables.h).
const (
	netlinkNetfilter = 12      // NETLINK_NETFILTER
	subsystem        = 10 << 8 // NFNL_SUBSYS_NFTABLES

	getTable, getChain, getRule, getSet, getElements, getGeneration = 1, 4, 7, 10, 13, 16

	elementsTable, elementsSet = 1, 2 // NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET
)

// maxMessages bounds one list.
const maxMessages = 1 << 17

var errTooMany = fmt.Errorf("more than %d rules", maxMessages)

// kinds of lists, as a reader tells of them.
const (
	ofTables   = "table"
	ofChains   = "chain"
	ofRules    = "rule"
	ofSets     = "set"
	ofElements = "elements"
)

// reader lists a ruleset.
type reader struct {
	*sys.Netlink
	elements bool
	seen     func(kind string, payload []byte) // every message; nil: nobody
}

func read(elements bool) (*filter.Ruleset, error) { return readSeen(elements, nil) }

func readSeen(elements bool, seen func(kind string, payload []byte)) (*filter.Ruleset, error) {
	c, err := sys.OpenNetlink(netlinkNetfilter)
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	defer c.Close()
	for range 3 {
		var r *filter.Ruleset
		r, err = (&reader{c, elements, seen}).list()
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, sys.ErrDumpInterrupted) && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	return nil, fmt.Errorf("nftables: %w", err)
}

func (c *reader) list() (*filter.Ruleset, error) {
	r := new(filter.Ruleset)
	before, err := c.generation()
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		kind string
		ask  uint16
		add  func([]byte)
	}{{ofTables, getTable, r.AddTable}, {ofChains, getChain, r.AddChain}, {ofRules, getRule, r.AddRule}} {
		if err := c.dump(l.kind, l.ask, 0, nil, l.add); err != nil {
			return nil, err
		}
	}
	if c.elements {
		if err := c.sets(r); err != nil {
			return nil, err
		}
	}
	after, err := c.generation()
	if err == nil && after != before {
		err = sys.ErrDumpInterrupted
	}
	return r, err
}

// sets reads those that rules ask.
func (c *reader) sets(r *filter.Ruleset) error {
	wanted := r.Lookups()
	if len(wanted) == 0 {
		return nil
	}
	if err := c.dump(ofSets, getSet, 0, nil, r.AddSet); err != nil {
		return err
	}
	for _, s := range wanted {
		body := attribute(attribute(nil, elementsTable, s.Table), elementsSet, s.Name)
		if err := c.dump(ofElements, getElements, uint8(s.Family), body, r.AddElements); err != nil {
			return err
		}
	}
	r.Sort()
	return nil
}

// generation is the number of the ruleset's last change (NFTA_GEN_ID).
func (c *reader) generation() (n uint32, err error) {
	err = c.Ask(subsystem|getGeneration, 0, header(0), func(_ uint16, payload []byte) bool {
		const id, size = 1, 12 // the attribute after a struct nfgenmsg
		if len(payload) >= size && binary.NativeEndian.Uint16(payload[6:]) == id {
			n = binary.BigEndian.Uint32(payload[8:])
		}
		return false
	})
	return n, err
}

func (c *reader) dump(kind string, ask uint16, family uint8, body []byte, add func([]byte)) error {
	seen := 0
	err := c.Ask(subsystem|ask, syscall.NLM_F_DUMP, append(header(family), body...), func(_ uint16, payload []byte) bool {
		if seen++; seen <= maxMessages {
			add(payload)
			if c.seen != nil {
				c.seen(kind, payload)
			}
		}
		return true
	})
	if err == nil && seen > maxMessages {
		return errTooMany
	}
	return err
}

// header is a struct nfgenmsg; family 0 is all.
func header(family uint8) []byte { return []byte{family, 0, 0, 0} }

func attribute(b []byte, typ uint16, value string) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)+1))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(append(b, value...), 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// legacy reads the names that the kernel lists once a table is in use
// (xt_table_seq_ops).
func legacy() (tables []string) {
	for _, f := range []struct{ file, tool string }{{"/proc/net/ip_tables_names", "iptables-legacy"}, {"/proc/net/ip6_tables_names", "ip6tables-legacy"}} {
		data, err := os.ReadFile(f.file)
		if err != nil {
			continue
		}
		for _, name := range strings.Fields(string(data)) {
			tables = append(tables, f.tool+" "+name)
		}
	}
	return tables
}
