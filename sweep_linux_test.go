package dialscope

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// sweepFrom makes a sweep within a host.
func sweepFrom(t *testing.T, h *netns.Host, order sweepOrder) map[string]said {
	t.Helper()
	doc, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	return saidIn(t, h, "sweep", string(doc))
}

func saidIn(t *testing.T, h *netns.Host, helper string, args ...string) map[string]said {
	t.Helper()
	all, _ := toldIn(t, h, helper, args...)
	return all
}

// toldIn gives the line of counts, too.
func toldIn(t *testing.T, h *netns.Host, helper string, args ...string) (map[string]said, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := h.Wrap(testmain.Command(context.Background(), helper, args...))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", helper, err, stderr.String())
	}
	t.Logf("%s: %s", helper, strings.TrimSpace(stderr.String()))
	all, err := parseSaid(stdout.String())
	if err != nil {
		t.Fatal(err)
	}
	return all, stderr.String()
}

// acceptAll serves an address until the test ends.
func acceptAll(t *testing.T, h *netns.Host, a netip.AddrPort) {
	t.Helper()
	l, err := h.ListenBacklog(a, 4096)
	if err != nil {
		t.Fatal(err)
	}
	testmain.Serve(t, l, func(*net.TCPConn) {})
}

// unlimited lifts the limit on the ICMP errors that a host sends (icmp(7)).
func unlimited(t *testing.T, h *netns.Host) {
	t.Helper()
	for limit, value := range map[string]string{"net.ipv4.icmp_ratelimit": "0", "net.ipv6.icmp.ratelimit": "0",
		"net.ipv4.icmp_msgs_per_sec": "1000000", "net.ipv4.icmp_msgs_burst": "100000"} {
		if err := h.Sysctl(limit, value); err != nil {
			t.Fatal(err)
		}
	}
}

// scene is a client, a router and a server with every way for a connect to end.
func scene(t *testing.T) (c *netns.Chain, targets []string) {
	t.Helper()
	testmain.Need(t, "netns")
	c, err := netns.NewChain(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	router := c.Routers[0]
	unlimited(t, router)
	unlimited(t, c.Server)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []netip.Addr{c.Server4, c.Server6} {
		// Nobody accepts, so that nobody closes: a dial would tell of that, too.
		l, err := c.Server.ListenBacklog(netip.AddrPortFrom(a, 80), 4096)
		check(err)
		t.Cleanup(func() { l.Close() })
		for port := uint16(80); port <= 90; port++ {
			targets = append(targets, netip.AddrPortFrom(a, port).String())
		}
	}
	block := func(h *netns.Host, hook netns.Hook, port uint16, v netns.Verdict) {
		t.Helper()
		_, err := h.Firewall(netns.Rule{Hook: hook, Match: netns.Match{Protocol: netns.TCP, Dport: port}, Verdict: v})
		check(err)
	}
	block(router, netns.Forward, 82, netns.Drop())
	block(c.Server, netns.Input, 83, netns.Drop())
	block(router, netns.Forward, 84, netns.RejectICMP(netns.AdminProhibited))
	block(router, netns.Forward, 84, netns.RejectICMPv6(netns.AdminProhibited6))
	block(c.Server, netns.Input, 85, netns.RejectICMP(netns.PortUnreachable))
	block(c.Server, netns.Input, 85, netns.RejectICMPv6(netns.PortUnreachable6))
	block(router, netns.Forward, 86, netns.RejectTCPReset())
	block(router, netns.Forward, 87, netns.RejectICMP(netns.HostProhibited))
	block(c.Client, netns.Output, 88, netns.Drop())
	block(c.Client, netns.Output, 89, netns.RejectICMP(netns.PortUnreachable))
	block(router, netns.Forward, 90, netns.RejectICMP(netns.NetUnreachable))
	for prefix, kind := range map[string]netns.RouteKind{"10.1.0.0/24": netns.Prohibit, "10.2.0.0/24": netns.Unreachable,
		"10.3.0.0/24": netns.Blackhole, "2001:db8:aaaa::/64": netns.Prohibit} {
		check(c.Client.RejectRoute(netip.MustParsePrefix(prefix), kind))
	}
	return c, append(targets, "10.1.0.1:80", "10.2.0.1:80", "10.3.0.1:80", "10.4.0.1:80", "[2001:db8:aaaa::1]:80", "[2001:db8:bbbb::1]:80", "127.0.0.1:80", "[::1]:80")
}

// What a single dial says is what the sweep says, with every kind of engine.
func TestSweepSaysWhatDialSays(t *testing.T) {
	const timeout = 2500 * time.Millisecond
	c, targets := scene(t)
	dialed := saidIn(t, c.Client, "dial each", append([]string{timeout.String()}, targets...)...)
	outcomes := map[cause.Outcome]int{}
	for _, s := range dialed {
		outcomes[s.Outcome]++
	}
	t.Logf("%v", outcomes)
	for name, order := range map[string]sweepOrder{
		"reused":              {Engine: EngineEpoll},
		"new":                 {Engine: EngineEpoll, New: true},
		"beyond":              {InFlight: 100000},
		"io_uring":            {Engine: EngineRing, InFlight: 1000},
		"io_uring, new":       {Engine: EngineRing, New: true},
		"io_uring, own table": {Engine: EngineRing, InFlight: 100000},
		"one":                 {Engines: 1, InFlight: 3},
		"portable":            {Portable: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order.Hosts, order.Timeout, order.Retries = targets, timeout, -1
			swept := sweepFrom(t, c.Client, order)
			for _, a := range slices.Sorted(maps.Keys(dialed)) {
				d, s := dialed[a], swept[a]
				s.Latency, s.Attempts = d.Latency, d.Attempts
				if more := s.SYNs - d.SYNs; d.Outcome == cause.Timeout && (more == 1 || more == -1) {
					s.SYNs = d.SYNs // the last of them was due in the moment of the deadline
				}
				if s != d {
					t.Errorf("%s:\ndial  %+v\nsweep %+v", a, d, s)
				}
			}
			if len(swept) != len(dialed) {
				t.Errorf("%d results of %d targets", len(swept), len(dialed))
			}
		})
	}
}

