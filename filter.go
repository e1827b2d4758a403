package dialscope

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/filter"
	"github.com/dialscope/dialscope/internal/host/nft"
)

// rules are those of this host's own packet filter, as far as they can be read.
type rules struct {
	before *filter.Ruleset // before the attempt, for their counters
	err    error           // why there are none
	filed  map[string]*evidence.Filter
}

// seeRulesBefore reads the rules and their counters.
func (x *examination) seeRulesBefore() {
	x.rules = &rules{filed: map[string]*evidence.Filter{}}
	x.rules.before, x.rules.err = nft.Read(false)
}

// seeRules asks what the rules would do with the attempt's packets.
func (x *examination) seeRules() {
	if x.rules == nil || x.route == nil || x.route.Errno != "" || x.route.Type != "unicast" && x.route.Type != "local" {
		return
	}
	if x.rules.err != nil {
		x.rulesUnseen()
		return
	}
	now, err := nft.Read(true)
	if err != nil {
		x.rules.err = err
		x.rulesUnseen()
		return
	}
	out, in := x.hooks()
	own := x.packet()
	answer := own
	answer.Src, answer.Dst, answer.Answer = own.Dst, own.Src, true
	legacy := nft.Legacy()
	x.fileRules(now, &own, evidence.FilterOut, out, legacy)
	x.fileRules(now, &answer, evidence.FilterIn, in, legacy)
}

// rulesUnseen says once why the rules cannot be read.
func (x *examination) rulesUnseen() {
	const what = "filter_rules"
	for _, u := range evidence.All[*evidence.Unseen](x.Log) {
		if u.What == what {
			return
		}
	}
	why := x.rules.err.Error()
	if errors.Is(x.rules.err, syscall.EPERM) {
		why = "CAP_NET_ADMIN is missing: it would name the rule of this host's own filter"
	}
	x.Add(evidence.FromFeature, &evidence.Unseen{What: what, Why: why})
}

// hooks are those that the attempt's packets and their answers pass.
func (x *examination) hooks() (out, in []filter.Hook) {
	out = []filter.Hook{filter.Output, filter.Postrouting, filter.Egress}
	in = []filter.Hook{filter.Ingress, filter.Prerouting, filter.Input}
	if x.route.Type == "local" {
		out = append(out, in...)
		in = out
	}
	return out, in
}

// packet is what is known of the attempt's own.
func (x *examination) packet() filter.Packet {
	p := filter.Packet{
		Protocol: syscall.IPPROTO_TCP, Dst: netip.AddrPortFrom(x.cfg.Remote.Addr().WithZone(""), x.cfg.Remote.Port()),
		Mark: x.cfg.Mark, TOS: x.cfg.TOS, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		Out: filter.Interface{Name: x.route.Interface, Index: x.route.Index},
	}
	if x.cfg.Network[0] == 'u' {
		p.Protocol = syscall.IPPROTO_UDP
	}
	p.In = p.Out
	p.Src = netip.AddrPortFrom(x.route.Source, 0)
	if l, _, ok := evidence.Last[*evidence.LocalAddr](x.Log); ok && !l.Addr.Addr().IsUnspecified() {
		p.Src = netip.AddrPortFrom(l.Addr.Addr().WithZone(""), l.Addr.Port())
	}
	if p.Later = x.later; p.Later && x.cfg.Local.IsValid() {
		p.Src = netip.AddrPortFrom(x.cfg.Local.Addr().WithZone(""), x.cfg.Local.Port())
	}
	return p
}

// fileRules files a judgement where it is news.
func (x *examination) fileRules(now *filter.Ruleset, p *filter.Packet, name string, hooks []filter.Hook, beside []string) {
	j := now.Judge(p, hooks...)
	f := &evidence.Filter{Packet: name, Chains: j.Chains, Rules: j.Rules, Undecided: j.Undecided, Beside: beside}
	for _, found := range j.Findings {
		f.Matches = append(f.Matches, x.ruleFact(now, &found))
	}
	if !reflect.DeepEqual(f, x.rules.filed[name]) {
		x.rules.filed[name] = f
		x.Add(evidence.FromNftables, f)
	}
}

func (x *examination) ruleFact(now *filter.Ruleset, f *filter.Finding) evidence.FilterRule {
	c := f.Chain
	out := evidence.FilterRule{
		Family: c.Family.String(), Table: c.Table, Chain: c.Name, Hook: string(f.Base.Hook), Priority: int(f.Base.Priority),
		Verdict: f.Verdict, Sure: f.Sure, Undecided: f.Undecided,
	}
	if f.Rule == nil {
		return out
	}
	out.Handle, out.Text, out.Counted = f.Rule.Handle, now.Text(f.Rule), f.Rule.Counted
	if before := x.rules.before.Rule(f.Rule); before != nil && before.Counted && f.Rule.Counted {
		out.Rise = int64(f.Rule.Packets - before.Packets)
	}
	return out
}
