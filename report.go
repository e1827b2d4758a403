package dialscope

import (
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Report is what happened to one target: the evidence, and what it means.
type Report struct {
	evidence.Dial
	Start time.Time // when the dial began, wall clock

	verdict func() cause.Verdict
}

// Privilege says which sources of evidence spoke in a report, and which could
// not and why.
type Privilege struct {
	Used    []evidence.Source  `json:"used"`
	Missing []*evidence.Unseen `json:"missing,omitempty"`
}
