package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/sweep"
)

// long is from which time on a sweep says beforehand how long it will take.
const long = time.Minute

// announce says what a long sweep is about to do.
func (s *sweeping) announce() {
	p := s.sweeper.Progress()
	if s.quiet || !p.Complete {
		return
	}
	rate, guess := s.rate, ""
	if rate == 0 {
		rate, guess = 50_000, " or so"
	}
	if takes := sweep.Takes(p.Targets-uint64(s.resumed), rate); takes >= long {
		fmt.Fprintf(s.stderr, "dialscope: %d targets at %.0f a second%s take %s at least\n", p.Targets, rate, guess, takes.Round(time.Second))
	}
}

// progressWords is the line on the terminal.
func (s *sweeping) progressWords(time.Duration) string {
	p := s.sweeper.Progress()
	s.mu.Lock()
	outcomes := s.tally.Outcomes()
	s.mu.Unlock()
	of, left := fmt.Sprintf("%d", p.Targets), ""
	if !p.Complete {
		of += "+"
	}
	now := p.Done - p.Skipped
	rate := float64(now) / max(p.Elapsed.Seconds(), 1e-3)
	if p.Complete && rate > 0 {
		left = ", " + sweep.Takes(p.Targets-p.Done, rate).Round(time.Second).String() + " left"
	}
	if p.Paused != "" {
		left = ", paused: " + p.Paused
	}
	return fmt.Sprintf("%d of %s, %.0f/s, %d in flight, %s%s", p.Done, of, rate, p.InFlight, outcomes, left)
}

// shown is how many groups of failures the summary has.
const shown = 20

// summary goes to standard output for a person, to standard error beside JSON.
func (s *sweeping) summary(ctx context.Context, complete bool) error {
	if s.quiet {
		return nil
	}
	var b strings.Builder
	p := s.sweeper.Progress()
	tell := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch now := p.Done - p.Skipped; {
	case !complete:
		tell("interrupted: %d of %d targets", p.Done, p.Targets)
		if s.journal != nil {
			tell("go on with: dialscope sweep --resume %s", s.journalName())
		}
	default:
		tell("%d targets in %s, %.0f a second", p.Targets, cause.Duration(p.Elapsed), float64(now)/max(p.Elapsed.Seconds(), 1e-6))
	}
	if s.resumed > 0 {
		tell("%d of them from the journal", s.resumed)
	}
	if text := s.tally.Outcomes(); text != "" {
		tell("%s", text)
	}
	if ports := s.tally.OpenPorts(10); ports != "" {
		tell("open: %s (count × port)", ports)
	}
	if s.tally.Quantile(1) > 0 {
		tell("answers: half within %s, nine in ten %s, 99 in 100 %s, all %s", cause.Duration(s.tally.Quantile(0.5)),
			cause.Duration(s.tally.Quantile(0.9)), cause.Duration(s.tally.Quantile(0.99)), cause.Duration(s.tally.Quantile(1)))
		for _, line := range s.tally.Histogram(40, "▪") {
			tell("%s", line)
		}
	}
	for _, line := range s.tally.Groups(shown) {
		tell("%s", line)
	}
	if p.Faults > 0 {
		tell("limits of this host were met %d times; those attempts were made again", p.Faults)
	}
	tell("%d attempts, %d of them again after silence; about %.2g%% of SYNs or answers were lost, so that about %.2g%% of what answers was taken for silent",
		p.Attempts, p.Retried, 100*p.Loss, 100*p.Missed)
	if s.sweepOptions.explain && complete {
		s.explanations(ctx, &b)
	}
	return s.say(b.String())
}

func (s *sweeping) say(text string) error {
	if !s.json {
		return s.print(s.style.Text(text))
	}
	fmt.Fprint(s.stderr, terminal.Detect(s.stderr, terminal.Auto, s.env).Text(text))
	return nil
}

// explained is how many groups --explain dials for.
const explained = 12

// explanations puts one of each group of failures through a full dial.
func (s *sweeping) explanations(ctx context.Context, b *strings.Builder) {
	groups := slices.Clone(s.sweeper.Groups())
	slices.SortStableFunc(groups, func(x, y dialscope.SweepGroup) int { return cmp.Compare(y.Count, x.Count) })
	told := 0
	for _, g := range groups {
		if g.Verdict.Outcome == cause.Open || !g.Example.IsValid() || ctx.Err() != nil {
			continue
		}
		if told++; told > explained {
			break
		}
		d := dialscope.Dialer{AttemptTimeout: time.Duration(s.timeout), Thorough: true}
		conn, report, err := d.DialReport(ctx, "tcp", g.Example.String())
		if err == nil {
			conn.Close()
		}
		v := report.Verdict()
		fmt.Fprintf(b, "\n%s, %d like %s: %s (%s, %s)\n", g.Network, g.Count, g.Example, v.Outcome, v.Cause, v.Confidence)
		for _, text := range []string{v.Explanation, v.Remedy} {
			for _, line := range terminal.Wrap(text, s.style.Width-2) {
				b.WriteString("  " + line + "\n")
			}
		}
	}
}
