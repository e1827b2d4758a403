package experiment_test

import (
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/lab/experiment"
)

func sample(measured string) *experiment.Table {
	return &experiment.Table{
		Name: "sample", Title: "A sample", About: "About it.", Settles: []string{"This."}, Measured: 1,
		Columns: []string{"what", "took", "says"}, Rows: [][]string{{"one", measured, "yes"}, {"two", "2 s", "no"}},
	}
}

func TestMarkdown(t *testing.T) {
	want := "# A sample\n\nWritten by `dialscope lab table sample`.\n\n- This.\n\nAbout it.\n\n" +
		"| what | took | says |\n|---|---|---|\n| one | 1 s | yes |\n| two | 2 s | no |\n"
	if got := sample("1 s").Markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSame(t *testing.T) {
	table := sample("1 s")
	if d := table.Same(sample("3 s").Markdown()); d != "" {
		t.Errorf("only a measured value differs, and yet: %s", d)
	}
	other := sample("1 s")
	other.Rows[1][2] = "perhaps"
	if d := table.Same(other.Markdown()); !strings.Contains(d, "perhaps") {
		t.Errorf("a cell differs, and Same says %q", d)
	}
	if d := table.Same(""); d == "" {
		t.Error("an empty page is not the table")
	}
}

func TestCell(t *testing.T) {
	table := sample("1 s")
	for _, test := range []struct{ row, column, want string }{
		{"two", "says", "no"}, {"one", "took", "1 s"}, {"three", "says", ""}, {"one", "hears", ""},
	} {
		if got := table.Cell(test.row, test.column); got != test.want {
			t.Errorf("Cell(%q, %q) is %q, want %q", test.row, test.column, got, test.want)
		}
	}
}

func TestExperimentsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range experiment.Experiments() {
		if e.Name == "" || e.Title == "" || e.Run == nil || seen[e.Name] {
			t.Errorf("experiment %+v", e)
		}
		seen[e.Name] = true
	}
}
