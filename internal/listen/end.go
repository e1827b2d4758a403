package listen

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// ending is one way in which a connection ends for this server: an index into
// endings, small enough to count by. It holds what the server did and what its
// calls gave; why, the rules of package cause say.
type ending uint8

// The endings.
const (
	peerFIN     ending = iota // the peer closed, and then this end
	bothFIN                   // this end sent its FIN, and then the peer did
	peerRST                   // ECONNRESET
	brokenPipe                // EPIPE
	peerTimeout               // ETIMEDOUT
	pathICMP                  // an ICMP error's errno
	hereFIN                   // the server ended: interrupted
	limitFIN                  // the server ended: its time was over
	hereRST                   // this end reset
	hereSilence               // this end forgot
	otherError
	endingCount
)

// endings say who ended a connection and how, as the server's calls told it; by
// is what evidence.End has of an end that no call's errno told.
var endings = [endingCount]struct {
	who, how string
	by       string
	errno    evidence.Errno // the one that stands for the others, where there are several
}{
	peerFIN:     {who: "peer", how: "FIN"},
	bothFIN:     {who: "here", how: "FIN"},
	peerRST:     {who: "peer", how: "RST", errno: "ECONNRESET"},
	brokenPipe:  {who: "peer", how: "RST", errno: "EPIPE"},
	peerTimeout: {who: "path", how: "timeout", errno: "ETIMEDOUT"},
	pathICMP:    {who: "path", how: "ICMP", errno: "EHOSTUNREACH"},
	hereFIN:     {who: "here", how: "FIN", by: evidence.BySignal},
	limitFIN:    {who: "here", how: "FIN", by: evidence.ByLimit},
	hereRST:     {who: "here", how: "RST", by: evidence.ByReset},
	hereSilence: {who: "crash", how: "silence", by: evidence.ByForget},
	otherError:  {who: "here", how: "error", errno: "EIO"},
}

// endOf is the end that an errno of recv(2), send(2) or SO_ERROR stands for
// (tcp_reset, tcp_write_err, icmp_err_convert).
func endOf(e syscall.Errno) ending {
	switch e {
	case syscall.ECONNRESET:
		return peerRST
	case syscall.EPIPE:
		return brokenPipe
	case syscall.ETIMEDOUT:
		return peerTimeout
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNREFUSED, syscall.ENOPROTOOPT, syscall.EACCES,
		syscall.EOPNOTSUPP, syscall.EPROTO, syscall.ENETDOWN:
		return pathICMP
	}
	return otherError
}

// last is how a connection ended, as the server knows it by itself.
type last struct {
	ending
	call      string         // evidence.ByRead or ByWrite: which call gave the errno
	errno     evidence.Errno // empty: none did
	fin       bool           // the peer's FIN had been read
	half      bool           // this end's was sent
	halfFirst bool           // before the peer's came
	limit     time.Duration  // of limitFIN
	took      time.Duration  // since it was accepted
}

// log is that as evidence.
func (l *last) log() (log evidence.Log) {
	if l.half && l.halfFirst {
		log.Add(0, evidence.FromCaller, &evidence.End{By: evidence.ByShutdown})
	}
	if l.fin {
		log.Add(l.took, evidence.FromRead, &evidence.End{By: evidence.ByRead, EOF: true})
	}
	if l.half && !l.halfFirst {
		log.Add(l.took, evidence.FromCaller, &evidence.End{By: evidence.ByShutdown})
	}
	switch by := endings[l.ending].by; {
	case l.errno != "" && l.call == evidence.ByWrite:
		log.Add(l.took, evidence.FromWrite, &evidence.End{By: l.call, Errno: l.errno})
	case l.errno != "":
		log.Add(l.took, evidence.FromRead, &evidence.End{By: l.call, Errno: l.errno})
	case by != "":
		log.Add(l.took, evidence.FromCaller, &evidence.End{By: by, Limit: l.limit})
	}
	return log
}

// ordinary says that the rules would find the same cause whatever else there is
// to see, so that an end of which nobody wants to hear more is only counted: one
// that both ends made in order, or one of a connection on which nothing was sent
// that the peer could have left unanswered, and nothing left unread (more). With
// keepalive, or another of the settings of Alive, there always may have been.
func (l *last) ordinary(more, alive bool) bool {
	switch l.ending {
	case peerFIN, bothFIN:
		return true
	case brokenPipe:
		return !more && !alive
	case peerRST, hereFIN, limitFIN, hereRST, hereSilence:
		return !more && !alive && !l.fin
	}
	return false
}

// plain is what the rules say of an ordinary end of this kind, by what the
// server's calls told alone.
func (k ending) plain() cause.Verdict {
	l := last{ending: k, call: evidence.ByRead, errno: endings[k].errno, fin: k == peerFIN || k == bothFIN, half: k == bothFIN, halfFirst: true}
	log := l.log()
	if l.fin {
		log.Add(0, evidence.FromTCPInfo, &evidence.Flow{State: "CLOSE_WAIT"})
	}
	return judge(netip.AddrPort{}, log)
}

// verdicts are those of plain.
type verdicts [endingCount]cause.Verdict

// of is the verdict on an ordinary end of a connection of peer's.
func (p *verdicts) of(k ending, peer netip.AddrPort) *cause.Verdict {
	v := p[k]
	if v.Culprit.Kind == cause.Destination {
		v.Culprit.Address = peer.Addr()
	}
	return &v
}

// judge asks the rules about one connection.
func judge(peer netip.AddrPort, log evidence.Log) cause.Verdict {
	target := ""
	if peer.IsValid() {
		target = peer.String()
	}
	return cause.Explain(&evidence.Dial{Target: target, Network: "tcp", Attempts: []evidence.Attempt{{Remote: peer, Log: log}}})
}
