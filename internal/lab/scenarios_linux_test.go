package lab_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/lab"
	"github.com/dialscope/dialscope/internal/testmain"
)

var (
	update = flag.Bool("update", false, "write docs/matrix.md")
	record = flag.Bool("record", false, "write testdata/recorded.ndjson.gz")
)

// Every scenario is built and dialed with privileges and without, and the
// verdict compared with the truth. docs/matrix.md has the same scenarios and
// truths, and no verdict there that is not good.
func TestScenarios(t *testing.T) {
	testmain.Need(t, "netns")
	all, err := lab.Library()
	if err != nil {
		t.Fatal(err)
	}
	results := lab.RunAll(t.Context(), lab.Jobs(all, lab.Levels...), program, nil)
	for _, r := range results {
		t.Run(r.Scenario+"/"+string(r.Level), func(t *testing.T) { judge(t, r) })
	}
	if *record {
		keep(t, results)
	}
	t.Run("docs/matrix.md", func(t *testing.T) {
		testmain.Need(t, "bpf") // the page has the verdicts of dials that listen to the kernel
		compareMatrix(t, results)
	})
}

// keep records the evidence, as everybody can gather it.
func keep(t *testing.T, results []*lab.Result) {
	t.Helper()
	var records []lab.Record
	for _, r := range results {
		if one, ok := r.Recorded(); ok && r.Good() && r.Level == lab.Unprivileged {
			records = append(records, one)
		}
	}
	f, err := os.Create("testdata/recorded.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(lab.WriteRecords(f, records), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func compareMatrix(t *testing.T, results []*lab.Result) {
	const file = "../../docs/matrix.md"
	page := lab.Matrix(results)
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	difference := lab.SameMatrix(string(stored), page)
	if n := lab.Sum(results).NotPossible; difference != "" && n > strings.Count(string(stored), "not possible here: ") {
		t.Skipf("%d dials are not possible on this host, more than on the one that wrote it", n)
	}
	if difference != "" {
		t.Errorf("%s is not current (make matrix, and read what changed): %s", file, difference)
	}
}

func judge(t *testing.T, r *lab.Result) {
	t.Helper()
	possible(t, r)
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

// possible ends the test of a scenario that was not dialed.
func possible(t *testing.T, r *lab.Result) {
	t.Helper()
	if r.NotPossible != "" {
		testmain.Check(t, "netns", errors.New(r.NotPossible))
	}
	if r.Failed != "" {
		t.Fatal(r.Failed)
	}
}

func evidence(r *lab.Result) string {
	if os.Getenv("DIALSCOPE_LAB_EVIDENCE") == "" {
		return "(DIALSCOPE_LAB_EVIDENCE=1 prints the evidence)"
	}
	return string(r.Report)
}
