package tcpstate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ms(at ...int) (d []time.Duration) {
	for _, n := range at {
		d = append(d, time.Duration(n)*time.Millisecond)
	}
	return d
}

func TestDeadPeer(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct {
		name  string
		p     AliveParams
		which func(AliveParams) Notice
		after time.Duration
		by    string
		sent  []time.Duration // the first of them
		never bool
	}{
		// tcp_keepalive_timer: the first probe after TCP_KEEPIDLE, then every
		// TCP_KEEPINTVL; given up when TCP_KEEPCNT have gone unanswered.
		{"idle, nothing set", AliveParams{}, AliveParams.Idle, 0, "", nil, true},
		{"idle, Go's keepalive", AliveParams{KeepIdle: 15 * second, KeepInterval: 15 * second, KeepCount: 9}, AliveParams.Idle,
			150 * second, ByKeepAlive, ms(15000, 30000, 45000), false},
		{"idle, the kernel's keepalive: 2 hours 11 minutes 15 seconds", AliveParams{KeepIdle: 7200 * second}, AliveParams.Idle,
			7875 * second, ByKeepAlive, ms(7200000, 7275000), false},
		{"idle, one probe", AliveParams{KeepIdle: second, KeepInterval: second, KeepCount: 1}, AliveParams.Idle, 2 * second, ByKeepAlive, ms(1000), false},
		// TCP_USER_TIMEOUT replaces the count: the first timer at which the
		// connection has been idle for so long, after one probe at least.
		{"idle, a user timeout between probes", AliveParams{KeepIdle: 2 * second, KeepInterval: second, KeepCount: 9, UserTimeout: 3500 * time.Millisecond}, AliveParams.Idle,
			4 * second, ByUserTimeout, ms(2000, 3000), false},
		{"idle, a user timeout shorter than the first probe", AliveParams{KeepIdle: 2 * second, KeepInterval: second, KeepCount: 9, UserTimeout: second}, AliveParams.Idle,
			3 * second, ByUserTimeout, ms(2000), false},
		{"idle, a user timeout longer than the probes", AliveParams{KeepIdle: second, KeepInterval: second, KeepCount: 2, UserTimeout: 10 * second}, AliveParams.Idle,
			10 * second, ByUserTimeout, ms(1000, 2000, 3000), false},
		{"idle, a user timeout alone tells nothing", AliveParams{UserTimeout: second}, AliveParams.Idle, 0, "", nil, true},
		{"idle, a heartbeat puts data in flight", AliveParams{Heartbeat: 5 * second, UserTimeout: 2 * second}, AliveParams.Idle,
			7400 * time.Millisecond, ByUserTimeout, ms(5200, 5400, 5800), false},
		{"idle, keepalive is through before the heartbeat", AliveParams{KeepIdle: second, KeepInterval: second, KeepCount: 1, Heartbeat: 30 * second}, AliveParams.Idle,
			2 * second, ByKeepAlive, ms(1000), false},

		// tcp_model_timeout(15, 200 ms): 924.6 s from the first timeout on, which
		// comes at 400 ms here, after the tail loss probe; the timer that meets it
		// is the one at 0.4 + 102.4*2 + 120*n s.
		{"in flight, defaults", AliveParams{}, AliveParams.InFlight, 924800*time.Millisecond + 200*time.Millisecond, ByRetransmission, ms(200, 400, 800, 1600, 3200), false},
		{"in flight, few retries", AliveParams{Retries: 3}, AliveParams.InFlight, 6400 * time.Millisecond, ByRetransmission, ms(200, 400, 800, 1600), false},
		{"in flight, a user timeout", AliveParams{UserTimeout: 2 * second}, AliveParams.InFlight, 2400 * time.Millisecond, ByUserTimeout, ms(200, 400, 800, 1600), false},
		{"in flight, a far peer", AliveParams{RTT: 100 * time.Millisecond, UserTimeout: second}, AliveParams.InFlight, 1600 * time.Millisecond, ByUserTimeout, ms(300, 600, 1200), false},
		{"in flight, the RTO of a path that varies", AliveParams{RTT: 100 * time.Millisecond, RTO: 900 * time.Millisecond, UserTimeout: second}, AliveParams.InFlight,
			2300 * time.Millisecond, ByUserTimeout, ms(400, 1300), false},
		{"in flight, keepalive does not count", AliveParams{KeepIdle: second, KeepInterval: second, KeepCount: 1, UserTimeout: 5 * second}, AliveParams.InFlight,
			5400 * time.Millisecond, ByUserTimeout, ms(200, 400, 800), false},

		// RFC 9293 §3.5.1: the first packet is answered with RST.
		{"forgotten, nothing set", AliveParams{UserTimeout: second}, AliveParams.Forgotten, 0, "", nil, true},
		{"forgotten, keepalive", AliveParams{RTT: 20 * time.Millisecond, KeepIdle: 10 * second}, AliveParams.Forgotten, 10020 * time.Millisecond, ByKeepAlive, ms(10000), false},
		{"forgotten, a heartbeat before", AliveParams{KeepIdle: 10 * second, Heartbeat: 3 * second}, AliveParams.Forgotten, 3 * second, ByHeartbeat, ms(3000), false},
		{"forgotten, a heartbeat behind", AliveParams{KeepIdle: 10 * second, Heartbeat: 30 * second}, AliveParams.Forgotten, 10 * second, ByKeepAlive, ms(10000), false},

		// tcp_probe_timer: the first probe after the RTO, then doubling; given up
		// when tcp_retries2 have gone unanswered.
		{"no window, defaults", AliveParams{}, AliveParams.ZeroWindow, 924600 * time.Millisecond, ByWindowProbes, ms(200, 600, 1400, 3000), false},
		{"no window, few retries", AliveParams{Retries: 3}, AliveParams.ZeroWindow, 3000 * time.Millisecond, ByWindowProbes, ms(200, 600, 1400), false},
		{"no window, a user timeout", AliveParams{UserTimeout: 2 * second}, AliveParams.ZeroWindow, 2200 * time.Millisecond, ByUserTimeout, ms(200, 600, 1400), false},
		{"no window, a short RTO", AliveParams{RTO: 50 * time.Millisecond, UserTimeout: second}, AliveParams.ZeroWindow, 1200 * time.Millisecond, ByUserTimeout, ms(200, 600), false},
		{"no window, short intervals", AliveParams{Retries: 4, MaxRTO: second}, AliveParams.ZeroWindow, 3400 * time.Millisecond, ByWindowProbes, ms(200, 600, 1400, 2400), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := tt.which(tt.p)
			if n.Never != tt.never || n.After != tt.after || n.By != tt.by {
				t.Errorf("never %v, after %v by %q; want %v, %v, %q", n.Never, n.After, n.By, tt.never, tt.after, tt.by)
			}
			if n.Latest < n.After {
				t.Errorf("at the latest %v, and at the earliest %v", n.Latest, n.After)
			}
			if diff := cmp.Diff(tt.sent, n.Sent[:min(len(n.Sent), len(tt.sent))]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// calc_wheel_index: a timer is late by no more than an eighth of its length, once
// it is longer than the finest level.
func TestTick(t *testing.T) {
	for _, tt := range []struct{ length, late time.Duration }{
		{200 * time.Millisecond, 2 * jiffy}, {time.Second, 9 * jiffy}, {10 * time.Second, 65 * jiffy}, {100 * time.Second, 513 * jiffy},
	} {
		if got := tick(tt.length); got != tt.late || tt.length > 63*jiffy && got-jiffy > tt.length/7 {
			t.Errorf("%v: late by %v, want %v", tt.length, got, tt.late)
		}
	}
}

// Whatever is set: it ends, in order, and a shorter limit never ends later.
func TestDeadPeerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(t, name)) * time.Millisecond
		}
		p := AliveParams{RTT: d("rtt", 0, 800), Retries: rapid.IntRange(0, 20).Draw(t, "retries"), KeepIdle: d("idle", 0, 9) * 1000,
			KeepInterval: d("interval", 0, 9) * 1000, KeepCount: rapid.IntRange(0, 9).Draw(t, "count"), UserTimeout: d("user", 0, 9000), Heartbeat: d("beat", 0, 9000)}
		for name, n := range map[string]Notice{"idle": p.Idle(), "in flight": p.InFlight(), "no window": p.ZeroWindow(), "forgotten": p.Forgotten()} {
			if n.Never {
				if name != "idle" && name != "forgotten" || p.KeepIdle > 0 || p.Heartbeat > 0 {
					t.Fatalf("%s: never, with %+v", name, p)
				}
				continue
			}
			last := time.Duration(0)
			for _, at := range append(n.Sent, n.After, n.Latest) {
				if at < last {
					t.Fatalf("%s: %v after %v", name, at, last)
				}
				last = at
			}
			if n.By == "" {
				t.Fatalf("%s: nobody tells: %+v", name, n)
			}
		}
		longer := p
		longer.UserTimeout += time.Second
		if p.UserTimeout > 0 && (longer.InFlight().After < p.InFlight().After || longer.ZeroWindow().After < p.ZeroWindow().After || longer.Idle().After < p.Idle().After) {
			t.Fatalf("a longer user timeout ends sooner: %+v", p)
		}
	})
}
