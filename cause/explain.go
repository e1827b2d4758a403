package cause

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// Explain says what happened to a target: the verdict of its one attempt, of
// the name where there was none, or of all its attempts together.
func Explain(d *evidence.Dial) Verdict {
	v := explain(d)
	if v.Alternatives == nil {
		v.Alternatives = []Finding{}
	}
	return v
}

func explain(d *evidence.Dial) Verdict {
	switch len(d.Attempts) {
	case 0:
		return explainName(d)
	case 1:
		return ExplainAttempt(d, 0)
	}
	return explainSeveral(d)
}

// ExplainAttempt says what happened to one attempt of a dial.
func ExplainAttempt(d *evidence.Dial, i int) Verdict {
	return look(d.Network, &d.Attempts[i]).verdict(d.Target)
}

// found is a rule with its reading.
type found struct {
	rule *rule
	reading
}

// readings asks every rule and drops what a stronger reading explains.
func (v *view) readings() []found {
	var said, all []found // every reading; of each cause the surest
	asked := rules
	if v.end != nil {
		asked = endedRules
	}
	for i := range asked {
		r := &asked[i]
		if !v.has(r.needs) {
			continue
		}
		reading := r.judge(v)
		if !reading.says() {
			continue
		}
		said = append(said, found{r, reading})
		// Of two rules for one cause the surer one speaks, and each mutes.
		switch before := slices.IndexFunc(all, func(f found) bool { return f.rule.id == r.id }); {
		case before < 0:
			all = append(all, found{r, reading})
		case reading.order() < all[before].order():
			all[before] = found{r, reading}
		}
	}
	muted := func(f found) bool {
		return slices.ContainsFunc(said, func(by found) bool {
			return by.confidence != Possible && by.rule.id != f.rule.id && slices.Contains(by.rule.mutes, f.rule.id)
		})
	}
	kept := all[:0:0]
	for _, f := range all {
		if !muted(f) {
			kept = append(kept, f)
		}
	}
	slices.SortStableFunc(kept, func(a, b found) int { return a.order() - b.order() })
	return settle(kept)
}

// order is the place among readings: confidence first.
func (r *reading) order() int {
	if r.last {
		return 2*r.confidence.rank() + 1
	}
	return 2 * r.confidence.rank()
}

// settle makes the confidences consistent: with a certain reading there is no
// other; two certain ones contradict each other, and neither is.
func settle(all []found) []found {
	certain := 0
	for _, f := range all {
		if f.confidence == Certain {
			certain++
		}
	}
	switch {
	case certain == 1:
		return all[:1]
	case certain > 1:
		for i := range all {
			if all[i].confidence == Certain {
				all[i].confidence = Likely
			}
		}
	}
	return all
}

func (v *view) has(kinds []evidence.Kind) bool {
	for _, k := range kinds {
		if !slices.ContainsFunc(v.log, func(e evidence.Entry) bool { return e.Fact.Kind() == k }) {
			return false
		}
	}
	return true
}

// verdict judges one attempt.
func (v *view) verdict(target string) Verdict {
	out := Verdict{Outcome: v.outcome, Errno: v.errno, Alternatives: []Finding{}}
	all := v.readings()
	if len(all) == 0 {
		return unexplained(out, v, target)
	}
	best := all[0]
	out.Finding = best.finding()
	for _, f := range all[1:] {
		out.Alternatives = append(out.Alternatives, f.finding())
	}
	entry, _ := Lookup(best.rule.id)
	blanks := v.blanks(target, &best)
	out.Explanation, out.Remedy = entry.Fill(blanks)
	if best.say != "" {
		out.Explanation = fill(best.say, blanks)
	}
	if best.do != "" {
		out.Remedy = fill(best.do, blanks)
	}
	out.Rule = string(best.rule.id)
	return out
}

func (f *found) finding() Finding {
	return Finding{Cause: f.rule.id, Culprit: f.culprit, Confidence: f.confidence}
}

