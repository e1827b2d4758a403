package answer

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// Hop is one hop in a trace's JSON. Times are in nanoseconds.
type Hop struct {
	TTL      int           `json:"ttl"`
	From     []netip.Addr  `json:"addresses"` // several where flows take several ways; none: nobody answered
	Sent     int           `json:"sent"`
	Answered int           `json:"answered"`
	Loss     float64       `json:"loss"` // of those sent, 0 to 1; routers limit how often they answer
	Best     time.Duration `json:"rtt_min_ns,omitempty"`
	Median   time.Duration `json:"rtt_median_ns,omitempty"`
	Last     time.Duration `json:"rtt_last_ns,omitempty"`
	Mean     time.Duration `json:"rtt_mean_ns,omitempty"`
	Worst    time.Duration `json:"rtt_max_ns,omitempty"`
	Reached  bool          `json:"reached,omitempty"` // an answer in the destination's name
	Said     []string      `json:"said,omitempty"`    // how the destination answered
	Others   int           `json:"others_answered,omitempty"`
	Flows    []Flow        `json:"flows,omitempty"` // who answered each flow
}

// Flow is what one flow met at a hop.
type Flow struct {
	Flow       int          `json:"flow"` // from 1
	SourcePort uint16       `json:"source_port"`
	From       []netip.Addr `json:"addresses"`
}

// traced is a hop while it is counted. Own are the packets that were to find the
// way; others were sent to compare.
type traced struct {
	Hop
	times []time.Duration
	by    map[netip.Addr][]time.Duration
	other map[netip.Addr][]time.Duration
}

// Hops lists the way that the packets took which were sent to find it. Others
// counts the answers to packets of another kind.
func Hops(a Answer) []Hop {
	list := []Hop{}
	for _, h := range tracedHops(a.Dial, decisive(a)) {
		list = append(list, h.Hop)
	}
	return list
}

// finding is the experiment whose packets find the way.
const finding = "hop-limited-connect"

func tracedHops(d *evidence.Dial, i int) []*traced {
	if i < 0 {
		return nil
	}
	by := map[int]*traced{}
	var ports []uint16
	for _, p := range evidence.All[*evidence.Probe](d.Attempts[i].Log) {
		if p.TTL == 0 {
			continue
		}
		h := by[p.TTL]
		if h == nil {
			h = &traced{Hop: Hop{TTL: p.TTL, From: []netip.Addr{}}, by: map[netip.Addr][]time.Duration{}, other: map[netip.Addr][]time.Duration{}}
			by[p.TTL] = h
		}
		if p.Source != 0 && !slices.Contains(ports, p.Source) {
			ports = append(ports, p.Source)
		}
		h.add(p, slices.Index(ports, p.Source)+1)
	}
	var hops []*traced
	for _, ttl := range slices.Sorted(maps.Keys(by)) {
		by[ttl].finish()
		hops = append(hops, by[ttl])
	}
	return untilEnd(hops)
}

func (h *traced) add(p *evidence.Probe, flow int) {
	if p.Experiment != finding {
		if p.Answer != "" {
			h.Others++
			h.from(p.From)
			h.other[p.From] = append(h.other[p.From], p.RTT)
			h.said(p)
		}
		return
	}
	h.Sent += p.Sent
	if flow > 0 {
		h.flow(flow, p)
	}
	if p.Answer == "" {
		return
	}
	h.Answered++
	h.times = append(h.times, p.RTT)
	h.by[p.From] = append(h.by[p.From], p.RTT)
	h.from(p.From)
	h.said(p)
}

// said notes how the destination answered.
func (h *traced) said(p *evidence.Probe) {
	h.Reached = h.Reached || p.Reached()
	if word := probeWord(p); word != "" && !slices.Contains(h.Said, word) {
		h.Said = append(h.Said, word)
	}
}

func (h *traced) from(a netip.Addr) {
	if a.IsValid() && !slices.Contains(h.From, a) {
		h.From = append(h.From, a)
	}
}

