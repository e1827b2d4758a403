package filter

import (
	"fmt"
	"slices"
)

// Judgement is what a ruleset would do with a packet.
type Judgement struct {
	Chains, Rules int       // that were asked
	Findings      []Finding // what would keep the packet from going on, in order
	// Undecided are the rules that may have let the packet off the rules after
	// them, or hidden something, with what could not be decided.
	Undecided []string
}

// Finding is a rule, or a chain's policy, that would end the packet's way.
type Finding struct {
	Base    *Chain // where the way through the rules began
	Chain   *Chain
	Rule    *Rule  // nil: the chain's policy
	Verdict string // drop, reject, queue
	// Sure: every selector was decided, and nothing before it could have ended
	// the way.
	Sure      bool
	Undecided []string // the selectors that could not be decided
}

// Verdicts that end a packet's way.
const (
	Drop   = "drop"
	Reject = "reject"
	Queue  = "queue" // handed to a program (nfnetlink_queue), which decides

	Unclear = "unclear" // what the rule would do is not known here
)

// maxSteps bounds the rules that are asked: jumps may be nested 16 deep
// (NFT_JUMP_STACK_SIZE), and each level may multiply.
const maxSteps = 100_000

const jumpDepth = 16

// Judge follows a packet through hooks in their order.
func (r *Ruleset) Judge(p *Packet, hooks ...Hook) Judgement {
	e := &evaluation{Ruleset: r, way: newWay(p)}
	for _, h := range hooks {
		for _, c := range r.at(h, p) {
			e.out.Chains++
			e.hook, e.priority, e.entry = h, c.Priority, c
			// What another base chain lets pass comes here all the same.
			if e.base(c) {
				return e.out
			}
		}
	}
	return e.out
}

// at lists the base chains of a hook that a packet meets, in their order.
func (r *Ruleset) at(h Hook, p *Packet) (chains []*Chain) {
	family := IPv6
	if p.Dst.Addr().Is4() || p.Src.Addr().Is4() {
		family = IPv4
	}
	device := p.Out.Name
	if h == Ingress {
		device = p.In.Name
	}
	for _, c := range r.Chains {
		switch {
		case c.Hook != h || r.dormant(c):
		case (h == Ingress || h == Egress) && !slices.Contains(c.Devices, device):
		case c.Family == family, c.Family == Inet, c.Family == Netdev:
			chains = append(chains, c)
		}
	}
	slices.SortStableFunc(chains, func(a, b *Chain) int { return int(a.Priority) - int(b.Priority) })
	return chains
}

// evaluation is a Judge under way.
type evaluation struct {
	*Ruleset
	*way
	out   Judgement
	entry *Chain // the base chain under way
	ends  int    // how often the way may have ended
	steps int
}

// base asks a base chain; true when the packet's way ends there for sure.
func (e *evaluation) base(c *Chain) bool {
	end, sure := e.chain(c, 0, len(e.out.Findings) == 0)
	switch {
	case end == ended:
		return true
	case end == accepted || !c.Drops:
		return false
	}
	e.found(Finding{Chain: c, Verdict: Drop, Sure: sure})
	return true
}

func (e *evaluation) found(f Finding) {
	e.ends++
	f.Base = e.entry
	e.out.Findings = append(e.out.Findings, f)
}

// ending is how a chain was left.
type ending uint8

const (
	fellThrough ending = iota
	accepted           // goes on with the next base chain
	ended
)

// chain asks the rules of one chain. Sure says, before, that the packet comes
// here for certain and, after, that it leaves the chain so for certain.
func (e *evaluation) chain(c *Chain, depth int, sure bool) (end ending, after bool) {
	if c == nil || depth > jumpDepth {
		return fellThrough, false
	}
	left := false // the packet may have left this chain by a return
	leave := func(end ending) (ending, bool) {
		if left {
			return fellThrough, false
		}
		return end, sure
	}
	for _, r := range c.Rules {
		if e.steps++; e.steps > maxSteps {
			e.undecided(r, []string{"too many rules"})
			return fellThrough, false
		}
		e.out.Rules++
		t := &trial{evaluation: e, rule: r, fits: yes, sure: sure}
		t.run()
		if t.fits == no || len(t.actions) == 0 {
			continue
		}
		certain := t.fits == yes && len(t.actions) == 1
		for _, a := range t.actions {
			switch a.kind {
			case accepts:
				if certain {
					return leave(accepted)
				}
				e.ends++
				sure = false
				e.undecided(r, t.why)
			case drops, rejects, queues, unclear:
				e.found(Finding{Chain: c, Rule: r, Verdict: a.word(), Sure: sure && certain, Undecided: t.why})
				if certain {
					return leave(ended)
				}
				sure = false
			case returns:
				if certain {
					return leave(fellThrough)
				}
				left = true
				e.undecided(r, t.why)
			case jumps, goes:
				before := e.ends
				inner, s := e.chain(e.Ruleset.chain(c.Family, c.Table, a.chain), depth+1, sure && certain)
				switch {
				case certain && inner != fellThrough:
					return leave(inner)
				case certain && a.kind == goes:
					sure = s
					return leave(fellThrough)
				case certain:
					sure = s
				case a.kind == goes:
					left, sure = true, false
					e.undecided(r, t.why)
				case e.ends != before:
					sure = false
					e.undecided(r, t.why)
				}
			}
		}
	}
	if left {
		return fellThrough, false
	}
	return fellThrough, sure
}

// undecided notes a rule that could not be decided and matters.
func (e *evaluation) undecided(r *Rule, why []string) {
	for _, w := range why {
		e.out.Undecided = append(e.out.Undecided, fmt.Sprintf("%s %s %s handle %d: %s", r.Family, r.Table, r.Chain, r.Handle, w))
	}
}

// kind is what a rule does with a packet that it fits.
type kind uint8

const (
	accepts kind = iota
	drops
	rejects
	queues
	returns
	jumps
	goes
	unclear
)

// action is a verdict.
type action struct {
	kind  kind
	chain string // of jumps and goes
}

func (a action) word() string {
	switch a.kind {
	case rejects:
		return Reject
	case queues:
		return Queue
	case unclear:
		return Unclear
	}
	return Drop
}

// Codes of verdicts (linux/netfilter.h, enum nft_verdicts).
const (
	codeDrop, codeAccept, codeStolen, codeQueue, codeRepeat = 0, 1, 2, 3, 4

	codeContinue, codeBreak, codeJump, codeGoto, codeReturn = -1, -2, -3, -4, -5
)

// goesOn is the verdict of a rule that has none.
const goesOn kind = 255

func readVerdict(b []byte) action {
	code, _ := numberOf(b, verdictCode)
	chain := text(attribute(b, verdictChain))
	switch {
	case code == codeAccept:
		return action{kind: accepts}
	case code == codeJump:
		return action{jumps, chain}
	case code == codeGoto:
		return action{goes, chain}
	case code == codeReturn:
		return action{kind: returns}
	case code == codeContinue, code == codeBreak:
		return action{kind: goesOn}
	case code&0xff == codeQueue, code == codeStolen, code == codeRepeat:
		return action{kind: queues}
	}
	return action{kind: drops}
}
