package sock

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Flow reads how an established connection stands, or stood when it ended. Shut
// says that this end has sent its FIN, ended that a read has met the peer's:
// each stands in the kernel's numbers as one octet. Failed says that an error has
// ended it, which left no FIN of the peer's to be met.
func Flow(rc syscall.RawConn, shut, ended, failed bool) (f *evidence.Flow, err error) {
	bad := rc.Control(func(fd uintptr) { f, err = FlowOf(int(fd), shut, ended, failed) })
	return f, errors.Join(bad, err)
}

// FlowOf is [Flow] of a descriptor.
func FlowOf(fd int, shut, ended, failed bool) (f *evidence.Flow, err error) {
	var i sys.TCPInfo
	size, errno := sys.TCPInfoSize(fd, &i)
	if errno != 0 {
		return nil, os.NewSyscallError("getsockopt(TCP_INFO)", errno)
	}
	unacked, _ := sys.Unacknowledged(fd)
	unread, _ := sys.Queued(fd)
	if shut && stateName(i.State) == "CLOSE" && !failed {
		// Both FINs, of which the peer's waits to be read; or an error does.
		events, errno := sys.Readiness(fd)
		ended = ended || errno == 0 && events&sys.PollErr == 0
	}
	us := func(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
	ms := func(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
	f = &evidence.Flow{
		State: stateName(i.State), Received: i.Bytes_received, Unacked: uint64(unacked), Unread: uint64(unread), Unsent: uint64(i.Notsent_bytes),
		Timeouts: i.Retransmits, Probes: i.Probes, Backoff: i.Backoff, Retransmitted: i.Total_retrans,
		SinceSent: ms(i.Last_data_sent), SinceReceived: ms(i.Last_data_recv), SinceAck: ms(i.Last_ack_recv),
		WindowKnown: sys.TCPInfoHasWindow(size), Window: i.Snd_wnd, WindowLimited: us(i.Rwnd_limited),
		RTO: us(uint64(i.Rto)), RTT: us(uint64(i.Rtt)),
	}
	if shut && f.Unacked > 0 { // the FIN is the last octet: while any is unacknowledged, it is
		f.FINUnacked = true
		f.Unacked--
		if f.Unsent > 0 {
			f.Unsent--
		}
	}
	// tcpi_bytes_acked has a SYN and a FIN in it, tcpi_bytes_sent has not.
	once := i.Bytes_sent - i.Bytes_retrans
	f.Sent = once + f.Unsent
	switch f.State {
	case "CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT":
		ended = true
	}
	if ended && f.Received > 0 {
		f.Received--
	}
	return f, nil
}

// AliveOf reads the settings by which this end notices that the other is gone.
func AliveOf(rc syscall.RawConn) (*evidence.Alive, error) {
	a := new(evidence.Alive)
	err := rc.Control(func(fd uintptr) {
		get := func(level, name int) int {
			n, _ := sys.GetsockoptInt(int(fd), level, name)
			return n
		}
		a.KeepAlive = get(sys.SolSocket, sys.SoKeepAlive) != 0
		a.Idle = time.Duration(get(sys.SolTCP, sys.TCPKeepIdle)) * time.Second
		a.Interval = time.Duration(get(sys.SolTCP, sys.TCPKeepIntvl)) * time.Second
		a.Count = get(sys.SolTCP, sys.TCPKeepCnt)
		a.UserTimeout = time.Duration(get(sys.SolTCP, sys.TCPUserTimeout)) * time.Millisecond
	})
	return a, err
}

// SetUserTimeout sets TCP_USER_TIMEOUT (tcp(7)), in steps of a millisecond.
func SetUserTimeout(rc syscall.RawConn, d time.Duration) error {
	var errno syscall.Errno
	err := rc.Control(func(fd uintptr) {
		errno = sys.SetsockoptInt(int(fd), sys.SolTCP, sys.TCPUserTimeout, int(max(1, d.Milliseconds())))
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("setsockopt(TCP_USER_TIMEOUT)", errno)
	}
	return err
}

// Queue takes every ICMP error from a socket's error queue.
func Queue(rc syscall.RawConn) (all []*evidence.ICMP) {
	_ = rc.Control(func(fd uintptr) {
		for range 16 {
			q, errno := sys.ReadErrqueue(int(fd))
			if errno != 0 {
				return
			}
			all = append(all, ICMPFact(&q, true))
		}
	})
	return all
}
