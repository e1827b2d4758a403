package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/story"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/host/pcapfile"
)

const aboutRead = `Reads captured packets (pcap, pcapng, either also compressed by gzip or zstd; - is standard input) and tells the story of every TCP connection in them: who spoke to whom, how the handshake went, both ends' states, how it ended and who ended it, and the cause, with the ids that dialscope dial has. Several files are read as one capture, in the order in which they are named.

A connection is told when it is over: 4 minutes of the capture's time after its end, or at the end of the last file, in the order of first packets. One that has begun before the capture is told as far as it goes. Nothing needs root.`

func (a *app) readCommand() *cobra.Command {
	o := new(readOptions)
	cmd := &cobra.Command{
		Use:   "read FILE...",
		Short: "Tell the story of every TCP connection in captured packets",
		Long:  aboutRead,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no file: write dialscope read FILE, for example dialscope read capture.pcap (- is standard input)")
			}
			if err := o.check(cmd.Flags()); err != nil {
				return err
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
	for _, name := range []string{"host", "port", "ladder", "max-connections"} {
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

// reader is one run of read.
type reader struct {
	app    *app
	o      *readOptions
	style  terminal.Style
	out    *bufio.Writer
	told   bool // at least one connection
	failed bool // a file broke off
}

func (a *app) readCaptures(ctx context.Context, o *readOptions, names []string) error {
	r := &reader{app: a, o: o, style: terminal.Detect(a.stdout, terminal.Mode(o.colour), a.env), out: bufio.NewWriterSize(a.stdout, 1<<16)}
	pass := &conversation.Reading{Wanted: o.wanted(), Limit: o.limit, Rungs: o.rungs(), Brief: !o.verbose && !o.json && o.ladder == 0}
	if !o.summary {
		pass.Each = r.tell
	}
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
	if !o.json && o.ladder == 0 {
		if r.told {
			fmt.Fprintln(r.out)
		}
		fmt.Fprint(r.out, story.Summary(r.style, &pass.Summary, title))
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("the answer could not be written: %w", err)
	}
	if ctx.Err() != nil {
		return exit(exitCancelled)
	}
	if r.failed {
		return exit(exitFailed)
	}
	return nil
}

// file reads one capture. One that breaks off is complained of, and what it
// held counts; an interrupt ends the reading, and what was read is told.
func (r *reader) file(ctx context.Context, pass *conversation.Reading, name string) error {
	var in io.Reader = r.app.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			var path *os.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			return usagef("the file %q cannot be read: %v", clip(name), err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return usagef("%q is a directory: name the capture files in it", clip(name))
		}
		in = f
	}
	_, err := pass.File(in, func() error { return context.Cause(ctx) })
	var foreign *pcapfile.Foreign
	var broken *pcapfile.Broken
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.As(err, &foreign):
		return usagef("the file %q: %v", clip(name), foreign)
	case errors.As(err, &broken):
		r.app.complain(fmt.Sprintf("the file %q: %v: what stands before is told", clip(name), broken))
		r.failed = true
		return nil
	}
	return fmt.Errorf("the file %q: %w", clip(name), err)
}

// tell writes one connection.
func (r *reader) tell(c *conversation.Report) error {
	r.told = true
	switch {
	case r.o.ladder != 0:
		return r.draw(c)
	case r.o.json:
		return r.document(c)
	}
	fmt.Fprint(r.out, story.Line(r.style, c))
	if r.o.verbose {
		fmt.Fprint(r.out, story.Details(r.style, c)+"\n"+story.Ladder(r.style, c)+"\n")
	}
	return nil
}

func (r *reader) document(c *conversation.Report) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("the answer could not be written as JSON: %w", err)
	}
	_, err = r.out.Write(append(data, '\n'))
	return err
}

// draw writes the ladder of one connection.
func (r *reader) draw(c *conversation.Report) error {
	if r.o.json {
		if err := r.document(c); err != nil {
			return err
		}
	}
	switch {
	case r.o.svg == "-":
		fmt.Fprint(r.out, story.SVG(c))
		return nil
	case r.o.svg != "":
		if err := os.WriteFile(r.o.svg, []byte(story.SVG(c)), 0o666); err != nil {
			return fmt.Errorf("the drawing could not be written: %w", err)
		}
	}
	if !r.o.json {
		fmt.Fprint(r.out, story.Line(r.style, c)+story.Details(r.style, c)+"\n"+story.Ladder(r.style, c))
	}
	return nil
}
