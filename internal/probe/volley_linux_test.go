package probe

import (
	"context"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// chain is a network in a line whose server listens on port 80 and answers
// datagrams on port 53.
func chain(t *testing.T, routers int) *netns.Chain {
	t.Helper()
	testmain.Need(t, "netns")
	c, err := netns.NewChain(routers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Client.Sysctl("net.ipv4.ping_group_range", "0 65535"); err != nil {
		t.Fatal(err)
	}
	for _, server := range []netip.Addr{c.Server4, c.Server6} {
		l, err := c.Server.Listen("tcp", netip.AddrPortFrom(server, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		u, err := c.Server.ListenPacket("udp", netip.AddrPortFrom(server, 53).String())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				_, from, err := u.ReadFrom(make([]byte, 64))
				if err != nil {
					return
				}
				u.WriteTo([]byte("yes"), from)
			}
		}()
		t.Cleanup(func() { u.Close(); <-done })
	}
	return c
}

// fire sends shots from the client and waits for their answers.
func fire(t *testing.T, h *netns.Host, way Way, wait time.Duration, shots ...shot) []*evidence.Probe {
	t.Helper()
	r := &round{began: time.Now()}
	err := h.Do(func() error {
		v, err := open(r, way, -1)
		if err != nil {
			return err
		}
		defer v.close()
		for _, s := range shots {
			v.send(s)
		}
		v.wait(t.Context(), time.Now().Add(wait), func() bool { return false })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return evidence.All[*evidence.Probe](r.log)
}

func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	for name, ends := range map[string]struct {
		server netip.Addr
		hops   []netip.Addr
		client netip.Addr
	}{"IPv4": {c.Server4, c.Hops4, c.Client4}, "IPv6": {c.Server6, c.Hops6, c.Client6}} {
		at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(ends.server, port) }
		for _, tt := range []struct {
			shot
			answer string
			from   netip.Addr
		}{
			{shot{experiment: "x", protocol: tcp, to: at(80), ttl: 0}, evidence.AnswerSYNACK, ends.server},
			{shot{experiment: "x", protocol: tcp, to: at(81), ttl: 0}, evidence.AnswerRST, ends.server},
			{shot{experiment: "x", protocol: tcp, to: at(80), ttl: 3}, evidence.AnswerSYNACK, ends.server},
			{shot{experiment: "x", protocol: tcp, to: at(80), ttl: 1}, evidence.AnswerICMP, ends.hops[0]},
			{shot{experiment: "x", protocol: tcp, to: at(80), ttl: 2}, evidence.AnswerICMP, ends.hops[1]},
			{shot{experiment: "x", protocol: udp, to: at(53), ttl: 0}, evidence.AnswerDatagram, ends.server},
			{shot{experiment: "x", protocol: udp, to: at(54), ttl: 0}, evidence.AnswerICMP, ends.server},
			{shot{experiment: "x", protocol: udp, to: at(54), ttl: 2}, evidence.AnswerICMP, ends.hops[1]},
			{shot{experiment: "x", protocol: echo, to: at(0), ttl: 0}, evidence.AnswerEcho, ends.server},
			{shot{experiment: "x", protocol: echo, to: at(0), ttl: 1}, evidence.AnswerICMP, ends.hops[0]},
		} {
			p := fire(t, c.Client, Way{Local: ends.client}, 2*time.Second, tt.shot)[0]
			if p.Answer != tt.answer || p.From != tt.from || p.Sent != 1 || p.RTT <= 0 || p.Waited != 0 || p.Errno != "" {
				t.Errorf("%s: %+v: %+v", name, tt.shot, p)
			}
			if router := p.From != ends.server; p.Expired() != router || p.Reached() == router {
				t.Errorf("%s: %+v: expired %v, reached %v", name, tt.shot, p.Expired(), p.Reached())
			}
		}
	}
}

// What is not answered is filed with the time that it was waited for, and what
// this host refuses with its errno.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	if _, err := c.Routers[0].Firewall(netns.Rule{Hook: netns.Forward, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	p := fire(t, c.Client, Way{}, 30*time.Millisecond, shot{experiment: "x", protocol: tcp, to: netip.AddrPortFrom(c.Server4, 80), ttl: 0})[0]
	if p.Answer != "" || p.Waited < 30*time.Millisecond || p.RTT != 0 || p.Sent != 1 {
		t.Errorf("%+v", p)
	}
	for _, tt := range []struct {
		way   Way
		shot  shot
		errno evidence.Errno
	}{
		{Way{}, shot{experiment: "x", protocol: tcp, to: netip.MustParseAddrPort("198.18.0.1:80"), ttl: 0}, "ENETUNREACH"},
		{Way{Interface: "nosuch"}, shot{experiment: "x", protocol: tcp, to: netip.AddrPortFrom(c.Server4, 80), ttl: 0}, "ENODEV"},
		{Way{Local: netip.MustParseAddr("198.18.0.9")}, shot{experiment: "x", protocol: udp, to: netip.AddrPortFrom(c.Server4, 80), ttl: 0}, "EADDRNOTAVAIL"},
	} {
		p := fire(t, c.Client, tt.way, time.Second, tt.shot)[0]
		if p.Errno != tt.errno || p.Sent != 0 || p.Answer != "" {
			t.Errorf("%+v %+v: %+v", tt.way, tt.shot, p)
		}
	}
}

// undecided is a verdict that every experiment would help.
func undecided(evidence.Log) cause.Verdict {
	return cause.Verdict{Finding: cause.Finding{Cause: cause.PathFirewallDrop, Confidence: cause.Possible},
		Alternatives: []cause.Finding{{Cause: cause.HostFirewallDrop}, {Cause: cause.HostSilent}, {Cause: cause.ListenQueueFull}, {Cause: cause.ReplyLost}}}
}

func runIn(t *testing.T, h *netns.Host, ctx context.Context, c *Config) evidence.Log {
	t.Helper()
	var log evidence.Log
	err := h.Do(func() (err error) {
		log, err = Run(ctx, c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// However little is allowed, no more is sent.
func TestBudget(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	for _, most := range []int{1, 2, 7, 20, 60} {
		log := runIn(t, c.Client, t.Context(), &Config{Remote: netip.AddrPortFrom(c.Server4, 81), Began: time.Now(), Packets: most, Watch: -1, Judge: undecided, Limit: time.Second})
		sent := 0
		for _, p := range evidence.All[*evidence.Probe](log) {
			sent += p.Sent
		}
		if sent > most || sent == 0 {
			t.Errorf("%d packets of %d", sent, most)
		}
	}
}

// A quiet run touches no port of the destination but the attempt's own, and the
// one that traceroute has for datagrams.
func TestQuiet(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	log := runIn(t, c.Client, t.Context(), &Config{Remote: netip.AddrPortFrom(c.Server4, 81), Began: time.Now(), Packets: 60, Watch: -1, Judge: undecided, Quiet: true, Limit: time.Second})
	for _, p := range evidence.All[*evidence.Probe](log) {
		if p.Protocol == tcp && p.To.Port() != 81 || p.Protocol == udp && p.To.Port() != udpPort {
			t.Errorf("%+v", p)
		}
	}
}

// Nothing is sent where the verdict leaves nothing open; and on the link no
// TTL is tried.
func TestOnlyWhatHelps(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	config := Config{Remote: netip.AddrPortFrom(c.Server4, 81), Began: time.Now(), Packets: 60, Watch: -1, OnLink: true, Limit: time.Second}
	config.Judge = func(evidence.Log) cause.Verdict {
		return cause.Verdict{Finding: cause.Finding{Cause: cause.IsOpen, Confidence: cause.Certain}}
	}
	if log := runIn(t, c.Client, t.Context(), &config); len(log) != 0 {
		t.Errorf("%d probes for a certain verdict", len(log))
	}
	config.Judge = undecided
	log := runIn(t, c.Client, t.Context(), &config)
	if len(log) == 0 {
		t.Error("no probe")
	}
	for _, p := range evidence.All[*evidence.Probe](log) {
		if p.TTL != 0 {
			t.Errorf("on the link: %+v", p)
		}
	}
}

// The run ends when the attempt that it explains has its answer, when the
// context ends, and at its deadline.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	if _, err := c.Routers[0].Firewall(netns.Rule{Hook: netns.Forward, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0) // writable: it has news at once
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	base := Config{Remote: netip.AddrPortFrom(c.Server4, 80), Packets: 60, Watch: -1, Judge: undecided, Patience: 5 * time.Second, Limit: 5 * time.Second}
	for name, with := range map[string]func(c *Config) context.Context{
		"watched": func(c *Config) context.Context { c.Watch = pair[0]; return t.Context() },
		"context": func(*Config) context.Context { return ended },
		"deadline": func(c *Config) context.Context {
			c.Deadline = time.Now().Add(50 * time.Millisecond)
			return t.Context()
		},
	} {
		config := base
		config.Began = time.Now()
		ctx := with(&config)
		runIn(t, c.Client, ctx, &config)
		if took := time.Since(config.Began); took > 2*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}
