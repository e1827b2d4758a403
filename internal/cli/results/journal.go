package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"
)

// Plan is the head of a journal: what the sweep was asked for, so that it can
// go on from the journal alone.
type Plan struct {
	Version  int           `json:"dialscope_journal"`
	Hosts    []string      `json:"hosts,omitempty"`
	Files    []FileOf      `json:"files,omitempty"`
	Ports    []uint16      `json:"ports,omitempty"`
	Exclude  []string      `json:"exclude,omitempty"`
	Reserved bool          `json:"reserved,omitempty"`
	Seed     uint64        `json:"seed"`
	Shard    int           `json:"shard,omitempty"`
	Shards   int           `json:"shards,omitempty"`
	Timeout  time.Duration `json:"timeout_ns"`
	Retries  int           `json:"retries"`
	Banner   bool          `json:"banner,omitempty"`
	Digest   uint64        `json:"digest"` // of the targets that are not in files
}

// FileOf is a file of targets as it was when the sweep began.
type FileOf struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	CRC  uint32 `json:"crc"`
}

// Journals are of this version.
const planVersion = 1

// Sum identifies a file's content.
func Sum(name string) (FileOf, error) {
	f, err := os.Open(name)
	if err != nil {
		return FileOf{}, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	n, err := io.Copy(h, f)
	return FileOf{name, n, h.Sum32()}, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Journal is a file of results, a line each: the record as NDJSON, a tab, and
// its CRC-32C. A line that a kill or a full disk tore has no newline or a
// wrong sum, and everything from there on is cut off when the journal is
// opened again.
type Journal struct {
	f      *os.File
	buffer *bufio.Writer
	line   []byte
}

// NewJournal begins a journal. The file must not exist. It gets its name when its
// head is whole, so that a kill leaves none that cannot be resumed.
func NewJournal(name string, p Plan) (*Journal, error) {
	p.Version = planVersion
	head, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	f, err := createWith(name, seal(head))
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("the journal %q exists: go on with --resume %s, or name another file", name, name)
	}
	if err != nil {
		return nil, err
	}
	return &Journal{f: f, buffer: bufio.NewWriterSize(f, 1<<16)}, nil
}

// createWith creates a file that begins with these octets. Where the file system
// knows no links, it is there a moment without them.
func createWith(name string, begin []byte) (*os.File, error) {
	const exclusive = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	draft := fmt.Sprintf("%s.%d.new", name, os.Getpid())
	f, err := os.OpenFile(draft, exclusive, 0o644)
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		path.Path = name // what the user knows of
	}
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft)
	_, err = f.Write(begin)
	if err == nil {
		err = os.Link(draft, name)
	}
	if errors.As(err, new(*os.LinkError)) && !errors.Is(err, os.ErrExist) {
		f.Close()
		if f, err = os.OpenFile(name, exclusive, 0o644); err != nil {
			return nil, err
		}
		_, err = f.Write(begin)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Write adds a record. It is on its way to the disk after the next Flush.
func (j *Journal) Write(r *Record) error {
	return j.append(r.Append(j.line[:0]))
}

func (j *Journal) append(line []byte) error {
	j.line = seal(line)
	_, err := j.buffer.Write(j.line)
	return err
}

// seal makes a line of a record: with its sum.
func seal(line []byte) []byte {
	sum := crc32.Checksum(line, castagnoli)
	line = append(line, '\t')
	line = strconv.AppendUint(line, uint64(sum), 16)
	return append(line, '\n')
}

// Flush hands what was written to the kernel: a killed process loses nothing
// of it.
func (j *Journal) Flush() error { return j.buffer.Flush() }

// Close flushes to the disk itself and closes the file.
func (j *Journal) Close() error {
	return errors.Join(j.buffer.Flush(), j.f.Sync(), j.f.Close())
}

// Resume opens a journal, gives each of its records to each, once, and cuts off
// a torn end. What is written after goes on from there.
func Resume(name string, each func(*Record) error) (*Journal, Plan, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, Plan{}, err
	}
	p, end, err := read(f, each)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, Plan{}, errors.Join(fmt.Errorf("journal %q: %w", name, err), f.Close())
	}
	return &Journal{f: f, buffer: bufio.NewWriterSize(f, 1<<16)}, p, nil
}

// PlanOf reads a journal's head alone.
func PlanOf(name string) (Plan, error) {
	f, err := os.Open(name)
	if err != nil {
		return Plan{}, err
	}
	defer f.Close()
	return readPlan(bufio.NewReader(f))
}

var errNoJournal = errors.New("this is no journal of a sweep")

func readPlan(in *bufio.Reader) (p Plan, err error) {
	line, _ := in.ReadBytes('\n') // a line that is not whole has no sum
	head, ok := unseal(line)
	if !ok || json.Unmarshal(head, &p) != nil || p.Version == 0 {
		return p, errNoJournal
	}
	if p.Version > planVersion {
		return p, fmt.Errorf("the journal is of version %d, which this program does not know", p.Version)
	}
	return p, nil
}

// most is the largest place that a sweep can have.
const most = 1 << 60

// read gives the offset after the last whole line.
func read(f io.Reader, each func(*Record) error) (p Plan, end int64, err error) {
	in := bufio.NewReaderSize(f, 1<<20)
	counted := &countingReader{Reader: in}
	if p, err = counted.plan(); err != nil {
		return p, 0, err
	}
	seen := new(Places)
	for {
		end = counted.n
		line, err := counted.line()
		if err != nil {
			return p, end, nil // the end, or a torn line
		}
		body, ok := unseal(line)
		if !ok {
			return p, end, nil
		}
		r, err := Parse(body)
		if err != nil || r.Place > most {
			return p, end, nil
		}
		if !seen.Add(r.Place) {
			continue
		}
		if err := each(&r); err != nil {
			return p, end, err
		}
	}
}

type countingReader struct {
	*bufio.Reader
	n int64
}

func (c *countingReader) line() ([]byte, error) {
	line, err := c.ReadBytes('\n')
	c.n += int64(len(line))
	return line, err
}

func (c *countingReader) plan() (Plan, error) {
	line, err := c.line()
	if err != nil {
		return Plan{}, errNoJournal
	}
	return readPlan(bufio.NewReader(bytes.NewReader(line)))
}

// unseal checks a line's sum and gives what is before it.
func unseal(line []byte) ([]byte, bool) {
	body, sum, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
	if !ok || len(line) == 0 || line[len(line)-1] != '\n' {
		return nil, false
	}
	n, err := strconv.ParseUint(string(sum), 16, 32)
	return body, err == nil && uint32(n) == crc32.Checksum(body, castagnoli)
}
