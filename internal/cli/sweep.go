package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/progress"
	"github.com/dialscope/dialscope/internal/cli/results"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/sweep"
)

const sweepAbout = `sweep connects to many addresses and ports, and says of each what a single dial would have said. A connection that opens is reset at once: none is left behind on either side.

A target is an address, a prefix (192.0.2.0/24), a range (192.0.2.10-20), a name, or one of those with ports of its own (192.0.2.1:80, [2001:db8::1]:443). The order is random and spread over all targets; what stays silent is tried again. Without --rate it is gentle: 1,000 attempts a second. It slows down by itself when answers begin to get lost, or when this host runs out of ports, descriptors or room.

With --journal a sweep survives ^C and kill -9: --resume FILE goes on, and tells all results, those of before included.

The exit status is 0 when the sweep is complete, 130 when it was interrupted, 64 for usage and 70 when it could not go on.`

func (a *app) sweepCommand() *cobra.Command {
	o := new(sweepOptions)
	cmd := &cobra.Command{
		Use:   "sweep TARGET... -p PORTS",
		Short: "Connect to many addresses and ports, and say of each what happened",
		Long:  sweepAbout,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd.Flags(), args); err != nil {
				return err
			}
			return a.sweep(cmd.Context(), o, args)
		},
	}
	o.register(cmd.Flags())
	cmd.AddCommand(a.sweepDiffCommand())
	return cmd
}

// nmapOutput lets -oX FILE be written as nmap has it.
func nmapOutput(args []string) []string {
	if len(args) == 0 || args[0] != "sweep" {
		return args
	}
	out := append([]string(nil), args...)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if arg == "-oX" {
			out[i] = "--xml"
		}
	}
	return out
}

// sweeping is one sweep under way.
type sweeping struct {
	*app
	*sweepOptions
	style   terminal.Style
	sweeper *dialscope.Sweeper
	tally   *results.Tally
	journal *results.Journal
	writers []results.Writer
	lines   io.Writer       // for people; nil: none
	stream  *results.NDJSON // for programs; nil: none
	line    *progress.Line  // nil: no terminal
	done    *results.Places // of the journal
	flushed time.Time
	mu      sync.Mutex
	resumed int
}

func (a *app) sweep(ctx context.Context, o *sweepOptions, args []string) (err error) {
	s := &sweeping{app: a, sweepOptions: o, tally: results.NewTally(), done: new(results.Places)}
	s.style = terminal.Detect(a.stdout, terminal.Auto, a.env)
	var p results.Plan
	if o.resume != "" {
		if p, err = results.PlanOf(o.resume); err != nil {
			return usagef("--resume %q: %v", clip(o.resume), err)
		}
		if err := sameFiles(p); err != nil {
			return err
		}
		o.timeout, o.retries, o.seed, o.banner = seconds(p.Timeout), uint32(p.Retries), p.Seed, p.Banner
		o.shard = shard{p.Shard, p.Shards}
	} else if p, err = a.sweepPlan(o, args); err != nil {
		return err
	}
	options := o.options()
	options.Skip = s.done.Has
	if s.sweeper, err = dialscope.NewSweeper(ctx, a.sweepTargets(p), options); err != nil {
		return sweepError(err)
	}
	if o.resume != "" && p.Digest != s.sweeper.Digest() {
		return usagef("the targets are no longer those of the journal: a name has other addresses now. Begin a new sweep")
	}
	p.Digest = s.sweeper.Digest()
	defer func() {
		// What made it fail is the first reason, and the only one that is told.
		if closing := s.close(); err == nil && closing != nil {
			err = fmt.Errorf("the results could not be written: %w", closing)
		}
	}()
	if err := s.open(p); err != nil {
		return err
	}
	return s.run(ctx)
}

// sweepError tells bad input from a failure.
func sweepError(err error) error {
	var parse *sweep.ParseError
	var many *sweep.TooManyError
	switch {
	case errors.As(err, &parse) && parse.Reason == "which ports":
		return usagef("no port for %s: add -p 22,80,443 or --top-ports 20", parse.Input)
	case errors.As(err, &parse), errors.As(err, &many), errors.Is(err, dialscope.ErrNoTargets):
		return &usageError{err.Error()}
	}
	return err
}

