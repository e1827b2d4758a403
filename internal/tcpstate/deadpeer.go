package tcpstate

import "time"

// Defaults of Linux for an established connection, used where a setting could
// not be read.
const (
	DefaultRetries2 = 15                     // sysctl tcp_retries2 (ip-sysctl.rst)
	MinRTO          = 200 * time.Millisecond // TCP_RTO_MIN; sysctl tcp_rto_min_us
)

// AliveParams are the settings that decide when an end notices that the other
// one is gone without a word. Zero durations and numbers mean the kernel's
// defaults, or, for KeepIdle, UserTimeout and Heartbeat, that it is not used.
type AliveParams struct {
	RTT          time.Duration // smoothed (TCP_INFO tcpi_rtt)
	RTO          time.Duration // TCP_INFO tcpi_rto; 0: RTT and 200 ms (tcp_set_rto), or 200 ms
	MaxRTO       time.Duration // sysctl tcp_rto_max_ms; 0: 120 s
	Retries      int           // sysctl tcp_retries2; 0: 15
	KeepIdle     time.Duration // TCP_KEEPIDLE
	KeepInterval time.Duration // TCP_KEEPINTVL
	KeepCount    int           // TCP_KEEPCNT
	UserTimeout  time.Duration // TCP_USER_TIMEOUT
	Heartbeat    time.Duration // this program sends something when it has sent nothing for so long
}

// Notice is when an end is told that its peer is gone: ETIMEDOUT.
type Notice struct {
	Never bool // nothing would ever tell
	// After is the earliest time, and Latest the latest, since the peer has
	// vanished, the data was sent, or the window closed. Between them is what the
	// kernel's timer wheel rounds up: a timer is late by at most one tick of its
	// level, an eighth of its length.
	After, Latest time.Duration
	By            string          // what tells: "retransmission", "user_timeout", "keepalive", "window_probes", "heartbeat"
	Sent          []time.Duration // what is sent until then, in vain: retransmissions or probes
}

// Means of noticing, as Notice.By names them.
const (
	ByRetransmission = "retransmission"
	ByUserTimeout    = "user_timeout"
	ByKeepAlive      = "keepalive"
	ByWindowProbes   = "window_probes"
	ByHeartbeat      = "heartbeat"
)

func (p AliveParams) filled() AliveParams {
	if p.RTO <= 0 {
		p.RTO = p.RTT + MinRTO // srtt + max(4*rttvar, 200 ms), RFC 6298 §2.3, tcp_set_rto
	}
	if p.MaxRTO <= 0 {
		p.MaxRTO = MaxRTO
	}
	if p.Retries <= 0 {
		p.Retries = DefaultRetries2
	}
	if p.KeepIdle > 0 && p.KeepInterval <= 0 {
		p.KeepInterval = 75 * time.Second // TCP_KEEPALIVE_INTVL
	}
	if p.KeepIdle > 0 && p.KeepCount <= 0 {
		p.KeepCount = 9 // TCP_KEEPALIVE_PROBES
	}
	return p
}

const jiffy = 4 * time.Millisecond // HZ=250

// tick is how late a timer of a length can be: the levels of the timer wheel
// have 63 ticks each, and ticks eight times as long (kernel/time/timer.c,
// calc_wheel_index). It begins in the middle of a jiffy.
func tick(d time.Duration) time.Duration {
	t := jiffy
	for span := 63 * jiffy; d >= span && t < 1<<20*jiffy; span *= 8 {
		t *= 8
	}
	return t + jiffy
}

// clock runs timers one after the other, each late by a share of its tick.
type clock struct {
	now   time.Duration
	share time.Duration // of 2: on time, half a tick late, a whole one
	left  int           // timers to run, where their number is known; negative: as many as it takes
}

func (c *clock) wait(d time.Duration) time.Duration {
	c.now += max(d, jiffy) + tick(d)*c.share/2
	c.left--
	return c.now
}

// over says that the course ends here: where done says so or, when the number of
// timers is known, after the last.
func (c *clock) over(done bool) bool {
	if c.left >= 0 {
		return c.left == 0
	}
	return done
}

// bounds runs a course with timers that are late by half a tick, as they are on
// the average, which says how many timers it takes, and then that many on time
// and as late as they can be. No end comes before the time that is allowed.
func bounds(course func(c *clock) (sent []time.Duration, by string, allowed time.Duration)) Notice {
	usual := &clock{share: 1, left: -1}
	course(usual)
	timers := -1 - usual.left
	early, late := &clock{left: timers}, &clock{share: 2, left: timers}
	sent, by, allowed := course(early)
	course(late)
	return Notice{After: max(early.now, allowed), Latest: max(late.now, allowed), By: by, Sent: sent}
}

