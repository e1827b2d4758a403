package cli

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/cli/results"
)

func (a *app) sweepDiffCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two sweeps: what opened, closed, or fails for another cause",
		Long: `diff compares the results of two sweeps, each a journal or what sweep --json printed: what opened, what closed, what changed its outcome or cause, what appeared and what vanished.

The exit status is 0 when nothing differs and 1 when something does.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("diff takes two files: dialscope sweep diff OLD NEW")
			}
			return a.sweepDiff(args[0], args[1], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one change a line as JSON")
	return cmd
}

func (a *app) sweepDiff(before, after string, asJSON bool) error {
	var sides [2]map[netip.AddrPort]results.Side
	for i, name := range []string{before, after} {
		f, err := os.Open(name)
		if err != nil {
			return usagef("%v: name a journal, or a file with what sweep --json printed", err)
		}
		sides[i], err = results.Read(f)
		f.Close()
		if err != nil {
			return usagef("%q: %v", clip(name), err)
		}
	}
	changes := results.Diff(sides[0], sides[1])
	var b strings.Builder
	for _, c := range changes {
		if asJSON {
			line, err := json.Marshal(c)
			if err != nil {
				return err
			}
			b.Write(append(line, '\n'))
			continue
		}
		fmt.Fprintf(&b, "%-8s %-28s %s -> %s\n", c.Kind, c.Addr, sideWords(c.Old), sideWords(c.New))
	}
	if err := a.print(b.String()); err != nil {
		return err
	}
	if len(changes) > 0 {
		return exit(1)
	}
	return nil
}

func sideWords(s *results.Side) string {
	if s == nil {
		return "nothing"
	}
	if string(s.Outcome) == string(s.Cause) {
		return string(s.Outcome)
	}
	return fmt.Sprintf("%s (%s)", s.Outcome, s.Cause)
}
