package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/progress"
	"github.com/dialscope/dialscope/internal/cli/story"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/host/pcapfile"
)

const aboutRead = `Reads captured packets (pcap, pcapng, either also compressed by gzip or zstd; - is standard input) and tells the story of every TCP connection in them: who spoke to whom, how the handshake went, both ends' states, how it ended and who ended it, and the cause, with the ids that dialscope dial has. Several files are read as one capture, in the order in which they are named.

A connection is told when it is over: 4 minutes of the capture's time after its end, or at the end of the last file, in the order of first packets. One that has begun before the capture is told as far as it goes. Files need no root.

With --interface it reads what passes there instead, until ^C or for the time of --for, and tells a connection when it has stood for a second, when its third SYN is not answered, and when it has ended. This needs CAP_NET_RAW. --host and --port then choose in the kernel; packets that are lost for want of room are counted and shown.`

func (a *app) readCommand() *cobra.Command {
	o := new(readOptions)
	cmd := &cobra.Command{
		Use:   "read FILE... | --interface IF",
		Short: "Tell the story of every TCP connection in captured packets",
		Long:  aboutRead,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd.Flags()); err != nil {
				return err
			}
			switch {
			case o.iface != "" && len(args) > 0:
				return usagef("--interface %s reads what passes there: leave out %q, or read the file without it", clip(o.iface), clip(args[0]))
			case o.iface != "":
				return a.readLive(cmd.Context(), o)
			case len(args) == 0:
				return usagef("no file: write dialscope read FILE, for example dialscope read capture.pcap (- is standard input), or --interface IF")
			}
			return a.readCaptures(cmd.Context(), o, args)
		},
	}
	o.register(cmd.Flags())
	words := func(name string, choices ...string) {
		complete(cmd, name, func(string) []string { return choices })
	}
	words("only", "failed")
	words("color", "auto", "always", "never")
	complete(cmd, "interface", func(string) []string { return interfaceNames() })
	for _, name := range []string{"host", "port", "ladder", "max-connections", "for"} {
		words(name)
	}
	complete(cmd, "cause", func(string) []string {
		var ids []string
		for _, e := range cause.Catalogue() {
			ids = append(ids, string(e.ID)+"\t"+e.Title)
		}
		return ids
	})
	return cmd
}

func interfaceNames() []string {
	names := []string{"any"}
	all, err := net.Interfaces()
	if err != nil {
		return names
	}
	for i := range all {
		names = append(names, all[i].Name)
	}
	return names
}

// reader is one run of read.
type reader struct {
	app    *app
	o      *readOptions
	style  terminal.Style
	out    *bufio.Writer
	told   bool // at least one connection
	failed bool // a file broke off
	day    string

	frames, octets atomic.Int64 // read so far, for the line of progress
}

func (a *app) reader(o *readOptions) *reader {
	return &reader{app: a, o: o, style: terminal.Detect(a.stdout, terminal.Mode(o.colour), a.env), out: bufio.NewWriterSize(a.stdout, 1<<16)}
}

// reading is the pass that the options ask for.
func (r *reader) reading() *conversation.Reading {
	o := r.o
	pass := &conversation.Reading{Wanted: o.wanted(), Limit: o.limit, Rungs: o.rungs(), Brief: !o.verbose && !o.json && o.ladder == 0}
	if !o.summary {
		pass.Each = r.tell
	}
	return pass
}

func (a *app) readCaptures(ctx context.Context, o *readOptions, names []string) error {
	r := a.reader(o)
	pass := r.reading()
	pass.Start(rand.Uint64())
	for _, name := range names {
		if err := r.file(ctx, pass, name); err != nil {
			return err
		}
	}
	if err := pass.End(); err != nil {
		return err
	}
	if o.ladder != 0 && !r.told {
		return usagef("--ladder %d: there is no such connection: %d are in the capture", o.ladder, pass.Summary.Connections)
	}
	if err := r.finish(pass); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return exit(exitCancelled)
	}
	if r.failed {
		return exit(exitFailed)
	}
	return nil
}

