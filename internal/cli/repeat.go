package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/series"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// repeat dials one target again and again, a line each, and sums up. A dial
// that was interrupted is not counted.
func (a *app) repeat(ctx context.Context, t target.Target) error {
	sum := new(series.Series)
	worst := exitOpen
	err := a.pace(ctx, func(n int) (bool, error) {
		if a.options.count > 0 && n == a.options.count {
			return false, nil
		}
		watch := a.watch(t)
		stop := a.line().Start(watch.Words)
		d := a.ask(ctx, t, watch)
		stop()
		if ctx.Err() != nil && d.verdict.Outcome == cause.Cancelled {
			return false, nil
		}
		worst = max(worst, d.status())
		if d.failure != nil {
			a.complain(d.failure.Error())
			return false, nil
		}
		one := measured(d)
		sum.Add(one)
		last := a.options.count > 0 && n == a.options.count-1
		return !last, a.tellOne(n, d, one)
	})
	if err != nil {
		return err
	}
	if err := a.tellSeries(t, sum); err != nil {
		return err
	}
	return exit(interrupted(ctx, worst))
}

// pace calls step with 0, 1, 2, ... at the interval, from start to start: one
// that took longer is followed at once. It ends when step says so or ctx does.
func (a *app) pace(ctx context.Context, step func(n int) (more bool, err error)) error {
	for n := 0; ctx.Err() == nil; n++ {
		next := time.NewTimer(time.Duration(a.options.interval))
		if more, err := step(n); err != nil || !more {
			next.Stop()
			return err
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
		}
	}
	return nil
}

// measured takes out of a dial what the sum needs: how long the destination
// took to answer (or how long the dial went on without an answer), and the SYNs
// sent again by all of its attempts.
func measured(d asked) series.Dial {
	one := series.Dial{Outcome: d.verdict.Outcome, Cause: d.verdict.Cause, Took: d.report.Took}
	if latency, answered := d.report.Latency(); answered {
		one.Took = latency
	}
	attempts := d.report.Attempts
	for _, attempt := range attempts {
		if info, _, ok := evidence.Last[*evidence.TCPInfo](attempt.Log); ok {
			one.Resent += int(info.TotalRetrans)
		}
	}
	return one
}

// tellOne prints the line of one dial of a series.
func (a *app) tellOne(n int, d asked, one series.Dial) error {
	switch {
	case a.options.quiet:
		return nil
	case a.options.json:
		return a.printJSON(d.report, false)
	case a.options.verbose:
		return a.tell(d, true)
	}
	return a.print(answer.Row(a.style(), n+1, one.Took, a.answerOf(d)))
}

// sumDocument is the last line of a series in JSON; causes.md does not know
// it, the field "series" tells it from the dials' own documents.
type sumDocument struct {
	Target  string    `json:"target"`
	Network string    `json:"network"`
	Series  seriesSum `json:"series"`
}

type seriesSum struct {
	Dials    int                   `json:"dials"`
	Outcomes map[cause.Outcome]int `json:"outcomes"`
	Causes   map[cause.ID]int      `json:"causes"`
	Loss     float64               `json:"loss"` // share of dials without an answer, 0 to 1
	Resent   int                   `json:"syns_resent"`
	Answers  int                   `json:"answers"` // that the times are of
	Min      time.Duration         `json:"min_ns"`
	Median   time.Duration         `json:"median_ns"`
	P99      time.Duration         `json:"p99_ns"`
	Max      time.Duration         `json:"max_ns"`
}

// tellSeries prints the sum.
func (a *app) tellSeries(t target.Target, s *series.Series) error {
	times := s.Times()
	switch {
	case a.options.quiet:
		return nil
	case a.options.json:
		if s.Dials == 0 {
			s.Outcomes, s.Causes = map[cause.Outcome]int{}, map[cause.ID]int{}
		}
		sum := seriesSum{s.Dials, s.Outcomes, s.Causes, s.Loss(), s.Resent, times.Count, times.Min, times.Median, times.P99, times.Max}
		return a.printJSON(sumDocument{t.String(), a.options.dialNetwork(), sum}, false)
	case s.Dials == 0:
		return a.print("no dial was finished\n")
	}
	return a.print(seriesText(a.style(), t.String(), s, times))
}

// seriesText is the sum for a person.
func seriesText(style terminal.Style, target string, s *series.Series, times series.Times) string {
	var b strings.Builder
	row := func(label, text string) {
		const column = 19
		for _, line := range terminal.Wrap(style.Text(text), style.Width-column) {
			b.WriteString(terminal.Pad(label, column) + line + "\n")
			label = ""
		}
	}
	fmt.Fprintf(&b, "\n%s  %d dials: %s\n", style.Bold(target), s.Dials, tallyWords(s))
	row("without an answer", fmt.Sprintf("%d of %d (%.3g %%)", s.Lost, s.Dials, 100*s.Loss()))
	if s.Resent > 0 {
		row("SYNs sent again", fmt.Sprint(s.Resent))
	}
	if times.Count > 0 {
		row("time to an answer", fmt.Sprintf("min %s, median %s, p99 %s, max %s",
			answer.Duration(times.Min), answer.Duration(times.Median), answer.Duration(times.P99), answer.Duration(times.Max)))
		b.WriteString(style.Text(histogram(style, s.Histogram())))
	}
	return b.String()
}

// histogram draws the answers' times, a row a bin.
func histogram(style terminal.Style, bins []series.Bin) string {
	const longest, most = 40, 24
	peak := 0
	for _, bin := range bins {
		peak = max(peak, bin.Count)
	}
	if len(bins) < 2 || len(bins) > most {
		return ""
	}
	var b strings.Builder
	b.WriteByte('\n')
	for _, bin := range bins {
		length := (bin.Count*longest + peak - 1) / peak
		fmt.Fprintf(&b, "%s  %s %d\n", terminal.PadLeft("< "+answer.Duration(bin.To), 9),
			strings.Repeat(style.Pick("█", "#"), length), bin.Count)
	}
	return b.String()
}
