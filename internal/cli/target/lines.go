package target

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxLine is the longest line of a target file, in bytes. The longest target
// that can be dialed is far shorter.
const MaxLine = 4096

// LineError is a line that names no target. Reading may go on after it.
type LineError struct {
	File string // "-" is standard input
	Line int    // from 1
	Err  error
}

func (e *LineError) Error() string {
	name := e.File
	if name == "-" {
		name = "standard input"
	}
	return fmt.Sprintf("%s, line %d: %v", name, e.Line, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// Lines reads targets line by line, as they come. Blank lines and what follows
// a # at a line's start or after a space are skipped.
type Lines struct {
	file    string
	network string
	line    int
	in      *bufio.Reader
}

// NewLines reads from in; file is its name in errors.
func NewLines(in io.Reader, file, network string) *Lines {
	return &Lines{file: file, network: network, in: bufio.NewReaderSize(in, MaxLine+2)}
}

// Next gives the next target, io.EOF after the last. After a [*LineError] the
// next call reads the following line; any other error is the reader's own.
func (l *Lines) Next() (Target, error) {
	for {
		text, err := l.read()
		if errors.Is(err, io.EOF) && text == "" {
			return Target{}, io.EOF
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Target{}, err
		}
		if text = content(text); text == "" {
			continue
		}
		t, err := Parse(text, l.network)
		if err != nil {
			return Target{}, l.Fault(err)
		}
		return t, nil
	}
}

// Fault blames the line that Next read last.
func (l *Lines) Fault(err error) *LineError {
	return &LineError{l.file, l.line, err}
}

// read gives one line without its end. The last line may lack one.
func (l *Lines) read() (string, error) {
	raw, err := l.in.ReadSlice('\n')
	if len(raw) > 0 {
		l.line++
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if !errors.Is(err, bufio.ErrBufferFull) && len(text) <= MaxLine {
		return text, err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.in.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return "", l.Fault(fmt.Errorf("the line is longer than %d bytes: write one target a line", MaxLine))
}

func content(text string) string {
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark
	for i := range len(text) {
		if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			text = text[:i]
			break
		}
	}
	return strings.TrimSpace(text)
}
