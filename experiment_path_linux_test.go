package dialscope

import (
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

func probesOf(r *Report) (all []*evidence.Probe) {
	for i := range r.Attempts {
		all = append(all, evidence.All[*evidence.Probe](r.Attempts[i].Log)...)
	}
	return all
}

// A handshake that a router completed is told from the server's own where the
// way is asked for.
func TestSYNProxyOnTheWay(t *testing.T) {
	t.Parallel()
	c := network(t, 3, false)
	_, err := c.Routers[0].SYNProxy(netns.Forward, 80)
	testmain.Check(t, "netns", err)
	for family, ends := range map[string][2]netip.Addr{"IPv4": {c.Server4, c.Hops4[0]}, "IPv6": {c.Server6, c.Hops6[0]}} {
		to := netip.AddrPortFrom(ends[0], 80)
		r := dialFrom(t, c.Client, &Dialer{Timeout: 5 * time.Second, Probes: PathProbes}, to)
		v := r.Verdict()
		want := cause.Culprit{Kind: cause.Path, Address: ends[1], Hop: 1}
		if v.Outcome != cause.Open || v.Cause != cause.SYNProxy || v.Confidence != cause.Likely || v.Culprit != want {
			t.Errorf("%s: %s by %+v, %s", family, v.Cause, v.Culprit, v.Confidence)
			logReport(t, r)
		}
		// An open port raises no question by itself.
		r = dialFrom(t, c.Client, &Dialer{Timeout: 5 * time.Second, Probes: AllProbes}, to)
		if v := r.Verdict(); v.Cause != cause.IsOpen || len(probesOf(r)) != 0 {
			t.Errorf("%s: %s with %d probes", family, v.Cause, len(probesOf(r)))
		}
	}
}

// PathProbes asks every hop as often as it is told, whatever comes of the attempt.
func TestPathIsAskedWhateverComes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		network string
		port    uint16
		cause   cause.ID
	}{{"tcp", 80, cause.IsOpen}, {"tcp", 81, cause.PortClosed}, {"udp", 81, cause.PortClosed}} {
		c := network(t, 3, true) // a fresh one: routers count their ICMP errors
		var r *Report
		d := &Dialer{Timeout: 5 * time.Second, Probes: PathProbes, HopTries: 3, MaxPackets: 100, UDPProbe: []byte{}}
		err := c.Client.Do(func() error {
			conn, report, _ := d.DialReport(t.Context(), tt.network, netip.AddrPortFrom(c.Server4, tt.port).String())
			if conn != nil {
				conn.Close()
			}
			r = report
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if v := r.Verdict(); v.Cause != tt.cause {
			t.Errorf("%s port %d: %s", tt.network, tt.port, v.Cause)
		}
		asked, from := map[int]int{}, map[int]netip.Addr{}
		for _, p := range probesOf(r) {
			if p.Protocol == tt.network && p.To.Port() == tt.port && p.TTL > 0 {
				asked[p.TTL]++
				from[p.TTL] = p.From
			}
		}
		for i, hop := range append(slices.Clone(c.Hops4), c.Server4) {
			if asked[i+1] < 3 || from[i+1] != hop {
				t.Errorf("%s port %d: hop %d was asked %d times and is %v", tt.network, tt.port, i+1, asked[i+1], from[i+1])
			}
		}
	}
}

// A reference port is compared with, and no other TCP port is touched.
func TestReferencePort(t *testing.T) {
	t.Parallel()
	c := network(t, 2, false)
	firewall(t, c.Routers[0], netns.Rule{Hook: netns.Forward, Match: port80, Verdict: netns.RejectTCPReset()})
	r := dialFrom(t, c.Client, &Dialer{Timeout: 5 * time.Second, Probes: PathProbes, ReferencePort: 8080, MaxPackets: 100}, netip.AddrPortFrom(c.Server4, 80))
	if v := r.Verdict(); v.Cause != cause.PathFirewallReset || v.Culprit.Hop != 1 {
		t.Errorf("%s by %+v", v.Cause, v.Culprit)
	}
	if !slices.ContainsFunc(probesOf(r), func(p *evidence.Probe) bool {
		return p.To.Port() == 8080 && p.TTL == 3 && p.Answer == evidence.AnswerRST
	}) {
		t.Error("the reference was not followed to its end")
	}
}

// The caller may have the whole timeout, fewer packets, no other port, or none.
func TestChoiceOfProbes(t *testing.T) {
	t.Parallel()
	c := network(t, 2, false)
	firewall(t, c.Routers[0], netns.Rule{Hook: netns.Forward, Match: port80, Verdict: netns.Drop()})
	to := netip.AddrPortFrom(c.Server4, 80)
	control := func(string, string, syscall.RawConn) error { return nil }
	for name, tt := range map[string]struct {
		d     Dialer
		check func(r *Report) bool
	}{
		"the whole timeout": {Dialer{Timeout: 1500 * time.Millisecond, Probes: AllProbes, FullTimeout: true},
			func(r *Report) bool {
				return r.Took >= 1500*time.Millisecond && r.Verdict().Cause == cause.PathFirewallDrop
			}},
		"a short timeout": {Dialer{Timeout: 400 * time.Millisecond, Probes: AllProbes},
			func(r *Report) bool { return r.Took < 1500*time.Millisecond && len(probesOf(r)) > 0 }},
		"few packets": {Dialer{Timeout: 2 * time.Second, Probes: AllProbes, MaxPackets: 5},
			func(r *Report) bool { return packets(r) <= 5+3 && r.Verdict().Confidence == cause.Possible }},
		"no other port": {Dialer{Timeout: 2 * time.Second, Probes: FewProbes}, func(r *Report) bool {
			return r.Verdict().Cause == cause.PathFirewallDrop && !slices.ContainsFunc(probesOf(r), func(p *evidence.Probe) bool {
				return p.Protocol == "tcp" && p.To.Port() != 80
			})
		}},
		"none": {Dialer{Timeout: 600 * time.Millisecond, Thorough: true},
			func(r *Report) bool { return len(probesOf(r)) == 0 && r.Took >= 600*time.Millisecond }},
		"a chosen TTL": {Dialer{Timeout: 600 * time.Millisecond, Probes: AllProbes, HopLimit: 20},
			func(r *Report) bool { return len(probesOf(r)) == 0 }},
		"a hook of the caller's": {Dialer{Timeout: 600 * time.Millisecond, Probes: AllProbes, Control: control}, func(r *Report) bool {
			return len(probesOf(r)) == 0 && slices.ContainsFunc(r.Privilege().Missing, func(u *evidence.Unseen) bool {
				return u.What == "experiments" && strings.Contains(u.Why, "Control")
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := dialFrom(t, c.Client, &tt.d, to)
			if !tt.check(r) {
				t.Errorf("after %v", r.Took)
				logReport(t, r)
			}
		})
	}
}

// A stale listener: its accept queue is full, which from here is a filter's
// silence; the true cause stands beside it.
func TestFullQueueStaysOpen(t *testing.T) {
	t.Parallel()
	c := network(t, 1, false)
	at := netip.AddrPortFrom(c.Server4, 8080)
	l, err := c.Server.ListenBacklog(at, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for range 2 {
		if conn, err := c.Client.DialContext(t.Context(), "tcp", at.String()); err == nil {
			t.Cleanup(func() { conn.Close() })
			break
		}
	}
	r := dialFrom(t, c.Client, &Dialer{Timeout: 4 * time.Second, Probes: AllProbes}, at)
	v := r.Verdict()
	if v.Outcome != cause.Timeout || v.Confidence == cause.Certain ||
		!slices.ContainsFunc(v.Alternatives, func(f cause.Finding) bool { return f.Cause == cause.ListenQueueFull }) {
		logReport(t, r)
		t.Errorf("%s %s, %+v", v.Cause, v.Confidence, v.Alternatives)
	}
}

// A loss that the kernel's own second SYN mends is not ended early; nor is a
// host whose last router still reports it: three seconds, as ARP takes.
func TestAnswersStillToComeAreAwaited(t *testing.T) {
	t.Parallel()
	c := network(t, 2, true)
	absent := netip.MustParseAddr("203.0.113.77")
	r := dialFrom(t, c.Client, &Dialer{Timeout: 6 * time.Second, Probes: AllProbes}, netip.AddrPortFrom(absent, 80))
	v := r.Verdict()
	if v.Cause != cause.HostUnreachable || v.Confidence != cause.Certain || v.Culprit.Address != c.Hops4[1] || r.Took > 5*time.Second {
		logReport(t, r)
		t.Errorf("%s by %+v, %s, after %v", v.Cause, v.Culprit, v.Confidence, r.Took)
	}
}

// An answer by ICMP needs no probe, and neither does what this host refuses.
func TestNoProbeWhereNothingIsOpen(t *testing.T) {
	t.Parallel()
	c := network(t, 2, false)
	firewall(t, c.Routers[0], netns.Rule{Hook: netns.Forward, Match: port80, Verdict: netns.RejectICMP(netns.AdminProhibited)})
	for to, want := range map[string]cause.ID{
		netip.AddrPortFrom(c.Server4, 80).String(): cause.AdminProhibited,
		"198.18.0.1:80":  cause.NoRoute,
		"192.0.2.1:9999": cause.PortClosed, // on the link
	} {
		r := dialFrom(t, c.Client, &Dialer{Timeout: 4 * time.Second, Probes: AllProbes}, netip.MustParseAddrPort(to))
		if v := r.Verdict(); v.Cause != want || len(probesOf(r)) != 0 || r.Took > 2*time.Second {
			t.Errorf("%s: %s after %v with %d probes", to, v.Cause, r.Took, len(probesOf(r)))
		}
	}
}