func (h *traced) flow(n int, p *evidence.Probe) {
	i := slices.IndexFunc(h.Flows, func(f Flow) bool { return f.Flow == n })
	if i < 0 {
		i = len(h.Flows)
		h.Flows = append(h.Flows, Flow{Flow: n, SourcePort: p.Source, From: []netip.Addr{}})
	}
	if p.From.IsValid() && !slices.Contains(h.Flows[i].From, p.From) {
		h.Flows[i].From = append(h.Flows[i].From, p.From)
	}
}

func (h *traced) finish() {
	slices.SortFunc(h.Flows, func(a, b Flow) int { return a.Flow - b.Flow })
	if h.Sent > 0 {
		h.Loss = float64(h.Sent-h.Answered) / float64(h.Sent)
	}
	if len(h.times) == 0 {
		return
	}
	h.Best, h.Worst, h.Last = slices.Min(h.times), slices.Max(h.times), h.times[len(h.times)-1]
	h.Median = median(h.times)
	for _, t := range h.times {
		h.Mean += t / time.Duration(len(h.times))
	}
}

// median is the middle one, or the lower of both middle ones.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)-1)/2]
}

// untilEnd leaves out what lies behind the destination, and silence at the end.
// Ways of several lengths end with the longest.
func untilEnd(hops []*traced) []*traced {
	if i := slices.IndexFunc(hops, func(h *traced) bool { return h.Reached && len(h.From) == 1 }); i >= 0 {
		return hops[:i+1]
	}
	for len(hops) > 1 && len(hops[len(hops)-1].From) == 0 && len(hops[len(hops)-2].From) == 0 {
		hops = hops[:len(hops)-1]
	}
	return hops
}

// Table is the way as a table: what a trace shows while it goes on, and at its end.
func Table(style terminal.Style, d *evidence.Dial, attempt int) string {
	p := &page{style: style}
	p.hopTable(d, attempt)
	return p.String()
}

// widths of the columns of a table.
const (
	hopColumn  = 5
	lossColumn = 6
	timeCell   = 9
	// wideTable is from where on all three times have room.
	wideTable = hopColumn + 2 + 15 + lossColumn + 3*timeCell
)

func (p *page) hopTable(d *evidence.Dial, attempt int) {
	hops := tracedHops(d, attempt)
	if len(hops) == 0 {
		return
	}
	titles := []string{"median"}
	if p.width() >= wideTable {
		titles = []string{"last", "min", "median"}
	}
	column := terminal.Columns("no answer")
	for _, h := range hops {
		for _, a := range h.From {
			column = max(column, terminal.Columns(a.String()))
		}
	}
	column = min(column, max(15, p.width()-hopColumn-2-lossColumn-len(titles)*timeCell))
	head := terminal.PadLeft("hop", hopColumn) + "  " + pad("address", column) + terminal.PadLeft("loss", lossColumn)
	for _, t := range titles {
		head += terminal.PadLeft(t, timeCell)
	}
	p.line(p.style.Bold(head))
	last := -1
	for n, h := range hops {
		if h.Answered > 0 {
			last = n
		}
	}
	for n, h := range hops {
		p.hopRow(h, column, len(titles) == 3)
		if note := h.note(n == last); note != "" {
			indent := hopColumn + 2
			for _, text := range p.wrap(p.width()-indent, p.width()-indent, []span{painted(note, p.style.Dim)}) {
				p.line(strings.Repeat(" ", indent) + text)
			}
		}
	}
	if text := refused(d, attempt); text != "" {
		p.gap()
		p.paragraph(2, 2, plain(text))
	}
	if text := ways(hops); text != "" {
		p.gap()
		p.paragraph(2, 2, plain(text))
	}
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-terminal.Columns(text)))
}

