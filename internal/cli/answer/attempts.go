package answer

import (
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// attempts is a table of every address that was tried, where there were
// several. Columns that do not fit are left out from the right, the cause last.
func (p *page) attempts(a Answer) {
	if len(a.Dial.Attempts) < 2 {
		return
	}
	rows := [][]string{{"#", "address", "outcome", "cause", "began", "took", "SYNs"}}
	for i, attempt := range a.Dial.Attempts {
		var v cause.Verdict
		if i < len(a.Attempts) {
			v = a.Attempts[i]
		}
		syns := ""
		if count, counted := resent(attempt.Log); counted {
			syns = number(count + 1)
		}
		rows = append(rows, []string{
			number(i + 1), attempt.Remote.String(), OutcomeWord(v.Outcome), string(v.Cause),
			Duration(attempt.Began), Duration(attempt.Took), syns,
		})
	}
	p.table(rows, func(row int, cells []string) {
		if row == 0 || row-1 >= len(a.Attempts) {
			return
		}
		const outcome = 2
		cells[outcome] = p.tone(a.Attempts[row-1])(cells[outcome])
	})
}

// numeric columns of a table are those whose heading is one of these.
var rightAligned = map[string]bool{"began": true, "took": true, "SYNs": true, "#": true}

// table writes rows in columns; the first row is the heading. Paint may colour
// the cells of a row after they are padded.
func (p *page) table(rows [][]string, paint func(row int, cells []string)) {
	const margin, between = 2, 2
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for c := range row {
			row[c] = p.clean(row[c])
			widths[c] = max(widths[c], terminal.Columns(row[c]))
		}
	}
	limit := p.style.Width
	columns := 0
	for used := margin; columns < len(widths); columns++ {
		used += widths[columns]
		if limit > 0 && columns > 2 && used > limit {
			break
		}
		used += between
	}
	if limit > 0 { // the address gives way to the outcome beside it
		used := margin + widths[0] + between + widths[1] + between + widths[2]
		widths[1] -= max(0, used-limit)
	}
	for r, row := range rows {
		cells := make([]string, columns)
		for c := range cells {
			text := p.style.Fit(row[c], widths[c])
			if rightAligned[rows[0][c]] {
				cells[c] = terminal.PadLeft(text, widths[c])
			} else {
				cells[c] = terminal.Pad(text, widths[c])
			}
			if r == 0 {
				cells[c] = p.style.Bold(cells[c])
			}
		}
		if last := columns - 1; r > 0 {
			cells[last] = strings.TrimRight(cells[last], " ")
		}
		paint(r, cells)
		p.line(strings.Repeat(" ", margin) + strings.Join(cells, strings.Repeat(" ", between)))
	}
}
