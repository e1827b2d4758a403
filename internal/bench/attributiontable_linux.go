package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// attributionTable is a whole run.
type attributionTable struct {
	Date    time.Time
	Args    []string
	Limit   time.Duration
	Tools   []attributor
	Missing []string
	Rows    []attributionRow
}

// attributionSum is how one tool fared in all scenarios.
type attributionSum struct {
	yes, among, no, wrong, culprit int
	median, longest                time.Duration
}

func (t *attributionTable) sum(tool string) (s attributionSum) {
	var took []time.Duration
	for _, row := range t.Rows {
		for _, a := range row.asked {
			if a.tool != tool {
				continue
			}
			took = append(took, a.took)
			switch a.named {
			case "yes":
				s.yes++
			case "among":
				s.among++
			case "wrong":
				s.wrong++
			default:
				s.no++
			}
			if a.culprit == "yes" {
				s.culprit++
			}
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		s.median, s.longest = quantile(took, 0.5), took[len(took)-1]
	}
	return s
}

func (t *attributionTable) printSum(w io.Writer) {
	fmt.Fprintf(w, "\n%d scenarios, one run each  %10s %6s %6s %6s %9s %9s %9s\n", len(t.Rows), "cause: yes", "among", "no", "wrong", "culprit", "median", "longest")
	for _, tool := range t.Tools {
		s := t.sum(tool.name)
		fmt.Fprintf(w, "  %-25s %10d %6d %6d %6d %9d %7.2f s %7.2f s\n", tool.name, s.yes, s.among, s.no, s.wrong, s.culprit, s.median.Seconds(), s.longest.Seconds())
	}
	if len(t.Missing) > 0 {
		fmt.Fprintf(w, "not installed, and left out: %s\n", strings.Join(t.Missing, ", "))
	}
}

// markdown is the run as a page.
func (t *attributionTable) markdown() string {
	var b strings.Builder
	command := strings.Join(append([]string{"scripts/bench", "attribution"}, t.Args...), " ")
	fmt.Fprintf(&b, "# Who names what is wrong\n\nWritten by `%s`, as root,\n", command)
	fmt.Fprintf(&b, "on %s. Every tool ran once, alone, in the client's namespace of each\n", t.Date.Format(time.DateOnly))
	b.WriteString("scenario, whose network was built anew for it (`dialscope lab show NAME` explains\n")
	fmt.Fprintf(&b, "it), and was stopped after %v.\n\n", t.Limit)
	b.WriteString(`A tool is given credit for what its words leave no doubt about. *Cause*: ` + "`" + `yes` + "`" + `, it is
named; ` + "`" + `among` + "`" + `, another reading stands first, and it is among the others that the
tool itself offers; ` + "`" + `no` + "`" + `, the words fit several causes, or say what is so and not
why; ` + "`" + `wrong` + "`" + `, they name another. *Culprit*: its address is named, or that it is
this host; the last router that answers counts as named by a tracer, and the sender
of an ICMP message or a reset as named by whoever prints it. A circle of hops counts
as a loop, and so does a SYN whose TTL ran out; a SYN that may not be sent counts as
this host's own filter.

The scenarios were chosen by the authors of dialscope, and the other tools were made
for other questions. A time is that of the whole process, one run: small differences
mean nothing. Those of mtr and hping3 follow from the three packets, one a second,
that they are told to send; tcptraceroute and mtr are limited to 8 hops and a second
for each, since with their defaults silence takes much longer.

| tool | cause: yes | among | no | wrong | culprit | median | longest |
|---|--:|--:|--:|--:|--:|--:|--:|
`)
	for _, tool := range t.Tools {
		s := t.sum(tool.name)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %.2f s | %.2f s |\n", tool.name, s.yes, s.among, s.no, s.wrong, s.culprit, s.median.Seconds(), s.longest.Seconds())
	}
	if len(t.Missing) > 0 {
		fmt.Fprintf(&b, "\nNot installed, and left out: %s.\n", strings.Join(t.Missing, ", "))
	}
	b.WriteString("\nThe commands:\n\n```\n")
	for _, tool := range t.Tools {
		fmt.Fprintf(&b, "%-25s %s\n", tool.name, tool.commandOf())
	}
	b.WriteString("```\n")
	for _, row := range t.Rows {
		s := row.scenario
		fmt.Fprintf(&b, "\n## %s\n\n%s. The truth: %s, %s.\n\n", s.Name, sentence(s.Title), s.Truth.Cause, s.Truth.Culprit)
		b.WriteString("| tool | says | time | cause | culprit |\n|---|---|--:|---|---|\n")
		for _, a := range row.asked {
			fmt.Fprintf(&b, "| %s | %s | %.2f s | %s | %s |\n", a.tool, strings.ReplaceAll(a.words, "|", `\|`), a.took.Seconds(), a.named, a.culprit)
		}
	}
	return b.String()
}

// sentence begins with a capital letter.
func sentence(title string) string {
	if title == "" {
		return title
	}
	return strings.ToUpper(title[:1]) + title[1:]
}
