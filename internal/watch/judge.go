package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

// FromKernel is the source of facts that were heard from the kernel, or read in
// its tables.
const FromKernel evidence.Source = "kernel"

// overdue is how long an answer may take before an attempt that its process has
// given up counts as unanswered, and not merely as called off. It is the first
// retransmission (RFC 6298 §2.1).
const overdue = time.Second

// heard are the tracepoints behind the events of a story that was not read from
// a table.
var heard = []string{"sock:inet_sock_set_state", "skb:kfree_skb", "tcp:tcp_retransmit_skb"}

// mostHeard bounds Story.Heard.
const mostHeard = 24

// hear keeps what the kernel said of an attempt, as evidence.
func (s *Story) hear(e *Event) {
	if !s.Opened.IsZero() || len(s.Heard) >= mostHeard {
		return
	}
	add := func(f evidence.Fact) { s.Heard.Add(max(e.At.Sub(s.Began), 0), FromKernel, f) }
	switch e.Kind {
	case Resent:
		if !s.Looked {
			add(&evidence.KernelRetransmit{State: "SYN_SENT"})
		}
	case Dropped:
		d := &evidence.KernelDrop{Direction: evidence.Sent, Reason: e.Reason, Location: e.Where, Protocol: "tcp", From: s.Local, To: s.Remote,
			Flags: e.Packet.flagWords(), Length: int(e.Packet.Length), Arrived: e.Packet.Arrived, Quoted: e.Packet.ICMP}
		if e.UDP {
			d.Protocol = "udp"
		}
		if e.Packet.Arrived {
			d.Direction, d.From, d.To = evidence.Received, s.Remote, s.Local
		}
		if d.Quoted {
			d.ICMPType, d.ICMPCode = int(e.Packet.ICMPType), int(e.Packet.ICMPCode)
		}
		add(d)
	}
}

// flagWords are the flags as package evidence writes them.
func (p Packet) flagWords() string {
	var words []string
	for _, f := range [...]struct {
		bit  uint8
		word string
	}{{SYN, "SYN"}, {FIN, "FIN"}, {RST, "RST"}, {ACK, "ACK"}} {
		if p.Flags&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, "-")
}

// Judge says what an ended story means. Where nothing can be said, why tells the
// reason and the verdict is empty.
func Judge(s *Story) (v cause.Verdict, why string) {
	switch {
	case s.Call != "" || s.Sync:
		return cause.Explain(s.attempt()), ""
	case s.Vanished && (s.before == sockets.SYNSent || s.Opened.IsZero() && !s.In && s.Seen):
		return s.judgeVanished()
	case s.Vanished:
		return v, "the socket was gone between two looks: how it ended was not seen"
	case s.before == sockets.SYNSent:
		return cause.Explain(s.attempt()), ""
	case s.before == sockets.SYNReceived:
		return v, "the peer's handshake was not finished"
	}
	v = cause.Explain(s.ending())
	if s.RSTOut && v.Cause == cause.IsOpen {
		v.Explanation = fmt.Sprintf("This end cut the connection to %s off with a RST%s.", s.Remote, reasonOf(s.RSTReason))
	}
	return v, ""
}

// judgeOpening keeps the verdict of a handshake for which SYNs had to be sent
// again.
func (t *Tracker) judgeOpening(s *Story) {
	s.Verdict = cause.Explain(s.attempt())
}

func reasonOf(name string) string {
	switch {
	case strings.HasSuffix(name, "ABORT_ON_CLOSE"):
		return ", since its process closed it with unread data"
	case strings.HasSuffix(name, "ABORT_ON_LINGER"), strings.HasSuffix(name, "DISCONNECT_WITH_DATA"):
		return ", as its process had asked (SO_LINGER 0)"
	}
	return ""
}

// judgeVanished is for a source that does not see how attempts end.
func (s *Story) judgeVanished() (v cause.Verdict, why string) {
	switch {
	case s.Flow.SegmentsIn > 0 && s.Flow.Acked == 0:
		// Something came, and the connection did not open: of segments only a RST
		// does that.
		s.Errno = "ECONNREFUSED"
		v = cause.Explain(s.attempt())
		if v.Confidence == cause.Certain {
			v.Confidence = cause.Likely // the errno is inferred
		}
		return v, ""
	case s.Ended.Sub(s.Began) >= overdue || s.Flow.Resent > 0:
		return cause.Explain(s.attempt()), ""
	}
	return v, "the attempt was gone between two looks: how it ended was not seen"
}

