package story

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
)

// Measures of the drawing, in pixels.
const (
	svgWidth = 1080
	svgLeft  = 210
	svgRight = 870
	svgTop   = 84
	svgStep  = 52 // of a packet whose meaning takes one line
	svgLine  = 15 // of each further line
	svgWords = 96 // columns of a meaning's line, between the two ends
)

const svgStyle = `
text { font: 12px system-ui, sans-serif; fill: #1c2733 }
.mono { font-family: ui-monospace, monospace }
.title { font-size: 15px; font-weight: 600 }
.end { font-weight: 600 }
.time, .note { fill: #66727f }
.life { stroke: #aab4bf; stroke-width: 2 }
.packet { stroke: #1f6feb; stroke-width: 1.6; fill: none; marker-end: url(#head) }
.warn .packet { stroke: #c4432b; marker-end: url(#warnhead) }
.warn .meaning { fill: #a8321c }
.inferred { font-style: italic }
@media (prefers-color-scheme: dark) {
  svg { background: #12171d } text { fill: #d8dee6 } .time, .note { fill: #93a0ad } .life { stroke: #4a5662 }
  .packet { stroke: #6cb0ff } .warn .packet { stroke: #ff8a73 } .warn .meaning { fill: #ff9d8a }
}
`

// SVG draws a connection's packets as a ladder in a document of its own.
func SVG(r *conversation.Report) string {
	var b strings.Builder
	height := svgTop + 30
	meanings := make([][]string, len(r.Ladder))
	for i := range r.Ladder {
		meanings[i] = terminal.Wrap(r.Ladder[i].Meaning, svgWords)
		height += svgStep + svgLine*(len(meanings[i])-1)
	}
	title := fmt.Sprintf("%s to %s", r.Initiator, r.Responder)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`,
		svgWidth, height, svgWidth, height, escape(title))
	fmt.Fprintf(&b, "\n<title>%s</title>\n<style>%s</style>\n", escape(title), svgStyle)
	b.WriteString(`<defs>` +
		`<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" orient="auto"><path d="M0 0 8 4 0 8z" fill="#1f6feb"/></marker>` +
		`<marker id="warnhead" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" orient="auto"><path d="M0 0 8 4 0 8z" fill="#c4432b"/></marker></defs>` + "\n")
	text := func(x, y int, anchor, class, words string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, escape(words))
	}
	text(20, 24, "start", "title", title)
	text(20, 44, "start", "note", fmt.Sprintf("%s; %s; %s; %s", r.Start.Format("2006-01-02 15:04:05.000000 UTC"), handshake(r), ending(r), verdict(r)))
	text(svgLeft, 70, "middle", "end mono", "initiator "+r.Initiator.String())
	text(svgRight, 70, "middle", "end mono", "responder "+r.Responder.String())
	for _, x := range []int{svgLeft, svgRight} {
		fmt.Fprintf(&b, `<line class="life" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", x, svgTop-6, x, height-16)
	}
	y := svgTop
	for i := range r.Ladder {
		svgRung(&b, text, &r.Ladder[i], meanings[i], y)
		y += svgStep + svgLine*(len(meanings[i])-1)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func svgRung(b *strings.Builder, text func(x, y int, anchor, class, words string), g *conversation.Rung, meaning []string, y int) {
	const middle = (svgLeft + svgRight) / 2
	if g.Frame == 0 {
		text(middle, y+24, "middle", "note", g.Meaning)
		return
	}
	class := ""
	if g.Warns {
		class = ` class="warn"`
	}
	fmt.Fprintf(b, "<g%s>\n", class)
	text(14, y+28, "start", "time mono", clock(g.At))
	x1, x2 := svgLeft+2, svgRight-2
	if g.From != "initiator" {
		x1, x2 = x2, x1
	}
	if g.Flags == "ICMP" {
		x1 = middle
	}
	fmt.Fprintf(b, `<line class="packet" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", x1, y+20, x2, y+32)
	text(middle, y+16, "middle", "mono", label(g))
	for i, line := range meaning {
		text(middle, y+46+svgLine*i, "middle", "meaning", line)
	}
	for _, end := range []struct {
		name, anchor string
		x            int
	}{{"initiator", "end", svgLeft - 12}, {"responder", "start", svgRight + 12}} {
		words, class := state(g.States, end.name), "mono"
		if strings.HasPrefix(words, "~") {
			class = "mono inferred"
		}
		text(end.x, y+28, end.anchor, class, words)
	}
	b.WriteString("</g>\n")
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}
