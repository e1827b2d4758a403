package socktable

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sockets"
)

// tries is how often a dump that was disturbed is asked for anew.
const tries = 3

// Read reads the table; now is its moment.
func Read(now time.Time, q Query) (*sockets.Table, error) {
	c, err := sys.OpenSockDiag()
	if err != nil {
		return nil, fmt.Errorf("the table of sockets: %w", err)
	}
	defer c.Close()
	t := &sockets.Table{At: now}
	r := reader{q: q, table: t, names: map[uint32]string{}}
	for _, family := range []uint8{syscall.AF_INET, syscall.AF_INET6} {
		if q.TCP {
			if err := r.dump(c, syscall.IPPROTO_TCP, family); err != nil {
				return nil, fmt.Errorf("the table of TCP sockets: %w", err)
			}
		}
		if q.UDP {
			if err := r.dump(c, syscall.IPPROTO_UDP, family); err != nil {
				return nil, fmt.Errorf("the table of UDP sockets: %w", err)
			}
		}
	}
	t.Host = readHost()
	if q.Processes {
		FindHolders(t)
	}
	return t, nil
}

type reader struct {
	q     Query
	table *sockets.Table
	names map[uint32]string // of interfaces
}

// dump adds the sockets of one family. A socket that a dump shows twice, since
// the kernel walks its table in parts, is kept once.
func (r *reader) dump(c *sys.Netlink, protocol, family uint8) error {
	q := sys.SockQuery{Protocol: protocol, Family: family, States: sys.AnyState, Info: r.q.Info && protocol == syscall.IPPROTO_TCP, Memory: true}
	if protocol == syscall.IPPROTO_TCP && r.q.States != 0 {
		q.States = kernelStates(r.q.States)
	}
	t := r.table
	start := len(t.Sockets)
	for try := 1; ; try++ {
		t.Sockets = t.Sockets[:start]
		seen := make(map[uint64]struct{})
		err := c.Sockets(q, func(d *sys.DiagSocket) bool {
			if _, twice := seen[d.Cookie]; twice && d.Cookie != 0 {
				return true
			}
			seen[d.Cookie] = struct{}{}
			t.Sockets = append(t.Sockets, sockets.Socket{})
			r.row(&t.Sockets[len(t.Sockets)-1], protocol, d)
			return true
		})
		switch {
		case errors.Is(err, syscall.ENOENT): // no module for this protocol or family: it has no sockets
			return nil
		case !errors.Is(err, sys.ErrDumpInterrupted):
			return err
		case try == tries:
			t.Torn = true
			return nil
		}
	}
}

func (r *reader) row(s *sockets.Socket, protocol uint8, d *sys.DiagSocket) {
	*s = sockets.Socket{
		Network: "tcp", State: stateOf(d.State), Local: unmap(d.Local), V6Only: d.V6Only,
		RecvQ: d.RecvQ, SendQ: d.SendQ, Retries: d.Retrans, UID: d.UID, Inode: d.Inode, Cookie: d.Cookie, Cgroup: d.Cgroup,
	}
	if protocol == syscall.IPPROTO_UDP {
		s.Network, s.V6Only = "udp", d.V6Only
		if s.State != sockets.Established {
			s.State = sockets.Unconnected
		}
	}
	if d.Timer <= sys.TimerPersist {
		s.Timer = sockets.Timer(d.Timer)
	}
	if s.Timer != sockets.NoTimer {
		s.Expires = time.Duration(d.Expires) * time.Millisecond
	}
	if d.Remote.Port() != 0 {
		s.Remote = unmap(d.Remote)
	}
	if d.Device != 0 {
		s.Interface = r.name(d.Device)
	}
	if d.Memory != nil {
		s.Drops = d.Memory.Drops
	}
	if d.Info != nil && s.State != sockets.Listen && s.State != sockets.Closed {
		s.Info = infoOf(d.Info)
		s.Info.Windows = d.Windows
	}
}

func (r *reader) name(index uint32) string {
	name, known := r.names[index]
	if !known {
		name = fmt.Sprint("interface ", index)
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			name = i.Name
		}
		r.names[index] = name
	}
	return name
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// states are the kernel's (include/net/tcp_states.h), by number.
var states = [...]sockets.State{
	sys.StateEstablished: sockets.Established, sys.StateSYNSent: sockets.SYNSent, 3: sockets.SYNReceived, 4: sockets.FINWait1, 5: sockets.FINWait2,
	sys.StateTimeWait: sockets.TimeWait, sys.StateClose: sockets.Closed, 8: sockets.CloseWait, 9: sockets.LastACK,
	sys.StateListen: sockets.Listen, 11: sockets.Closing, sys.StateNewSynRecv: sockets.SYNReceived, sys.StateBoundInactive: sockets.Closed,
}

func stateOf(n uint8) sockets.State {
	if int(n) < len(states) {
		return states[n]
	}
	return sockets.UnknownState
}

func kernelStates(wanted sockets.States) (mask uint32) {
	for n, s := range states {
		if s != sockets.UnknownState && wanted.Has(s) {
			mask |= 1 << n
		}
	}
	return mask
}

func infoOf(i *sys.TCPInfo) *sockets.Info {
	ms := func(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
	us := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
	return &sockets.Info{
		CAState: i.Ca_state, Backoff: i.Backoff, RTO: us(i.Rto), RTT: us(i.Rtt), RTTVar: us(i.Rttvar), MinRTT: minRTT(i.Min_rtt),
		SndMSS: i.Snd_mss, PMTU: i.Pmtu, Cwnd: i.Snd_cwnd, SndWnd: i.Snd_wnd, RcvWnd: i.Rcv_wnd, Unacked: i.Unacked, Lost: i.Lost,
		Retransmitted: i.Total_retrans, BytesAcked: i.Bytes_acked, BytesRecv: i.Bytes_received, NotSent: i.Notsent_bytes, DeliveryRate: i.Delivery_rate,
		LastSent: ms(i.Last_data_sent), LastRecv: ms(i.Last_data_recv), LastACK: ms(i.Last_ack_recv),
	}
}

// minRTT is ~0 until something was measured (tcp_min_rtt).
func minRTT(us uint32) time.Duration {
	if us == ^uint32(0) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
