package lab

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// Matrix is results as a page of Markdown: a sentence, who was taken for whom,
// and every scenario with both verdicts and the time to them.
func Matrix(results []*Result) string {
	var b strings.Builder
	b.WriteString("# What is wrong, and what dialscope says\n\n")
	b.WriteString("Written by `make matrix`: every scenario of the lab, dialed with and without\n")
	b.WriteString("privileges. *Among* means that the truth stands among the alternatives, since\n")
	b.WriteString("this host's evidence alone cannot tell it from the verdict.\n\n")
	b.WriteString(Sum(results).String() + "\n\n")
	b.WriteString(times(results) + "\n\n")
	confusion(&b, results)
	b.WriteString("## Every scenario\n\n")
	b.WriteString("The verdict is that of a user without privileges where there is one column; the\n")
	b.WriteString("other stands beside it where it differs.\n\n")
	b.WriteString("| scenario | truth | verdict | with privileges | answered in |\n|---|---|---|---|---|\n")
	for _, pair := range pairs(results) {
		row(&b, pair)
	}
	bothEnds(&b, results)
	return b.String()
}

// bothEnds has what the listening end says where it is asked. It is judged
// without a look at who dials, and a result of either level shows it.
func bothEnds(b *strings.Builder, results []*Result) {
	wrote := false
	for _, pair := range pairs(results) {
		own := pair[0]
		if own == nil || pair[1] != nil && own.Listener != nil && own.Listener.Judgement.Good() {
			own = worse(own, pair[1])
		}
		if own == nil || own.Listener == nil {
			continue
		}
		if !wrote {
			b.WriteString("\n## Both ends\n\n")
			b.WriteString("What `dialscope listen` says of the same connection, and how far it counts that datagrams came.\n")
			b.WriteString("What is wrong for one end may be in order for the other.\n\n")
			b.WriteString("| scenario | truth for the listening end | it says | the dialing end says |\n|---|---|---|---|\n")
			wrote = true
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", own.Scenario, own.Listener.truth(), own.Listener.said(), said(own))
	}
}

// worse is the result with the worse word of the listening end.
func worse(a, b *Result) *Result {
	if a == nil || b != nil && b.Listener != nil && !b.Listener.Judgement.Good() {
		return b
	}
	return a
}

func (h *Heard) truth() string {
	if h.Want != "" {
		return fmt.Sprintf("datagrams: %s", h.Want)
	}
	return truth(h.Truth)
}

func (h *Heard) said() string {
	text := fmt.Sprintf("datagrams: %s, certain", h.Datagrams)
	if h.Want == "" {
		text = fmt.Sprintf("%s by %s, %s", h.Verdict.Cause, culprit(h.Verdict.Culprit), h.Verdict.Confidence)
	}
	switch {
	case !h.Judgement.Good():
		return "**wrong**: " + text
	case !h.Judgement.Exact && h.Verdict.Cause != h.Truth.Cause:
		return text + " (among)"
	}
	return text
}

// pairs groups results by scenario, in order, unprivileged first.
func pairs(results []*Result) (all [][2]*Result) {
	at := map[string]int{}
	for _, r := range results {
		if r == nil {
			continue
		}
		i, known := at[r.Scenario]
		if !known {
			i = len(all)
			at[r.Scenario] = i
			all = append(all, [2]*Result{})
		}
		if r.Level == Privileged {
			all[i][1] = r
		} else {
			all[i][0] = r
		}
	}
	return all
}

func row(b *strings.Builder, pair [2]*Result) {
	own, other := pair[0], pair[1]
	if own == nil {
		own, other = other, nil
	}
	beside := ""
	if other != nil && (said(other) != said(own) || truth(other.Truth) != truth(own.Truth)) {
		beside = said(other)
		if truth(other.Truth) != truth(own.Truth) {
			beside = "truth: " + truth(other.Truth) + "; " + beside
		}
	}
	took := ""
	if own.NotPossible == "" && own.Failed == "" {
		took = brief(own.Took)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", own.Scenario, truth(own.Truth), said(own), beside, took)
}

func truth(t Truth) string {
	errno := ""
	if t.Errno != "" {
		errno = ", " + string(t.Errno)
	}
	return fmt.Sprintf("%s by %s (%s%s)", t.Cause, t.Culprit, t.Outcome, errno)
}

func said(r *Result) string {
	switch {
	case r.NotPossible != "":
		return "not possible here: " + r.NotPossible
	case r.Failed != "":
		return "**failed**: " + strings.ReplaceAll(r.Failed, "\n", " ")
	}
	v := r.Verdict
	text := fmt.Sprintf("%s by %s, %s", v.Cause, culprit(v.Culprit), v.Confidence)
	switch {
	case !r.Good():
		text = "**wrong**: " + text
	case !r.Exact && v.Cause != r.Truth.Cause:
		text += " (among)"
	}
	return text
}

// brief is a time in two digits.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// confusion counts which cause was taken for which.
func confusion(b *strings.Builder, results []*Result) {
	type cell struct{ truth, said cause.ID }
	counts := map[cell]map[cause.Confidence]int{}
	for _, r := range results {
		if r == nil || r.NotPossible != "" || r.Failed != "" {
			continue
		}
		c := cell{r.Truth.Cause, r.Verdict.Cause}
		if counts[c] == nil {
			counts[c] = map[cause.Confidence]int{}
		}
		counts[c][r.Verdict.Confidence]++
	}
	cells := make([]cell, 0, len(counts))
	for c := range counts {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Or(cmp.Compare(a.truth, b.truth), cmp.Compare(a.said, b.said)) })
	b.WriteString("## Truth against verdict\n\n| truth | verdict | certain | likely | possible |\n|---|---|---|---|---|\n")
	for _, c := range cells {
		verdict := string(c.said)
		if c.said != c.truth {
			verdict = "*" + verdict + "*"
		}
		n := counts[c]
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", c.truth, verdict, count(n[cause.Certain]), count(n[cause.Likely]), count(n[cause.Possible]))
	}
	b.WriteString("\n")
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// aboutTimes begins the line of times, which differ from run to run.
const aboutTimes = "Time to the verdict on a handshake:"

// times is a line about how long the verdicts on handshakes took; that of
// silence, which nobody ends but the dialer itself, stands by itself.
func times(results []*Result) string {
	var all, silent []time.Duration
	longest := &Result{}
	for _, r := range results {
		if r == nil || r.NotPossible != "" || r.Failed != "" || !r.Handshake {
			continue
		}
		all = append(all, r.Took)
		if r.Verdict.Outcome == cause.Timeout {
			silent = append(silent, r.Took)
		}
		if r.Took > longest.Took {
			longest = r
		}
	}
	if len(all) == 0 {
		return aboutTimes + " none."
	}
	over := func(d time.Duration) (n int) {
		for _, t := range all {
			if t > d {
				n++
			}
		}
		return n
	}
	return fmt.Sprintf("%s median %s; of silence %s. Over 1 s: %d of %d; over 2 s: %d, the longest %s (%s).",
		aboutTimes, brief(median(all)), brief(median(silent)), over(time.Second), len(all), over(2*time.Second), brief(longest.Took), longest.Scenario)
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// runDependent are the lines that count and time the verdicts of one run.
var runDependent = regexp.MustCompile(`(?m)^(` + aboutTimes + `.*|\d+ scenarios, .*|\| [a-z-]+ \| [a-z*-]+ \| \d* \| \d* \| \d* \|)\n`)

// lastCell is the time of a scenario's line.
var lastCell = regexp.MustCompile(`(?m)\| [0-9.]+ m?s \|$`)

// verdictCells are the verdicts of a scenario's line, where neither is wrong,
// failed or impossible.
var verdictCells = regexp.MustCompile(`(?m)^(\| [^|]* \| [^|]* \|) [a-z][^|]*, (?:certain|likely|possible)(?: \(among\))? \| (?:[a-z][^|]*, (?:certain|likely|possible)(?: \(among\))?)? \|$`)

// SameMatrix compares two pages in which scenarios there are, what is true of
// each, and which verdicts are not good. A good verdict's confidence and time
// hang on the moment at which a busy host saw what, and are not compared: that
// each is as sure as its scenario demands is [Result.Good]'s to say. It returns
// the first line that differs, "" if none does.
func SameMatrix(stored, fresh string) string {
	lines := func(page string) []string {
		page = lastCell.ReplaceAllString(runDependent.ReplaceAllString(page, ""), "|")
		return strings.Split(verdictCells.ReplaceAllString(page, "$1 good |"), "\n")
	}
	a, b := lines(stored), lines(fresh)
	for i := range max(len(a), len(b)) {
		var old, now string
		if i < len(a) {
			old = a[i]
		}
		if i < len(b) {
			now = b[i]
		}
		if old != now {
			return fmt.Sprintf("the line\n%s\nwould be\n%s", old, now)
		}
	}
	return ""
}
