package answer

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// hop is what answered at one TTL.
type hop struct {
	ttl     int
	from    []netip.Addr // more than one where flows take several ways
	own     kindOfProbe  // the packets for the target's own port
	other   kindOfProbe  // all others
	reached bool         // the destination answered there
}

// Trace is the answer of a trace: the way first.
func Trace(style terminal.Style, a Answer, verbose bool) string {
	p := &page{style: style}
	p.head(a)
	p.gap()
	p.hopTable(a.Dial, decisive(a))
	if _, whole := hopsOf(a.Dial, decisive(a)); len(whole) > 0 {
		p.gap()
		p.paragraph(2, 2, plain(wholeWords(whole)))
	}
	if i := decisive(a); i >= 0 && len(evidence.All[*evidence.Probe](a.Dial.Attempts[i].Log)) == 0 {
		p.labelled("way", plain(noWayWords(a.Dial.Attempts[i].Log)))
	}
	p.gap()
	if a.Verdict.Explanation != "" {
		p.paragraph(2, 2, plain(a.Verdict.Explanation))
		p.gap()
	}
	p.culprit(a)
	p.alternatives(a)
	p.remedy(a.Verdict)
	p.path(a)
	p.more(a)
	if verbose {
		p.gap()
		p.observations(a.Dial)
	}
	return p.String()
}

// noWayWords says why no hop was asked.
func noWayWords(log evidence.Log) string {
	if route, _, ok := evidence.Last[*evidence.Route](log); ok && route.Type == "local" {
		return "no router is passed: the destination is this host"
	}
	for _, u := range evidence.All[*evidence.Unseen](log) {
		if u.What == "experiments" {
			return "not asked: " + u.Why
		}
	}
	return "not asked: nothing leaves this host for there"
}

// kindOfProbe counts the probes of one kind at one TTL.
type kindOfProbe struct {
	sent, answered int
	best, worst    time.Duration
	total          time.Duration
	words          []string // how the destination answered
}

// hopsOf reads the probes with small TTLs; the second result is what was sent
// at full TTL.
func hopsOf(d *evidence.Dial, i int) (hops []hop, whole []*evidence.Probe) {
	if i < 0 {
		return nil, nil
	}
	a := &d.Attempts[i]
	by := map[int]*hop{}
	for _, p := range evidence.All[*evidence.Probe](a.Log) {
		if p.TTL == 0 {
			whole = append(whole, p)
			continue
		}
		h := by[p.TTL]
		if h == nil {
			h = &hop{ttl: p.TTL}
			by[p.TTL] = h
		}
		h.add(p, p.To == a.Remote && (p.Protocol == "tcp" || strings.HasPrefix(d.Network, "udp")))
	}
	for _, ttl := range slices.Sorted(maps.Keys(by)) {
		hops = append(hops, *by[ttl])
	}
	return trim(hops), whole
}

func (h *hop) add(p *evidence.Probe, own bool) {
	k := &h.other
	if own {
		k = &h.own
	}
	k.sent += p.Sent
	if p.Answer == "" {
		return
	}
	k.answered++
	k.total += p.RTT
	k.worst = max(k.worst, p.RTT)
	if k.best == 0 || p.RTT < k.best {
		k.best = p.RTT
	}
	if p.From.IsValid() && !slices.Contains(h.from, p.From) {
		h.from = append(h.from, p.From)
	}
	if p.Reached() {
		h.reached = true
	}
	if word := probeWord(p); word != "" && !slices.Contains(k.words, word) {
		k.words = append(k.words, word)
	}
}

// probeWord says how a probe was answered, other than by a router where its TTL
// ended.
func probeWord(p *evidence.Probe) string {
	switch {
	case p.Answer == "" || p.Expired():
		return ""
	case p.Protocol == "icmp" && p.Answer == evidence.AnswerEcho:
		return "echo reply"
	case p.Protocol == "udp" && p.Reached():
		return fmt.Sprintf("UDP port %d", p.To.Port())
	case p.Answer == evidence.AnswerICMP:
		return fmt.Sprintf("ICMP type %d code %d", p.ICMP.Type, p.ICMP.Code)
	}
	said := fmt.Sprintf("%s from port %d", strings.ToUpper(p.Answer), p.To.Port())
	switch p.Form {
	case evidence.FormPlain:
		said += " to a SYN without options"
	case evidence.FormACK:
		said += " to a bare ACK"
	}
	return said
}

