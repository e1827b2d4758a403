package sockets

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// full says that the accept queue of a listener takes no more (sk_acceptq_is_full:
// one more than the backlog fits).
func full(s *Socket) bool { return s.State == Listen && s.RecvQ > s.SendQ }

func (v *view) acceptQueues() []Finding {
	var found []Finding
	for _, i := range v.only(v.rows[Listen], full) {
		s := &v.Sockets[i]
		found = append(found, Finding{
			Grade: Wrong, Cause: cause.ListenQueueFull, Confidence: cause.Certain, Rows: []int32{i},
			Text: sentence(fmt.Sprintf("%s does not accept fast enough at %s: %s in an accept queue that takes %d, and further ones are ignored",
				v.who(s), host(s.Local), count(int(s.RecvQ), "connection waits", "connections wait"), s.SendQ),
				past(s.Drops, "; %s thrown away since it began to listen"), "."),
			Remedy: fmt.Sprintf("See what %s does instead of accepting; if it is only a burst, listen with a larger backlog, and raise net.core.somaxconn with it.", v.who(s)),
		})
	}
	return found
}

func past(n uint32, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, count(int(n), "packet was", "packets were"))
}

func (v *view) pastOverflows() []Finding {
	if v.Host.ListenOverflows == 0 {
		return nil // what they threw away was not for want of room in the queue
	}
	var found []Finding
	for _, i := range v.only(v.rows[Listen], func(s *Socket) bool { return s.Drops > 0 && !full(s) }) {
		s := &v.Sockets[i]
		f := Finding{
			Grade: Notice, Cause: cause.ListenQueueFull, Confidence: cause.Possible, Rows: []int32{i},
			Text: fmt.Sprintf("%s at %s has thrown away %s of new connections since it began to listen; its accept queue (%d) has room now.",
				v.who(s), host(s.Local), count(int(s.Drops), "packet", "packets"), s.SendQ),
			Remedy: "If the number rises (look again), the queue overflows in bursts: a larger backlog, and net.core.somaxconn with it, or a process that accepts sooner.",
		}
		if v.Host.ListenOverflows > 0 {
			f.Confidence = cause.Likely
		}
		found = append(found, f)
	}
	return found
}

// notAccepted are connections in the accept queue whose client has closed
// already.
func (v *view) notAccepted() []Finding {
	rows := v.only(v.rows[CloseWait], func(s *Socket) bool { return s.Inode == 0 })
	var found []Finding
	for _, g := range group(rows, func(i int32) uint16 { return v.Sockets[i].Local.Port() }) {
		at := v.Sockets[g[0]].Local
		who := "the process that listens there"
		if l := v.listener(at); l != nil {
			who = v.who(l)
		}
		found = append(found, Finding{
			Grade: Wrong, Cause: cause.ListenQueueFull, Confidence: cause.Possible, Rows: g,
			Text: fmt.Sprintf("%s at port %d whose %s closed already %s not been accepted yet by %s.", count(len(g), "connection", "connections"), at.Port(),
				pick(len(g), "client has", "clients have"), pick(len(g), "has", "have"), who),
			Remedy: "The process accepts too late, or not at all: see what it does with a debugger or with strace -f -e trace=accept,accept4.",
		})
	}
	return found
}

func resent(s *Socket) bool { return s.Retries > 0 }

func (v *view) synUnanswered() []Finding {
	var found []Finding
	for _, g := range group(v.only(v.rows[SYNSent], resent), func(i int32) netip.AddrPort { return v.Sockets[i].Remote }) {
		s := &v.Sockets[g[0]]
		n := int(most(v, g, func(s *Socket) uint8 { return s.Retries }))
		f := Finding{
			Grade: Wrong, Rows: g,
			Text: fmt.Sprintf("%s to %s %s had no answer; the SYN was sent again %s.", count(len(g), "attempt of "+v.whose(g), "attempts of "+v.whose(g)),
				host(s.Remote), pick(len(g), "has", "have"), times(n)),
			Remedy: fmt.Sprintf("dialscope %s says why.", s.Remote),
		}
		if s.Remote.Addr().IsLoopback() || s.Remote.Addr() == s.Local.Addr() {
			if l := v.listener(s.Remote); l != nil && full(l) {
				f.Cause, f.Confidence = cause.ListenQueueFull, cause.Likely
				f.Text += fmt.Sprintf(" The accept queue of %s there is full.", v.who(l))
			}
		}
		found = append(found, f)
	}
	return found
}