// network is what package cause calls it.
func (s *Story) network() string {
	name := "tcp"
	if s.UDP {
		name = "udp"
	}
	if s.Remote.Addr().Is6() {
		return name + "6"
	}
	return name + "4"
}

// attempt writes what was seen of a handshake as the dial's own observations,
// so that the same rules judge both.
func (s *Story) attempt() *evidence.Dial {
	var log evidence.Log
	add := func(at time.Duration, f evidence.Fact) { log.Add(at, FromKernel, f) }
	end := s.Ended
	if !s.Opened.IsZero() {
		end = s.Opened
	}
	took := max(end.Sub(s.Began), 0)
	if !s.Looked && s.Seen {
		add(0, &evidence.KernelWatch{Tracepoints: heard})
	}
	if s.Call != "" {
		add(0, &evidence.Call{Call: s.Call, Errno: s.Errno})
	} else {
		if s.Local.IsValid() && s.Local.Port() != 0 && s.Local.Addr().IsValid() && !s.Local.Addr().IsUnspecified() {
			add(0, &evidence.LocalAddr{Addr: s.Local})
		}
		connect := &evidence.Connect{Remote: s.Remote, Errno: "EINPROGRESS"}
		if s.Sync {
			connect.Errno = s.Errno
		}
		add(0, connect)
	}
	log = append(log, s.Heard...)
	if !s.Sync && s.Call == "" {
		info := &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: max(s.Flow.Resent, s.Resent), RTT: s.Flow.RTT}
		switch errno := s.errnoOf(); {
		case !s.Opened.IsZero():
			info.State = "ESTABLISHED"
			add(took, &evidence.SOError{})
		case errno != "":
			info.State = "CLOSE"
			add(took, &evidence.SOError{Errno: errno})
		case took >= overdue || info.TotalRetrans > 0 || s.thrownAway():
			add(took, &evidence.Expired{Limit: took, Scope: "context"})
		default:
			add(took, &evidence.Cancelled{By: "caller"})
		}
		add(took, info)
	}
	log = append(log, s.Facts...)
	target := s.Remote.String()
	if !s.Remote.IsValid() {
		target = "socket"
	}
	return &evidence.Dial{Target: target, Network: s.network(), Took: took, Attempts: []evidence.Attempt{{Remote: s.Remote, Took: took, Log: log}}}
}

// thrownAway says that this host threw a packet of the handshake away: nobody can
// have answered, or the answer is lost, however early the process gave up.
func (s *Story) thrownAway() bool {
	return slices.ContainsFunc(s.Heard, func(e evidence.Entry) bool { _, is := e.Fact.(*evidence.KernelDrop); return is })
}

// ending writes what was seen of an established connection's end.
func (s *Story) ending() *evidence.Dial {
	var log evidence.Log
	lived := max(s.Ended.Sub(s.Began), 0)
	log.Add(0, FromKernel, &evidence.LocalAddr{Addr: s.Local})
	log.Add(0, FromKernel, &evidence.Connect{Remote: s.Remote, Errno: "EINPROGRESS"})
	log.Add(0, FromKernel, &evidence.SOError{})
	errno := s.errnoOf()
	if s.before == sockets.FINWait2 && s.RSTIn {
		errno = "" // all that this end had to send was acknowledged, and its process had gone
	}
	state := "CLOSE"
	switch s.First {
	case "peer":
		state = s.before.String() // CLOSE_WAIT or LAST_ACK: the kernel had the FIN
		log.Add(lived, FromKernel, &evidence.End{By: evidence.ByRead, EOF: true})
	case "here":
		log.Add(lived, FromKernel, &evidence.End{By: evidence.ByShutdown})
	}
	switch {
	case errno != "" && errno != "EPIPE": // EPIPE: the peer's RST after its FIN; that its process wrote was not seen
		log.Add(lived, FromKernel, &evidence.End{By: evidence.ByRead, Errno: errno})
	default:
		log.Add(lived, FromKernel, &evidence.End{By: evidence.ByClose})
	}
	log.Add(lived, FromKernel, &evidence.Flow{State: state, Sent: s.Sent(), Received: s.Got(), Retransmitted: s.Flow.Resent})
	log = append(log, s.Facts...)
	return &evidence.Dial{Target: s.Remote.String(), Network: s.network(), Took: lived, Attempts: []evidence.Attempt{{Remote: s.Remote, Took: lived, Log: log}}}
}
