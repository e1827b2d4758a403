package lab

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordedFile is written by: go test ./internal/lab -run TestScenarios -record
const recordedFile = "testdata/recorded.ndjson.gz"

// recordsOf are the records, and the scenarios of today by name.
func recordsOf(t *testing.T) ([]Record, map[string]*Scenario) {
	t.Helper()
	f, err := os.Open(recordedFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := ReadRecords(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	scenarios := map[string]*Scenario{}
	for _, s := range all {
		scenarios[s.Name] = s
	}
	return records, scenarios
}

// Evidence that was recorded from every scenario is judged again, without a
// network and on every system: the truth is found in it still, and no verdict
// becomes certain and wrong.
func TestRecordedEvidence(t *testing.T) {
	records, scenarios := recordsOf(t)
	recorded := map[string]bool{}
	for _, r := range records {
		recorded[r.Scenario] = true
		s := scenarios[r.Scenario]
		if s == nil {
			continue // a scenario that is no more; its evidence may stay
		}
		_, today, err := r.Verdicts()
		if err != nil {
			t.Error(err)
			continue
		}
		if j := s.Judge(r.Level, today, 0); !j.Good() {
			t.Errorf("%s, %s: %s", r.Scenario, r.Level, strings.Join(j.Defects, "; "))
		}
	}
	for name, s := range scenarios {
		if !recorded[name] && len(s.Faults) > 0 && s.Faults[0].Conntrack == nil {
			t.Errorf("%s has no recorded evidence: go test ./internal/lab -run TestScenarios -record", name)
		}
	}
}

func TestRecords(t *testing.T) {
	want := []Record{{"a", Privileged, []byte(`{"target":"x"}`)}, {"b", Unprivileged, []byte(`{"target":"y"}`)}}
	var b bytes.Buffer
	if err := WriteRecords(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecords(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := ReadRecords(strings.NewReader("no gzip at all")); err == nil {
		t.Error("no error for what is no record")
	}
}
