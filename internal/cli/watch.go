package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/cli/watchview"
	"github.com/dialscope/dialscope/internal/watch"
	"github.com/dialscope/dialscope/internal/watch/feed"
)

const aboutWatch = `Shows every connection of this host as it begins, changes, fails or ends: its process, both ends, how long the handshake took, what was sent again, who ended it, and for failures the cause, with the ids that dialscope dial has. Also attempts that never send a packet (no port, no permission, no descriptor), those that their process gave up, and packets that this host throws away, with the kernel's reason.

On a terminal it fills the screen (? lists the keys); elsewhere, and with --lines or --json, it writes a line for each event. ^C ends it with a summary.

With a command it runs that and reports on its connections and its children's, at the end and on standard error: strace for connections. The command's input, output and exit status stay its own.

It listens to the kernel's tracepoints, which takes root (CAP_BPF and CAP_PERFMON). Without, it looks at the table of sockets again and again, and says what it then misses.`

func (a *app) watchCommand() *cobra.Command {
	o := new(watchOptions)
	cmd := &cobra.Command{
		Use:   "watch [-- COMMAND [ARG...]]",
		Short: "Show every connection of this host as it begins, fails or ends, or those of a command",
		Long:  aboutWatch,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usagef("%q: write dialscope watch -- %s to watch a command's connections", clip(args[0]), clip(args[0]))
			}
			if cmd.ArgsLenAtDash() == 0 && len(args) == 0 {
				return usagef("no command after --: write dialscope watch -- COMMAND, or leave -- out")
			}
			if err := o.check(cmd.Flags(), args); err != nil {
				return err
			}
			return a.watchHost(cmd.Context(), o, args)
		},
	}
	o.register(cmd.Flags())
	words := func(name string, choices ...string) {
		complete(cmd, name, func(string) []string { return choices })
	}
	words("source", "auto", "kernel", "table")
	words("color", "auto", "always", "never")
	for _, name := range []string{"pid", "process", "cgroup", "host", "port", "for", "interval", "max-connections"} {
		words(name)
	}
	return cmd
}

// watcher is one run of watch.
type watcher struct {
	app     *app
	o       *watchOptions
	source  feed.Source
	why     error // why it is not the best source
	tracker watch.Tracker
	style   terminal.Style
	out     *bufio.Writer
	began   time.Time
	broken  error // the output could not be written
}

func (a *app) watchHost(ctx context.Context, o *watchOptions, command []string) error {
	src, why, err := openSource(o, len(command) > 0)
	if err != nil {
		return err
	}
	defer src.Close()
	file := a.stdout
	if len(command) > 0 {
		file = a.stderr
	}
	if o.output != "" {
		f, err := os.Create(o.output)
		if err != nil {
			return usagef("--output %q cannot be written: %v", clip(o.output), reason(err))
		}
		defer f.Close()
		file = f
	}
	// Little lives long here, and much is made for a moment: with the usual 100 the
	// heap of a few megabytes is gone through a hundred times a second.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	w := &watcher{app: a, o: o, source: src, why: why, out: bufio.NewWriterSize(file, 1<<16), began: time.Now()}
	w.style = terminal.Detect(file, terminal.Mode(o.colour), a.env)
	if !terminal.Is(file) {
		w.style.Width = 0
	}
	w.tracker = watch.Tracker{Limit: o.limit, Words: watch.NoWords, Owner: src.Owner, Look: src.Look}
	if o.json {
		w.tracker.Words = watch.OfFailing
	}
	if o.lasting > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.lasting))
		defer cancel()
	}
	switch {
	case len(command) > 0:
		return w.command(ctx, command)
	case !o.json && !o.lines && o.output == "" && terminal.Is(a.stdout) && terminal.Is(a.stdin):
		return w.screen(ctx)
	}
	return w.lines(ctx)
}

func openSource(o *watchOptions, tree bool) (s feed.Source, why, err error) {
	options := o.sourceOptions(tree)
	switch o.source {
	case "kernel":
		s, err = feed.OpenKernel(options)
		if err != nil {
			return nil, nil, fmt.Errorf("the kernel's tracepoints: %w", err)
		}
		return s, nil, nil
	case "table":
		s, err = feed.OpenTable(options)
		return s, nil, err
	}
	return feed.Open(options)
}

// lines writes a line for each news.
func (w *watcher) lines(ctx context.Context) error {
	if err := w.head(); err != nil {
		return err
	}
	w.tracker.Tell = w.tell
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := w.source.Run(ctx, func(e *watch.Event) {
		if e == nil {
			w.tracker.Tick(time.Now())
			w.flush()
		} else {
			w.tracker.Add(e)
		}
		if w.broken != nil {
			stop()
		}
	})
	w.tracker.Finish(time.Now())
	if err == nil && w.broken == nil {
		w.broken = w.foot(nil)
	}
	w.flush()
	if err != nil {
		return err
	}
	return w.broken
}

func (w *watcher) flush() {
	if err := w.out.Flush(); err != nil && w.broken == nil {
		w.broken = fmt.Errorf("the answer could not be written: %w", err)
	}
}

// head says what is watched with, and what is not seen.
func (w *watcher) head() error {
	if w.o.json {
		line, err := watchview.Beginning(w.began, w.source.Name(), w.source.Missing(), w.why)
		if err != nil {
			return err
		}
		w.write(line)
		w.flush()
		return w.broken
	}
	style := terminal.Detect(w.app.stderr, terminal.Mode(w.o.colour), w.app.env)
	for _, text := range w.notes() {
		for _, line := range terminal.Wrap(terminal.Printable(style.Text(text)), style.Width) {
			fmt.Fprintln(w.app.stderr, style.Dim(line))
		}
	}
	return nil
}

// notes say how it watches, where that is not the best way.
func (w *watcher) notes() []string {
	var notes []string
	if w.why != nil {
		notes = append(notes, fmt.Sprintf("Watching %s, since the kernel's tracepoints may not be used: %v.", w.source.Name(), w.why))
	}
	return append(notes, w.source.Missing()...)
}

func (w *watcher) write(line []byte) {
	w.out.Write(line)
	w.out.WriteByte('\n')
}

// tell writes one news.
func (w *watcher) tell(s *watch.Story, n watch.News, e *watch.Event) {
	if !w.o.shows(n) || !w.o.wants(s) {
		return
	}
	at := s.Ended
	if e != nil {
		at = e.At
	}
	w.line(at, s, n, e)
}

func (w *watcher) line(at time.Time, s *watch.Story, n watch.News, e *watch.Event) {
	b := w.out.AvailableBuffer()
	if w.o.json {
		b = append(watchview.AppendDocument(b, at, s, n, e), '\n')
	} else {
		b = watchview.AppendLine(b, w.style, at, s, n, e)
	}
	w.out.Write(b)
}

// foot is the summary; status is that of the command, if there was one.
func (w *watcher) foot(status *int) error {
	now := time.Now()
	if w.o.json {
		line, err := watchview.Sum(now, &w.tracker.Summary, w.source.Lost(), now.Sub(w.began), status)
		if err == nil {
			w.write(line)
		}
		return err
	}
	fmt.Fprint(w.out, "\n"+watchview.Summary(w.style, &w.tracker.Summary, w.source.Lost(), now.Sub(w.began), title))
	return nil
}

// reason is an error without the path that it repeats.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