// 65,536 targets whose outcomes are known, at full speed: none is missed and
// none is wrong.
func TestSweepTruth(t *testing.T) {
	testmain.Need(t, "netns")
	c, err := netns.NewChain(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	unlimited(t, c.Server)
	// 256 addresses of the server's with 256 ports each.
	if err := c.Client.AddRoute(netip.MustParsePrefix("10.9.0.0/24"), c.Server4); err != nil {
		t.Fatal(err)
	}
	eth := c.Links[0].B.Name
	for i := range 256 {
		if err := c.Server.AddAddr(eth, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}), 32)); err != nil {
			t.Fatal(err)
		}
	}
	const open, dropped, prohibited = 7, 11, 13 // every so many ports
	for port := uint16(1000); port < 1256; port++ {
		if port%open == 0 {
			acceptAll(t, c.Server, netip.AddrPortFrom(netip.IPv4Unspecified(), port))
		}
	}
	want := func(a netip.AddrPort) cause.Outcome {
		switch port := a.Port(); {
		case port%open == 0:
			return cause.Open
		case port == 1000+dropped:
			return cause.Timeout
		case port == 1000+prohibited:
			return cause.Unreachable
		}
		return cause.Refused
	}
	if _, err := c.Server.Firewall(
		netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: 1000 + dropped}, Verdict: netns.Drop()},
		netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: 1000 + prohibited}, Verdict: netns.RejectICMP(netns.AdminProhibited)},
		// A lossy path: one SYN in a hundred.
		netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Flags: netns.SYN, Percent: 1}, Verdict: netns.Drop()},
	); err != nil {
		t.Fatal(err)
	}
	var ports []uint16
	for p := range uint16(256) {
		ports = append(ports, 1000+p)
	}
	swept := sweepFrom(t, c.Client, sweepOrder{Hosts: []string{"10.9.0.0-10.9.0.255"}, Ports: ports, Timeout: 1500 * time.Millisecond})
	if len(swept) != 65536 {
		t.Errorf("%d results", len(swept))
	}
	wrong := 0
	for a, s := range swept {
		if w := want(netip.MustParseAddrPort(a)); s.Outcome != w {
			if wrong++; wrong < 10 {
				t.Errorf("%s: %s, want %s (%+v)", a, s.Outcome, w, s)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d wrong", wrong)
	}
}

// While this host's network is away the sweep pauses, and then goes on: no
// target pays for it.
func TestSweepWaitsForTheNetwork(t *testing.T) {
	testmain.Need(t, "netns")
	c, err := netns.NewChain(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Server.AddAddr(c.Links[0].B.Name, netip.MustParsePrefix("192.0.2.200/32")); err != nil {
		t.Fatal(err)
	}
	const ports, rate = 3000, 2000
	var order sweepOrder
	for p := range uint16(ports) {
		order.Ports = append(order.Ports, 1000+p)
	}
	order.Hosts, order.Rate, order.Timeout = []string{c.Server4.String()}, rate, 3*time.Second
	link := c.Links[0].A
	changed := make(chan error, 1)
	// The moment does not matter, as long as the sweep is under way: a third of
	// the time that it takes at least.
	time.AfterFunc(ports/rate*time.Second/3, func() {
		err := c.Client.SetLink(link.Name, false)
		time.AfterFunc(700*time.Millisecond, func() {
			changed <- errors.Join(err, c.Client.SetLink(link.Name, true))
		})
	})
	swept := sweepFrom(t, c.Client, order)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, s := range swept {
		if s.Outcome != cause.Refused {
			if wrong++; wrong < 5 {
				t.Errorf("%+v", s)
			}
		}
	}
	if len(swept) != ports || wrong > 0 {
		t.Errorf("%d results, %d wrong", len(swept), wrong)
	}
}

func limitDescriptors(n uint64) bool {
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}) == nil
}

