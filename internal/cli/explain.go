package cli

import (
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// explain prints the page of a cause or an errno, or lists them all.
func (a *app) explain(word string) error {
	style := a.style()
	word = strings.TrimSpace(word)
	if strings.EqualFold(word, "list") {
		if a.options.json {
			return a.printJSON(catalogueOf(cause.Catalogue(), cause.Errnos()), terminal.Is(a.stdout))
		}
		return a.print(answer.List(style, cause.Catalogue(), cause.Errnos()))
	}
	id := cause.ID(strings.ReplaceAll(strings.ToLower(word), "_", "-"))
	if entry, ok := cause.Lookup(id); ok {
		if a.options.json {
			return a.printJSON(causeOf(entry), terminal.Is(a.stdout))
		}
		return a.print(answer.Page(style, entry))
	}
	if entry, ok := cause.LookupErrno(evidence.Errno(strings.ToUpper(word))); ok {
		if a.options.json {
			return a.printJSON(errnoOf(entry), terminal.Is(a.stdout))
		}
		return a.print(answer.ErrnoPage(style, entry, title))
	}
	if near := nearestWord(word); near != "" {
		return usagef("--explain %q: no such cause or errno; did you mean %s? (dialscope --explain list lists them)", clip(word), near)
	}
	return usagef("--explain %q: no such cause or errno: dialscope --explain list lists them", clip(word))
}

// nearestWord is the errno or cause that a mistyped one was meant to be.
func nearestWord(word string) string {
	if upper := strings.ToUpper(word); strings.HasPrefix(upper, "E") {
		for _, e := range cause.Errnos() {
			if d := cause.Distance(upper, string(e.Name)); d <= 2 && len(upper) > 4 {
				return string(e.Name)
			}
		}
	}
	return string(cause.Nearest(word))
}
