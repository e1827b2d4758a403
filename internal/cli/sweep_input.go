package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/internal/cli/results"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/sweep"
)

// plan is what the sweep is asked for, before anything is opened but the
// exclusions, which must be readable: where they are not, nothing starts.
func (a *app) sweepPlan(o *sweepOptions, args []string) (results.Plan, error) {
	service := func(name string) (uint16, bool) {
		t, err := target.Parse("host:"+name, "tcp")
		return t.Port, err == nil
	}
	ports, err := o.portList(service)
	if err != nil {
		return results.Plan{}, err
	}
	p := results.Plan{
		Hosts: args, Ports: ports, Reserved: o.reserved, Seed: o.seed, Shard: o.shard.k, Shards: o.shard.of,
		Timeout: o.options().Timeout, Retries: int(o.retries), Banner: o.banner,
	}
	for _, list := range o.exclude {
		for word := range strings.SplitSeq(list, ",") {
			if _, err := sweep.ParseExclusion(strings.TrimSpace(word)); err != nil {
				return p, usagef("--exclude: %v", err)
			}
			p.Exclude = append(p.Exclude, strings.TrimSpace(word))
		}
	}
	for _, name := range o.excludes {
		words, err := exclusions(name)
		if err != nil {
			return p, err
		}
		p.Exclude = append(p.Exclude, words...)
	}
	stdin := 0
	for _, name := range o.files {
		if name == "-" {
			if stdin++; stdin > 1 {
				return p, usagef("standard input (-) is named twice: remove one")
			}
			if o.journal != "" {
				return p, usagef("a journal cannot say what standard input held: put the targets into a file, or leave --journal out")
			}
			p.Files = append(p.Files, results.FileOf{Name: name})
			continue
		}
		f, err := openFile(name)
		if err != nil {
			return p, err
		}
		f.Close()
		file := results.FileOf{Name: name}
		if o.journal != "" {
			if file, err = results.Sum(name); err != nil {
				return p, fmt.Errorf("the target file %q: %w", name, err)
			}
		}
		p.Files = append(p.Files, file)
	}
	return p, nil
}

// exclusions reads a file of what is never to be touched.
func exclusions(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("the exclusion file cannot be read, and nothing was sent: %v", err)
	}
	defer f.Close()
	var words []string
	for line, err := range linesOf(f) {
		if err == nil {
			_, err = sweep.ParseExclusion(line.text)
		}
		if err != nil {
			return nil, usagef("the exclusion file %q, line %d: %v; nothing was sent", name, line.n, err)
		}
		words = append(words, line.text)
	}
	return words, nil
}

// line is a line of a file without its comment.
type line struct {
	n    int
	text string
}

// linesOf gives the lines of a file that hold something; # begins a comment.
func linesOf(r io.Reader) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		scan := bufio.NewScanner(r)
		n := 0
		for scan.Scan() {
			n++
			text, _, _ := strings.Cut(scan.Text(), "#")
			if text = strings.TrimSpace(text); text != "" && !yield(line{n, text}, nil) {
				return
			}
		}
		err := scan.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = errors.New("the line is too long")
		}
		if err != nil {
			yield(line{n + 1, ""}, err)
		}
	}
}

// sweepTargets joins the words of the command line with those of the files,
// which are read while the sweep goes on.
func (a *app) sweepTargets(p results.Plan) dialscope.SweepTargets {
	t := dialscope.SweepTargets{Hosts: p.Hosts, Ports: p.Ports, Exclude: p.Exclude, Reserved: p.Reserved}
	if len(p.Files) == 0 {
		return t
	}
	t.More = func(yield func(string, error) bool) {
		for _, file := range p.Files {
			if !a.eachTarget(file.Name, yield) {
				return
			}
		}
	}
	return t
}

func (a *app) eachTarget(name string, yield func(string, error) bool) bool {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return yield("", err)
		}
		defer f.Close()
		in = f
	}
	for line, err := range linesOf(in) {
		if err == nil {
			_, err = sweep.ParseTarget(line.text, true, anyService)
		}
		if err != nil {
			yield("", usagef("%s, line %d: %v", name, line.n, err))
			return false
		}
		if !yield(line.text, nil) {
			return false
		}
	}
	return true
}

// anyService: a line is only checked here, and read by the library.

func anyService(string) (uint16, bool) { return 0, true }

// sameFiles says that the files of a journal are as they were.
func sameFiles(p results.Plan) error {
	for _, f := range p.Files {
		now, err := results.Sum(f.Name)
		if err != nil {
			return usagef("the target file of the journal cannot be read: %v", err)
		}
		if now != f {
			return usagef("the target file %q has changed since the sweep began: begin a new one", f.Name)
		}
	}
	return nil
}
