package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/lab"
)

func (a *app) labRunCommand() *cobra.Command {
	var asJSON bool
	level := "both"
	cmd := &cobra.Command{
		Use:   "run NAME...|all",
		Short: "Build scenarios, dial with and without privileges, compare with the truth",
		Long: `run builds each scenario, dials inside with and without privileges, compares the verdicts with the truth, and takes the network down again. The exit status is 0 if nothing was wrong, 1 if a verdict was, 70 if a scenario failed. A scenario that this host cannot build is counted and named, with the reason.

+ right: cause and culprit are the truth. ~ open: the truth stands among the alternatives, which is all that this host's evidence can tell. x wrong. - not possible here.`,
		Args:              oneScenario,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := scenarios(args...)
			if err != nil {
				return err
			}
			levels := lab.Levels
			switch level {
			case "both":
			case string(lab.Privileged), string(lab.Unprivileged):
				levels = []lab.Level{lab.Level(level)}
			default:
				return usagef("--level %q: write privileged, unprivileged or both", clip(level))
			}
			here, err := a.inside(cmd)
			if !here {
				return err
			}
			return a.labRun(cmd, lab.Jobs(found, levels...), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "a JSON document a line: each result, then the summary")
	cmd.Flags().StringVar(&level, "level", level, "`LEVEL` is privileged, unprivileged or both")
	return cmd
}

func (a *app) labRun(cmd *cobra.Command, jobs []lab.Job, asJSON bool) error {
	began := time.Now()
	show := a.labRows(jobs)
	if asJSON {
		show = a.labLines(jobs)
	}
	var failed error
	results := a.labAll(cmd, jobs, func(r *lab.Result) {
		if err := show(r); err != nil {
			failed = err
		}
	})
	if failed != nil {
		return failed
	}
	sum := lab.Sum(results)
	if asJSON {
		if err := a.printJSON(struct {
			Summary lab.Summary `json:"summary"`
		}{sum}, false); err != nil {
			return err
		}
	} else if err := a.print(a.labSummary(sum, time.Since(began))); err != nil {
		return err
	}
	switch {
	case cmd.Context().Err() != nil:
		return exitCode(exitCancelled)
	case sum.Failed > 0:
		return exitCode(exitFailed)
	case sum.Wrong > 0:
		return exitCode(exitRefused)
	}
	return nil
}

// labAll runs jobs and keeps the line of progress.
func (a *app) labAll(cmd *cobra.Command, jobs []lab.Job, done func(*lab.Result)) []*lab.Result {
	line, finished := a.labLine(), 0
	results := lab.RunAll(cmd.Context(), jobs, lab.Itself, func(r *lab.Result) {
		finished++
		line("")
		if done != nil {
			done(r)
		}
		line(fmt.Sprintf("%d of %d dials", finished, len(jobs)))
	})
	line("")
	return results
}

// labLine shows a text on the last line of a terminal; an empty one erases it.
func (a *app) labLine() func(text string) {
	if !terminal.Is(a.stderr) || a.env("TERM") == "dumb" {
		return func(string) {}
	}
	style := terminal.Detect(a.stderr, terminal.Auto, a.env)
	return func(text string) { fmt.Fprint(a.stderr, "\r\x1b[K"+style.Dim(text)) }
}

// labLines prints results as JSON, one a line.
func (a *app) labLines([]lab.Job) func(*lab.Result) error {
	return func(r *lab.Result) error {
		data, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return a.print(string(data) + "\n")
	}
}

// labRows prints a row a scenario once all its levels are there, in the order
// of the jobs.
func (a *app) labRows(jobs []lab.Job) func(*lab.Result) error {
	style := a.labStyle()
	var order []string
	wanted, width := map[string]int{}, 0
	for _, j := range jobs {
		if wanted[j.Scenario.Name] == 0 {
			order = append(order, j.Scenario.Name)
		}
		wanted[j.Scenario.Name]++
		width = max(width, len(j.Scenario.Name))
	}
	there := map[string][]*lab.Result{}
	return func(r *lab.Result) error {
		there[r.Scenario] = append(there[r.Scenario], r)
		for len(order) > 0 && len(there[order[0]]) == wanted[order[0]] {
			if err := a.print(style.Text(labRow(style, width, there[order[0]]))); err != nil {
				return err
			}
			order = order[1:]
		}
		return nil
	}
}

// labRow is one scenario; a level that differs gets a line of its own.
func labRow(style terminal.Style, width int, results []*lab.Result) string {
	slices.SortFunc(results, func(a, b *lab.Result) int { return strings.Compare(string(a.Level), string(b.Level)) })
	var b strings.Builder
	last := ""
	for _, r := range results {
		text, took := labVerdict(r)
		if text == last {
			continue
		}
		name := r.Scenario
		if last != "" {
			name = "  " + string(r.Level)
		}
		rest := terminal.Pad(name, width) + "  " + terminal.PadLeft(took, 7) + "  " + text
		b.WriteString(labMark(style, r) + " " + style.Fit(rest, max(0, style.Width-2)) + "\n")
		if h := r.Listener; h != nil && h.Want == "" {
			text := fmt.Sprintf("the listening end: %s: %s, %s, %s", h.Verdict.Outcome, h.Verdict.Cause, who(h.Verdict.Culprit), h.Verdict.Confidence)
			b.WriteString(style.Dim(style.Fit("  "+terminal.Pad("", width)+"           "+text, style.Width)) + "\n")
		}
		for _, d := range r.Defects {
			b.WriteString("    " + style.Bad(d) + "\n")
		}
		last = text
	}
	return b.String()
}

func labVerdict(r *lab.Result) (text, took string) {
	switch {
	case r.NotPossible != "":
		return "not possible here: " + r.NotPossible, ""
	case r.Failed != "":
		return "failed: " + r.Failed, ""
	}
	v := r.Verdict
	text = fmt.Sprintf("%s: %s, %s, %s", v.Outcome, v.Cause, who(v.Culprit), v.Confidence)
	if v.Cause != r.Truth.Cause {
		text += fmt.Sprintf(" (the truth: %s)", r.Truth.Cause)
	}
	return text, cause.Duration(r.Took)
}

func who(c cause.Culprit) string {
	if c.Address.IsValid() {
		return string(c.Kind) + " " + c.Address.String()
	}
	return string(c.Kind)
}

func labMark(style terminal.Style, r *lab.Result) string {
	switch {
	case r.NotPossible != "":
		return "-"
	case !r.OK():
		return style.Bad(style.Pick("✗", "x"))
	case r.Exact:
		return style.Good(style.Pick("✓", "+"))
	}
	return style.Doubtful("~")
}

func (a *app) labSummary(sum lab.Summary, took time.Duration) string {
	style := a.labStyle()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s %s\n", style.Bold(sum.String()), "In "+cause.Duration(took)+".")
	for _, why := range slices.Sorted(maps.Keys(sum.Why)) {
		fmt.Fprintf(&b, "Not possible here: %s: %s\n", strings.Join(sum.Why[why], ", "), why)
	}
	return style.Text(b.String())
}
