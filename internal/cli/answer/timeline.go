package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// event is one line of the timeline.
type event struct {
	at      time.Duration // since the dial began
	about   bool          // computed from the kernel's schedule, not seen at that moment
	attempt int           // -1: the name
	text    string
}

// timeColumn holds "~1.02 s" and its like.
const timeColumn = 8

// timeline says what happened when.
func (p *page) timeline(a Answer) {
	events := nameEvents(a.Dial.Log)
	for i := range a.Dial.Attempts {
		events = append(events, attemptEvents(a.Dial, i)...)
	}
	slices.SortStableFunc(events, func(x, y event) int { return cmp.Compare(x.at, y.at) })
	if len(events) == 0 {
		return
	}
	p.line("  " + p.style.Bold("what happened"))
	several := len(a.Dial.Attempts) > 1
	for _, e := range events {
		when := Duration(e.at)
		if e.about {
			when = "~" + when
		}
		prefix := "  " + terminal.PadLeft(p.clean(when), timeColumn) + "  "
		spans := []span{plain(e.text)}
		if several && e.attempt >= 0 {
			spans = slices.Insert(spans, 0, painted("#"+number(e.attempt+1), p.style.Dim))
		}
		indent := timeColumn + 4
		for i, text := range p.wrap(p.width()-indent, p.width()-indent, spans) {
			if i > 0 {
				prefix = strings.Repeat(" ", indent)
			}
			p.line(prefix + text)
		}
	}
}

// nameEvents tells how the name became addresses.
func nameEvents(log evidence.Log) []event {
	var events []event
	add := func(at time.Duration, format string, args ...any) {
		events = append(events, event{at: at, attempt: -1, text: fmt.Sprintf(format, args...)})
	}
	for _, e := range log {
		switch f := e.Fact.(type) {
		case *evidence.HostsEntry:
			if len(f.Addrs) > 0 {
				add(e.At, "%s, line %d: %s is %s", f.File, f.Line, f.Name, list(f.Addrs))
			}
		case *evidence.Lookup:
			add(e.At, "%s", lookupWords(f))
		case *evidence.Candidates:
			if len(f.Addrs) > 1 {
				add(e.At, "%d addresses, in this order: %s", len(f.Addrs), list(f.Addrs))
			}
			if f.Error != "" {
				add(e.At, "the resolver says: %s", f.Error)
			}
		case *evidence.Expired:
			add(e.At, "given up: the limit of %s for the %s", limit(f.Limit), f.Scope)
		case *evidence.Cancelled:
			add(e.At, "%s", cancelWords(f))
		}
	}
	return events
}

func lookupWords(f *evidence.Lookup) string {
	var b strings.Builder
	fmt.Fprintf(&b, "asked %s for %s %s: ", serverWords(f), f.Type, strings.TrimSuffix(f.Name, "."))
	switch {
	case f.Errno != "":
		b.WriteString(string(f.Errno))
		if f.Offender.IsValid() {
			b.WriteString(", ICMP from " + f.Offender.String())
		}
	case f.Timeout:
		b.WriteString("no answer in " + Duration(f.Took))
		return b.String()
	case f.Cancelled:
		b.WriteString("given up before an answer came")
	case f.Malformed != "" && f.Rcode == "":
		b.WriteString("an answer that is none, " + f.Malformed)
	case len(f.Addrs) > 0:
		b.WriteString(list(f.Addrs))
	case len(f.Services) > 0:
		b.WriteString(serviceWords(f.Services))
	case f.Rcode == "NOERROR":
		b.WriteString("no such record")
	case f.Rcode != "":
		b.WriteString(f.Rcode)
	}
	if len(f.CNAMEs) > 0 {
		b.WriteString(" by way of " + strings.Join(f.CNAMEs, ", "))
	}
	if f.Malformed != "" && f.Rcode != "" {
		b.WriteString(", malformed: " + f.Malformed)
	}
	if f.EDE != "" {
		b.WriteString(", the server adds: " + f.EDE)
	}
	if f.TTL > 0 && len(f.Addrs) > 0 {
		fmt.Fprintf(&b, " (TTL %d s, %s)", f.TTL, Duration(f.Took))
	} else {
		fmt.Fprintf(&b, " (%s)", Duration(f.Took))
	}
	return b.String()
}

func serverWords(f *evidence.Lookup) string {
	server := f.Server.String()
	if f.Server.Port() == 53 {
		server = f.Server.Addr().String()
	}
	if f.Transport == "tcp" {
		server += " over TCP"
	}
	return server
}

func serviceWords(services []evidence.Service) string {
	var words []string
	for _, s := range services {
		text := fmt.Sprintf("%d %s", s.Priority, s.Target)
		if s.Port != 0 {
			text += fmt.Sprintf(" port %d", s.Port)
		}
		if len(s.ALPN) > 0 {
			text += " " + strings.Join(s.ALPN, "/")
		}
		words = append(words, text)
	}
	return strings.Join(words, "; ")
}

func cancelWords(f *evidence.Cancelled) string {
	switch f.By {
	case "race":
		return "closed: another address was faster"
	case "signal":
		return "interrupted by a signal"
	}
	if f.Reason != "" && f.Reason != "context canceled" {
		return "given up by the caller: " + f.Reason
	}
	return "given up by the caller"
}

// list writes addresses with commas.
func list[T fmt.Stringer](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.String()
	}
	return strings.Join(words, ", ")
}
