package lab_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/lab"
	"github.com/dialscope/dialscope/internal/testmain"
)

// Every scenario is built and dialed with privileges and without, and the
// verdict compared with the truth.
func TestScenarios(t *testing.T) {
	testmain.Need(t, "netns")
	all, err := lab.Library()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range lab.RunAll(t.Context(), lab.Jobs(all, lab.Levels...), program, nil) {
		t.Run(r.Scenario+"/"+string(r.Level), func(t *testing.T) { judge(t, r) })
	}
}

func judge(t *testing.T, r *lab.Result) {
	t.Helper()
	if r.NotPossible != "" {
		t.Skip("not possible here: " + r.NotPossible)
	}
	if r.Failed != "" {
		t.Fatal(r.Failed)
	}
	v := r.Verdict
	said := fmt.Sprintf("%s %s by %s %v, %s", v.Outcome, v.Cause, v.Culprit.Kind, v.Culprit.Address, v.Confidence)
	for _, a := range v.Alternatives {
		said += fmt.Sprintf("; %s %s", a.Cause, a.Confidence)
	}
	t.Logf("built in %v, answered in %v: %s", r.Built, r.Took, said)
	if !r.Good() {
		t.Errorf("%s\n%s", strings.Join(r.Defects, "\n"), evidence(r))
	}
}

func evidence(r *lab.Result) string {
	if os.Getenv("DIALSCOPE_LAB_EVIDENCE") == "" {
		return "(DIALSCOPE_LAB_EVIDENCE=1 prints the evidence)"
	}
	return string(r.Report)
}
