// Package golden compares what a test has made with a file of its package's
// testdata directory, and writes that file where the test runs with -update.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Update says that the golden files are to be written, not compared.
func Update() bool { return *update }

// Check compares got with testdata/name, which -update writes first. A
// difference fails the test, and so does a file that is not there.
func Check(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; look, then run the test with -update (-want +got):\n%s", file, diff)
	}
}