// unexplained is the answer where no rule fits: the errno's own page, and no
// claim beyond it.
func unexplained(out Verdict, v *view, target string) Verdict {
	out.Finding = Finding{Cause: HostSilent, Culprit: Culprit{Kind: Nobody}, Confidence: Possible}
	if e, ok := LookupErrno(v.errno); ok && len(e.Causes) > 0 {
		out.Cause = e.Causes[0]
		for _, id := range e.Causes[1:] {
			out.Alternatives = append(out.Alternatives, Finding{Cause: id, Culprit: Culprit{Kind: Nobody}, Confidence: Possible})
		}
	} else if out.Outcome == LocalFault || out.Outcome == Denied {
		out.Finding = Finding{Cause: PolicyDenied, Culprit: Culprit{Kind: Local}, Confidence: Possible}
	}
	entry, _ := Lookup(out.Cause)
	out.Explanation, out.Remedy = entry.Fill(v.blanks(target, nil))
	if v.errno != "" {
		out.Explanation = fmt.Sprintf("The kernel said %s, and none of the evidence says why.", v.errno)
	} else if v.connect == nil {
		out.Explanation = "The attempt ended before anything could be observed."
	}
	return out
}

// blanks are what the evidence gives for the catalogue's texts.
func (v *view) blanks(target string, f *found) Blanks {
	b := Blanks{
		"target": target, "address": v.remote.Addr().String(), "port": strconv.Itoa(int(v.remote.Port())),
		"errno": string(v.errno), "protocol": v.network[:min(3, len(v.network))],
	}
	if v.waited() > 0 {
		b["elapsed"] = Duration(v.waited())
	}
	if n := v.resent(); n > 0 {
		b["count"] = strconv.Itoa(n)
	}
	if v.local != nil {
		b["source"] = v.local.Addr.Addr().String()
		b["source_port"] = strconv.Itoa(int(v.local.Addr.Port()))
	}
	if v.local == nil || v.connect == nil {
		for _, c := range evidence.All[*evidence.Call](v.log) {
			if a, err := netip.ParseAddrPort(c.Arg); c.Call == "bind" && err == nil {
				b["source"], b["source_port"] = a.Addr().String(), strconv.Itoa(int(a.Port()))
			}
		}
	}
	for _, c := range evidence.All[*evidence.Call](v.log) {
		if name, is := strings.CutPrefix(c.Arg, "SO_BINDTODEVICE="); is {
			b["interface"] = name
		}
	}
	if v.route != nil {
		if v.route.Interface != "" {
			b["interface"] = v.route.Interface
		}
		if v.route.Gateway.IsValid() {
			b["gateway"] = v.route.Gateway.String()
		}
	}
	if v.holder != nil && v.holder.PID != 0 {
		b["pid"] = strconv.Itoa(v.holder.PID)
	}
	if f != nil {
		b["detail"] = f.detail
		if f.culprit.Address.IsValid() {
			b["culprit"] = f.culprit.Address.String()
		}
		if f.culprit.Hop > 0 {
			b["hop"] = strconv.Itoa(f.culprit.Hop)
		}
		for name, value := range f.blanks {
			b[name] = value
		}
	}
	return b
}

// Duration writes a duration as people read it: three digits at most, with its unit.
func Duration(d time.Duration) string { return string(AppendDuration(nil, d)) }

// AppendDuration appends what [Duration] writes.
func AppendDuration(b []byte, d time.Duration) []byte {
	of := func(unit time.Duration, name string) []byte {
		return append(strconv.AppendFloat(b, float64(d)/float64(unit), 'g', 3, 64), name...)
	}
	// From 999.5 on three digits would need an exponent: that is the next unit's one.
	switch {
	case d < time.Microsecond:
		return append(strconv.AppendInt(b, d.Nanoseconds(), 10), " ns"...)
	case d < 999500*time.Nanosecond:
		return of(time.Microsecond, " µs")
	case d < 999500*time.Microsecond:
		return of(time.Millisecond, " ms")
	case d < 100*time.Second:
		return of(time.Second, " s")
	}
	return append(b, d.Round(time.Second).String()...)
}

// explainSeveral judges a target with several attempts. One that connected
// speaks for the target; without one, the first that failed does, as it does
// for net.Dialer's callers.
func explainSeveral(d *evidence.Dial) Verdict {
	verdicts := make([]Verdict, len(d.Attempts))
	winner, first := -1, -1
	var dead, beside []int
	for i := range d.Attempts {
		v := look(d.Network, &d.Attempts[i])
		verdicts[i] = v.verdict(d.Target)
		if v.end != nil {
			return verdicts[i] // one of them connected, and this is how that ended
		}
		switch {
		case verdicts[i].Cause == SelfConnect && i+1 < len(d.Attempts) && d.Attempts[i+1].Remote == d.Attempts[i].Remote:
			// It was tried again with another port: the next attempt speaks.
		case reached(verdicts[i].Outcome, v):
			if winner < 0 || ended(d, i) < ended(d, winner) {
				winner = i
			}
		case verdicts[i].Outcome == Cancelled:
			if first < 0 && d.Attempts[i].Log != nil && !lostRace(v) {
				first = i
			}
		default:
			dead = append(dead, i)
			if first < 0 || verdicts[first].Outcome == Cancelled {
				first = i
			}
		}
	}
	if winner >= 0 {
		dead, beside = inTheWay(d, verdicts, winner, dead)
	}
	switch {
	case winner >= 0 && len(dead) > 0:
		return someDead(d, verdicts, winner, dead)
	case winner >= 0:
		return besideWinner(d, verdicts, winner, beside)
	case first >= 0:
		return allDead(d, verdicts, first, dead)
	}
	return verdicts[0]
}

