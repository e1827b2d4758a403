package results

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/cause"
)

// Writer writes records in one format.
type Writer interface {
	Write(r *Record) error
	Close() error // writes what is left; the file is closed
}

// Formats are the endings of file names that [Create] knows.
const Formats = ".ndjson, .json, .csv, .parquet, .xml (nmap's) or .txt (HOST:PORT a line)"

// Create makes a file of the format that its name ends in. One that exists is
// not written over unless force is set.
func Create(name string, force bool) (Writer, error) {
	var make func(*bufio.Writer) (Writer, error)
	switch strings.ToLower(filepath.Ext(name)) {
	case ".ndjson", ".json", ".jsonl":
		make = func(w *bufio.Writer) (Writer, error) { return &ndjson{out: w}, nil }
	case ".csv":
		make = newCSV
	case ".txt":
		make = func(w *bufio.Writer) (Writer, error) { return &list{w}, nil }
	case ".xml":
		make = newXML
	case ".parquet":
		make = newParquet
	default:
		return nil, fmt.Errorf("%q: the format is told by the ending: write %s", name, Formats)
	}
	return create(name, force, make)
}

func create(name string, force bool, make func(*bufio.Writer) (Writer, error)) (Writer, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%q exists: name another file, or add --force to write over it", name)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("%q cannot be written: %w", name, path.Err)
	}
	if err != nil {
		return nil, err
	}
	buffer := bufio.NewWriterSize(f, 1<<16)
	w, err := make(buffer)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{w, buffer, f}, nil
}

// CreateXML is Create for nmap's XML under any name.
func CreateXML(name string, force bool) (Writer, error) { return create(name, force, newXML) }

type file struct {
	Writer
	buffer *bufio.Writer
	f      *os.File
}

// Close tells the first of what goes wrong: the rest follows from it.
func (f *file) Close() error {
	err := f.Writer.Close()
	for _, next := range []func() error{f.buffer.Flush, f.f.Close} {
		if failed := next(); err == nil {
			err = failed
		}
	}
	return err
}

// NewNDJSON writes one JSON object a line to a stream, each at once when
// flush is called.
func NewNDJSON(w io.Writer) *NDJSON {
	return &NDJSON{ndjson{out: bufio.NewWriterSize(w, 1<<16)}}
}

// NDJSON is the writer for standard output.
type NDJSON struct{ ndjson }

// Flush writes what is buffered.
func (n *NDJSON) Flush() error { return n.out.Flush() }

// Close flushes.
func (n *NDJSON) Close() error { return n.out.Flush() }

type ndjson struct {
	out  *bufio.Writer
	line []byte
}

func (n *ndjson) Write(r *Record) error {
	n.line = append(r.Append(n.line[:0]), '\n')
	_, err := n.out.Write(n.line)
	return err
}

func (n *ndjson) Close() error { return nil }

type list struct{ *bufio.Writer }

func (l *list) Write(r *Record) error {
	if r.Outcome != cause.Open {
		return nil
	}
	_, err := l.WriteString(r.Addr.String() + "\n")
	return err
}

func (l *list) Close() error { return nil }

type csvWriter struct{ *csv.Writer }

var csvColumns = []string{"address", "port", "outcome", "errno", "cause", "latency_ns", "syns", "attempts", "name",
	"culprit", "culprit_address", "icmp_type", "icmp_code", "icmp_offender", "banner", "tls"}

func newCSV(w *bufio.Writer) (Writer, error) {
	c := &csvWriter{csv.NewWriter(w)}
	return c, c.Writer.Write(csvColumns)
}

func (c *csvWriter) Write(r *Record) error {
	row := []string{"", strconv.Itoa(int(r.Addr.Port())), string(r.Outcome), string(r.Errno), string(r.Cause),
		strconv.FormatInt(int64(r.Latency), 10), strconv.Itoa(r.SYNs), strconv.Itoa(r.Attempts), r.Name,
		string(r.Culprit.Kind), "", "", "", "", escape(r.Banner), r.TLS}
	if r.Addr.Addr().IsValid() {
		row[0] = r.Addr.Addr().String()
	}
	if r.Culprit.Address.IsValid() {
		row[10] = r.Culprit.Address.String()
	}
	if r.ICMP.Version != 0 {
		row[11], row[12], row[13] = strconv.Itoa(int(r.ICMP.Type)), strconv.Itoa(int(r.ICMP.Code)), r.ICMP.Offender.String()
	}
	return c.Writer.Write(row)
}

func (c *csvWriter) Close() error {
	c.Flush()
	return c.Error()
}

// escape writes control characters so that a banner stays on its line.
func escape(s string) string {
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}

// Escape is how a banner is shown to a person.
func Escape(s string) string { return escape(s) }
