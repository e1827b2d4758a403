package answer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/golden"
)

func catalogueTitle(id cause.ID) string {
	e, _ := cause.Lookup(id)
	return e.Title
}

// Invented entries, so that the catalogue's own words may change freely.
func TestPagesGolden(t *testing.T) {
	entry := cause.Entry{
		ID: "some-cause", Group: "A heading", Title: "what it is in a line",
		Explanation: "At {address} it is so[[, at hop {hop}]].", Remedy: "Look with `ss -ltn`, then start it.",
		Errnos: nil, Culprit: cause.Router, Reference: "RFC 9293 §3.10.7.1; connect(2)",
		Page: "A first paragraph that is longer than the line it stands on and must be\nfilled again with `code` in it.\n\nBy hand:\n    ss -ltn 'sport = :PORT'\n    nft list ruleset\n\nThe end.",
	}
	errno := cause.ErrnoEntry{
		Name: "EXAMPLE", Number: 7, Meaning: "It went wrong.", When: "At once, from `connect`.", Windows: "WSAEXAMPLE (10007).", BSD: "The same.",
		Outcome: cause.Refused, Causes: []cause.ID{cause.PortClosed, cause.IsOpen},
	}
	title := func(id cause.ID) string { return titles[id] }
	var got strings.Builder
	for _, style := range []terminal.Style{{Width: 60, Unicode: true}, {Width: 80}, {Width: 80, Unicode: true, Colour: true}} {
		fmt.Fprintf(&got, "==== %+v\n", style)
		got.WriteString(Page(style, entry) + "----\n")
		got.WriteString(ErrnoPage(style, errno, title) + "----\n")
		got.WriteString(List(style, []cause.Entry{entry}, []cause.ErrnoEntry{errno}))
	}
	golden.Check(t, "pages.golden", strings.ReplaceAll(got.String(), "\x1b", "␛"))
}

// Every page of the catalogue fits a terminal, commands aside.
func TestEveryPageFits(t *testing.T) {
	style := terminal.Style{Width: 80, Unicode: true}
	check := func(name, text string) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); terminal.Columns(line) > 80 && !strings.HasPrefix(line, "      ") {
				t.Errorf("%s: %q", name, line)
			}
			if strings.ContainsAny(line, "{}") && !strings.HasPrefix(line, "      ") && !strings.Contains(line, "`") {
				t.Errorf("%s: an empty blank is left: %q", name, line)
			}
		}
	}
	for _, e := range cause.Catalogue() {
		check(string(e.ID), Page(style, e))
	}
	for _, e := range cause.Errnos() {
		check(string(e.Name), ErrnoPage(style, e, catalogueTitle))
	}
	check("list", List(style, cause.Catalogue(), cause.Errnos()))
}

func TestChecklistGolden(t *testing.T) {
	checks := []Check{
		{Title: "what cannot be had", State: "no", Why: "socket(AF_PACKET): EPERM", Adds: "the TTL of a reset, and who made it", Needs: "sudo setcap cap_net_raw+ep /usr/local/bin/dialscope"},
		{Title: "what can", State: "yes", Why: "not said", Adds: "not said"},
		{Title: "what is not known", State: "unknown", Why: "it was not tried", Adds: "little"},
	}
	golden.Check(t, "checklist.golden", "==== 80\n"+Checklist(terminal.Style{Width: 80, Unicode: true}, checks)+"==== 60\n"+Checklist(terminal.Style{Width: 60}, checks))
}

func TestRowsGolden(t *testing.T) {
	var got strings.Builder
	for _, width := range []int{60, 80} {
		style := terminal.Style{Width: width, Unicode: true}
		for i, name := range []string{"open", "refused", "timeout", "race", "udp-silent"} {
			got.WriteString(Row(style, i+1, time.Duration(i+1)*1234*us, prepared(cases()[name])))
		}
		got.WriteString(Headline(style, prepared(cases()["race"])))
	}
	golden.Check(t, "rows.golden", got.String())
}
