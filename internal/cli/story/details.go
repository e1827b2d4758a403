package story

import (
	"fmt"
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
)

const labels = 12

// details collects labelled paragraphs.
type details struct {
	style terminal.Style
	b     strings.Builder
}

func (d *details) add(label, text string) {
	if text == "" {
		return
	}
	width := 0
	if d.style.Width > 0 {
		width = max(20, min(d.style.Width, 100)-labels)
	}
	for _, line := range terminal.Wrap(terminal.Printable(d.style.Text(text)), width) {
		d.b.WriteString("  " + terminal.Pad(d.style.Bold(label), labels-2) + line + "\n")
		label = ""
	}
}

// sure is how an explanation begins that is not certain.
var sure = map[cause.Confidence]string{cause.Likely: "Probably: ", cause.Possible: "Possibly: "}

// Details is what a line has no room for: the explanation, who and what to do,
// options, resets, ICMP errors.
func Details(s terminal.Style, r *conversation.Report) string {
	d := &details{style: s}
	if r.Explanation != "" {
		d.add("what", sure[r.Confidence]+r.Explanation)
	}
	d.add("not known", r.Unjudged)
	for _, a := range r.Alternatives {
		d.add("or", fmt.Sprintf("%s (%s)", a.Cause, a.Confidence))
	}
	if !plain(r) {
		d.add("do", r.Remedy)
	}
	d.add("packets", fmt.Sprintf("%d from the initiator with %d octets of data, %d from the responder with %d",
		r.Packets.Initiator, r.Payload.Initiator, r.Packets.Responder, r.Payload.Responder))
	if n := r.Resent.Initiator + r.Resent.Responder; n > 0 {
		d.add("repeated", fmt.Sprintf("%d segments of data by the initiator, %d by the responder", r.Resent.Initiator, r.Resent.Responder))
	}
	d.add("SYN", proposal(r.SYNOptions))
	d.add("SYN,ACK", proposal(r.SYNACKOptions))
	for _, e := range r.Ending.Each {
		text := fmt.Sprintf("frame %d, by the %s: %s", e.Frame, e.By, e.Reason)
		if !e.Effective {
			text += ", ignored"
		}
		switch {
		case len(e.Signs) > 0:
			text += "; " + made[e.Origin] + strings.Join(e.Signs, "; ")
		case e.Origin == "unknown":
			text += fmt.Sprintf("; TTL %d, with nothing to compare it with", e.TTL)
		}
		d.add("RST", text)
	}
	for _, e := range r.ICMP {
		text := fmt.Sprintf("frame %d, from %s: %s", e.Frame, e.Sender, e.Text)
		if e.MTU > 0 {
			text += fmt.Sprintf(", MTU %d", e.MTU)
		}
		d.add("ICMP", text)
	}
	if r.Reused {
		d.add("note", "the same addresses and ports belonged to an earlier connection of this capture")
	}
	if r.GivenUp {
		d.add("note", "given up for want of room: its later packets count as another connection")
	}
	return d.b.String()
}

// made is what the signs of a RST's origin amount to.
var made = map[string]string{
	"unknown":            "the signs are weak: ",
	"no-sign-of-another": "the signs are weak: ",
	"perhaps-another":    "perhaps another device made it: ",
	"probably-another":   "probably another device made it: ",
}

func proposal(o *conversation.Options) string {
	if o == nil {
		return ""
	}
	var words []string
	if o.MSS != nil {
		words = append(words, fmt.Sprintf("MSS %d", *o.MSS))
	}
	if o.Scale != nil {
		words = append(words, fmt.Sprintf("window scale %d", *o.Scale))
	}
	for _, w := range []struct {
		has  bool
		name string
	}{
		{o.SACK, "SACK"}, {o.Timestamps, "timestamps"}, {o.FastOpen, "Fast Open"}, {o.FastOpenX, "Fast Open (experimental)"},
		{o.Multipath, "MPTCP"}, {o.ECN, "ECN"},
	} {
		if w.has {
			words = append(words, w.name)
		}
	}
	words = append(words, fmt.Sprintf("window %d", o.Window))
	if o.Data > 0 {
		words = append(words, fmt.Sprintf("%d octets of data", o.Data))
	}
	return strings.Join(words, ", ")
}
