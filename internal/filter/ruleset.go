package filter

import "fmt"

// Family is the address family of a table (NFPROTO_*, linux/netfilter.h).
type Family uint8

// The families whose tables TCP and UDP packets of this host meet.
const (
	Inet   Family = 1
	IPv4   Family = 2
	Netdev Family = 5
	IPv6   Family = 10
)

// String is the family as nft(8) writes it.
func (f Family) String() string {
	switch f {
	case Inet:
		return "inet"
	case IPv4:
		return "ip"
	case Netdev:
		return "netdev"
	case IPv6:
		return "ip6"
	}
	return fmt.Sprintf("family %d", uint8(f))
}

// Hook is a place on a packet's way through this host (nft(8), address
// families).
type Hook string

// The hooks that a host's own packets meet.
const (
	Ingress     Hook = "ingress"
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
	Egress      Hook = "egress"
)

// Ruleset is what a host's nftables hold, in the order of the kernel's own list.
type Ruleset struct {
	Tables []Table
	Chains []*Chain
	Sets   []*Set
}

// Table is a table of nftables. A dormant one is switched off.
type Table struct {
	Family  Family
	Name    string
	Dormant bool
}

// Chain is a list of rules. A base chain has a Hook; others are jumped to.
type Chain struct {
	Family   Family
	Table    string
	Name     string
	Handle   uint64
	Hook     Hook // empty: no base chain
	Priority int32
	Type     string   // filter, nat, route
	Drops    bool     // its policy is drop
	Devices  []string // of ingress and egress
	Rules    []*Rule
}

// Rule is one rule. Its expressions are asked in their order.
type Rule struct {
	Family Family
	Table  string
	Chain  string
	Handle uint64
	Note   string // its comment
	Exprs  []Expr

	Counted bool // it has a counter
	Packets uint64
}

// Expr is an expression as the kernel lists it: its name and its attributes.
type Expr struct {
	Name string
	Data []byte
}

// Set is a set or a map. Elements of an interval set are in ascending order.
type Set struct {
	Family   Family
	Table    string
	Name     string
	Flags    uint32
	Fields   []int // lengths of a concatenation's fields in octets
	Elements []Element
	Partial  bool // not all elements could be read
}

// Element is an element of a set.
type Element struct {
	Key, End []byte // End: the last key of a range of concatenated fields
	Flags    uint32
	Data     []byte  // of a map
	Verdict  *action // of a verdict map
}

// Flags of a set and of an element (enum nft_set_flags, nft_set_elem_flags).
const (
	setInterval = 0x4
	setMap      = 0x8

	elementEnd      = 0x1 // the interval before ends here
	elementCatchAll = 0x2
)

// Interval says that the elements of a set are ranges.
func (s *Set) interval() bool { return s.Flags&setInterval != 0 }

func (r *Ruleset) chain(f Family, table, name string) *Chain {
	for _, c := range r.Chains {
		if c.Family == f && c.Table == table && c.Name == name {
			return c
		}
	}
	return nil
}

func (r *Ruleset) set(f Family, table, name string) *Set {
	for _, s := range r.Sets {
		if s.Family == f && s.Table == table && s.Name == name {
			return s
		}
	}
	return nil
}

func (r *Ruleset) dormant(c *Chain) bool {
	for _, t := range r.Tables {
		if t.Family == c.Family && t.Name == c.Table {
			return t.Dormant
		}
	}
	return false
}

// Rule finds the rule that a later or earlier reading of the same host's rules
// has in this one's place; nil: there is none.
func (r *Ruleset) Rule(like *Rule) *Rule {
	c := r.chain(like.Family, like.Table, like.Chain)
	if c == nil {
		return nil
	}
	for _, one := range c.Rules {
		if one.Handle == like.Handle {
			return one
		}
	}
	return nil
}

// Lookups lists the sets that the rules of base chains and what they jump to
// ask, each once.
func (r *Ruleset) Lookups() (sets []SetName) {
	have := map[SetName]bool{}
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			for _, e := range rule.Exprs {
				if e.Name != "lookup" {
					continue
				}
				n := SetName{c.Family, c.Table, text(attribute(e.Data, lookupSet))}
				if n.Name != "" && !have[n] {
					have[n] = true
					sets = append(sets, n)
				}
			}
		}
	}
	return sets
}

// SetName names a set.
type SetName struct {
	Family Family
	Table  string
	Name   string
}
