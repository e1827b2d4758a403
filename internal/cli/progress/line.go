// Package progress shows on a terminal what a dial is waiting for, in one line
// that is erased when the wait is over.
package progress

import (
	"io"
	"sync"
	"time"

	"github.com/dialscope/dialscope/internal/cli/terminal"
)

const (
	// patience is how long nothing is shown: most dials end before, and a
	// handshake that is overdue begins to be looked into (300 ms).
	patience = 400 * time.Millisecond
	// refresh is the time between two pictures.
	refresh = 100 * time.Millisecond
)

// Line is the last line of a terminal. A nil Line shows nothing.
type Line struct {
	out   io.Writer
	style terminal.Style

	mu    sync.Mutex
	shown bool
}

// NewLine writes to out, which is a terminal.
func NewLine(out io.Writer, style terminal.Style) *Line {
	return &Line{out: out, style: style}
}

// show replaces what the line says.
func (l *Line) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text = terminal.Printable(l.style.Text(text))
	text = l.style.Fit(text, max(1, l.style.Width-1)) // the last column would wrap on some terminals
	io.WriteString(l.out, "\r\x1b[K"+l.style.Dim(text))
	l.shown = true
}

// Erase empties the line, so that other text can take its place.
func (l *Line) Erase() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		io.WriteString(l.out, "\r\x1b[K")
		l.shown = false
	}
}

// Start shows what words says, again and again, after a while. The
// argument of words is the time since Start. The function that Start returns
// ends it, erases the line, and returns when nothing will be written any more.
func (l *Line) Start(words func(time.Duration) string) (stop func()) {
	if l == nil {
		return func() {}
	}
	began := time.Now()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		timer := time.NewTimer(patience)
		defer timer.Stop()
		for {
			select {
			case <-end:
				l.Erase()
				return
			case <-timer.C:
				l.show(words(time.Since(began)))
				timer.Reset(refresh)
			}
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() { close(end) })
		<-ended
	}
}
