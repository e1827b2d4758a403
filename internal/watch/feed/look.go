package feed

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/watch"
)

// examiner asks this host about failures, so often at most that it costs nobody
// much: one that repeats itself means the same each time.
type examiner struct {
	network          uint32 // the only one that can be asked; 0: all stories are of it
	nextPort, nextIP time.Time
}

// The time between two questions: for the ports the table of sockets is read, for
// a route one message is sent.
const (
	portPause  = 50 * time.Millisecond
	routePause = 2 * time.Millisecond
)

// due says that the next question may be asked.
func due(next *time.Time, now time.Time, pause time.Duration) bool {
	if now.Before(*next) {
		return false
	}
	*next = now.Add(pause)
	return true
}

// Look adds what this host can still be asked about an attempt that failed
// before a packet went: the free ports toward its destination, its route.
func (x *examiner) Look(s *watch.Story) {
	if !s.Sync || s.UDP || !s.Remote.IsValid() || x.network != 0 && s.Network != x.network {
		return
	}
	add := func(f evidence.Fact) {
		s.Facts = append(s.Facts, evidence.Entry{At: max(s.Ended.Sub(s.Began), time.Duration(0)), Source: evidence.FromSockDiag, Fact: f})
	}
	switch s.Errno {
	case "EADDRNOTAVAIL", "EAGAIN":
		if s.Remote.Port() == 0 || !due(&x.nextPort, s.Ended, portPause) {
			return
		}
		var src netip.Addr
		if s.Local.IsValid() && !s.Local.Addr().IsUnspecified() {
			src = s.Local.Addr()
		}
		if p, err := netlink.PortsToward(src, s.Remote); err == nil {
			add(p)
		}
	case "ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL":
		if !due(&x.nextIP, s.Ended, routePause) {
			return
		}
		if r, err := netlink.RouteTo(netlink.Query{To: s.Remote.Addr()}); err == nil {
			add(r)
		}
	}
}
