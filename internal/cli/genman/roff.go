package main

import (
	"strings"

	"github.com/dialscope/dialscope/internal/cli"
)

// page writes the manual as man(7) macros.
func page(m cli.Manual) string {
	r := new(roff)
	r.b.WriteString(".TH DIALSCOPE 1 \"\" dialscope \"User Commands\"\n")
	r.section("NAME")
	r.text("dialscope - " + strings.ToLower(m.Short[:1]) + m.Short[1:])
	r.section("SYNOPSIS")
	r.bold("dialscope")
	r.text("[OPTIONS] TARGET...")
	r.macro("br")
	r.bold("dialscope")
	r.text("COMMAND")
	r.section("DESCRIPTION")
	r.paragraphs(m.About)
	r.section("OPTIONS")
	for _, group := range m.Options {
		r.chapter(group)
	}
	r.section("COMMANDS")
	r.items(m.Commands)
	for _, p := range m.Pages {
		r.section(strings.ToUpper(p.Use[:strings.IndexByte(p.Use+" [", '[')-1]))
		r.bold(p.Use)
		r.macro("PP")
		r.paragraphs(p.About)
		r.items(p.Options)
	}
	r.section("ENVIRONMENT")
	r.paragraphs(m.Environment)
	r.section("EXIT STATUS")
	r.items(m.Statuses)
	r.macro("PP")
	r.text(m.StatusNote)
	r.section("EXAMPLES")
	r.items(m.Examples)
	r.section("CAUSES")
	r.text("Each has a page of its own: dialscope --explain NAME.")
	for _, group := range m.Causes {
		r.chapter(group)
	}
	r.section("SEE ALSO")
	r.text("connect(2), tcp(7), ip(7), ss(8), tracepath(8), tcpdump(8)")
	return r.b.String()
}

// roff is a page under way.
type roff struct{ b strings.Builder }

func (r *roff) macro(line string) { r.b.WriteString("." + line + "\n") }

func (r *roff) section(title string) { r.macro("SH " + quote(title)) }

func (r *roff) bold(text string) { r.macro("B " + quote(text)) }

// text is a line of prose. A dot or a quote at its start would be a macro.
func (r *roff) text(text string) {
	text = escape(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	r.b.WriteString(text + "\n")
}

func (r *roff) paragraphs(text string) {
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			r.macro("PP")
		}
		r.text(p)
	}
}

func (r *roff) chapter(c cli.Chapter) {
	r.macro("SS " + quote(c.Title))
	r.items(c.Items)
}

func (r *roff) items(items []cli.Item) {
	for _, item := range items {
		r.macro("TP")
		r.bold(strings.TrimSpace(item.Name))
		r.text(item.Text)
	}
}

// quote makes one argument of a macro.
func quote(text string) string {
	return `"` + strings.ReplaceAll(escape(text), `"`, `\(dq`) + `"`
}

// signs are characters that groff_char(7) has names for, or that it would
// typeset as others: a hyphen in a command must stay one.
var signs = strings.NewReplacer(
	`\`, `\e`, "-", `\-`, "…", `\|.\|.\|.`, "µ", `\(mc`, "→", `\(->`, "§", `\(sc`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`,
)

func escape(text string) string { return signs.Replace(text) }
