package lab

import (
	"fmt"
	"slices"
	"strings"
)

// Summary counts results by what came of them.
type Summary struct {
	Scenarios    int `json:"scenarios"`
	Dials        int `json:"dials"`
	Right        int `json:"right"` // cause and culprit are the truth
	Open         int `json:"open"`  // the truth is among the alternatives, as expected of the evidence
	Wrong        int `json:"wrong"` // WrongCertain included
	WrongCertain int `json:"wrong_certain"`
	Failed       int `json:"failed"`       // no verdict
	NotPossible  int `json:"not_possible"` // on this host

	// Why has each reason for NotPossible, with the scenarios.
	Why map[string][]string `json:"why,omitempty"`
}

// Sum sums results up; nil ones were not run.
func Sum(results []*Result) Summary {
	s := Summary{Why: map[string][]string{}}
	names := map[string]bool{}
	for _, r := range results {
		if r == nil {
			continue
		}
		names[r.Scenario] = true
		s.Dials++
		switch {
		case r.NotPossible != "":
			s.NotPossible++
			if !slices.Contains(s.Why[r.NotPossible], r.Scenario) {
				s.Why[r.NotPossible] = append(s.Why[r.NotPossible], r.Scenario)
			}
		case r.Failed != "":
			s.Failed++
		case !r.Good():
			s.Wrong++
			if r.WrongCertain {
				s.WrongCertain++
			}
		case r.Exact:
			s.Right++
		default:
			s.Open++
		}
	}
	s.Scenarios = len(names)
	return s
}

// OK says that nothing was wrong.
func (s Summary) OK() bool { return s.Wrong == 0 && s.Failed == 0 }

// String is one sentence.
func (s Summary) String() string {
	parts := []string{fmt.Sprintf("%d right", s.Right), fmt.Sprintf("%d with the truth among the alternatives", s.Open)}
	if s.Wrong > 0 {
		parts = append(parts, fmt.Sprintf("%d wrong (%d of them certain)", s.Wrong, s.WrongCertain))
	} else {
		parts = append(parts, "none wrong")
	}
	if s.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", s.Failed))
	}
	if s.NotPossible > 0 {
		parts = append(parts, fmt.Sprintf("%d not possible here", s.NotPossible))
	}
	return fmt.Sprintf("%d scenarios, %d dials: %s.", s.Scenarios, s.Dials, strings.Join(parts, ", "))
}
