package netns

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Firewall is a set of rules that stand in a host.
type Firewall struct {
	host  *Host
	table *nftables.Table
	place []place // of each rule
}

// place is a rule's chain and its position in it.
type place struct {
	chain *nftables.Chain
	index int
}

// Count is what a rule has acted on.
type Count struct{ Packets, Bytes uint64 }

// Firewall adds rules, in force when it returns. Rules of one hook are asked in
// the order given, and what none matches passes; rules of an earlier call are
// asked first. All rules stand in one nftables table of family inet.
func (h *Host) Firewall(rules ...Rule) (*Firewall, error) {
	h.mu.Lock()
	h.firewalls++
	f := &Firewall{host: h, table: &nftables.Table{
		Name: fmt.Sprintf("dialscope%d", h.firewalls), Family: nftables.TableFamilyINet,
	}}
	h.mu.Unlock()
	err := h.Nft(func(c *nftables.Conn) error { return f.add(c, rules) })
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Nft calls f with a connection to the host's nftables and sends what f
// queued, in one transaction.
func (h *Host) Nft(f func(*nftables.Conn) error) error {
	c, err := nftables.New(nftables.WithNetNSFd(h.fd))
	if err != nil {
		return h.wrap(err)
	}
	if err := f(c); err != nil {
		return h.wrap(err)
	}
	if err := c.Flush(); err != nil {
		return h.wrap(fmt.Errorf("nftables: %w", err))
	}
	return nil
}

func (f *Firewall) add(c *nftables.Conn, rules []Rule) error {
	c.AddTable(f.table)
	chains := map[string]*nftables.Chain{}
	sizes := map[string]int{}
	for i, r := range rules {
		exprs, err := r.exprs()
		if err != nil {
			return fmt.Errorf("rule %d: %w", i, err)
		}
		ch, err := r.chain()
		if err != nil {
			return fmt.Errorf("rule %d: %w", i, err)
		}
		if known := chains[ch.Name]; known != nil {
			ch = known
		} else {
			ch.Table = f.table
			chains[ch.Name] = c.AddChain(ch)
		}
		c.AddRule(&nftables.Rule{Table: f.table, Chain: ch, Exprs: exprs})
		f.place = append(f.place, place{ch, sizes[ch.Name]})
		sizes[ch.Name]++
	}
	return nil
}

// Count returns what rule i, in the order given to [Host.Firewall], acted on.
func (f *Firewall) Count(i int) (Count, error) {
	var n Count
	err := f.host.Nft(func(c *nftables.Conn) error {
		p := f.place[i]
		rules, err := c.GetRules(f.table, p.chain)
		if err != nil {
			return err
		}
		if p.index >= len(rules) {
			return errors.New("the rule is gone")
		}
		for _, e := range rules[p.index].Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				n = Count{Packets: counter.Packets, Bytes: counter.Bytes}
			}
		}
		return nil
	})
	return n, err
}

// Remove takes the rules out again.
func (f *Firewall) Remove() error {
	return f.host.Nft(func(c *nftables.Conn) error {
		c.DelTable(f.table)
		return nil
	})
}

// chain returns the base chain that the rule belongs into. Its name is its
// type and hook, so that equal chains have equal names.
func (r Rule) chain() (*nftables.Chain, error) {
	names := [...]string{"prerouting", "input", "forward", "output", "postrouting"}
	if int(r.Hook) >= len(names) {
		return nil, fmt.Errorf("hook %d", r.Hook)
	}
	ch := &nftables.Chain{
		Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookRef(nftables.ChainHook(r.Hook)),
		Priority: nftables.ChainPriorityFilter,
	}
	where := []Hook{Prerouting, Input, Forward, Output, Postrouting}
	kind := "filter"
	switch r.Verdict.kind {
	case rejectReset, rejectICMP4, rejectICMP6:
		where = []Hook{Prerouting, Input, Forward, Output}
	case notrack:
		kind, ch.Priority = "raw", nftables.ChainPriorityRaw
		where = []Hook{Prerouting, Output}
	case setTTL, setHopLimit:
		kind, ch.Priority = "mangle", nftables.ChainPriorityMangle
	case synproxy, dropInvalid:
		where = []Hook{Input, Forward}
	case dnat, redirect:
		kind, ch.Type, ch.Priority = "dstnat", nftables.ChainTypeNAT, nftables.ChainPriorityNATDest
		where = []Hook{Prerouting, Output}
	case masquerade:
		kind, ch.Type, ch.Priority = "srcnat", nftables.ChainTypeNAT, nftables.ChainPriorityNATSource
		where = []Hook{Postrouting}
	}
	ch.Name = kind + "-" + names[r.Hook]
	if slices.Contains(where, r.Hook) {
		return ch, nil
	}
	return nil, fmt.Errorf("this verdict is not possible at %s", names[r.Hook])
}
