package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// Level is what the dialing process may do.
type Level string

// The levels.
const (
	Privileged   Level = "privileged"   // root of the network: every capability
	Unprivileged Level = "unprivileged" // user 65534, no capability
)

// Levels are both.
var Levels = []Level{Privileged, Unprivileged}

// Judgement compares a verdict with the truth.
type Judgement struct {
	// WrongCertain: the verdict is certain, and it is not the truth. It is the
	// worst that can be said of a verdict.
	WrongCertain bool `json:"wrong_certain,omitempty"`
	// Defects are all differences, each one sentence.
	Defects []string `json:"defects,omitempty"`
	// Exact: cause and culprit are the truth, not only among the alternatives.
	Exact bool `json:"exact"`
}

// Good says that nothing is wrong with the verdict.
func (j *Judgement) Good() bool { return len(j.Defects) == 0 }

// TruthAt is the truth at a level.
func (s *Scenario) TruthAt(l Level) Truth {
	if l == Unprivileged && s.Truth.Unprivileged != nil {
		return *s.Truth.Unprivileged
	}
	return s.Truth
}

// expectAt is what is expected of a verdict at a level.
func (s *Scenario) expectAt(l Level) Expect {
	if l == Unprivileged && s.Expect.Unprivileged != nil {
		return *s.Expect.Unprivileged
	}
	return s.Expect
}

// Judge compares a verdict, given after so much time, with the truth.
func (s *Scenario) Judge(l Level, v cause.Verdict, took time.Duration) Judgement {
	return s.judge(s.TruthAt(l), s.expectAt(l), v, took)
}

// judgeDeaf is Judge where the kernel cannot be listened to, as in a user
// namespace: of a privileged dial no more is expected than of another.
func (s *Scenario) judgeDeaf(l Level, v cause.Verdict, took time.Duration) Judgement {
	return s.judge(s.TruthAt(l), s.expectAt(Unprivileged), v, took)
}

func (s *Scenario) judge(truth Truth, expect Expect, v cause.Verdict, took time.Duration) Judgement {
	var j Judgement
	differ := func(format string, args ...any) { j.Defects = append(j.Defects, fmt.Sprintf(format, args...)) }
	if v.Outcome != truth.Outcome {
		differ("the outcome is %s, not %s", truth.Outcome, v.Outcome)
	}
	if v.Errno != truth.Errno {
		differ("the errno is %s, not %s", orNone(string(truth.Errno)), orNone(string(v.Errno)))
	}
	who, _ := parseCulprit(truth.Culprit) // checked when the scenario was read
	named := v.Culprit.Kind == who.Kind && v.Culprit.Address == who.Address
	also := slices.Contains(truth.Also, v.Cause)
	j.Exact = v.Cause == truth.Cause && named || also
	if v.Confidence == cause.Certain && !j.Exact {
		j.WrongCertain = v.Cause != truth.Cause || !covers(v.Culprit, who)
		if j.WrongCertain {
			differ("certain, and wrong: it is %s by %s, not %s by %s", truth.Cause, truth.Culprit, v.Cause, culprit(v.Culprit))
		}
	}
	switch {
	case also:
	case v.Cause == truth.Cause:
		today := who
		if expect.Culprit != "" {
			today, _ = parseCulprit(expect.Culprit)
		}
		if !named && (v.Culprit.Kind != today.Kind || v.Culprit.Address != today.Address) {
			differ("the culprit is %s, not %s", culprit(today), culprit(v.Culprit))
		}
	case !expect.Among:
		differ("the cause is %s, not %s (%s)", truth.Cause, v.Cause, v.Confidence)
	case !slices.ContainsFunc(v.Alternatives, func(f cause.Finding) bool { return f.Cause == truth.Cause }):
		differ("the cause is %s, and neither the verdict %s nor its alternatives say so", truth.Cause, v.Cause)
	}
	if expect.AtLeast != "" && rank(v.Confidence) > rank(expect.AtLeast) {
		differ("the evidence is worth %s, not only %s", expect.AtLeast, v.Confidence)
	}
	if expect.AtMost != "" && rank(v.Confidence) < rank(expect.AtMost) {
		differ("the evidence is worth no more than %s, not %s", expect.AtMost, v.Confidence)
	}
	if !strings.Contains(v.Explanation+" "+v.Remedy, expect.Says) {
		differ("neither explanation nor remedy says %q: %s %s", expect.Says, v.Explanation, v.Remedy)
	}
	if expect.Within > 0 && took > expect.Within {
		differ("the answer took %v, more than %v", took.Round(time.Millisecond), expect.Within)
	}
	return j
}

// covers says that a verdict's culprit claims nothing that is not so: an
// address may be left out, not be another's.
func covers(said, is cause.Culprit) bool {
	return said.Kind == is.Kind && (!said.Address.IsValid() || said.Address == is.Address)
}

func culprit(c cause.Culprit) string {
	if c.Address.IsValid() {
		return fmt.Sprintf("%s %s", c.Kind, c.Address)
	}
	return string(c.Kind)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
