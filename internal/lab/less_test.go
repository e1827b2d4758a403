package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Who sees less may know less, and is never surer of something else: whatever
// part of the recorded evidence is taken away, no verdict is certain and wrong.
func TestLessEvidence(t *testing.T) {
	records, scenarios := recordsOf(t)
	judged, surer := 0, 0
	for i, r := range records {
		s := scenarios[r.Scenario]
		if s == nil {
			continue
		}
		var report dialscope.Report
		if err := json.Unmarshal(r.Report, &report); err != nil {
			t.Fatal(err)
		}
		for name, dial := range poorer(&report.Dial, rand.New(rand.NewPCG(uint64(i), 1))) {
			v := cause.Explain(dial)
			judged++
			if v.Confidence == cause.Certain {
				surer++
			}
			if v.Outcome == cause.Open && v.Cause == cause.IsOpen {
				continue // so it was, whatever came later
			}
			if j := s.Judge(r.Level, v, 0); j.WrongCertain {
				t.Errorf("%s without %s: %s by %s is certain, and it is %s by %s", s.Name, name, v.Cause, culprit(v.Culprit), s.TruthAt(r.Level).Cause, s.TruthAt(r.Level).Culprit)
			}
		}
	}
	if judged < 20*len(records) || surer < judged/10 {
		t.Errorf("%d verdicts of %d records, %d certain: nothing was tried", judged, len(records), surer)
	}
}

// poorer are the dials that are left when one kind of fact, one fact, or any
// part of them cannot be observed. What connect(2) returned always is, and what
// could be looked at and was not is said.
func poorer(d *evidence.Dial, random *rand.Rand) map[string]*evidence.Dial {
	all := map[string]*evidence.Dial{}
	without := func(name string, gone func(evidence.Fact) bool) {
		filter := func(l evidence.Log) (kept evidence.Log) {
			for _, e := range l {
				kind := string(e.Fact.Kind())
				switch {
				case !gone(e.Fact) || slices.Contains(always, kind):
					kept = append(kept, e)
				default:
					kept.Add(e.At, evidence.FromFeature, &evidence.Unseen{What: kind})
					kept.Add(e.At, evidence.FromFeature, &evidence.Unseen{What: kind + "s"})
				}
			}
			return kept
		}
		less := *d
		less.Log, less.Attempts = filter(d.Log), slices.Clone(d.Attempts)
		for i := range less.Attempts {
			less.Attempts[i].Log = filter(less.Attempts[i].Log)
		}
		all[name] = &less
	}
	kinds, facts := map[evidence.Kind]bool{}, []evidence.Fact{}
	for _, l := range logs(d) {
		for _, e := range l {
			kinds[e.Fact.Kind()] = true
			facts = append(facts, e.Fact)
		}
	}
	for kind := range kinds {
		without("every "+string(kind), func(f evidence.Fact) bool { return f.Kind() == kind })
	}
	for i, fact := range facts {
		without(fmt.Sprintf("fact %d, a %s", i, fact.Kind()), func(f evidence.Fact) bool { return f == fact })
	}
	names := slices.Sorted(maps.Keys(kinds))
	for range 20 {
		var gone []evidence.Kind
		for _, kind := range names {
			if random.IntN(3) == 0 {
				gone = append(gone, kind)
			}
		}
		without(fmt.Sprint(gone), func(f evidence.Fact) bool { return slices.Contains(gone, f.Kind()) })
	}
	return all
}

// always are the facts that make an attempt: its calls, and how they ended.
var always = []string{"call", "connect", "ready", "so_error", "expired", "cancelled"}

func logs(d *evidence.Dial) []evidence.Log {
	all := []evidence.Log{d.Log}
	for i := range d.Attempts {
		all = append(all, d.Attempts[i].Log)
	}
	return all
}
