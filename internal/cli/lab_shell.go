package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/lab"
)

func (a *app) labShellCommand() *cobra.Command {
	host := "client"
	cmd := &cobra.Command{
		Use:               "shell NAME [-- COMMAND...]",
		Short:             "A shell, or a command, inside a scenario's network while it stands",
		Args:              oneScenario,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := scenarios(args[0])
			if err != nil {
				return err
			}
			if len(found) > 1 {
				return usagef("%q names %d scenarios, such as %s and %s: a shell is for one", clip(args[0]), len(found), found[0].Name, found[1].Name)
			}
			if err := found[0].CheckHost(host); err != nil {
				return usagef("--host: %v", err)
			}
			here, err := a.inside(cmd)
			if !here {
				return err
			}
			if len(args) == 1 {
				a.hint(found[0], host)
			}
			code, err := lab.Shell(cmd.Context(), found[0], host, args[1:], a.stdin, a.stdout, a.stderr)
			if err != nil {
				return err
			}
			return exit(code)
		},
	}
	cmd.Flags().StringVar(&host, "host", host, "the `HOST` of the scenario to be in")
	return cmd
}

// hint says where a person is and what to type there.
func (a *app) hint(s *lab.Scenario, host string) {
	style := terminal.Detect(a.stderr, terminal.Auto, a.env)
	fmt.Fprint(a.stderr, style.Text(fmt.Sprintf("%s stands, and you are in %s: %s\nTry: %s\nTo see the hosts: ip -br addr; ip route. The end of this shell takes the network down.\n",
		style.Bold(s.Name), host, s.Title, style.Command(s.CommandLine()))))
}
