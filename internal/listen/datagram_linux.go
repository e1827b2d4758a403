package listen

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
)

const (
	mostKnown   = 1 << 16 // peers that are told apart, a thread
	mostWaiting = 1 << 12 // answers that wait for their delay, a thread
)

// answer is a datagram that waits for its time.
type answer struct {
	at   time.Time
	l    *listener
	to   sys.Datagram
	text []byte
}

// receive takes datagrams from a socket.
func (s *shard) receive(l *listener) {
	for range round {
		if l.fd < 0 {
			return
		}
		n, d, errno := sys.RecvDatagram(int(l.fd), s.buffer)
		if errno == syscall.EAGAIN {
			return
		}
		if errno != 0 {
			continue
		}
		s.datagram.Add(1)
		s.in.Add(uint64(n))
		here := netip.AddrPortFrom(d.Here, l.addr.Port())
		if !d.Here.IsValid() {
			here = l.addr
		}
		s.meet(d.Peer, here)
		if s.Each != nil {
			s.add1(Event{Kind: Received, Local: here, Peer: d.Peer, Traffic: &Traffic{In: uint64(n)}})
		}
		if d.Peer == here {
			continue // a socket that answers itself never ends
		}
		switch {
		case s.Reading == Echo:
			s.reply(l, &d, s.buffer[:n])
		case s.Greeting != "":
			s.reply(l, &d, []byte(s.greeting()))
		}
	}
}

// meet counts a peer that was not met before.
func (s *shard) meet(peer, here netip.AddrPort) {
	if _, met := s.known[peer]; met || len(s.known) >= mostKnown {
		return
	}
	if s.known == nil {
		s.known = map[netip.AddrPort]struct{}{}
	}
	s.known[peer] = struct{}{}
	s.peers.Add(1)
	s.add1(Event{Kind: NewPeer, Local: here, Peer: peer})
}

func (s *shard) reply(l *listener, d *sys.Datagram, text []byte) {
	switch {
	case s.Delay == 0:
		s.send(l, d, text)
	case len(s.udpBox)-s.due >= mostWaiting:
		s.lost.Add(1)
	default:
		s.udpBox = append(s.udpBox, answer{s.now.Add(s.Delay), l, *d, append([]byte(nil), text...)})
	}
}

func (s *shard) send(l *listener, d *sys.Datagram, text []byte) {
	if l.fd < 0 || sys.SendDatagram(int(l.fd), l.family, text, d) != 0 {
		s.lost.Add(1)
		return
	}
	s.answers.Add(1)
	s.out.Add(uint64(len(text)))
}

// nextAnswer is when the next answer is due.
func (s *shard) nextAnswer() time.Time {
	if s.due < len(s.udpBox) {
		return s.udpBox[s.due].at
	}
	return time.Time{}
}

// sendDue sends the answers whose time has come.
func (s *shard) sendDue() {
	for s.due < len(s.udpBox) && !s.udpBox[s.due].at.After(s.now) {
		a := &s.udpBox[s.due]
		s.send(a.l, &a.to, a.text)
		a.text = nil
		s.due++
	}
	if s.due > len(s.udpBox)/2 {
		s.udpBox = s.udpBox[:copy(s.udpBox, s.udpBox[s.due:])]
		s.due = 0
	}
}
