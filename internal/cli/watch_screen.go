package cli

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/dialscope/dialscope/internal/cli/watchview"
	"github.com/dialscope/dialscope/internal/watch"
)

// frame is the time between two pictures.
const frame = 100 * time.Millisecond

// The sequences of a screen of its own, without a cursor (xterm, DECSET 1049
// and 25).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// screen fills the terminal until the person leaves; then it writes the summary.
func (w *watcher) screen(ctx context.Context) error {
	keys, err := os.OpenFile("/dev/tty", os.O_RDWR, 0) // closing it ends a Read that waits, which standard input's does not
	if err != nil {
		return w.lines(ctx)
	}
	defer keys.Close()
	var before *term.State
	if err := onDescriptor(keys, func(fd int) (err error) { before, err = term.MakeRaw(fd); return err }); err != nil {
		return w.lines(ctx)
	}
	ctx, leave := context.WithCancel(ctx)
	var mu sync.Mutex
	view := &watchview.Screen{Source: w.source.Name(), Missing: w.notes(), Sum: &w.tracker.Summary, Began: w.began}
	w.tracker.Tell = func(s *watch.Story, n watch.News, _ *watch.Event) {
		if view.Knows(s.Number) || w.o.wants(s) && (!w.o.failed || w.o.shows(n)) {
			view.Tell(s)
		}
	}
	w.out.WriteString(enterScreen)
	w.flush()
	var running sync.WaitGroup
	running.Go(func() {
		b := make([]byte, 256)
		for {
			n, err := keys.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			for _, k := range watchview.Keys(b[:n]) {
				if view.Press(k) {
					leave()
				}
			}
			mu.Unlock()
		}
	})
	running.Go(func() {
		tick := time.NewTicker(frame)
		defer tick.Stop()
		for {
			mu.Lock()
			view.Lost = w.source.Lost()
			w.draw(keys, view)
			mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	err = w.source.Run(ctx, func(e *watch.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e == nil {
			w.tracker.Tick(time.Now())
			return
		}
		w.tracker.Add(e)
	})
	leave()
	restored := onDescriptor(keys, func(fd int) error { return term.Restore(fd, before) })
	keys.Close()
	running.Wait()
	w.out.WriteString(leaveScreen)
	w.tracker.Finish(time.Now())
	if err == nil {
		err = w.foot(nil)
	}
	w.flush()
	if err == nil {
		err = restored
	}
	if err == nil {
		err = w.broken
	}
	return err
}

// draw writes one picture over the last.
func (w *watcher) draw(tty *os.File, view *watchview.Screen) {
	width, height := 80, 24
	onDescriptor(tty, func(fd int) error { //nolint:errcheck // it keeps the usual size then
		if x, y, err := term.GetSize(fd); err == nil && x > 0 && y > 0 {
			width, height = x, y
		}
		return nil
	})
	lines := view.Draw(w.style, width, height, time.Now())
	w.out.WriteString("\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K")
	w.flush()
}

// onDescriptor uses a file's descriptor and leaves it non-blocking, which Fd
// would not: closing the file ends a Read that waits.
func onDescriptor(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}