// More attempts are in flight than a process may have descriptors: all of these
// targets are silent, and they take hardly longer than one.
func TestSweepBeyondTheDescriptorLimit(t *testing.T) {
	testmain.Need(t, "netns")
	for _, engine := range []SweepEngine{EngineEpoll, EngineRing} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			c, order := silence(t, 3000)
			order.InFlight, order.NoFile, order.Engine = 3000, 500, engine
			began := time.Now()
			swept := sweepFrom(t, c.Client, order)
			took := time.Since(began)
			for _, s := range swept {
				if s.Outcome != cause.Timeout || s.SYNs < 2 { // a busy host's kernel may have sent a third
					t.Fatalf("%+v", s)
				}
			}
			// With 500 descriptors it would take eight times the timeout at least.
			if len(swept) != 3000 || took > 6*order.Timeout {
				t.Errorf("%d results in %v", len(swept), took)
			}
		})
	}
}

// silence is a server that answers nothing, and a sweep of some of its ports.
func silence(t *testing.T, ports uint16) (*netns.Chain, sweepOrder) {
	t.Helper()
	c, err := netns.NewChain(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Server.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	order := sweepOrder{Hosts: []string{c.Server4.String()}, Timeout: 1500 * time.Millisecond, Retries: -1}
	for p := range ports {
		order.Ports = append(order.Ports, 1000+p)
	}
	return c, order
}

// Limits of this host slow a sweep; they are no results.
func TestSweepMeetsLimitsOfThisHost(t *testing.T) {
	testmain.Need(t, "netns")
	limits := map[string]func(t *testing.T, c *netns.Chain, order *sweepOrder){
		"source ports run out": func(t *testing.T, c *netns.Chain, order *sweepOrder) {
			// Ports that a program has bound are not given to others
			// (__inet_hash_connect).
			order.Bind = [2]uint16{40000, 40019}
			if err := c.Client.Sysctl("net.ipv4.ip_local_port_range", "40000 40019"); err != nil {
				t.Fatal(err)
			}
		},
		"descriptors run out": func(_ *testing.T, _ *netns.Chain, order *sweepOrder) {
			order.NoFile, order.InFlight, order.Hog, order.Timeout = 600, 100, 16, 500*time.Millisecond
		},
	}
	for name, limit := range limits {
		for _, engine := range []SweepEngine{EngineEpoll, EngineRing} {
			t.Run(name+", "+string(engine), func(t *testing.T) {
				t.Parallel()
				c, order := silence(t, 60)
				order.Timeout, order.Engine = 200*time.Millisecond, engine
				limit(t, c, &order)
				doc, err := json.Marshal(order)
				if err != nil {
					t.Fatal(err)
				}
				swept, counts := toldIn(t, c.Client, "sweep", string(doc))
				if strings.HasSuffix(counts, "faults: 0\n") {
					t.Error("the limit was not met")
				}
				if len(swept) != 60 {
					t.Errorf("%d results", len(swept))
				}
				for _, s := range swept {
					if s.Outcome != cause.Timeout {
						t.Errorf("%+v", s)
					}
				}
			})
		}
	}
}

// What goes out while the table of connections is full is lost in this host,
// and connect(2) is not told: nothing is said of such a target until there is
// room.
func TestSweepMeetsFullConntrack(t *testing.T) {
	testmain.Need(t, "netns")
	c, order := silence(t, 40)
	if _, err := c.Client.Firewall(netns.Rule{Hook: netns.Postrouting, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Masquerade()}); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.FillConntrack(); err != nil {
		t.Fatal(err)
	}
	order.Timeout = 200 * time.Millisecond
	doc, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := c.Client.Wrap(testmain.Command(ctx, "sweep", string(doc)))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("it went on beside a full table: %v\n%s%s", err, stdout.String(), stderr.String())
	case <-time.After(time.Second): // five times the timeout
	}
	if err := c.Client.FlushConntrack(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err, stderr.String())
	}
	swept, err := parseSaid(stdout.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range swept {
		if s.Outcome != cause.Timeout {
			t.Errorf("%+v", s)
		}
	}
	if len(swept) != 40 {
		t.Errorf("%d results", len(swept))
	}
}

func ExampleSweep() {
	targets := SweepTargets{Hosts: []string{"192.0.2.0/28"}, Ports: []uint16{22, 443}}
	s, err := NewSweeper(context.Background(), targets, SweepOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Progress().Targets, "targets")
	// Output: 28 targets
}
