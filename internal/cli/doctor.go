package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What this host and this user can observe, and what a missing privilege would add",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			return a.doctor(asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON document")
	return cmd
}

func (a *app) doctor(bool) error { return nil }