// open makes ready all that results go to, and replays the journal into it.
func (s *sweeping) open(p results.Plan) error {
	if s.only == nil {
		s.only = outcomes{cause.Open: true}
		if s.json {
			s.only.Set("all")
		}
	}
	if s.json {
		s.stream = results.NewNDJSON(s.stdout)
	} else {
		s.lines = s.stdout
	}
	for _, name := range s.out {
		w, err := results.Create(name, s.force || s.resume != "")
		if err != nil {
			return usagef("--out %v", err)
		}
		s.writers = append(s.writers, w)
	}
	if s.xml != "" {
		w, err := results.CreateXML(s.xml, s.force || s.resume != "")
		if err != nil {
			return usagef("--xml %v", err)
		}
		s.writers = append(s.writers, w)
	}
	if terminal.Is(s.stderr) && !s.quiet {
		s.line = progress.NewLine(s.stderr, terminal.Detect(s.stderr, terminal.Auto, s.env))
	}
	var err error
	switch {
	case s.sweepOptions.journal != "":
		s.journal, err = results.NewJournal(s.sweepOptions.journal, p)
		switch why := reason(err); {
		case why != err: //nolint:errorlint // reason has found what is inside
			return usagef("--journal %q cannot be written: %v", clip(s.sweepOptions.journal), why)
		case err != nil:
			return &usageError{err.Error()}
		}
	case s.resume != "":
		s.journal, _, err = results.Resume(s.resume, func(r *results.Record) error {
			s.resumed++
			s.done.Add(r.Place)
			return s.tell(r)
		})
	}
	return err
}

// run makes the sweep and tells of it.
func (s *sweeping) run(ctx context.Context) error {
	s.announce()
	stopLine, stopPauses := s.line.Start(s.progressWords), s.tellPauses(ctx)
	stop := func() { stopLine(); stopPauses() }
	first := s.firstWords(ctx)
	var failed error
	var one results.Record // used again: nobody keeps it
	for r, err := range s.sweeper.Results(ctx) {
		if err != nil {
			failed = err
			break
		}
		if !first.take(r) {
			one.SweepResult = r
			failed = s.record(&one)
		}
		if failed == nil {
			failed = first.failure()
		}
		if failed != nil {
			break
		}
	}
	if err := first.finish(); failed == nil {
		failed = err
	}
	stop()
	if err := s.flush(); failed == nil {
		failed = err
	}
	if errors.Is(failed, context.Canceled) {
		if err := s.summary(ctx, false); err != nil {
			return err
		}
		return exit(exitCancelled)
	}
	if failed != nil {
		if s.journal != nil {
			return fmt.Errorf("the sweep stopped: %w (dialscope sweep --resume %s goes on)", sweepError(failed), s.journalName())
		}
		return sweepError(failed)
	}
	return s.summary(ctx, true)
}

func (s *sweeping) journalName() string {
	if s.resume != "" {
		return s.resume
	}
	return s.sweepOptions.journal
}

// flushEvery is how old a result in a buffer becomes at most, about.
const flushEvery = 100 * time.Millisecond

// record keeps a result and tells it. The journal comes first: what was told
// is in it or will be told again.
func (s *sweeping) record(r *results.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal != nil && r.Addr.Addr().IsValid() {
		if err := s.journal.Write(r); err != nil {
			return fmt.Errorf("the journal cannot be written: %w", err)
		}
	}
	if err := s.tell(r); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(s.flushed) > flushEvery {
		s.flushed = now
		return s.flushAll()
	}
	return nil
}

func (s *sweeping) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushAll()
}

func (s *sweeping) flushAll() error {
	if s.journal != nil {
		if err := s.journal.Flush(); err != nil {
			return fmt.Errorf("the journal cannot be written: %w", err)
		}
	}
	if s.stream != nil {
		if err := s.stream.Flush(); err != nil {
			return fmt.Errorf("the results could not be written: %w", err)
		}
	}
	return nil
}

// tell counts a result and writes it where it belongs.
func (s *sweeping) tell(r *results.Record) error {
	s.tally.Add(r)
	if !s.only[r.Outcome] {
		return nil
	}
	for _, w := range s.writers {
		if err := w.Write(r); err != nil {
			return fmt.Errorf("the results could not be written: %w", err)
		}
	}
	switch {
	case s.stream != nil:
		return s.stream.Write(r)
	case s.lines != nil:
		s.line.Erase()
		return s.print(s.words(r))
	}
	return nil
}

// words is a result as a person reads it.
func (s *sweeping) words(r *results.Record) string {
	where := r.Addr.String()
	if !r.Addr.Addr().IsValid() {
		where = r.Name
	} else if r.Name != "" {
		where += " (" + terminal.Printable(r.Name) + ")"
	}
	outcome := terminal.Pad(string(r.Outcome), 11)
	text := outcome + " " + terminal.Pad(where, 28)
	if r.Outcome == cause.Open {
		text = s.style.Good(outcome) + " " + terminal.Pad(where, 28)
	}
	text += " " + cause.Duration(r.Latency)
	if r.Outcome != cause.Open {
		text += "  " + string(r.Cause)
	}
	if r.TLS != "" {
		text += "  " + r.TLS
	}
	if r.Banner != "" {
		text += `  "` + results.Escape(r.Banner) + `"`
	}
	return s.style.Text(text) + "\n"
}

func (s *sweeping) close() error {
	var errs []error
	for _, w := range s.writers {
		errs = append(errs, w.Close())
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	return errors.Join(errs...)
}
