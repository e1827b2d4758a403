package answer

import (
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// Ending is how a connection that was talked over ended, in one line: what, by
// whom, in which state, after how long, and what became of the bytes.
func Ending(style terminal.Style, a Answer) string {
	p := &page{style: style}
	v := a.Verdict
	tone := p.tone(v)
	symbol := p.symbol(v)
	if InOrder(v) {
		tone, symbol = p.style.Good, p.style.Pick("✓", "+")
	}
	words := []string{a.title(v.Cause)}
	switch {
	case v.Cause == cause.IsOpen && v.Outcome == cause.Open:
		words[0] = "this end closed the connection in order"
	case v.Cause == cause.CancelledByCaller:
		words[0] = "this end closed the connection"
	case v.Cause == cause.PeerClosed && v.Culprit.Kind == cause.Nobody:
		words[0] = "both ends closed the connection in order, this one first"
	}
	if who := whoWords(v.Culprit); who != "" && v.Culprit.Kind != cause.Destination && v.Cause != cause.CancelledByCaller {
		words = append(words, "by "+who)
	}
	line := strings.Join(words, ", ") + " (" + string(v.Confidence) + ")"
	if how := howWords(a); how != "" {
		line += ": " + how
	}
	spans := []span{painted(symbol, tone), painted(a.Dial.Target, p.style.Bold), painted(string(v.Cause)+":", tone), plain(line)}
	if f, _, ok := evidence.Last[*evidence.Flow](a.ended()); ok {
		spans[3].text += ";"
		spans = append(spans, plain(trafficWords(f)))
	}
	var texts []string
	for _, s := range spans {
		text := p.clean(s.text)
		if s.paint != nil {
			text = s.paint(text)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ") + "\n"
}

// InOrder says that a connection ended as both ends wanted.
func InOrder(v cause.Verdict) bool {
	return v.Errno == "" && (v.Cause == cause.PeerClosed || v.Cause == cause.IsOpen && v.Outcome == cause.Open)
}

// ended is the log of the attempt that was talked over.
func (a Answer) ended() evidence.Log {
	if a.Winner < 0 || a.Winner >= len(a.Dial.Attempts) {
		return nil
	}
	return a.Dial.Attempts[a.Winner].Log
}

// howWords says how the end was met: the call and its answer, the state and how
// long the connection had stood.
func howWords(a Answer) string {
	log := a.ended()
	var met *evidence.End
	var at time.Duration
	var shut, eof bool
	state := "ESTABLISHED"
	for _, e := range log {
		f, is := e.Fact.(*evidence.End)
		if !is {
			continue
		}
		decides := met == nil || met.Errno == "" && (f.Errno != "" || f.EOF)
		switch {
		case f.By == evidence.ByShutdown:
			shut = true
			continue
		case f.By == evidence.ByCloseRead:
			continue
		case decides:
			met, at, state = f, e.At, stateOf(shut, eof, f)
		}
		eof = eof || f.EOF
	}
	if met == nil {
		return ""
	}
	text := endWords(met)
	if met.By != evidence.ByLook {
		text += " in " + state
	}
	if connected, since, ok := evidence.First[*evidence.SOError](log); ok && (connected.Errno == "" || connected.Soft) && at > since {
		text += " after " + Duration(at-since)
	}
	return text
}

// stateOf is the state (RFC 9293 §3.3.2) in which an end was met; the kernel
// says CLOSE by then. A FIN that was read has changed it.
func stateOf(shut, eof bool, f *evidence.End) string {
	eof = eof || f.EOF
	switch {
	case shut && eof:
		return "TIME_WAIT"
	case shut:
		return "FIN_WAIT"
	case eof:
		return "CLOSE_WAIT"
	}
	return "ESTABLISHED"
}

// endWords is an end as its user met it.
func endWords(f *evidence.End) string {
	switch {
	case f.EOF:
		return "FIN, a read gave 0"
	case f.Errno == "ECONNRESET":
		return "RST, " + f.By + "(2) gave ECONNRESET"
	case f.Errno != "":
		return f.By + "(2) gave " + string(f.Errno)
	}
	switch f.By {
	case evidence.ByShutdown:
		return "this end has said everything and sends FIN"
	case evidence.ByCloseRead:
		return "this end reads no more"
	case evidence.ByLimit:
		return "the time allowed was over"
	case evidence.BySignal:
		return "interrupted"
	case evidence.ByLook:
		return "looked at"
	}
	return "this end closed it"
}

// trafficWords says what became of the bytes: what is sent is not received.
func trafficWords(f *evidence.Flow) string {
	text := fmt.Sprintf("sent %s", octets(f.Sent))
	switch {
	case f.Sent == 0:
		text = "sent nothing"
	case f.Unacked == 0:
		text += ", all acknowledged"
	case f.Unsent == f.Unacked:
		text += fmt.Sprintf(", %s acknowledged, %s still here", octets(f.Sent-min(f.Sent, f.Unacked)), octets(f.Unacked))
	default:
		text += fmt.Sprintf(", %s acknowledged, %s not", octets(f.Sent-min(f.Sent, f.Unacked)), octets(f.Unacked))
	}
	if f.Received == 0 {
		text += "; received nothing"
	} else {
		text += "; received " + octets(f.Received)
	}
	if f.Unread > 0 {
		text += fmt.Sprintf(", %s never read", octets(f.Unread))
	}
	return text
}

func octets(n uint64) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// flowWords says what a look at the connection told beside the bytes.
func flowWords(f *evidence.Flow) string {
	words := []string{trafficWords(f)}
	if f.WindowKnown && f.Window == 0 && f.Unsent > 0 {
		words = append(words, "the peer's window is closed")
	}
	if f.Timeouts > 0 {
		words = append(words, fmt.Sprintf("%d retransmission timeouts in a row", f.Timeouts))
	}
	if f.Probes > 1 {
		words = append(words, fmt.Sprintf("%d probes in a row unanswered", f.Probes))
	}
	words = append(words, "the last acknowledgment came "+Duration(f.SinceAck)+" before")
	return strings.Join(words, ", ")
}
