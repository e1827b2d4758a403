package sockets

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// How long a connection may rest before it is remarked. The peer may have
// closed one direction only, on purpose, and wait for the rest of the answer.
const (
	closeWaitNotice = 10 * time.Second
	closeWaitWrong  = 60 * time.Second
	closeWaitMany   = 10 // as many as this are wrong however long they rest
	windowShutWrong = 5 * time.Second
)

// closedFor is for how long at least the peer of a socket in CLOSE_WAIT has
// closed: its last segment came so long ago, and the FIN not later.
func closedFor(s *Socket) time.Duration {
	if s.Info == nil {
		return 0
	}
	return min(s.Info.LastACK, s.Info.LastSent)
}

func (v *view) notClosed() []Finding {
	rows := v.only(v.rows[CloseWait], func(s *Socket) bool { return s.Inode != 0 && s.SendQ == 0 && closedFor(s) >= closeWaitNotice })
	var found []Finding
	for _, g := range group(rows, v.owner) {
		longest := most(v, g, closedFor)
		f := Finding{
			Grade: Notice, Cause: cause.PeerClosed, Confidence: cause.Likely, Rows: g,
			Text: fmt.Sprintf("%s does not close %s whose %s closed %s ago, or longer.", v.who(&v.Sockets[g[0]]),
				count(len(g), "connection", "connections"), pick(len(g), "peer has", "peers have"), ago(longest)),
			Remedy: fmt.Sprintf("Each holds a descriptor. A program must close when a read returns 0: dialscope sockets --state close-wait%s lists them.", v.pid(g)),
		}
		if longest >= closeWaitWrong || len(g) >= closeWaitMany {
			f.Grade = Wrong
		}
		found = append(found, f)
	}
	return found
}

// carries are the states in which data, or a FIN, can be under way.
var carries = []State{Established, CloseWait, LastACK, FINWait1, Closing}

func (v *view) peerWindowShut() []Finding {
	rows := v.only(v.in(carries...), func(s *Socket) bool {
		return s.Timer == Persist && s.SendQ > 0 && (s.Info == nil || !s.Info.Windows || s.Info.SndWnd < max(s.Info.SndMSS, 1))
	})
	type way struct {
		owner owner
		to    netip.AddrPort
	}
	var found []Finding
	for _, g := range group(rows, func(i int32) way { return way{v.owner(i), v.Sockets[i].Remote} }) {
		s := &v.Sockets[g[0]]
		retries := most(v, g, func(s *Socket) uint8 { return s.Retries })
		rested := most(v, g, lastSent)
		f := Finding{
			Grade: Notice, Cause: cause.ZeroWindow, Confidence: cause.Likely, Rows: g,
			Text: fmt.Sprintf("%s has shut its window for %s: %s to be sent in %s",
				s.Remote, v.who(s), count(int(v.sum(g, sendQ)), "octet waits", "octets wait"), count(len(g), "connection", "connections")),
			Remedy: "The program at the other end does not read: look at it there, not here.",
		}
		if retries == 0 && !slices.ContainsFunc(g, func(i int32) bool { return !v.Sockets[i].toldShut() }) {
			f.Confidence = cause.Certain
		}
		if rested >= closeWaitNotice {
			f.Text += ", the last data went out " + ago(rested) + " ago"
		}
		if retries > 0 {
			f.Text += fmt.Sprintf("; the last %s not answered, so the peer may be gone", count(int(retries), "probe was", "probes were"))
		}
		f.Text += "."
		if retries > 0 || rested >= windowShutWrong {
			f.Grade = Wrong
		}
		found = append(found, f)
	}
	return found
}

// toldShut says that the kernel itself told the peer's window to be zero.
func (s *Socket) toldShut() bool { return s.Info != nil && s.Info.Windows && s.Info.SndWnd == 0 }

func lastSent(s *Socket) time.Duration {
	if s.Info == nil {
		return 0
	}
	return s.Info.LastSent
}

func (v *view) notRead() []Finding {
	rows := v.only(v.in(Established, FINWait1, FINWait2), func(s *Socket) bool {
		return s.Inode != 0 && s.Info != nil && s.Info.Windows && s.Info.RcvWnd == 0 && s.RecvQ > 0
	})
	var found []Finding
	for _, g := range group(rows, v.owner) {
		f := Finding{
			Grade: Notice, Cause: cause.ZeroWindow, Confidence: cause.Likely, Rows: g,
			Text: fmt.Sprintf("%s does not read: %s in %s, and their senders were told to stop.", v.who(&v.Sockets[g[0]]),
				count(int(v.sum(g, recvQ)), "octet waits", "octets wait"), count(len(g), "connection", "connections")),
			Remedy: "The peers see a zero window. See what the process does instead of reading.",
		}
		if most(v, g, func(s *Socket) time.Duration { return s.Info.LastRecv }) >= windowShutWrong {
			f.Grade = Wrong
		}
		found = append(found, f)
	}
	return found
}

func recvQ(s *Socket) uint32 { return s.RecvQ }
func sendQ(s *Socket) uint32 { return s.SendQ }

