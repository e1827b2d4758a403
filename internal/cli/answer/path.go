package answer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// path says how packets leave this host, what was agreed with the peer, and
// what was found on this host that bears on the attempt.
func (p *page) path(a Answer) {
	i := decisive(a)
	log := slices.Clone(a.Dial.Log)
	if i >= 0 {
		log = append(log, a.Dial.Attempts[i].Log...)
	}
	if text := wayWords(log); text != "" {
		p.labelled("path", plain(text))
	}
	if info, ok := established(log); ok {
		if text := agreedWords(info); text != "" {
			p.labelled("tcp", plain(text))
		}
	}
	for n, text := range hostWords(log) {
		label := ""
		if n == 0 {
			label = "host"
		}
		p.labelled(label, plain(text))
	}
}

// decisive is the attempt to tell of: the one whose connection was used, else
// the one that bears the target's cause, else the first; -1 without any.
func decisive(a Answer) int {
	if a.Winner >= 0 && a.Winner < len(a.Dial.Attempts) {
		return a.Winner
	}
	for i, v := range a.Attempts {
		if v.Cause == a.Verdict.Cause && i < len(a.Dial.Attempts) {
			return i
		}
	}
	if len(a.Dial.Attempts) > 0 {
		return 0
	}
	return -1
}

// wayWords draws the way out: source, interface, next hop.
func wayWords(log evidence.Log) string {
	var steps []string
	route, _, routed := evidence.Last[*evidence.Route](log)
	if local, _, ok := evidence.Last[*evidence.LocalAddr](log); ok && local.Addr.IsValid() {
		steps = append(steps, local.Addr.Addr().String())
	} else if routed && route.Source.IsValid() {
		steps = append(steps, route.Source.String())
	}
	if !routed {
		if len(steps) == 0 {
			return ""
		}
		return "source " + steps[0]
	}
	if route.Errno != "" {
		return "the routing table says " + string(route.Errno) + " for " + route.To.String()
	}
	if route.Interface != "" {
		device := route.Interface
		if route.MTU > 0 {
			device += fmt.Sprintf(" (MTU %d)", route.MTU)
		}
		steps = append(steps, device)
	}
	neighbour := neighbourState(log)
	switch {
	case route.Type == "local":
		steps = append(steps, route.To.String()+", an address of this host")
	case route.Gateway.IsValid():
		steps = append(steps, "gateway "+route.Gateway.String()+neighbour, route.To.String())
	case route.OnLink():
		steps = append(steps, route.To.String()+", on the link"+neighbour)
	default:
		steps = append(steps, route.To.String()+", "+route.Type+" route")
	}
	return strings.Join(steps, " → ")
}

func neighbourState(log evidence.Log) string {
	n, _, ok := evidence.Last[*evidence.Neighbour](log)
	if !ok || n.State == "" || n.State == "NOARP" {
		return ""
	}
	text := n.State
	if n.LinkAddr != "" {
		text += " " + n.LinkAddr
	}
	return " (" + text + ")"
}

func established(log evidence.Log) (*evidence.TCPInfo, bool) {
	for _, info := range evidence.All[*evidence.TCPInfo](log) {
		if info.State == "ESTABLISHED" {
			return info, true
		}
	}
	return nil, false
}

func agreedWords(info *evidence.TCPInfo) string {
	var words []string
	if info.SndMSS > 0 {
		words = append(words, fmt.Sprintf("MSS %d", info.SndMSS))
	}
	for _, option := range info.Options {
		if option == "wscale" {
			option = fmt.Sprintf("window scale %d (theirs %d)", info.RcvWScale, info.SndWScale)
		}
		words = append(words, option)
	}
	return strings.Join(words, ", ")
}

// full is the share of a bounded resource from which it is worth a line.
const full = 0.9

// hostWords lists what was found on this host, as far as it is out of the
// ordinary or says who listens.
func hostWords(log evidence.Log) []string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	for _, e := range log {
		switch f := e.Fact.(type) {
		case *evidence.ResolverConfig:
			if f.Missing != "" {
				add("%s could not be read (%s): %s asked instead", f.File, f.Missing, list(f.Servers))
			}
			if len(f.Ignored) > 0 {
				add("this host also resolves through %s, not heeded here: %s", strings.Join(f.Ignored, ", "), f.Why)
			}
		case *evidence.Link:
			switch {
			case !f.Exists:
				add("there is no interface %s", f.Name)
			case !f.Up:
				add("interface %s is switched off", f.Name)
			case !f.Carrier:
				add("interface %s has no carrier", f.Name)
			}
		case *evidence.HostAddr:
			switch {
			case !f.Local:
				add("%s is on no interface of this host", f.Addr)
			case f.Tentative:
				add("%s on %s is still tentative (duplicate address detection)", f.Addr, f.Interface)
			}
		case *evidence.Listener:
			if !f.Found {
				add("no socket of this host listens on %s", f.Addr)
				break
			}
			text := "listener on " + f.Bound.String() + process(f.PID, f.Command)
			if f.QueueLen > 0 || f.Backlog > 0 {
				text += fmt.Sprintf(", %d in its accept queue (backlog %d)", f.QueueLen, f.Backlog)
			}
			add("%s", text)
		case *evidence.Holder:
			add("%s is held by a socket in %s%s", f.Local, f.State, process(f.PID, f.Command))
		case *evidence.Limit:
			if float64(f.Used) >= full*float64(f.Soft) {
				add("%s: %d of %d used", f.Name, f.Used, f.Soft)
			}
		case *evidence.Ports:
			size := int(f.High) - int(f.Low) + 1
			if float64(f.InUse) >= full*float64(size) {
				add("ports %d to %d toward %s: %d of %d in use, %d of those in TIME_WAIT", f.Low, f.High, f.Toward, f.InUse, size, f.Waits)
			}
		case *evidence.Conntrack:
			if float64(f.Count) >= full*float64(f.Max) {
				add("connection tracking: %d of %d entries", f.Count, f.Max)
			}
		}
	}
	return words
}

func process(pid int, command string) string {
	switch {
	case command != "" && pid > 0:
		return fmt.Sprintf(" (%s, pid %d)", command, pid)
	case pid > 0:
		return fmt.Sprintf(" (pid %d)", pid)
	}
	return ""
}

// mostUnseen bounds the lines about what could not be seen.
const mostUnseen = 3

// unseen says what could not be seen. A connection that is plainly open leaves
// nothing to ask for.
func (p *page) unseen(a Answer) {
	if plainlyOpen(a.Verdict) || a.Verdict.Confidence == cause.Certain {
		return
	}
	for i, u := range a.Missing {
		label := ""
		if i == 0 {
			label = "not seen"
		}
		if i == mostUnseen && len(a.Missing) > mostUnseen {
			p.labelled(label, plain(fmt.Sprintf("and %d more:", len(a.Missing)-i)), painted("dialscope doctor", p.style.Command))
			return
		}
		p.labelled(label, plain(strings.ReplaceAll(u.What, "_", " ")+": "+u.Why))
	}
}
