package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/target"
)

// dialCommand is dial, under its own name and as the root.
func (a *app) dialCommand(use string) *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:               use,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.options = o
			return a.dial(cmd, args)
		},
	}
	o.register(cmd.Flags())
	completeOptions(cmd)
	return cmd
}

// dial reads the command line and chooses the kind of run.
func (a *app) dial(cmd *cobra.Command, args []string) error {
	o := a.options
	if o.version {
		return a.version(false)
	}
	if err := a.preset(cmd); err != nil {
		return err
	}
	if cmd.Flags().Changed("explain") {
		if len(args)+len(o.files) > 0 {
			return usagef("--explain takes no target: remove %q, or --explain", clip(append(args, o.files...)[0]))
		}
		return a.explain(o.explain)
	}
	if o.payload.list {
		return a.payloads()
	}
	if err := o.check(cmd.Flags()); err != nil {
		return err
	}
	inputs, err := a.inputs(args)
	if err != nil {
		return err
	}
	defer inputs.close()

	repeated := cmd.Flags().Changed("count") && o.count != 1
	until := o.untilOpen || o.untilClosed
	if !inputs.single() && (repeated || until) {
		return usagef("--count and --until-… are for one target, not for %d or a file: run one dialscope for each", len(inputs.sources))
	}
	if o.packets == "" && (until || repeated) {
		o.packets = "none"
	}
	if o.probes == "" {
		switch {
		case until, repeated: // what one dial found out need not be found out again
			o.probes = "none"
		case !inputs.single():
			o.probes = "few"
		}
	}
	a.confine()
	if err := a.hearKernel(); err != nil {
		return err
	}
	if a.events != nil {
		defer a.events.Close()
	}
	defer a.confineFurther()()
	switch {
	case until:
		return a.wait(cmd.Context(), inputs.sources[0].target)
	case repeated:
		return a.repeat(cmd.Context(), inputs.sources[0].target)
	case inputs.single():
		return a.one(cmd.Context(), inputs.sources[0].target)
	}
	return a.many(cmd.Context(), inputs)
}

// inputs is where the targets come from, in order.
type inputs struct{ sources []input }

// input is a target of the command line, or a file of them.
type input struct {
	target target.Target
	lines  *target.Lines // nil: target
	file   io.Closer
}

// single says that there is one target, named on the command line.
func (in *inputs) single() bool {
	return len(in.sources) == 1 && in.sources[0].lines == nil
}

func (in *inputs) close() {
	for _, s := range in.sources {
		if s.file != nil {
			s.file.Close()
		}
	}
}

// inputs checks every argument and opens every file before the first packet.
func (a *app) inputs(args []string) (*inputs, error) {
	in := new(inputs)
	network := a.options.dialNetwork()
	files := a.options.files
	stdin := false
	open := func(name string) error {
		if name == "-" {
			if stdin {
				return usagef("standard input (-) is named twice: remove one")
			}
			stdin = true
			in.sources = append(in.sources, input{lines: target.NewLines(a.stdin, name, network)})
			return nil
		}
		f, err := openFile(name)
		if err != nil {
			return err
		}
		in.sources = append(in.sources, input{lines: target.NewLines(f, name, network), file: f})
		return nil
	}
	for _, arg := range args {
		if arg == "-" {
			if err := open(arg); err != nil {
				in.close()
				return nil, err
			}
			continue
		}
		t, err := a.parse(arg, network)
		if err != nil {
			in.close()
			return nil, err
		}
		in.sources = append(in.sources, input{target: t})
	}
	for _, name := range files {
		if err := open(name); err != nil {
			in.close()
			return nil, err
		}
	}
	if len(in.sources) == 0 {
		return nil, usagef("no target: write dialscope HOST:PORT, for example dialscope example.com:443 (dialscope --help tells the rest)")
	}
	return in, nil
}

func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, usagef("the target file %q cannot be read: %v", clip(name), err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, usagef("the target file %q is a directory: name a file with one target a line", clip(name))
	}
	return f, nil
}

// parse reads a target of the command line.
func (a *app) parse(arg, network string) (target.Target, error) {
	t, err := target.Parse(arg, network)
	if err != nil {
		text := err.Error()
		for _, name := range a.commands {
			if cause.Distance(arg, name) <= 2 && len(arg) > 3 {
				text += fmt.Sprintf("; or did you mean the command %s?", name)
			}
		}
		return t, &usageError{text}
	}
	return t, a.options.checkTarget(t)
}
