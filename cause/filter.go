package cause

import (
	"fmt"

	"github.com/dialscope/dialscope/evidence"
)

// named says which rule of this host's own filter it was, in words and with
// what to do about it. A rule that stops the packet for sure, and whose own
// counter rose, makes the reading certain: it was met, and nothing behind it was.
func (r reading) named(f *evidence.Filter, verdict string) reading {
	rule := f.Stops()
	if rule == nil || rule.Verdict != verdict || !r.says() {
		return r
	}
	if rule.Counted && rule.Rise > 0 {
		r.confidence = Certain
	}
	r.detail = ruleWords(rule)
	r.blanks = Blanks{"family": rule.Family, "table": rule.Table, "chain": rule.Chain, "handle": fmt.Sprint(rule.Handle)}
	switch {
	case rule.Handle == 0 && f.Packet == evidence.FilterIn:
		r.do = "If answers are meant to come in, let them in as root with `nft insert rule {family} {table} {chain} ct state established,related accept`."
	case rule.Handle == 0:
		r.do = "If this connection is meant to be allowed, allow it as root with `nft add rule {family} {table} {chain} {protocol|tcp} dport {port} accept`."
	default:
		r.do = "If the rule is not meant for this connection, remove it as root with `nft delete rule {family} {table} {chain} handle {handle}`."
	}
	return r
}

// ruleWords names a rule: "rule 7 of inet filter output: tcp dport 80 drop".
func ruleWords(r *evidence.FilterRule) string {
	chain := fmt.Sprintf("%s %s %s", r.Family, r.Table, r.Chain)
	if r.Handle == 0 {
		return "the policy of chain " + chain
	}
	text := fmt.Sprintf("rule %d of chain %s: %s", r.Handle, chain, r.Text)
	if r.Counted && r.Rise > 0 {
		text += fmt.Sprintf("; its counter rose by %d", r.Rise)
	}
	return text
}

// maybe names the rules that may have done it, where none can be shown to have.
func (r reading) maybe(f *evidence.Filter) reading {
	if f == nil || f.Stops() != nil || len(f.Matches) == 0 || !r.says() {
		return r
	}
	first := &f.Matches[0]
	words := ruleWords(first) + ", perhaps"
	if r.detail != "" {
		words = r.detail + "; " + words
	}
	r.detail = words
	return r
}

// counted says that a rule which stops the packet for sure has counted one.
func counted(f *evidence.Filter, verdict string) bool {
	rule := f.Stops()
	return rule != nil && rule.Verdict == verdict && rule.Counted && rule.Rise > 0
}

// The verdicts of a rule (evidence.FilterRule).
const (
	ruleDrops   = "drop"
	ruleRejects = "reject"
)
