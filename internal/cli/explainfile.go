package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

func (a *app) explainCommand() *cobra.Command {
	o := &options{network: "tcp", colour: string(terminal.Auto)}
	cmd := &cobra.Command{
		Use:   "explain FILE...",
		Short: "Judge stored reports again, offline, with the rules of this version",
		Long: `explain reads reports that dial or trace wrote with --json, one or many in a file, and judges their evidence anew. Nothing is sent. - is standard input.

The exit status is that of the dial, or of the worst of several.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no file: write dialscope explain FILE, with what dialscope --json wrote (a cause's page is dialscope --explain CAUSE)")
			}
			a.options = o
			return a.explainFiles(args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.json, "json", false, "JSON: one document a line")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no answer, only the exit status")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "every observation")
	flags.Var(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	return cmd
}

func (a *app) explainFiles(names []string) error {
	status, told := exitOpen, 0
	for _, name := range names {
		in := a.stdin
		if name != "-" {
			f, err := openReport(name)
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		if err := a.explainReports(in, name, &status, &told); err != nil {
			return err
		}
	}
	return exit(status)
}

func openReport(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err == nil {
		return f, nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return nil, usagef("the report %q cannot be read: %v", clip(name), err)
}

// explainReports judges every report of one file.
func (a *app) explainReports(in io.Reader, name string, status, told *int) error {
	decoder := json.NewDecoder(in)
	for n := 1; ; n++ {
		r := new(dialscope.Report)
		switch err := decoder.Decode(r); {
		case err == io.EOF && n > 1:
			return nil
		case err == io.EOF:
			return usagef("%s is empty: it should hold what dialscope --json wrote", clip(name))
		case err != nil:
			return usagef("%s, document %d: %v", clip(name), n, err)
		case r.Target == "":
			return usagef("%s, document %d: it is no report: there is no target in it", clip(name), n)
		}
		d := asked{target: target.Target{}, report: r, verdict: r.Verdict()}
		if *told++; *told > 1 && !a.options.json && !a.options.quiet {
			if err := a.print("\n"); err != nil {
				return err
			}
		}
		if err := a.tell(d, true); err != nil {
			return err
		}
		*status = max(*status, d.status())
	}
}
