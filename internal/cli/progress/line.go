// Package progress shows on a terminal what a dial is waiting for, in one line
// that is erased when the wait is over.
package progress

import (
	"fmt"
	"io"
	"strings"
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

// Block is the last lines of a terminal, drawn again in place. A nil Block shows
// nothing.
type Block struct {
	out   io.Writer
	style terminal.Style
	rows  int // the terminal's; 0: not known

	mu    sync.Mutex
	lines int // that stand there now
}

// NewBlock writes to out, which is a terminal of so many rows.
func NewBlock(out io.Writer, style terminal.Style, rows int) *Block {
	return &Block{out: out, style: style, rows: rows}
}

// show replaces what the block says. Of what is longer than the terminal, the
// end is shown: lines that have left it could not be drawn again.
func (b *Block) show(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if most := b.rows - 1; b.rows > 1 && len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	picture := b.back()
	for _, l := range lines {
		picture += l + "\x1b[K\n"
	}
	b.lines = len(lines)
	io.WriteString(b.out, picture+"\x1b[J")
}

// back moves to the block's first line.
func (b *Block) back() string {
	if b.lines == 0 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", b.lines)
}

// Start draws what picture gives, again and again where it has changed. The
// function that it returns ends that, and erases the block.
func (b *Block) Start(picture func() string) (stop func()) {
	if b == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(refresh)
		defer ticker.Stop()
		before := ""
		for {
			select {
			case <-end:
				b.mu.Lock()
				io.WriteString(b.out, b.back()+"\x1b[J")
				b.lines = 0
				b.mu.Unlock()
				return
			case <-ticker.C:
				if now := picture(); now != "" && now != before {
					b.show(now)
					before = now
				}
			}
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() { close(end) })
		<-ended
	}
}
