package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/cli/watchview"
	"github.com/dialscope/dialscope/internal/watch"
)

// The exit statuses of a shell for a command that cannot be run (POSIX, Shell
// Command Language, 2.8.2), and the base of those for one that a signal ended.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignalled     = 128
)

// mostTold bounds the lines that are kept until the command has ended.
const mostTold = 10_000

// command runs a command and reports on its connections when it has ended. The
// exit status is the command's.
func (w *watcher) command(ctx context.Context, args []string) error {
	var told []string
	left := 0
	w.tracker.Tell = func(s *watch.Story, n watch.News, e *watch.Event) {
		if !w.o.shows(n) || !w.o.wants(s) {
			return
		}
		at := s.Ended
		if e != nil {
			at = e.At
		}
		switch {
		case w.o.json:
			w.line(at, s, n, e)
		case len(told) < mostTold:
			told = append(told, watchview.Line(w.style, at, s, n, e))
		default:
			left++
		}
	}
	if w.o.json {
		if err := w.head(); err != nil {
			return err
		}
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- w.source.Run(watching, func(e *watch.Event) {
			if e == nil {
				w.tracker.Tick(time.Now())
				w.flush()
				return
			}
			w.tracker.Add(e)
		})
	}()
	status, err := w.run(ctx, args)
	if err == nil {
		// What the command did last has still to be read.
		select {
		case e := <-ended:
			ended <- e
		case <-time.After(lastWords):
		}
	}
	stop()
	if watched := <-ended; err == nil {
		err = watched
	}
	if err != nil {
		return err
	}
	w.tracker.Finish(time.Now())
	if w.o.json {
		err = w.foot(&status)
	} else {
		w.tracker.Standing(func(s *watch.Story) {
			if !w.o.failed && len(told) < mostTold && w.o.wants(s) {
				told = append(told, watchview.Line(w.style, time.Now(), s, watch.StateIsNew, nil))
			}
		})
		w.report(args, status, told, left)
	}
	w.flush()
	if err == nil {
		err = w.broken
	}
	if err != nil {
		return err
	}
	return exit(status)
}

// lastWords is how long events are read after the command has ended.
const lastWords = 50 * time.Millisecond

// run runs the command; an interrupt from the terminal reaches it by itself, any
// other end of the context is handed on.
func (w *watcher) run(ctx context.Context, args []string) (status int, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = w.app.stdin, w.app.stdout, w.app.stderr
	if err := cmd.Start(); err != nil {
		code := exitNotExecutable
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			code = exitNotFound
		}
		w.app.complain(fmt.Sprintf("the command %q cannot be run: %v", clip(args[0]), reason(err)))
		return code, exit(code)
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) || !terminal.Is(w.app.stdin) {
				cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}()
	err = cmd.Wait()
	close(done)
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &failed):
		return 0, fmt.Errorf("the command %q: %w", clip(args[0]), err)
	}
	if end, is := failed.Sys().(syscall.WaitStatus); is && end.Signaled() {
		return exitSignalled + int(end.Signal()), nil
	}
	return failed.ExitCode(), nil
}

// report is what a person reads after the command.
func (w *watcher) report(args []string, status int, told []string, left int) {
	s := w.style
	b := new(strings.Builder)
	line := func(text string) {
		for _, part := range terminal.Wrap(terminal.Printable(s.Text(text)), s.Width) {
			b.WriteString(part + "\n")
		}
	}
	b.WriteString("\n" + s.Bold(terminal.Printable(s.Text("Connections of "+clip(strings.Join(strings.Fields(strings.Join(args, " ")), " "))))) + s.Dim(fmt.Sprintf(" (exit status %d)", status)) + "\n")
	for _, note := range w.notes() {
		line(note)
	}
	if len(told) == 0 {
		line("None was seen.")
	}
	for _, text := range told {
		b.WriteString(text)
	}
	if left > 0 {
		line(fmt.Sprintf("and %d more lines, which are counted below", left))
	}
	b.WriteString("\n" + watchview.Summary(s, &w.tracker.Summary, w.source.Lost(), time.Since(w.began), title))
	io.WriteString(w.out, b.String())
}