func (v *view) sum(rows []int32, f func(*Socket) uint32) (octets uint64) {
	for _, i := range rows {
		octets += uint64(f(&v.Sockets[i]))
	}
	return octets
}

// resentOften is how often data was sent again before that is remarked: once
// happens on every path that loses packets.
const resentOften = 2

func (v *view) notAcknowledged() []Finding {
	rows := v.only(v.in(carries...), func(s *Socket) bool {
		return s.Timer == Retransmit && s.Retries >= resentOften && (s.Inode != 0 || s.State == Established)
	})
	var found []Finding
	for _, g := range group(rows, func(i int32) netip.Addr { return v.Sockets[i].Remote.Addr() }) {
		s := &v.Sockets[g[0]]
		at := s.Remote.String()
		if len(g) > 1 {
			at = s.Remote.Addr().String()
		}
		found = append(found, Finding{
			Grade: Wrong, Cause: cause.PeerVanished, Confidence: cause.Possible, Rows: g,
			Text: fmt.Sprintf("%s does not acknowledge what %s sent: %s in %s, sent again up to %s.", at, v.whose(g),
				count(int(v.sum(g, sendQ)), "octet", "octets"), count(len(g), "connection", "connections"), times(int(most(v, g, func(s *Socket) uint8 { return s.Retries })))),
			Remedy: fmt.Sprintf("The host or the way to it is gone, or large packets get lost: dialscope %s tells whether a new connection still opens.", s.Remote),
		})
	}
	return found
}

func (v *view) keepaliveUnanswered() []Finding {
	rows := v.only(v.in(Established, CloseWait, FINWait2), func(s *Socket) bool { return s.Timer == Keepalive && s.Retries > 0 && s.Inode != 0 })
	var found []Finding
	for _, g := range group(rows, func(i int32) netip.Addr { return v.Sockets[i].Remote.Addr() }) {
		s := &v.Sockets[g[0]]
		found = append(found, Finding{
			Grade: Wrong, Cause: cause.PeerVanished, Confidence: cause.Possible, Rows: g,
			Text: fmt.Sprintf("%s has not answered up to %s of %s of %s.", s.Remote.Addr(),
				count(int(most(v, g, func(s *Socket) uint8 { return s.Retries })), "keepalive probe", "keepalive probes"), count(len(g), "connection", "connections"), v.whose(g)),
			Remedy: fmt.Sprintf("The peer is gone, or something on the way has forgotten the connection: dialscope %s tells whether a new one opens.", s.Remote),
		})
	}
	return found
}

// orphans are sockets that their processes have closed, while the kernel still
// waits for the peer's acknowledgement (tcp_close). One half of the host's limit
// and more is remarked: beyond it the kernel resets them (tcp_too_many_orphans).
func (v *view) orphans() []Finding {
	all := v.only(v.in(FINWait1, LastACK, Closing), func(s *Socket) bool { return s.Inode == 0 })
	var found []Finding
	if limit := v.Host.MaxOrphans; limit > 0 && int64(len(all))*2 >= limit {
		found = append(found, Finding{
			Grade: Wrong, Rows: all,
			Text:   fmt.Sprintf("%s, and beyond %d (tcp_max_orphans) the kernel resets them: what they have not sent is lost.", count(len(all), "closed socket is not acknowledged yet", "closed sockets are not acknowledged yet"), limit),
			Remedy: "See which peers do not answer: dialscope sockets --state fin-wait-1.",
		})
	}
	rows := v.only(all, func(s *Socket) bool { return s.Timer == Retransmit && s.Retries >= resentOften })
	for _, g := range group(rows, func(i int32) netip.Addr { return v.Sockets[i].Remote.Addr() }) {
		s := &v.Sockets[g[0]]
		found = append(found, Finding{
			Grade: Notice, Cause: cause.PeerVanished, Confidence: cause.Possible, Rows: g,
			Text: fmt.Sprintf("%s that processes have closed %s not acknowledged by %s, though sent again up to %s; the kernel gives up by itself.", count(len(g), "connection", "connections"),
				pick(len(g), "is", "are"), s.Remote.Addr(), times(int(most(v, g, func(s *Socket) uint8 { return s.Retries })))),
			Remedy: "Nothing needs to be done here unless there are many; what they still had to send may be lost.",
		})
	}
	return found
}

func (v *view) datagramsDropped() []Finding {
	var found []Finding
	for _, i := range v.udp {
		s := &v.Sockets[i]
		if s.Drops == 0 {
			continue
		}
		f := Finding{
			Grade: Notice, Rows: []int32{i},
			Text:   fmt.Sprintf("%s at %s has lost %s since the socket was made: its buffer was full, or their checksums were wrong.", v.who(s), host(s.Local), count(int(s.Drops), "datagram", "datagrams")),
			Remedy: "If the number rises: read faster, or a larger SO_RCVBUF with net.core.rmem_max.",
		}
		if s.RecvQ > 0 {
			f.Grade = Wrong
			f.Text += fmt.Sprintf(" %s unread now.", count(int(s.RecvQ), "octet of memory is", "octets of memory are"))
		}
		found = append(found, f)
	}
	return found
}
