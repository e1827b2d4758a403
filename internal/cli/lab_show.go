package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/lab"
)

func (a *app) labShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME...",
		Short:             "Explain a scenario: topology, fault, truth, and the commands to build it by hand",
		Args:              oneScenario,
		ValidArgsFunction: completeScenario,
		RunE: func(_ *cobra.Command, args []string) error {
			found, err := scenarios(args...)
			if err != nil {
				return err
			}
			style := a.labStyle()
			var b strings.Builder
			for i, s := range found {
				if i > 0 {
					b.WriteByte('\n')
				}
				showScenario(&b, style, s)
			}
			return a.print(style.Text(b.String()))
		},
	}
}

func showScenario(b *strings.Builder, style terminal.Style, s *lab.Scenario) {
	width := 80
	if style.Width > 0 {
		width = min(width, max(40, style.Width))
	}
	prose := func(text string) {
		for _, line := range terminal.Wrap(text, width) {
			b.WriteString(line + "\n")
		}
	}
	heading := func(text string) { b.WriteString("\n" + style.Bold(text) + "\n") }
	prose(style.Bold(s.Name) + ": " + s.Title)
	b.WriteByte('\n')
	prose(s.Teaches)

	heading("Topology")
	b.WriteString(drawing(style).Replace(s.Draw()))
	if s.Peer != nil {
		heading("The other end's script")
		for line := range strings.Lines(s.Peer.Script) {
			b.WriteString("  " + line)
		}
	}
	if lines := s.Changes(); len(lines) > 0 {
		heading("What was done to it")
		for _, line := range lines {
			b.WriteString("  " + line + "\n")
		}
	}
	heading("Truth")
	showTruth(b, "", s.TruthAt(lab.Privileged))
	if s.Truth.Unprivileged != nil {
		showTruth(b, "without privileges: ", s.TruthAt(lab.Unprivileged))
	}
	if l := s.Listener; l != nil {
		heading("Truth for the listening end")
		if l.Datagrams != "" {
			fmt.Fprintf(b, "  datagrams: %s\n", l.Datagrams)
		} else {
			showTruth(b, "", l.Truth)
		}
	}
	heading("By hand, as root")
	for _, line := range s.Commands() {
		b.WriteString("  " + style.Command(line) + "\n")
	}
}

func showTruth(b *strings.Builder, before string, t lab.Truth) {
	errno := "no errno"
	if t.Errno != "" {
		errno = string(t.Errno)
	}
	fmt.Fprintf(b, "  %s%s: %s\n", before, t.Cause, title(t.Cause))
	who := "nobody to blame"
	if t.Culprit != string(cause.Nobody) {
		who = "culprit: " + t.Culprit
	}
	fmt.Fprintf(b, "  an application sees %s, %s; %s\n", t.Outcome, errno, who)
}

// drawing gives the signs of a topology that an ASCII terminal can show.
func drawing(style terminal.Style) *strings.Replacer {
	if style.Unicode {
		return strings.NewReplacer()
	}
	return strings.NewReplacer("│", "|", "■", "#", "◇", "o", "◆", "*")
}
