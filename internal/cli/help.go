package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// about says in prose what dial does; the manual has it too.
const about = `dialscope opens a TCP or UDP connection and says exactly what happened: the outcome that an application would have seen, its cause, who did it, how sure that is, what to do, and what happened when. Nothing needs root; more privilege only adds evidence (dialscope doctor).

A target is HOST:PORT, HOST:SERVICE, [IPv6]:PORT, or a URL. Several targets are dialed a few at once and answered in their order; - reads them from standard input, one a line, with # comments.`

// examples are worth a line each.
var examples = []struct{ command, text string }{
	{"dialscope example.com:443", "what happens when this host connects there"},
	{"dialscope https://example.com/ db:postgresql [2001:db8::1]:22", "several targets, named in several ways"},
	{"dialscope --all example.com:443", "every address of the name"},
	{"dialscope --json db:5432 | jq .cause", "for a program"},
	{"dialscope --until-open --for 60s db:5432 && ./migrate", "wait for a service"},
	{"dialscope --count 100 --interval 100ms db:5432", "loss, and how long answers take"},
	{"dialscope --network udp 192.0.2.53:53", "a UDP service"},
	{"dialscope read capture.pcap", "the story of every connection in captured packets"},
	{"dialscope --explain port-closed", "the page of a cause, or of an errno"},
}

// help writes a command's help, as wide as the terminal.
func (a *app) help(cmd *cobra.Command, _ []string) {
	style := terminal.Style{Width: 80}
	if a.stdout != nil {
		style = terminal.Detect(a.stdout, terminal.Auto, a.env)
	}
	h := &helper{style: style}
	h.command(cmd)
	_ = a.print(style.Text(h.b.String()))
}

// helper lays out help.
type helper struct {
	style terminal.Style
	b     strings.Builder
}

func (h *helper) width() int { return min(h.style.Width, 100) }

func (h *helper) heading(text string) {
	if h.b.Len() > 0 {
		h.b.WriteByte('\n')
	}
	h.b.WriteString(h.style.Bold(text) + "\n")
}

func (h *helper) prose(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			h.b.WriteByte('\n')
		}
		for _, line := range terminal.Wrap(paragraph, h.width()) {
			h.b.WriteString(line + "\n")
		}
	}
}

// entry is a name and what it means beside it, or below it where the name is
// too long.
func (h *helper) entry(name, text string, column int) {
	lead := "  " + h.style.Command(name)
	if terminal.Columns(name)+4 > column {
		h.b.WriteString(lead + "\n")
		lead = ""
	}
	for _, line := range terminal.Wrap(text, max(20, h.width()-column)) {
		h.b.WriteString(terminal.Pad(lead, column) + line + "\n")
		lead = ""
	}
}

func (h *helper) command(cmd *cobra.Command) {
	dials := cmd.Flags().Lookup("until-open") != nil
	switch {
	case dials:
		h.prose(about)
	case cmd.Long != "":
		h.prose(strings.TrimSpace(cmd.Long))
	default:
		h.prose(cmd.Short)
	}
	h.heading("Usage")
	h.b.WriteString("  " + usageLine(cmd) + "\n")
	if !cmd.HasParent() {
		h.b.WriteString("  dialscope COMMAND\n")
	}
	if dials {
		h.heading("Examples")
		for _, e := range examples {
			h.entry(e.command, e.text, 6)
		}
		for _, group := range groups {
			h.heading(group)
			h.flags(cmd, group)
		}
	} else if hasOptions(cmd) {
		h.heading("Options")
		h.flags(cmd, "")
	}
	if cmd.HasAvailableSubCommands() {
		h.heading("Commands")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				h.entry(c.Name(), c.Short, 14)
			}
		}
	}
	if dials {
		h.heading("Environment")
		h.prose(environment)
		h.heading("Exit status")
		for _, s := range exitStatuses {
			h.entry(fmt.Sprintf("%3d", s.code), s.text, 7)
		}
		h.prose(severalStatus)
	}
}

// environment says how options are preset.
const environment = `Options that describe a habit can be preset: DIALSCOPE_TIMEOUT=2s is --timeout 2s, DIALSCOPE_COLOR=never is --color never, and so on. The command line goes before the environment. NO_COLOR and CLICOLOR_FORCE are heeded.`

// severalStatus says which status several dials give.
const severalStatus = `Of several targets, and of several dials, the highest status counts.`

// hasOptions says whether a command has options beside --help.
func hasOptions(cmd *cobra.Command) (has bool) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { has = has || !f.Hidden && f.Name != "help" })
	return has
}

func usageLine(cmd *cobra.Command) string {
	use := cmd.UseLine()
	if cmd.HasParent() && cmd.HasAvailableSubCommands() && !hasOptions(cmd) {
		return cmd.CommandPath() + " COMMAND"
	}
	if before, after, ok := strings.Cut(use, " TARGET..."); ok {
		return before + " [OPTIONS] TARGET..." + strings.TrimSuffix(after, " [flags]")
	}
	return strings.ReplaceAll(use, "[flags]", "[OPTIONS]")
}

func (h *helper) flags(cmd *cobra.Command, group string) {
	for _, o := range optionItems(cmd, group) {
		h.entry(o.Name, o.Text, 30)
	}
}

// flagWords is how an option is written, and what it does.
func flagWords(f *pflag.Flag) (name, text string) {
	value, text := pflag.UnquoteUsage(f)
	name = "    --" + f.Name // under those with a letter
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if f.Value.Type() != "bool" && value != "" {
		name += " " + value
	}
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
	default:
		text += " (default " + f.DefValue + ")"
	}
	return name, text
}
