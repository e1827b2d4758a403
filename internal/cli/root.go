package cli

import (
	"github.com/spf13/cobra"
)

// root is dialscope itself: without a command's name its arguments are targets.
func (a *app) root() *cobra.Command {
	root := a.dialCommand("dialscope TARGET...")
	root.Short = "Open a connection and say exactly what happened"
	root.DisableAutoGenTag = true
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(a.help)
	root.SetHelpCommand(a.helpCommand())

	dial := a.dialCommand("dial TARGET...")
	dial.Short = "Open a connection and explain it (the same without the word dial)"
	root.AddCommand(dial, a.sweepCommand(), a.listenCommand(), a.talkCommand(), a.traceCommand(), a.readCommand(), a.socketsCommand(), a.watchCommand(), a.explainCommand(), a.doctorCommand(), a.labCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		a.commands = append(a.commands, c.Name())
		if c.Name() == "completion" {
			c.Short = "Write the completion script for a shell"
			c.Args = none
		}
	}
	return root
}

// helpCommand shows the help of another command.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, _, err := cmd.Root().Find(args)
			if err != nil || found == nil || len(args) > 0 && found == cmd.Root() {
				return usagef("there is no command %q: dialscope --help lists them", clip(args[0]))
			}
			return found.Help()
		},
	}
}
