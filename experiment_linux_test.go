package dialscope

import (
	"context"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// serveAt accepts on a host's address, and holds what it accepts.
func serveAt(t testing.TB, h *netns.Host, addr netip.Addr, port uint16) {
	t.Helper()
	l, err := h.Listen("tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// network is a chain with a fault.
func network(t testing.TB, routers int, echo bool) *netns.Chain {
	t.Helper()
	testmain.Need(t, "netns")
	c, err := netns.NewChain(routers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if echo {
		if err := c.Client.Sysctl("net.ipv4.ping_group_range", "0 65535"); err != nil {
			t.Fatal(err)
		}
	}
	serveAt(t, c.Server, c.Server4, 80)
	serveAt(t, c.Server, c.Server6, 80)
	return c
}

func firewall(t testing.TB, h *netns.Host, rules ...netns.Rule) {
	t.Helper()
	if _, err := h.Firewall(rules...); err != nil {
		t.Fatal(err)
	}
}

// packets is what an attempt and its experiments sent.
func packets(r *Report) (n int) {
	for i := range r.Attempts {
		n += cause.SYNs(&r.Attempts[i])
		for _, p := range evidence.All[*evidence.Probe](r.Attempts[i].Log) {
			n += p.Sent
		}
	}
	return n
}

// dialFrom dials on a thread that is inside a host. Experiments belong to the
// dialing goroutine, so that none leaves the namespace.
func dialFrom(t testing.TB, h *netns.Host, d *Dialer, to netip.AddrPort) *Report {
	t.Helper()
	var r *Report
	err := h.Do(func() error {
		c, report, _ := d.DialReport(context.Background(), "tcp", to.String())
		if c != nil {
			c.Close()
		}
		r = report
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// replayed is the verdict of the stored report.
func replayed(t testing.TB, r *Report) cause.Verdict {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	return again.Verdict()
}

func logReport(t testing.TB, r *Report) {
	t.Helper()
	v := r.Verdict()
	t.Logf("%v %s by %+v %s, %d packets; %s", r.Took.Round(time.Millisecond), v.Cause, v.Culprit, v.Confidence, packets(r), v.Explanation)
	for _, a := range v.Alternatives {
		t.Logf("   or %s %+v %s", a.Cause, a.Culprit, a.Confidence)
	}
	for i := range r.Attempts {
		for _, e := range r.Attempts[i].Log {
			if p, is := e.Fact.(*evidence.Probe); is {
				t.Logf("   %v %s %s %v ttl %d: %s from %v in %v (waited %v) %s", e.At.Round(time.Millisecond), p.Experiment, p.Protocol, p.To, p.TTL, p.Answer, p.From, p.RTT, p.Waited, p.Errno)
			}
		}
	}
}

// expectation is what a verdict must say.
type expectation struct {
	cause      cause.ID
	confidence cause.Confidence
	kind       cause.Kind
	router     int           // the culprit is this router, by its address and hop; 0: the destination, or nobody
	or         cause.ID      // stands among the alternatives
	orRouter   int           // and blames this router
	within     time.Duration // 0: 2 s
	outcome    cause.Outcome // empty: timeout
}

var port80 = netns.Match{Protocol: netns.TCP, Dport: 80}

func TestAttribution(t *testing.T) {
	drop := func(h netns.Hook, m netns.Match) netns.Rule {
		return netns.Rule{Hook: h, Match: m, Verdict: netns.Drop()}
	}
	mute4 := netns.Match{Protocol: netns.ICMP}
	on := func(who string, rules ...netns.Rule) func(testing.TB, *netns.Chain) {
		return func(t testing.TB, c *netns.Chain) {
			for _, h := range c.Hosts() {
				if h.Name() == who {
					firewall(t, h, rules...)
				}
			}
		}
	}
	all := func(fs ...func(testing.TB, *netns.Chain)) func(testing.TB, *netns.Chain) {
		return func(t testing.TB, c *netns.Chain) {
			for _, f := range fs {
				f(t, c)
			}
		}
	}
	likelyHost := expectation{cause.HostFirewallDrop, cause.Likely, cause.Destination, 0, cause.PathFirewallDrop, 0, 0, ""}
	for _, tt := range []struct {
		name    string
		routers int
		noEcho  bool
		port    uint16
		fault   func(testing.TB, *netns.Chain)
		want    expectation
	}{
		{"drop at 1 of 2", 2, false, 80, on("r1", drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 1, cause.HostFirewallDrop, 0, 0, ""}},
		{"drop at 1 of 3", 3, false, 80, on("r1", drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 1, cause.HostFirewallDrop, 0, 0, ""}},
		{"drop at 2 of 3", 3, false, 80, on("r2", drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 2, cause.HostFirewallDrop, 0, 0, ""}},
		{"drop at 2 of 3, no ping sockets", 3, true, 80, on("r2", drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 2, cause.HostFirewallDrop, 0, 0, ""}},
		{"drop at 9 of 14", 14, false, 80, on("r9", drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 9, cause.HostFirewallDrop, 0, 0, ""}},
		{"drop at 13 of 16", 16, false, 80, on("r13", drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 13, cause.HostFirewallDrop, 0, 0, ""}},
		// The last router's drop and the host's own give the same packets.
		{"drop at 1 of 1", 1, false, 80, on("r1", drop(netns.Forward, port80)),
			expectation{cause.HostFirewallDrop, cause.Likely, cause.Destination, 0, cause.PathFirewallDrop, 1, 0, ""}},
		{"drop at 3 of 3", 3, false, 80, on("r3", drop(netns.Forward, port80)),
			expectation{cause.HostFirewallDrop, cause.Likely, cause.Destination, 0, cause.PathFirewallDrop, 3, 0, ""}},
		{"drop at the host", 3, false, 80, on("server", drop(netns.Input, port80)), likelyHost},
		{"drop at a host on the link", 0, false, 80, on("server", drop(netns.Input, port80)),
			expectation{cause.HostFirewallDrop, cause.Likely, cause.Destination, 0, cause.ListenQueueFull, 0, 0, ""}},
		{"a host that answers echo requests only", 2, false, 80,
			on("server", drop(netns.Input, netns.Match{Protocol: netns.TCP}), drop(netns.Input, netns.Match{Protocol: netns.UDP})), likelyHost},
		{"a router that never answers before the drop", 3, false, 80,
			all(on("r2", drop(netns.Output, mute4), drop(netns.Output, netns.Match{Protocol: netns.ICMPv6, Dst: netip.MustParsePrefix("2001:db8::2/128")})),
				on("r1", drop(netns.Forward, port80))),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 1, cause.HostFirewallDrop, 0, 0, ""}},
		{"a router that never answers, and drops", 3, false, 80,
			on("r2", drop(netns.Output, mute4), drop(netns.Output, netns.Match{Protocol: netns.ICMPv6, Dst: netip.MustParsePrefix("2001:db8::2/128")}),
				drop(netns.Forward, port80)),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 1, cause.HostFirewallDrop, 0, 0, ""}},
		{"routers that answer half of the time", 3, false, 80,
			all(on("r1", netns.Rule{Hook: netns.Output, Match: netns.Match{Protocol: netns.ICMP, Every: 2}, Verdict: netns.Drop()}),
				on("r2", netns.Rule{Hook: netns.Output, Match: netns.Match{Protocol: netns.ICMP, Every: 2}, Verdict: netns.Drop()}),
				on("r3", netns.Rule{Hook: netns.Output, Match: netns.Match{Protocol: netns.ICMP, Every: 2}, Verdict: netns.Drop()}),
				on("r2", drop(netns.Forward, port80))),
			expectation{cause.PathFirewallDrop, cause.Likely, cause.Path, 2, cause.HostFirewallDrop, 0, 0, ""}},
		{"everything for the host dropped at 1 of 3", 3, false, 80,
			on("r1", drop(netns.Forward, netns.Match{Dst: netip.MustParsePrefix("203.0.113.2/32")}), drop(netns.Forward, netns.Match{Dst: netip.MustParsePrefix("2001:db8:3::2/128")})),
			expectation{cause.HostSilent, cause.Possible, cause.Destination, 0, cause.PathFirewallDrop, 1, 4 * time.Second, ""}},
		{"a host that answers nothing", 2, false, 80, on("server", drop(netns.Input, netns.Match{Protocol: netns.TCP}),
			drop(netns.Input, netns.Match{Protocol: netns.UDP}), drop(netns.Input, mute4), drop(netns.Input, netns.Match{Protocol: netns.ICMPv6, Src: netip.MustParsePrefix("2001:db8::2/128")})),
			expectation{cause.HostSilent, cause.Possible, cause.Destination, 0, cause.PathFirewallDrop, 2, 4 * time.Second, ""}},
		{"refused by router 1 of 3", 3, false, 80, on("r1", netns.Rule{Hook: netns.Forward, Match: port80, Verdict: netns.RejectTCPReset()}),
			expectation{cause.PathFirewallReset, cause.Likely, cause.Path, 1, cause.PortClosed, 0, 500 * time.Millisecond, cause.Refused}},
		{"refused by router 2 of 3", 3, false, 80, on("r2", netns.Rule{Hook: netns.Forward, Match: port80, Verdict: netns.RejectTCPReset()}),
			expectation{cause.PathFirewallReset, cause.Likely, cause.Path, 2, cause.PortClosed, 0, 500 * time.Millisecond, cause.Refused}},
		{"refused by the last router", 3, false, 80, on("r3", netns.Rule{Hook: netns.Forward, Match: port80, Verdict: netns.RejectTCPReset()}),
			expectation{cause.PortClosed, cause.Likely, cause.Destination, 0, cause.PathFirewallReset, 3, 500 * time.Millisecond, cause.Refused}},
		{"refused by the host", 3, false, 81, on("r1"),
			expectation{cause.PortClosed, cause.Likely, cause.Destination, 0, cause.PathFirewallReset, 3, 500 * time.Millisecond, cause.Refused}},
		{"dropped here", 2, false, 80, on("client", drop(netns.Output, port80)),
			expectation{cause.LocalFirewallDrop, cause.Certain, cause.Local, 0, "", 0, 0, ""}}, // the rule is read, and it counts
		{"the first SYN lost", 2, false, 80, on("r1", netns.Rule{Hook: netns.Forward, Match: netns.Match{Protocol: netns.TCP, Dport: 80, First: 1}, Verdict: netns.Drop()}),
			expectation{cause.PacketLoss, cause.Likely, cause.Path, 0, "", 0, 0, cause.Open}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, family := range []string{"IPv4", "IPv6"} {
				t.Run(family, func(t *testing.T) {
					c := network(t, tt.routers, !tt.noEcho)
					tt.fault(t, c)
					server, hops := c.Server4, c.Hops4
					if family == "IPv6" {
						server, hops = c.Server6, c.Hops6
					}
					d := &Dialer{Timeout: 5 * time.Second, Probes: AllProbes}
					stalled := stalls()
					r := dialFrom(t, c.Client, d, netip.AddrPortFrom(server, tt.port))
					tt.want.check(t, r, stalled(), server, hops)
				})
			}
		})
	}
}

// stalls measures, until it is stopped, for how long this process was not let
// run: by how much a timer was late in all.
func stalls() (stop func() time.Duration) {
	end, sum := make(chan struct{}), make(chan time.Duration)
	go func() {
		const tick = 20 * time.Millisecond
		late := time.Duration(0)
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
				now := time.Now()
				late += max(0, now.Sub(last)-2*tick)
				last = now
			case <-end:
				sum <- late
				return
			}
		}
	}()
	return func() time.Duration { close(end); return <-sum }
}

func (w *expectation) check(t *testing.T, r *Report, stalled time.Duration, server netip.Addr, hops []netip.Addr) {
	t.Helper()
	v := r.Verdict()
	blamed := func(f cause.Finding, kind cause.Kind, router int) bool {
		who := cause.Culprit{Kind: kind}
		if router > 0 {
			who = cause.Culprit{Kind: cause.Path, Address: hops[router-1], Hop: router}
		} else if kind == cause.Destination {
			who.Address = server
		}
		return f.Culprit == who
	}
	if v.Cause != w.cause || v.Confidence != w.confidence || !blamed(v.Finding, w.kind, w.router) {
		t.Errorf("%s by %+v, %s; want %s, %s, router %d", v.Cause, v.Culprit, v.Confidence, w.cause, w.confidence, w.router)
	}
	if w.or != "" {
		found := false
		for _, a := range v.Alternatives {
			found = found || a.Cause == w.or && (w.orRouter == 0 || blamed(a, cause.Path, w.orRouter))
		}
		if !found {
			t.Errorf("%s (router %d) is not among the alternatives", w.or, w.orRouter)
		}
	}
	outcome, within := w.outcome, w.within
	if outcome == "" {
		outcome = cause.Timeout
	}
	if within == 0 {
		within = 2 * time.Second
	}
	if v.Outcome != outcome {
		t.Errorf("%s, want %s", v.Outcome, outcome)
	}
	if r.Took > within+stalled {
		t.Errorf("answered after %v, want %v (the process stood still for %v)", r.Took, within, stalled)
	}
	if n := packets(r); n > 60 {
		t.Errorf("%d packets", n)
	}
	if again := replayed(t, r); again.Finding != v.Finding || again.Explanation != v.Explanation {
		t.Errorf("replayed: %+v", again.Finding)
	}
	t.Logf("answered in %v with %d packets", r.Took.Round(time.Millisecond), packets(r))
	if t.Failed() {
		logReport(t, r)
	}
}