// InFlight is for data that was sent when the peer had just vanished
// (tcp_retransmit_timer, tcp_write_timeout, retransmits_timed_out,
// tcp_model_timeout, tcp_clamp_rto_to_user_timeout). Before the first timeout
// one segment is sent again as a tail loss probe (RFC 8985 §7,
// tcp_schedule_loss_probe), and the timer starts anew then. The time allowed is
// counted from the first timeout on. Keepalive waits while data is in flight
// (tcp_keepalive_timer).
func (p AliveParams) InFlight() Notice {
	p = p.filled()
	limit, by := modelTimeout(p.Retries, MinRTO, p.MaxRTO), ByRetransmission
	if p.UserTimeout > 0 {
		limit, by = p.UserTimeout, ByUserTimeout
	}
	return bounds(func(c *clock) (sent []time.Duration, _ string, allowed time.Duration) {
		// PTO: two round trips, and time for a delayed acknowledgment of a
		// single segment (tcp_rto_min); never after the RTO.
		sent = append(sent, c.wait(min(2*p.RTT+MinRTO, p.RTO)))
		began := c.wait(p.RTO) // retrans_stamp
		sent = append(sent, began)
		for rto := p.RTO; ; {
			rto = min(2*rto, p.MaxRTO)
			wait := rto
			if p.UserTimeout > 0 {
				wait = min(rto, p.UserTimeout-(c.now-began))
			}
			if now := c.wait(wait); c.over(now-began >= limit) {
				return sent, by, began + limit
			}
			sent = append(sent, c.now)
		}
	})
}

// Idle is for a connection on which nothing is said when the peer vanishes
// (tcp_keepalive_timer). A heartbeat puts data in flight.
func (p AliveParams) Idle() Notice {
	p = p.filled()
	keep := Notice{Never: true}
	if p.KeepIdle > 0 {
		by := ByKeepAlive
		if p.UserTimeout > 0 {
			by = ByUserTimeout
		}
		keep = bounds(func(c *clock) (sent []time.Duration, _ string, allowed time.Duration) {
			c.wait(p.KeepIdle)
			for {
				if c.over(len(sent) > 0 && (p.UserTimeout <= 0 && len(sent) >= p.KeepCount || p.UserTimeout > 0 && c.now >= p.UserTimeout)) {
					return sent, by, p.UserTimeout
				}
				sent = append(sent, c.now)
				c.wait(p.KeepInterval)
			}
		})
	}
	if p.Heartbeat <= 0 || !keep.Never && keep.Latest <= p.Heartbeat {
		return keep
	}
	// From the first heartbeat on data is in flight, and keepalive waits.
	n := p.InFlight()
	n.After += p.Heartbeat
	n.Latest += p.Heartbeat + jiffy
	for i := range n.Sent {
		n.Sent[i] += p.Heartbeat
	}
	return n
}

// Forgotten is for an idle connection that the peer no longer knows, as after a
// reboot, or that a device resets which has forgotten it: the first packet that
// is sent is answered with RST (RFC 9293 §3.5.1), one round trip later. A device
// that drops it instead is the same as a peer that has vanished.
func (p AliveParams) Forgotten() Notice {
	p = p.filled()
	wait, by := p.KeepIdle, ByKeepAlive
	if p.Heartbeat > 0 && (wait <= 0 || p.Heartbeat < wait) {
		wait, by = p.Heartbeat, ByHeartbeat
	}
	if wait <= 0 {
		return Notice{Never: true}
	}
	n := Notice{After: wait + p.RTT, Latest: wait + p.RTT + tick(wait), By: by, Sent: []time.Duration{wait}}
	if by == ByHeartbeat {
		n.Latest = n.After + jiffy // this program's own timer
	}
	return n
}

// ZeroWindow is for a peer that closes its window, and vanishes with that
// (tcp_probe_timer, tcp_send_probe0, tcp_probe0_when,
// tcp_clamp_probe0_to_user_timeout). With a user timeout it is the same for one
// that goes on answering and never reads: only an open window stops that clock.
// A peer that answers is never given up otherwise, and one that vanishes later
// than the first probes is noticed later, for the intervals have grown.
func (p AliveParams) ZeroWindow() Notice {
	p = p.filled()
	base := max(p.RTO, MinRTO) // tcp_probe0_base
	return bounds(func(c *clock) (sent []time.Duration, by string, allowed time.Duration) {
		began := c.wait(base) // icsk_probes_tstamp
		for wait := base; ; {
			timed := p.UserTimeout > 0 && len(sent) > 0 && c.now-began >= p.UserTimeout-jiffy
			if c.over(timed || len(sent) >= p.Retries) {
				if len(sent) >= p.Retries && !timed {
					return sent, ByWindowProbes, 0
				}
				return sent, ByUserTimeout, began + p.UserTimeout
			}
			sent = append(sent, c.now)
			wait = min(2*wait, p.MaxRTO)
			next := wait
			if p.UserTimeout > 0 {
				next = min(wait, max(p.UserTimeout-(c.now-began), 2*jiffy)) // TCP_TIMEOUT_MIN
			}
			c.wait(next)
		}
	})
}
