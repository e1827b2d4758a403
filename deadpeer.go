package dialscope

import (
	"errors"
	"strconv"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// Liveness is what decides when this end notices that its peer is gone without
// a word: the socket's settings, the host's, and the path's round trip.
type Liveness struct {
	evidence.Alive
	Heartbeat time.Duration `json:"heartbeat_ns,omitempty"` // of the program itself: it sends when it has sent nothing for so long
	Retries   int           `json:"tcp_retries2"`           // sysctl
	MaxRTO    time.Duration `json:"rto_max_ns"`             // sysctl tcp_rto_max_ms
	RTT       time.Duration `json:"rtt_ns"`                 // smoothed
	RTO       time.Duration `json:"rto_ns"`                 // 0: RTT and 200 ms
}

// Notice is when and by what a peer that is gone is noticed: the connection ends
// with ETIMEDOUT, one that was forgotten with ECONNRESET. The kernel's timers are late by up to a tick of their level of
// the timer wheel, hence two times.
type Notice struct {
	Never  bool            `json:"never,omitempty"`     // nothing would ever tell
	After  time.Duration   `json:"after_ns,omitempty"`  // at the earliest
	Latest time.Duration   `json:"latest_ns,omitempty"` // at the latest
	By     string          `json:"by,omitempty"`        // retransmission, user_timeout, keepalive, window_probes, heartbeat
	Sent   []time.Duration `json:"sent_ns,omitempty"`   // when something is sent until then, in vain
}

// DeadPeer is the prediction for the three ways in which a connection can stand
// when its peer, or the path to it, vanishes, and for a peer that has forgotten it. Times count from the moment in which the peer is gone
// and the connection idle, the data is sent, or the window closed.
type DeadPeer struct {
	Settings   Liveness `json:"settings"`
	Idle       Notice   `json:"idle"`
	InFlight   Notice   `json:"in_flight"`
	ZeroWindow Notice   `json:"zero_window"`
	Forgotten  Notice   `json:"forgotten"` // idle, and the peer has forgotten the connection, as after a reboot: it answers with RST
}

// PredictDeadPeer computes when a dead peer would be noticed, as Linux does it
// (net/ipv4/tcp_timer.c). Nothing is sent or opened. Retries and MaxRTO are read
// from this host where they are 0.
func PredictDeadPeer(l Liveness) DeadPeer {
	l.fill()
	p := tcpstate.AliveParams{RTT: l.RTT, RTO: l.RTO, MaxRTO: l.MaxRTO, Retries: l.Retries, UserTimeout: l.UserTimeout, Heartbeat: l.Heartbeat}
	if l.KeepAlive {
		p.KeepIdle, p.KeepInterval, p.KeepCount = l.Idle, l.Interval, l.Count
	}
	return DeadPeer{Settings: l, Idle: Notice(p.Idle()), InFlight: Notice(p.InFlight()), ZeroWindow: Notice(p.ZeroWindow()), Forgotten: Notice(p.Forgotten())}
}

func (l *Liveness) fill() {
	read := func(name string, otherwise int) int {
		if f, err := procfs.Sysctl(name); err == nil {
			if n, err := strconv.Atoi(f.Value); err == nil {
				return n
			}
		}
		return otherwise
	}
	if l.Retries == 0 {
		l.Retries = read("net.ipv4.tcp_retries2", tcpstate.DefaultRetries2)
	}
	if l.MaxRTO == 0 {
		l.MaxRTO = time.Duration(read("net.ipv4.tcp_rto_max_ms", int(tcpstate.MaxRTO/time.Millisecond))) * time.Millisecond
	}
	if l.RTO == 0 {
		l.RTO = l.RTT + tcpstate.MinRTO
	}
}

// Liveness reads what decides for this connection. Linux only.
func (c *Conn) Liveness() (Liveness, error) {
	var l Liveness
	if c.raw == nil {
		return l, c.noRaw
	}
	alive, err := sock.AliveOf(c.raw)
	f, bad := c.flow()
	if err := errors.Join(err, bad); err != nil {
		return l, err
	}
	l = Liveness{Alive: *alive, RTT: f.RTT, RTO: f.RTO}
	l.fill()
	return l, nil
}