// reached says that the attempt's handshake was completed, or its datagram answered.
func reached(o Outcome, v *view) bool {
	return o == Open || o == Closed || o == Reset && v.connected()
}

func lostRace(v *view) bool { return v.gaveUp != nil && v.gaveUp.By == "race" }

func ended(d *evidence.Dial, i int) time.Duration { return d.Attempts[i].Began + d.Attempts[i].Took }

// inTheWay parts the failures beside a connection. An address that this host
// itself cannot reach is sorted behind those that it can (RFC 6724 §6, rule 1),
// and tried only where one of them is slow: it kept nobody waiting.
func inTheWay(d *evidence.Dial, verdicts []Verdict, winner int, failed []int) (dead, beside []int) {
	for _, i := range failed {
		if verdicts[i].Culprit.Kind == Local && d.Attempts[i].Began > d.Attempts[winner].Began {
			beside = append(beside, i)
		} else {
			dead = append(dead, i)
		}
	}
	return dead, beside
}

// besideWinner is the verdict of the connection, with what joined the race
// behind it in vain.
func besideWinner(d *evidence.Dial, verdicts []Verdict, winner int, beside []int) Verdict {
	out := verdicts[winner]
	for _, i := range beside {
		out.Explanation += fmt.Sprintf(" %s joined the race later, and this host could not try it (%s).", d.Attempts[i].Remote.Addr(), verdicts[i].Cause)
	}
	return out
}

// someDead: connected, and addresses of the name failed beside it.
func someDead(d *evidence.Dial, verdicts []Verdict, winner int, dead []int) Verdict {
	out := verdicts[winner]
	out.Alternatives = nil
	first := &verdicts[dead[0]]
	// That an address is dead was seen; who is to blame is as sure as its own verdict.
	out.Finding = Finding{Cause: SomeAddressesDead, Culprit: first.Culprit, Confidence: first.Confidence}
	blamed := []Culprit{first.Culprit}
	for _, f := range first.Alternatives {
		if !slices.Contains(blamed, f.Culprit) {
			blamed = append(blamed, f.Culprit)
			out.Alternatives = append(out.Alternatives, Finding{Cause: SomeAddressesDead, Culprit: f.Culprit, Confidence: f.Confidence})
		}
	}
	out.Rule = string(SomeAddressesDead)
	var each []string
	for _, i := range dead {
		each = append(each, fmt.Sprintf("%s: %s", d.Attempts[i].Remote.Addr(), verdicts[i].Cause))
	}
	entry, _ := Lookup(SomeAddressesDead)
	out.Explanation, out.Remedy = entry.Fill(Blanks{
		"target": d.Target, "name": hostOf(d.Target), "address": d.Attempts[dead[0]].Remote.Addr().String(),
		"port": strconv.Itoa(int(d.Attempts[dead[0]].Remote.Port())), "count": strconv.Itoa(len(dead)),
		"source": d.Attempts[winner].Remote.Addr().String(), "detail": strings.Join(each, ", "),
	})
	return out
}

// allDead: nothing connected. Where the addresses failed in different ways, the
// explanation says so.
func allDead(d *evidence.Dial, verdicts []Verdict, first int, dead []int) Verdict {
	out := verdicts[first]
	var others []string
	for _, i := range dead {
		if i != first && verdicts[i].Cause != out.Cause {
			others = append(others, fmt.Sprintf("%s (%s)", d.Attempts[i].Remote.Addr(), verdicts[i].Cause))
		}
	}
	switch same := len(dead) - 1 - len(others); {
	case len(others) > 0:
		out.Explanation += " No other address connected either: " + strings.Join(others, ", ") + "."
	case same > 0:
		out.Explanation += fmt.Sprintf(" All %d addresses failed in the same way.", len(dead))
	}
	return out
}