func (p *page) hopRow(h *traced, column int, all bool) {
	names := h.From
	if len(names) == 0 {
		names = []netip.Addr{{}}
	}
	for i, a := range names {
		number, loss, times := "", "", h.by[a]
		if len(times) == 0 {
			times = h.other[a]
		}
		if i == 0 {
			number = fmt.Sprint(h.TTL)
			if h.Sent > 0 {
				loss = fmt.Sprintf("%.0f%%", 100*h.Loss)
			}
		}
		who := "no answer"
		if a.IsValid() {
			who = p.clean(a.String())
		}
		line := terminal.PadLeft(number, hopColumn) + "  " + pad(who, column) + terminal.PadLeft(loss, lossColumn)
		if len(times) > 0 {
			cells := []time.Duration{median(times)}
			if all {
				cells = []time.Duration{times[len(times)-1], slices.Min(times), cells[0]}
			}
			for _, t := range cells {
				line += terminal.PadLeft(p.clean(Duration(t)), timeCell)
			}
		}
		p.line(line)
		if flows := h.flowsOf(a); flows != "" && len(h.From) > 1 {
			p.line(strings.Repeat(" ", hopColumn+2) + p.style.Dim(flows))
		}
	}
}

// flowsOf lists the flows that an address answered.
func (h *traced) flowsOf(a netip.Addr) string {
	var numbers []string
	for _, f := range h.Flows {
		if slices.Contains(f.From, a) {
			numbers = append(numbers, fmt.Sprint(f.Flow))
		}
	}
	switch len(numbers) {
	case 0:
		return ""
	case 1:
		return "flow " + numbers[0]
	}
	return "flows " + strings.Join(numbers, ", ")
}

func (h *traced) note(last bool) string {
	words := slices.Clone(h.Said)
	switch {
	case last && !h.Reached:
		words = append(words, "the last to answer packets for this port")
	case h.Sent > 0 && h.Answered == 0 && h.Others > 0:
		words = append(words, "answers other packets, and none for this port")
	}
	return strings.Join(words, "; ")
}

// refused says why this host sent no packet of those that were to find the way;
// empty: it did.
func refused(d *evidence.Dial, i int) string {
	if i < 0 {
		return ""
	}
	why := ""
	for _, p := range evidence.All[*evidence.Probe](d.Attempts[i].Log) {
		switch {
		case p.Experiment != finding:
		case p.Sent > 0:
			return ""
		case p.Protocol == "icmp" && p.Errno == "EACCES":
			why = "No echo request was sent: this user's groups are not within the sysctl net.ipv4.ping_group_range, and CAP_NET_RAW is missing."
		case p.Errno != "":
			why = fmt.Sprintf("No packet was sent to find the way: this host said %s.", p.Errno)
		}
	}
	return why
}

// ways says where several flows part. A flow that nobody answered at a hop is
// taken to go with any other there.
func ways(hops []*traced) string {
	flows, apart := map[int]map[int][]netip.Addr{}, []string(nil)
	for _, h := range hops {
		answers := map[netip.Addr]bool{}
		for _, f := range h.Flows {
			if flows[f.Flow] == nil {
				flows[f.Flow] = map[int][]netip.Addr{}
			}
			flows[f.Flow][h.TTL] = f.From
			for _, a := range f.From {
				answers[a] = true
			}
		}
		if len(answers) > 1 {
			apart = append(apart, fmt.Sprint(h.TTL))
		}
	}
	if len(flows) < 2 {
		return ""
	}
	if len(apart) == 0 {
		return fmt.Sprintf("All %d flows take the same way, as far as its hops answer.", len(flows))
	}
	var kinds []map[int][]netip.Addr
	for _, n := range slices.Sorted(maps.Keys(flows)) {
		if !slices.ContainsFunc(kinds, func(other map[int][]netip.Addr) bool { return together(flows[n], other) }) {
			kinds = append(kinds, flows[n])
		}
	}
	where := "hop " + apart[0]
	if len(apart) > 1 {
		where = "hops " + strings.Join(apart, ", ")
	}
	return fmt.Sprintf("%d flows take %d ways (equal-cost multipath): they differ at %s.", len(flows), len(kinds), where)
}

// together says that two flows meet somebody in common wherever both are answered.
func together(a, b map[int][]netip.Addr) bool {
	for ttl, from := range a {
		if others := b[ttl]; len(from) > 0 && len(others) > 0 && !slices.ContainsFunc(from, func(x netip.Addr) bool { return slices.Contains(others, x) }) {
			return false
		}
	}
	return true
}
