package evidence

// Filter is what this host's own packet filter would do with the attempt's
// packets, read from its rules (nftables): computed, not seen. No matches and
// nothing undecided or beside it rules the filter out, as far as it is nftables.
type Filter struct {
	Packet string `json:"packet"` // FilterOut, FilterIn
	Chains int    `json:"chains"` // base chains that it passes
	Rules  int    `json:"rules"`  // that were asked

	Matches   []FilterRule `json:"matches,omitempty"`   // what would stop it, in the order in which it is met
	Undecided []string     `json:"undecided,omitempty"` // rules whose selectors could not be decided and that may matter
	Beside    []string     `json:"beside,omitempty"`    // filters whose rules were not read: "iptables-legacy filter"
}

// The packets of a Filter.
const (
	FilterOut = "out" // the attempt's first
	FilterIn  = "in"  // the answer to it
)

// FilterRule is a rule, or a chain's policy.
type FilterRule struct {
	Family   string `json:"family"` // inet, ip, ip6, netdev
	Table    string `json:"table"`
	Chain    string `json:"chain"`
	Hook     string `json:"hook"` // of the base chain that leads to it
	Priority int    `json:"priority"`
	Handle   uint64 `json:"handle,omitempty"` // 0: the chain's policy
	Text     string `json:"text,omitempty"`   // much as nft(8) writes it
	Verdict  string `json:"verdict"`          // drop, reject, queue, unclear
	// Sure: all its selectors were decided, and no rule before it could have
	// ended the packet's way. Undecided has the selectors that could not be.
	Sure      bool     `json:"sure,omitempty"`
	Undecided []string `json:"undecided,omitempty"`
	// Counted: it has a counter. Rise is by how many packets it rose since
	// before the attempt, whoever's they were.
	Counted bool  `json:"counted,omitempty"`
	Rise    int64 `json:"rise,omitempty"`
}

func (*Filter) Kind() Kind { return "filter" }

// Stops is the rule that keeps the packet from going on for sure; nil: none does,
// or it could not be decided which.
func (f *Filter) Stops() *FilterRule {
	if f == nil || len(f.Matches) == 0 || !f.Matches[0].Sure {
		return nil
	}
	return &f.Matches[0]
}

// Clear says that no rule stops the packet, none was left undecided, and there
// is no other filter beside.
func (f *Filter) Clear() bool {
	return f != nil && len(f.Matches)+len(f.Undecided)+len(f.Beside) == 0
}
