package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/progress"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// asked is one target's dial, done.
type asked struct {
	target  target.Target
	report  *dialscope.Report
	verdict cause.Verdict
	failure error // the measurement itself failed; there is no verdict then
}

// status is the exit status that the dial stands for.
func (d asked) status() int {
	if d.failure != nil {
		return exitFailed
	}
	return exitOf(d.verdict.Outcome)
}

// ask dials one target and closes the connection. Watch may be nil.
func (a *app) ask(ctx context.Context, t target.Target, watch *progress.Watch) asked {
	dialer := a.options.dialer(t)
	if a.events != nil {
		dialer.Kernel = a.events
	}
	if watch != nil {
		dialer.Trace = watch.Trace()
	}
	conn, report, err := dialer.DialReport(ctx, a.options.dialNetwork(), t.String())
	if conn != nil {
		conn.Close()
	}
	var explained *dialscope.Error
	if err != nil && !errors.As(err, &explained) {
		return asked{target: t, failure: fmt.Errorf("%s could not be dialed: %w", t, err)}
	}
	return asked{target: t, report: report, verdict: report.Verdict()}
}

// one dials one target and tells all of it.
func (a *app) one(ctx context.Context, t target.Target) error {
	watch := a.watch(t)
	stop := a.line().Start(watch.Words)
	d := a.ask(ctx, t, watch)
	stop()
	if err := a.tell(d, true); err != nil {
		return err
	}
	return exit(interrupted(ctx, d.status()))
}

// tell prints the answer of one dial: the whole of it for a single target or
// with --verbose, else the brief one.
func (a *app) tell(d asked, single bool) error {
	switch {
	case d.failure != nil:
		a.complain(d.failure.Error())
		return nil
	case a.options.quiet:
		return nil
	case a.options.json:
		return a.printJSON(d.report, single && terminal.Is(a.stdout))
	case single || a.options.verbose:
		return a.print(answer.Text(a.style(), a.answerOf(d), a.options.verbose))
	}
	return a.print(answer.Brief(a.style(), a.answerOf(d)))
}

// printJSON writes one document: a line, or indented for a person to read.
func (a *app) printJSON(document any, indented bool) error {
	data, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("the answer could not be written as JSON: %w", err)
	}
	if indented {
		var b bytes.Buffer
		if err := json.Indent(&b, data, "", "  "); err != nil {
			return fmt.Errorf("the answer could not be indented: %w", err)
		}
		data = b.Bytes()
	}
	return a.print(string(data) + "\n")
}

func (a *app) answerOf(d asked) answer.Answer {
	verdicts := make([]cause.Verdict, len(d.report.Attempts))
	for i := range verdicts {
		verdicts[i] = d.report.AttemptVerdict(i)
	}
	return answer.Answer{
		Dial:     &d.report.Dial,
		Verdict:  d.verdict,
		Attempts: verdicts,
		Winner:   d.report.Winner(),
		Missing:  d.report.Privilege().Missing,
		Title:    title,
	}
}

// title is the catalogue's one line for a cause.
func title(id cause.ID) string {
	entry, _ := cause.Lookup(id)
	return entry.Title
}

// style is how standard output shows text.
func (a *app) style() terminal.Style {
	return terminal.Detect(a.stdout, terminal.Mode(a.options.colour), a.env)
}

// line is the line of progress on the error stream; nil where it is no
// terminal, or nothing is to be shown.
func (a *app) line() *progress.Line {
	if a.options.quiet || !terminal.Is(a.stderr) || a.env("TERM") == "dumb" {
		return nil
	}
	return progress.NewLine(a.stderr, terminal.Detect(a.stderr, terminal.Mode(a.options.colour), a.env))
}

func (a *app) watch(t target.Target) *progress.Watch {
	return progress.NewWatch(t.String(), a.options.dialNetwork(), time.Duration(a.options.timeout))
}

// interrupted turns the status of a run that was ended from outside into that
// of an interrupted one.
func interrupted(ctx context.Context, status int) int {
	if errors.Is(ctx.Err(), context.Canceled) {
		return exitCancelled
	}
	return status
}
