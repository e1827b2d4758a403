// Package experiment settles by measurement what accounts of connect(2)
// contradict each other about: how a program learns that a connection stands,
// how long it takes until one is given up, and whether a socket whose connect
// failed can be used again. Each experiment is a [Table] made on this kernel.
package experiment

import (
	"context"
	"fmt"
	"strings"
)

// Table is the result of an experiment.
type Table struct {
	Name    string
	Title   string
	About   string // what was asked, and how
	Columns []string
	Rows    [][]string
	// Measured is the index of the column whose values differ from run to run;
	// 0: none.
	Measured int
	Settles  []string // what follows, one sentence each
}

// Experiment makes a table.
type Experiment struct {
	Name  string
	Title string
	Run   func(context.Context) (*Table, error)
}

// Experiments are all of them.
func Experiments() []Experiment {
	return []Experiment{
		{"success", successTitle, Success},
		{"giveup", giveUpTitle, GiveUp},
		{"reuse", reuseTitle, Reuse},
	}
}

// Markdown is the table as a page.
func (t *Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nWritten by `dialscope lab table %s`.\n\n", t.Title, t.Name)
	for _, s := range t.Settles {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	fmt.Fprintf(&b, "\n%s\n\n", t.About)
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.Columns)
	b.WriteString(strings.Repeat("|---", len(t.Columns)) + "|\n")
	for _, r := range t.Rows {
		line(r)
	}
	return b.String()
}

// Cell is the value of a row, named by its first cell, in a column.
func (t *Table) Cell(row, column string) string {
	for _, r := range t.Rows {
		if r[0] != row {
			continue
		}
		for i, c := range t.Columns {
			if c == column {
				return r[i]
			}
		}
	}
	return ""
}

// Same says whether two tables are equal but for what was measured. The
// difference names the first cell that is not.
func (t *Table) Same(page string) (difference string) {
	stored := strings.Split(page, "\n")
	for i, now := range strings.Split(t.Markdown(), "\n") {
		old := ""
		if i < len(stored) {
			old = stored[i]
		}
		if t.unmeasured(old) != t.unmeasured(now) {
			return fmt.Sprintf("line %d is\n%s\nand would be\n%s", i+1, old, now)
		}
	}
	return ""
}

// unmeasured leaves the measured cell out of a line.
func (t *Table) unmeasured(line string) string {
	cells := strings.Split(line, " | ")
	if t.Measured == 0 || len(cells) != len(t.Columns) {
		return line
	}
	cells[t.Measured] = ""
	return strings.Join(cells, " | ")
}
