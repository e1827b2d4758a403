package cli

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/listen"
)

// clock is how a line's time is written: this host's, to the millisecond.
const clock = "15:04:05.000"

// announce says where the server can be reached.
func (l *listening) announce(events []listen.Event) {
	var addrs []netip.AddrPort
	for _, e := range events {
		addrs = append(addrs, e.Local)
	}
	network := l.network
	if n := l.server.Sockets(); n > 1 {
		network += fmt.Sprintf(", %d sockets each", n)
	}
	for _, span := range spans(addrs) {
		fmt.Fprintf(l.out, "listening on %s (%s)\n", l.style.Bold(span), network)
	}
}

// spans writes runs of ports as ranges.
func spans(addrs []netip.AddrPort) []string {
	var out []string
	for i := 0; i < len(addrs); {
		j := i + 1
		for j < len(addrs) && addrs[j].Addr() == addrs[i].Addr() && int(addrs[j].Port()) == int(addrs[j-1].Port())+1 {
			j++
		}
		text := addrs[i].String()
		if j > i+1 {
			text += fmt.Sprintf("-%d", addrs[j-1].Port())
		}
		out = append(out, text)
		i = j
	}
	return out
}

// words is an event as a person reads it; empty: announce tells it.
func (l *listening) words(e *listen.Event) string {
	at := l.style.Dim(e.At.Local().Format(clock))
	line := func(sign, id, text string) string {
		return at + " " + sign + " " + terminal.Pad(id, 4) + " " + text
	}
	id := ""
	if e.ID > 0 {
		id = fmt.Sprintf("#%d", e.ID)
	}
	switch e.Kind {
	case listen.Accepted:
		return line(l.style.Good("+"), id, fmt.Sprintf("%s → %s", e.Peer, e.Local))
	case listen.Held:
		return line("!", id, fmt.Sprintf("%s  the peer has closed; this end does not (CLOSE_WAIT)%s", e.Peer, l.traffic(e)))
	case listen.Ended:
		text := endWords(e.By, e.How, string(e.Errno))
		switch {
		case e.By == "path" || e.How == "error":
			text = l.style.Bad(text)
		case e.How == "RST" && e.By == "peer":
			text = l.style.Doubtful(text)
		}
		if e.Verdict != nil && telling(e.By, e.Cause) {
			verdict := string(e.Cause)
			if e.Confidence != cause.Certain {
				verdict += ", " + string(e.Confidence)
			}
			text += l.style.Dim(" (" + verdict + ")")
		}
		return line("-", id, fmt.Sprintf("%s  %s%s", e.Peer, text, l.traffic(e)))
	case listen.NewPeer:
		return line(l.style.Good("+"), "", fmt.Sprintf("%s → %s  a new peer", e.Peer, e.Local))
	case listen.Received:
		return line(" ", "", fmt.Sprintf("%s  a datagram of %s", e.Peer, octets(e.In)))
	case listen.LimitHit:
		text := fmt.Sprintf("no descriptor is left (%s)", e.Errno)
		if e.Limit > 0 {
			text = fmt.Sprintf("no descriptor is left: %d are open of %d that RLIMIT_NOFILE allows (ulimit -n)", e.Waiting, e.Limit)
		}
		return line(l.style.Bad("!"), "", text+"; who comes waits in the kernel's queue until there is room")
	case listen.Resumed:
		return line("!", "", "there is room: accepting again")
	case listen.Refusing:
		return line("!", "", fmt.Sprintf("%s is closed: who comes now is refused", e.Local))
	}
	return ""
}

// telling says that a cause tells more than who ended the connection, and how.
func telling(by string, id cause.ID) bool {
	return by == "peer" || by == "path" || id != cause.IsOpen && id != cause.CancelledByCaller && id != cause.PeerClosed
}

// endWords says who ended a connection, and how.
func endWords(by, how, errno string) string {
	switch by + " " + how {
	case "peer FIN":
		return "the peer closed: FIN"
	case "peer RST":
		if errno == "EPIPE" {
			return "the peer was gone when it was written to: EPIPE"
		}
		return "the peer reset: RST"
	case "path timeout":
		return "nothing was acknowledged any more: ETIMEDOUT"
	case "path ICMP":
		return "the way was lost: " + errno
	case "here FIN":
		return "closed here: FIN"
	case "here RST":
		return "reset here: RST"
	case "crash silence":
		return "forgotten here, without a word"
	}
	return "closed here: " + errno
}

// traffic is what passed, and how long it took.
func (l *listening) traffic(e *listen.Event) string {
	if e.Traffic == nil {
		return ""
	}
	text := fmt.Sprintf("; in %s, out %s", octets(e.In), octets(e.Out))
	if e.Unread > 0 {
		text += fmt.Sprintf(", %s never read", octets(e.Unread))
	}
	if e.Unsent > 0 {
		text += fmt.Sprintf(", %s never sent", octets(e.Unsent))
	}
	return text + ", " + cause.Duration(e.Took)
}

// summary tells the server's whole life.
func (l *listening) summary(sum *listen.Summary) {
	if l.json {
		if data, err := json.Marshal(sum); err == nil {
			l.out.Write(append(data, '\n'))
		}
		return
	}
	fmt.Fprint(l.out, l.style.Text(l.summaryText(sum)))
}

func (l *listening) summaryText(sum *listen.Summary) string {
	var b strings.Builder
	plural := func(n uint64, one, many string) string {
		if n == 1 {
			return fmt.Sprintf("%d %s", n, one)
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	if strings.HasPrefix(l.network, "udp") {
		fmt.Fprintf(&b, "%s from %s in %s: in %s, out %s in %s\n", plural(sum.Datagrams, "datagram", "datagrams"), plural(sum.Peers, "peer", "peers"),
			cause.Duration(sum.Took), octets(sum.In), octets(sum.Out), plural(sum.Answers, "answer", "answers"))
		if sum.Lost > 0 {
			fmt.Fprintf(&b, "  %s could not be sent\n", plural(sum.Lost, "answer", "answers"))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s in %s, at most %d at once: in %s, out %s\n", plural(sum.Accepted, "connection", "connections"), cause.Duration(sum.Took), sum.MostOpen, octets(sum.In), octets(sum.Out))
	for _, e := range sum.Ends {
		errno := "an error of this host"
		switch {
		case e.Cause == cause.BrokenPipe:
			errno = "EPIPE"
		case e.How == "ICMP":
			errno = "an ICMP error"
		}
		text := endWords(e.By, e.How, errno)
		if telling(e.By, e.Cause) {
			text += " (" + string(e.Cause) + ")"
		}
		fmt.Fprintf(&b, "%s  %s\n", terminal.PadLeft(fmt.Sprint(e.Count), 9), text)
	}
	if sum.Queued > 0 {
		fmt.Fprintf(&b, "%s  still in the kernel's queue\n", terminal.PadLeft(fmt.Sprint(sum.Queued), 9))
	}
	if sum.Gone > 0 {
		fmt.Fprintf(&b, "%s  gone before they were accepted\n", terminal.PadLeft(fmt.Sprint(sum.Gone), 9))
	}
	if sum.Paused > 0 {
		fmt.Fprintf(&b, "  accepting paused %s for want of descriptors\n", plural(sum.Paused, "time", "times"))
	}
	return b.String()
}