// finish writes the sum.
func (r *reader) finish(pass *conversation.Reading) error {
	switch {
	case r.o.json && (r.o.summary || r.o.iface != ""):
		if err := r.documentOf(pass.Summary.Document()); err != nil {
			return err
		}
	case !r.o.json && r.o.ladder == 0:
		if r.told {
			fmt.Fprintln(r.out)
		}
		fmt.Fprint(r.out, story.Summary(r.style, &pass.Summary, title))
	case pass.Summary.GivenUp > 0:
		r.app.complain(story.GivenUp(&pass.Summary))
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("the answer could not be written: %w", err)
	}
	return nil
}

// file reads one capture. One that breaks off is complained of, and what it
// held counts; an interrupt ends the reading, and what was read is told.
func (r *reader) file(ctx context.Context, pass *conversation.Reading, name string) error {
	var in io.Reader = r.app.stdin
	size := int64(0)
	var file *os.File
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usagef("the file %q cannot be read: %v", clip(name), pathError(err))
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			if info.IsDir() {
				return usagef("%q is a directory: name the capture files in it", clip(name))
			}
			size = info.Size()
		}
		in, file = f, f
	}
	stop := r.progress(name, size)
	_, err := pass.File(&counted{in, &r.octets}, func() error {
		r.frames.Store(int64(pass.Summary.Frames))
		return context.Cause(ctx)
	})
	stop()
	var foreign *pcapfile.Foreign
	var broken *pcapfile.Broken
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.As(err, &foreign):
		return usagef("the file %q: %v", clip(name), foreign)
	case errors.As(err, &broken) && growing(file, size):
		r.app.complain(fmt.Sprintf("the file %q is still being written: what it held is told", clip(name)))
		return nil
	case errors.As(err, &broken):
		r.app.complain(fmt.Sprintf("the file %q: %v: what stands before is told", clip(name), broken))
		r.failed = true
		return nil
	}
	return fmt.Errorf("the file %q: %w", clip(name), err)
}

// growing says that a file is longer at the end of reading than before it: then
// its last record is not damaged, but not whole yet.
func growing(f *os.File, size int64) bool {
	if f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular() && info.Size() > size
}

// counted counts the octets that were read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// progress shows how far a file is read, where somebody may be waiting for it.
func (r *reader) progress(name string, size int64) (stop func()) {
	if !terminal.Is(r.app.stderr) || r.app.env("TERM") == "dumb" {
		return func() {}
	}
	r.octets.Store(0)
	line := progress.NewLine(r.app.stderr, terminal.Detect(r.app.stderr, terminal.Mode(r.o.colour), r.app.env))
	return line.Start(func(since time.Duration) string {
		part := ""
		if size > 0 {
			part = fmt.Sprintf(" %d%%,", min(100, r.octets.Load()*100/size))
		}
		frames := r.frames.Load()
		return fmt.Sprintf("reading %s:%s %d frames, %.1f million a second", clip(name), part, frames, float64(frames)/since.Seconds()/1e6)
	})
}

// tell writes one connection.
func (r *reader) tell(c *conversation.Report) error {
	r.told = true
	if c.Event == conversation.EventLeft && c.Again && !r.o.json {
		return nil // it was told when it opened, and nothing has changed
	}
	switch {
	case r.o.ladder != 0:
		return r.draw(c)
	case r.o.json:
		return r.documentOf(c)
	}
	if day := c.Start.Format(time.DateOnly); day != r.day {
		r.day = day
		fmt.Fprint(r.out, story.Day(r.style, day))
	}
	line := r.style
	if !terminal.Is(r.app.stdout) {
		line.Width = 0 // a connection is a line to grep(1)
	}
	fmt.Fprint(r.out, story.Line(line, c))
	if r.o.verbose {
		fmt.Fprint(r.out, story.Details(r.style, c)+"\n"+story.Ladder(r.style, c)+"\n")
	}
	return nil
}

// draw writes the ladder of one connection.
func (r *reader) draw(c *conversation.Report) error {
	if r.o.json {
		if err := r.documentOf(c); err != nil {
			return err
		}
	}
	switch {
	case r.o.svg == "-":
		fmt.Fprint(r.out, story.SVG(c))
		return nil
	case r.o.svg != "":
		if err := os.WriteFile(r.o.svg, []byte(story.SVG(c)), 0o666); err != nil {
			return usagef("--svg %q cannot be written: %v", clip(r.o.svg), reason(err))
		}
	}
	if !r.o.json {
		fmt.Fprint(r.out, story.Line(r.style, c)+story.Details(r.style, c)+"\n"+story.Ladder(r.style, c))
	}
	return nil
}
