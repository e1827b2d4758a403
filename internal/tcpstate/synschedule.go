// Package tcpstate holds the parts of TCP that can be computed: here, when a
// SYN is sent again and when the kernel gives up.
//
// It is pure: times go in, times come out.
package tcpstate

import "time"

// Defaults of Linux, used where a setting could not be read.
const (
	DefaultSYNRetries     = 6                 // sysctl tcp_syn_retries (ip-sysctl.rst)
	DefaultLinearTimeouts = 4                 // sysctl tcp_syn_linear_timeouts, since 6.5
	InitialRTO            = time.Second       // TCP_TIMEOUT_INIT; RFC 6298 §2.1
	MaxRTO                = 120 * time.Second // TCP_RTO_MAX, sysctl tcp_rto_max_ms
)

// SYNParams are the settings that decide a SYN's retransmissions. Zero
// durations mean the kernel's defaults.
type SYNParams struct {
	Retries     int           // tcp_syn_retries, or TCP_SYNCNT where it is set
	Linear      int           // tcp_syn_linear_timeouts; 0 before Linux 6.5
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0: not set
	InitialRTO  time.Duration // 0: 1 s
	MaxRTO      time.Duration // 0: 120 s
}

// SYNSchedule is what those settings predict. Times are since the first SYN.
type SYNSchedule struct {
	Resend []time.Duration // when the SYN is sent again
	End    time.Duration   // when connect(2) gives up by itself
	Limit  string          // what ends it: "retries", "elapsed" (tcp_model_timeout), "user_timeout"
}

// Schedule predicts the retransmissions of a SYN that nobody answers, as
// net/ipv4/tcp_timer.c computes them (tcp_write_timeout,
// retransmits_timed_out, tcp_model_timeout, tcp_retransmit_timer,
// tcp_clamp_rto_to_user_timeout). The kernel's own timers run up to a few
// percent late on top of it: its timer wheel rounds long timeouts up.
func (p SYNParams) Schedule() SYNSchedule {
	rto, ceiling := p.InitialRTO, p.MaxRTO
	if rto <= 0 {
		rto = InitialRTO
	}
	if ceiling <= 0 {
		ceiling = MaxRTO
	}
	limit, limitName := modelTimeout(p.Retries, rto, ceiling), "elapsed"
	if p.UserTimeout > 0 {
		limit, limitName = p.UserTimeout, "user_timeout"
	}

	var s SYNSchedule
	var now time.Duration
	for fired := 1; ; fired++ {
		// tcp_rto_delta_us and the clamp: the first timer, armed by
		// tcp_connect, is not clamped.
		wait := rto
		if p.UserTimeout > 0 && fired > 1 {
			wait = max(jiffy, min(rto, p.UserTimeout-now))
		}
		now += wait
		resent := len(s.Resend)
		switch {
		case resent >= p.Retries+p.Linear:
			s.End, s.Limit = now, "retries"
			return s
		case resent > 0 && now >= limit: // retransmits_timed_out is false before the first resend
			s.End, s.Limit = now, limitName
			return s
		}
		s.Resend = append(s.Resend, now)
		if fired > p.Linear {
			rto = min(2*rto, ceiling)
		}
	}
}

// modelTimeout is tcp_model_timeout: how long boundary retransmissions with
// exponential backoff take, which ends an attempt even when linear timeouts
// have left its count of retransmissions unused.
func modelTimeout(boundary int, base, ceiling time.Duration) time.Duration {
	linear := 0
	for b := base; 2*b <= ceiling; b *= 2 {
		linear++ // ilog2(ceiling / base)
	}
	if boundary <= linear {
		return time.Duration(2<<boundary-1) * base
	}
	return time.Duration(2<<linear-1)*base + time.Duration(boundary-linear)*ceiling
}

// SentBy is how many SYNs the schedule expects on the wire by a time since the
// first one.
func (s SYNSchedule) SentBy(t time.Duration) int {
	n := 1
	for _, at := range s.Resend {
		if at <= t {
			n++
		}
	}
	return n
}

// Historical are the schedules of systems that are still met in old devices
// and older texts, beside today's.
var Historical = []struct {
	System   string
	Schedule SYNSchedule
	Source   string
}{
	{"4.4BSD", SYNSchedule{Resend: []time.Duration{6 * time.Second, 30 * time.Second}, End: 75 * time.Second, Limit: "elapsed"},
		"Stevens, TCP/IP Illustrated vol. 1 §18.3: a SYN at 0, 6 and 30 s, given up at 75 s (TCPTV_KEEP_INIT)"},
	{"Linux before 3.1", SYNSchedule{Resend: seconds(3, 9, 21, 45, 93), End: 189 * time.Second, Limit: "retries"},
		"initial RTO 3 s (RFC 1122 §4.2.3.1), tcp_syn_retries 5"},
	{"Linux 3.1 to 6.4", SYNParams{Retries: 6}.Schedule(), "initial RTO 1 s (RFC 6298 §2.1), tcp_syn_retries 6 since 3.7"},
	{"Linux since 6.5", SYNParams{Retries: 6, Linear: 4}.Schedule(), "tcp_syn_linear_timeouts 4"},
}

func seconds(at ...int) []time.Duration {
	d := make([]time.Duration, len(at))
	for i, s := range at {
		d[i] = time.Duration(s) * time.Second
	}
	return d
}
