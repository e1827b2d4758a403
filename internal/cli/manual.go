package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/cause"
)

// Manual is what --help says, in parts, for the generator of the manual page.
type Manual struct {
	Short       string
	About       string // paragraphs, with an empty line between them
	Options     []Chapter
	Commands    []Item
	Pages       []Page // of the commands that have options of weight
	Examples    []Item
	Environment string
	Statuses    []Item
	StatusNote  string
	Causes      []Chapter
}

// Page is a command with a section of its own.
type Page struct {
	Use, About string // the line to type, and paragraphs
	Options    []Item
}

// Chapter is a heading and what stands under it.
type Chapter struct {
	Title string
	Items []Item
}

// Item is a name (an option, a command, a cause) and what it means.
type Item struct{ Name, Text string }

// NewManual collects the manual from the commands themselves.
func NewManual() Manual {
	root := new(app).root()
	m := Manual{Short: root.Short, About: about, Environment: environment, StatusNote: severalStatus}
	for _, group := range groups {
		m.Options = append(m.Options, Chapter{group, optionItems(root, group)})
	}
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		text := c.Short + "."
		if c.Name() == "read" {
			text += " " + strings.ReplaceAll(c.Long, "\n\n", " ")
			m.Options = append(m.Options, Chapter{"Of dialscope read", optionItems(c, "")})
		}
		for _, o := range optionItems(c, "") {
			if c.Name() == "version" || c.Name() == "doctor" {
				text += fmt.Sprintf(" %s: %s.", o.Name, o.Text)
			}
		}
		m.Commands = append(m.Commands, Item{c.Name(), text})
		switch c.Name() {
		case "sockets", "watch", "listen":
			m.Pages = append(m.Pages, Page{usageLine(c), c.Long, optionItems(c, "")})
		case "sweep":
			m.Pages = append(m.Pages, Page{usageLine(c), c.Long, optionItems(c, "")})
			for _, sub := range c.Commands() {
				m.Pages = append(m.Pages, Page{usageLine(sub), sub.Long, optionItems(sub, "")})
			}
		}
	}
	for _, e := range examples {
		m.Examples = append(m.Examples, Item{e.command, e.text})
	}
	for _, s := range exitStatuses {
		m.Statuses = append(m.Statuses, Item{fmt.Sprint(s.code), s.text})
	}
	for _, e := range cause.Catalogue() {
		if n := len(m.Causes); n == 0 || m.Causes[n-1].Title != string(e.Group) {
			m.Causes = append(m.Causes, Chapter{Title: string(e.Group)})
		}
		last := &m.Causes[len(m.Causes)-1]
		last.Items = append(last.Items, Item{string(e.ID), e.Title})
	}
	return m
}

// optionItems lists a command's options under one heading, or all of them.
func optionItems(cmd *cobra.Command, group string) []Item {
	var items []Item
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || group != "" && !inGroup(f, group) {
			return
		}
		name, text := flagWords(f)
		items = append(items, Item{name, text})
	})
	return items
}

func inGroup(f *pflag.Flag, group string) bool {
	of := f.Annotations[groupKey]
	return len(of) > 0 && of[0] == group
}
