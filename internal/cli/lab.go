package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/lab"
)

// labCommand is the laboratory: networks that are broken in one known way.
func (a *app) labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Networks broken in one known way, on this host's own kernel: see what a dial says",
		Long: `lab builds small networks out of network namespaces, breaks each in one exact way, dials inside, and compares the verdict with the truth. Nothing leaves this host, and nothing is left when it ends. It needs no root where the kernel allows user namespaces.

A scenario is named by its name, by its cause, or by a shell pattern ('icmp-*'); all names every one.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("lab has no command %q: write lab list, show, run, shell, capture, matrix or table", clip(args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.labListCommand(), a.labShowCommand(), a.labRunCommand(), a.labShellCommand(), a.labCaptureCommand(), a.labMatrixCommand(), a.labTableCommand(), a.labLimitedCommand())
	return cmd
}

// scenarios are those that the patterns name.
func scenarios(patterns ...string) ([]*lab.Scenario, error) {
	found, err := lab.Find(patterns...)
	if err != nil {
		return nil, usagef("%v (dialscope lab list shows them all)", err)
	}
	return found, nil
}

func completeScenario(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	all, err := lab.Library()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, s := range all {
		if strings.HasPrefix(s.Name, typed) {
			names = append(names, s.Name+"\t"+s.Title)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// one takes exactly one argument, a scenario.
func oneScenario(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs a scenario's name: dialscope lab list shows them", cmd.CommandPath())
	}
	return nil
}

// inside says whether the rest of a command is to be carried out here. Where
// this user cannot build networks it was carried out already, as root of a user
// namespace, and done is the exit status.
func (a *app) inside(cmd *cobra.Command) (here bool, done error) {
	code, carried, err := lab.InUserNamespace(cmd.Context(), os.Args[1:], a.stdin, a.stdout, a.stderr)
	switch {
	case err != nil:
		return false, fmt.Errorf("no network can be built here: %w", err)
	case carried:
		return false, exit(code)
	}
	return true, nil
}

// labStyle is that of standard output, whose lines are cut only for a terminal.
func (a *app) labStyle() terminal.Style {
	style := terminal.Detect(a.stdout, terminal.Auto, a.env)
	if !terminal.Is(a.stdout) {
		style.Width = 0
	}
	return style
}

func (a *app) labListCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "list [PATTERN...]",
		Short:             "List the scenarios",
		ValidArgsFunction: completeScenario,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"all"}
			}
			found, err := scenarios(args...)
			if err != nil {
				return err
			}
			style := a.labStyle()
			var b strings.Builder
			name, cause := 0, 0
			for _, s := range found {
				name, cause = max(name, len(s.Name)), max(cause, len(s.Truth.Cause))
			}
			for _, s := range found {
				b.WriteString(style.Fit(terminal.Pad(s.Name, name+2)+terminal.Pad(string(s.Truth.Cause), cause+2)+s.Title, style.Width) + "\n")
			}
			if len(found) > 1 {
				fmt.Fprintf(&b, "%s\n", style.Dim(fmt.Sprintf("%d scenarios. dialscope lab show NAME explains one, lab run NAME dials it.", len(found))))
			}
			return a.print(style.Text(b.String()))
		},
	}
}

// labLimitedCommand carries out another command line with few descriptors
// left. It is what lab run starts, and not for people.
func (a *app) labLimitedCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "limited N -- COMMAND...",
		Short:              "Carry out a command line with N descriptors left",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, err := lab.Limit(args)
			if err != nil {
				return err
			}
			return exit(Run(cmd.Context(), rest, a.stdin, a.stdout, a.stderr))
		},
	}
}
