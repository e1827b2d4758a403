package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/lab/experiment"
)

func (a *app) labTableCommand() *cobra.Command {
	var names []string
	for _, e := range experiment.Experiments() {
		names = append(names, e.Name)
	}
	return &cobra.Command{
		Use:       "table " + strings.Join(names, "|"),
		Short:     "Settle by measurement: was it a success, how long until it gives up, is a failed socket dead",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("lab table needs one of %s", strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, e := range experiment.Experiments() {
				if e.Name != args[0] {
					continue
				}
				here, err := a.inside(cmd)
				if !here {
					return err
				}
				table, err := e.Run(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(table.Markdown())
			}
			return usagef("there is no table %q: write %s", clip(args[0]), strings.Join(names, ", "))
		},
	}
}
