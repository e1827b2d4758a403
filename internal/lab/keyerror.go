package lab

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// keyError is what is wrong with the value of one key of a scenario.
type keyError struct {
	key  string // "faults[0].firewall.on"
	text string
}

func (e *keyError) Error() string { return e.key + ": " + e.text }

func at(key, format string, args ...any) error {
	return &keyError{key, fmt.Sprintf(format, args...)}
}

// FileError is a scenario file that cannot be read.
type FileError struct {
	File string
	Line int    // 0: not known
	Key  string // empty: the file itself
	Text string
}

func (e *FileError) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Text
}

// locate gives an error its place in the file.
func locate(file string, doc *ast.File, err error) error {
	out := &FileError{File: file, Text: err.Error()}
	var key *keyError
	var syntax yaml.Error
	switch {
	case errors.As(err, &key):
		out.Key, out.Text = key.key, key.text
		out.Line = line(doc, key.key)
	case errors.As(err, &syntax):
		out.Text = syntax.GetMessage()
		if t := syntax.GetToken(); t != nil {
			out.Line, out.Key = t.Position.Line, t.Value
		}
	}
	return out
}

// line is that of a key, or of the nearest key above it that the file has.
func line(doc *ast.File, key string) int {
	for doc != nil && key != "" {
		if path, err := yaml.PathString("$." + key); err == nil {
			if node, err := path.FilterFile(doc); err == nil && node != nil {
				return node.GetToken().Position.Line
			}
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}