func (v *view) synACKUnanswered() []Finding {
	var found []Finding
	for _, g := range group(v.only(v.rows[SYNReceived], resent), func(i int32) uint16 { return v.Sockets[i].Local.Port() }) {
		s := &v.Sockets[g[0]]
		f := Finding{
			Grade: Notice, Cause: cause.ReplyLost, Confidence: cause.Possible, Rows: g,
			Text: fmt.Sprintf("%s at port %d %s waiting for the last ACK, though the SYN,ACK was sent again: answers get lost on the way back, or the SYNs came from forged addresses.",
				count(len(g), "handshake", "handshakes"), s.Local.Port(), pick(len(g), "is", "are")),
			Remedy: "Few: look at the way back to these clients. Many, from everywhere: a SYN flood; net.ipv4.tcp_syncookies must be 1.",
		}
		if l := v.listener(s.Local); l != nil && full(l) {
			f.Grade, f.Cause, f.Confidence = Wrong, cause.ListenQueueFull, cause.Likely
			f.Text = fmt.Sprintf("%s at port %d cannot be finished: the accept queue of %s is full, so that the last ACK is ignored.",
				count(len(g), "handshake", "handshakes"), s.Local.Port(), v.who(l))
			f.Remedy = "See what the process does instead of accepting."
		}
		found = append(found, f)
	}
	return found
}

// nearlyGone is the share of the ephemeral ports, in hundredths, from which on
// the ports toward one destination are remarked.
const nearlyGone = 80

// portsNearlyGone counts as the kernel does: a port is taken for one source
// address and one destination (__inet_check_established).
func (v *view) portsNearlyGone() []Finding {
	low, high := v.Host.PortLow, v.Host.PortHigh
	size := high - low + 1 - v.Host.PortsReserved
	if low <= 0 || size <= 0 {
		return nil
	}
	type way struct {
		from netip.Addr
		to   netip.AddrPort
	}
	rows := v.in(SYNSent, Established, CloseWait, LastACK, FINWait1, FINWait2, Closing, TimeWait)
	rows = v.only(rows, func(s *Socket) bool { return int(s.Local.Port()) >= low && int(s.Local.Port()) <= high })
	if len(rows)*100 < size*nearlyGone {
		return nil
	}
	var found []Finding
	for _, g := range group(rows, func(i int32) way { return way{v.Sockets[i].Local.Addr(), v.Sockets[i].Remote} }) {
		if len(g)*100 < size*nearlyGone {
			continue
		}
		s := &v.Sockets[g[0]]
		waits := len(v.only(g, func(s *Socket) bool { return s.State == TimeWait }))
		f := Finding{
			Grade: Wrong, Cause: cause.PortsExhausted, Confidence: cause.Possible, Rows: g,
			Text: fmt.Sprintf("%d of %d ephemeral ports (%d-%d) are taken toward %s from %s, %d of them by TIME_WAIT; when none is left, connect gives EADDRNOTAVAIL.",
				len(g), size, low, high, host(s.Remote), s.Local.Addr(), waits),
			Remedy: "Keep connections and use them again; else more source addresses, a wider net.ipv4.ip_local_port_range, or let the other end close first.",
		}
		if len(g) >= size {
			f.Confidence = cause.Likely
		}
		found = append(found, f)
	}
	return found
}

func (v *view) selfConnected() []Finding {
	var found []Finding
	for _, i := range v.only(v.in(Established, CloseWait, FINWait1, FINWait2), func(s *Socket) bool { return s.Local == s.Remote }) {
		s := &v.Sockets[i]
		found = append(found, Finding{
			Grade: Wrong, Cause: cause.SelfConnect, Confidence: cause.Certain, Rows: []int32{i},
			Text:   fmt.Sprintf("The socket of %s is connected to itself at %s: it dialed a port of the ephemeral range where nothing listened.", v.who(s), s.Local),
			Remedy: "Close it, and take services out of the range with net.ipv4.ip_local_reserved_ports.",
		})
	}
	return found
}

// timeWaitNearlyFull is the share of tcp_max_tw_buckets, in hundredths.
const timeWaitNearlyFull = 90

func (v *view) timeWaitFull() []Finding {
	limit, rows := v.Host.MaxTimeWait, v.rows[TimeWait]
	if limit <= 0 || int64(len(rows))*100 < limit*timeWaitNearlyFull {
		return nil
	}
	return []Finding{{
		Grade: Notice, Rows: rows,
		Text:   fmt.Sprintf("%d sockets are in TIME_WAIT, and the host keeps %d (tcp_max_tw_buckets): further ones are forgotten at once, and late packets may meet new connections.", len(rows), limit),
		Remedy: "Keep connections and use them again, or raise net.ipv4.tcp_max_tw_buckets.",
	}}
}

func ago(d time.Duration) string { return cause.Duration(d.Round(time.Second)) }