// trim leaves out what lies behind the destination, and silence at the end.
func trim(hops []hop) []hop {
	if i := slices.IndexFunc(hops, func(h hop) bool { return h.reached && len(h.from) == 1 }); i >= 0 {
		return hops[:i+1]
	}
	for len(hops) > 1 && len(hops[len(hops)-1].from) == 0 && len(hops[len(hops)-2].from) == 0 {
		hops = hops[:len(hops)-1]
	}
	return hops
}

// hops draws the way as the probes saw it.
func (p *page) hops(a Answer) {
	i := decisive(a)
	hops, whole := hopsOf(a.Dial, i)
	if len(hops)+len(whole) == 0 {
		return
	}
	p.line("  " + p.style.Bold("the way, by probes"))
	column := 0
	for _, h := range hops {
		column = max(column, terminal.Columns(h.who()))
	}
	column = min(column, 39)
	for n, h := range hops {
		p.hop(h, column, n == lastOwn(hops))
	}
	if text := wholeWords(whole); text != "" {
		p.labelled("", plain(text))
	}
}

// lastOwn is the index of the last hop that answered a packet for the target's
// own port; -1: none did.
func lastOwn(hops []hop) int {
	for n := len(hops) - 1; n >= 0; n-- {
		if hops[n].own.answered > 0 {
			return n
		}
	}
	return -1
}

func (h *hop) who() string {
	if len(h.from) == 0 {
		return "no answer"
	}
	return list(h.from)
}

func (p *page) hop(h hop, column int, last bool) {
	who := p.clean(h.who())
	prefix := terminal.PadLeft(number(h.ttl), 6) + "  " + who + strings.Repeat(" ", max(0, column-terminal.Columns(who))) + "  "
	spans := []span{plain(h.words(last))}
	indent := min(terminal.Columns(prefix), p.width()/2)
	for i, text := range p.wrap(p.width()-indent, max(1, p.width()-terminal.Columns(prefix)), spans) {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		p.line(prefix + text)
	}
	if h.words(last) == "" {
		p.line(prefix)
	}
}

// words says what is known of one hop.
func (h *hop) words(last bool) string {
	var words []string
	best, sent, answered := h.own.best, h.own.sent+h.other.sent, h.own.answered+h.other.answered
	if best == 0 || h.other.best > 0 && h.other.best < best {
		best = h.other.best
	}
	if answered > 0 {
		time := Duration(best)
		if worst := max(h.own.worst, h.other.worst); sent > 2 && worst >= 2*best {
			time += " to " + Duration(worst)
		}
		words = append(words, time)
	}
	if answered < sent && answered > 0 {
		words = append(words, fmt.Sprintf("%d of %d answered", answered, sent))
	}
	if said := slices.Concat(h.own.words, h.other.words); len(said) > 0 {
		words = append(words, strings.Join(said, ", "))
	}
	switch {
	case last && !h.reached:
		words = append(words, "the last to answer packets for this port")
	case h.own.sent > 0 && h.own.answered == 0 && h.other.answered > 0:
		words = append(words, "answers other packets, and none for this port")
	}
	return strings.Join(words, "; ")
}

// wholeWords says what the destination answered at full TTL, and what not.
func wholeWords(whole []*evidence.Probe) string {
	var yes, no []string
	for _, p := range slices.SortedStableFunc(slices.Values(whole), func(a, b *evidence.Probe) int { return cmp.Compare(a.Protocol, b.Protocol) }) {
		switch {
		case p.Sent == 0:
		case p.Answer != "":
			yes = append(yes, probeWord(p))
		default:
			no = append(no, askWord(p))
		}
	}
	var words []string
	if len(yes) > 0 {
		words = append(words, "answered: "+strings.Join(yes, ", "))
	}
	if len(no) > 0 {
		words = append(words, "no answer: "+strings.Join(no, ", "))
	}
	return strings.Join(words, "; ")
}

func askWord(p *evidence.Probe) string {
	switch p.Protocol {
	case "icmp":
		return "echo request"
	case "udp":
		return fmt.Sprintf("UDP port %d", p.To.Port())
	}
	switch p.Form {
	case evidence.FormPlain:
		return fmt.Sprintf("TCP port %d, SYN without options", p.To.Port())
	case evidence.FormACK:
		return fmt.Sprintf("TCP port %d, bare ACK", p.To.Port())
	}
	return fmt.Sprintf("TCP port %d", p.To.Port())
}
