package story

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/frame"
)

// Summary sums up a reading: causes, handshake times, and what was not
// understood. Title gives a cause's line in the catalogue.
func Summary(s terminal.Style, sum *conversation.Summary, title func(cause.ID) string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(terminal.Printable(s.Text(fmt.Sprintf(format, args...))) + "\n")
	}
	line("%s, %s, %s to TCP; %s%s", count(sum.Wanted, "connection"), count(sum.Frames, "frame"), count(sum.Segments, "of them belongs", "of them belong"),
		cause.Duration(sum.Last-sum.First), wantedOf(sum))
	if len(sum.Causes) > 0 || sum.Unjudged > 0 {
		b.WriteString("\n" + s.Bold("Causes") + "\n")
		ids := slices.SortedFunc(maps.Keys(sum.Causes), func(a, b cause.ID) int {
			return cmp.Or(cmp.Compare(sum.Causes[b], sum.Causes[a]), cmp.Compare(a, b))
		})
		for _, id := range ids {
			line("  %8d  %-22s %s", sum.Causes[id], id, title(id))
		}
		if sum.Unjudged > 0 {
			line("  %8d  %-22s %s", sum.Unjudged, "-", "the packets do not tell")
		}
	}
	table(&b, s, "Handshakes", sum.Handshakes)
	table(&b, s, "Endings", sum.Endings)
	histogram(&b, s, &sum.RTT)
	if len(sum.Skipped) > 0 {
		b.WriteString("\n" + s.Bold("Frames without TCP") + "\n")
		for _, skip := range sum.Skipped {
			mark := "not understood: "
			if skip.Other {
				mark = ""
			}
			line("  %8d  %s%s", skip.Frames, mark, skip.What)
		}
	}
	fragments(line, &b, &sum.Fragments)
	if sum.GivenUp > 0 {
		b.WriteByte('\n')
		line("%s.", GivenUp(sum))
	}
	if sum.Dropped > 0 {
		b.WriteByte('\n')
		line("The capturing system says that it lost %s: what seems to be missing may only be missing in the capture.", count(sum.Dropped, "packet"))
	}
	if sum.Copies > 0 {
		b.WriteByte('\n')
		line("%s seen on another interface of this host too, and counted once.", count(sum.Copies, "frame was", "frames were"))
	}
	if sum.StrayICMP > 0 {
		b.WriteByte('\n')
		line("%s about connections that are not in the capture.", count(sum.StrayICMP, "ICMP error"))
	}
	return b.String()
}

// GivenUp says that not all connections were followed to their end, and how they
// would be.
func GivenUp(sum *conversation.Summary) string {
	return fmt.Sprintf("%s not followed to the end for want of room; what came of them later counts as others. %d at once are the most: --max-connections N follows more, in about 600 octets each",
		count(sum.GivenUp, "connection was", "connections were"), sum.Limit)
}

// fragments says what became of IP packets that came in fragments.
func fragments(line func(string, ...any), b *strings.Builder, f *frame.Fragments) {
	if f.Packets == 0 {
		return
	}
	b.WriteByte('\n')
	line("%s in fragments: %d whole, %d of which fragments are missing%s.", count(f.Packets, "IP packet came", "IP packets came"), f.Whole, f.Missing,
		headless(f))
	if f.Overlapping > 0 {
		line("%s fragments that overlap, which only attacks and broken devices send: receivers discard them (RFC 5722).", count(f.Overlapping, "of them has", "of them have"))
	}
	if f.TinyHeaders > 0 {
		line("%s its TCP header spread over fragments, as is done to pass filters (RFC 1858).", count(f.TinyHeaders, "of them has", "of them have"))
	}
}

func headless(f *frame.Fragments) string {
	if f.Headless == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of these the first one, with the ports)", f.Headless)
}

func wantedOf(sum *conversation.Summary) string {
	if sum.Wanted == sum.Connections {
		return ""
	}
	return fmt.Sprintf("; %d connections in all", sum.Connections)
}

func count(n uint64, words ...string) string {
	word := words[0]
	if n != 1 {
		word += "s"
		if len(words) > 1 {
			word = words[1]
		}
	}
	return fmt.Sprintf("%d %s", n, word)
}

func table(b *strings.Builder, s terminal.Style, heading string, counts map[string]uint64) {
	if len(counts) == 0 {
		return
	}
	b.WriteString("\n" + s.Bold(heading) + "\n")
	names := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x, y))
	})
	for _, name := range names {
		fmt.Fprintf(b, "  %8d  %s\n", counts[name], name)
	}
}

// histogram shows how long handshakes took.
func histogram(b *strings.Builder, s terminal.Style, h *conversation.Histogram) {
	if h.N == 0 {
		return
	}
	b.WriteString("\n" + s.Bold("SYN to SYN,ACK") + "\n")
	b.WriteString(s.Text(fmt.Sprintf("  %s: least %s, median %s, 99 of 100 below %s, most %s\n", count(h.N, "handshake"),
		cause.Duration(h.Min), cause.Duration(h.Quantile(0.5)), cause.Duration(h.Quantile(0.99)), cause.Duration(h.Max))))
	bars := h.Bars()
	var most uint64
	for _, bar := range bars {
		most = max(most, bar.N)
	}
	const widest = 40
	for _, bar := range bars {
		length := int((bar.N*widest + most - 1) / most)
		line := fmt.Sprintf("  %s %s %s", terminal.PadLeft(s.Text("< "+cause.Duration(bar.To)), 10), terminal.PadLeft(fmt.Sprint(bar.N), 8),
			strings.Repeat(s.Pick("█", "#"), length))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
