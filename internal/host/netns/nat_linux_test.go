package netns_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// peers serves port 80 and delivers the addresses that connect.
func peers(t *testing.T, h *netns.Host, addr netip.Addr, port uint16) <-chan netip.Addr {
	t.Helper()
	l, err := h.Listen("tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan netip.Addr, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			seen <- c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return seen
}

func wantPeer(t *testing.T, seen <-chan netip.Addr, want netip.Addr) {
	t.Helper()
	select {
	case got := <-seen:
		if got != want {
			t.Errorf("the server saw %s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Error("the server saw nobody")
	}
}

func TestNAT(t *testing.T) {
	t.Parallel()
	for _, v6 := range []bool{false, true} {
		c := chain(t, 1)
		client, server, near, far := c.Client4, c.Server4, c.Hops4[0], c.Far4[0]
		if v6 {
			client, server, near, far = c.Client6, c.Server6, c.Hops6[0], c.Far6[0]
		}
		seen := peers(t, c.Server, server, 80)
		atRouter := peers(t, c.Routers[0], near, 8080)
		f := firewall(t, c.Routers[0],
			netns.Rule{
				Hook:    netns.Prerouting,
				Match:   netns.Match{Protocol: netns.TCP, Dport: 443},
				Verdict: netns.DNAT(netip.AddrPortFrom(server, 80)),
			},
			netns.Rule{
				Hook:    netns.Prerouting,
				Match:   netns.Match{Protocol: netns.TCP, Dport: 81},
				Verdict: netns.Redirect(8080),
			})
		wantErrno(t, dial(t, c.Client, near, 443, patience), 0)
		wantPeer(t, seen, client)
		wantErrno(t, dial(t, c.Client, server, 81, patience), 0)
		wantPeer(t, atRouter, client)
		firewall(t, c.Routers[0], netns.Rule{
			Hook: netns.Postrouting, Match: netns.Match{Out: "eth1"}, Verdict: netns.Masquerade(),
		})
		wantErrno(t, dial(t, c.Client, server, 80, patience), 0)
		wantPeer(t, seen, far)
		for rule := range 2 {
			if n := count(t, f, rule); n.Packets != 1 {
				t.Errorf("rule %d saw %d packets, want the first of its connection", rule, n.Packets)
			}
		}
	}
}

// A port of 0 keeps the port; a server that has moved refuses what it does not serve.
func TestDNATKeepsPort(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	seen := peers(t, c.Server, c.Server4, 80)
	firewall(t, c.Client, netns.Rule{
		Hook:    netns.Output,
		Match:   netns.Match{Dst: netip.PrefixFrom(c.Hops4[0], 32)},
		Verdict: netns.DNAT(netip.AddrPortFrom(c.Server4, 0)),
	})
	wantErrno(t, dial(t, c.Client, c.Hops4[0], 80, patience), 0)
	wantPeer(t, seen, c.Client4)
	wantErrno(t, dial(t, c.Client, c.Hops4[0], 81, patience), syscall.ECONNREFUSED)
}

// The proxy answers for a server that is not there: the handshake succeeds
// where without the proxy it is refused.
func TestSYNProxy(t *testing.T) {
	t.Parallel()
	for _, v6 := range []bool{false, true} {
		c := chain(t, 1)
		server := c.Server4
		if v6 {
			server = c.Server6
		}
		wantErrno(t, dial(t, c.Client, server, 80, patience), syscall.ECONNREFUSED)
		f, err := c.Routers[0].SYNProxy(netns.Forward, 80)
		if err != nil {
			t.Fatal(err)
		}
		// The server's RST is passed on, and may be there before connect returns.
		if err := dial(t, c.Client, server, 80, patience); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connect through the proxy: %v, want success or reset", err)
		}
		wantErrno(t, dial(t, c.Client, server, 81, patience), syscall.ECONNREFUSED)
		if n := count(t, f, 0); n.Packets != 1 {
			t.Errorf("%d SYNs untracked, want 1", n.Packets)
		}
		// Behind the proxy a real server is reached with its data.
		l, err := c.Server.Listen("tcp", netip.AddrPortFrom(server, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := c.Client.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("through")); err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		buf := make([]byte, 16)
		_ = peer.SetReadDeadline(time.Now().Add(patience))
		if n, err := peer.Read(buf); string(buf[:n]) != "through" {
			t.Errorf("the server read %q, %v", buf[:n], err)
		}
	}
}

// A router that gets a packet with TTL 1 to forward answers time exceeded
// (RFC 792, RFC 4443 §3.3), which ends a connect with EHOSTUNREACH.
func TestSetTTL(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	toServer := netns.Match{Protocol: netns.TCP, In: "eth0"}
	rules := func(ttl uint8) []netns.Rule {
		return []netns.Rule{
			{Hook: netns.Prerouting, Match: toServer, Verdict: netns.SetTTL(ttl)},
			{Hook: netns.Prerouting, Match: toServer, Verdict: netns.SetHopLimit(ttl)},
		}
	}
	for ttl, errno := range map[uint8]syscall.Errno{
		1: syscall.EHOSTUNREACH, 2: syscall.EHOSTUNREACH, 3: syscall.ECONNREFUSED, 255: syscall.ECONNREFUSED,
	} {
		f := firewall(t, c.Routers[0], rules(ttl)...)
		wantErrno(t, dial(t, c.Client, c.Server4, 80, patience), errno)
		wantErrno(t, dial(t, c.Client, c.Server6, 80, patience), errno)
		if err := f.Remove(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFirewallRejectsNonsense(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	for name, r := range map[string]netns.Rule{
		"flags without TCP":     {Match: netns.Match{Flags: netns.SYN}},
		"port without protocol": {Match: netns.Match{Dport: 80}},
		"percent":               {Match: netns.Match{Percent: 101}},
		"DNAT in forward":       {Hook: netns.Forward, Verdict: netns.DNAT(netip.MustParseAddrPort("192.0.2.1:80"))},
		"DNAT to nowhere":       {Verdict: netns.DNAT(netip.AddrPort{})},
		"reject after routing":  {Hook: netns.Postrouting, Verdict: netns.RejectTCPReset()},
		"masquerade on input":   {Hook: netns.Input, Verdict: netns.Masquerade()},
		"no such hook":          {Hook: 9, Verdict: netns.Drop()},
	} {
		if _, err := c.Client.Firewall(r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Rules of one call are asked in order, and Accept ends the asking.
func TestRuleOrder(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	toPort := netns.Match{Protocol: netns.TCP, Dport: 80}
	f := firewall(t, c.Server,
		netns.Rule{Hook: netns.Input, Match: toPort, Verdict: netns.Accept()},
		netns.Rule{Hook: netns.Input, Verdict: netns.RejectICMP(netns.AdminProhibited)})
	wantErrno(t, dial(t, c.Client, c.Server4, 80, patience), syscall.ECONNREFUSED)
	wantErrno(t, dial(t, c.Client, c.Server4, 81, patience), syscall.EHOSTUNREACH)
	if a, b := count(t, f, 0), count(t, f, 1); a.Packets != 1 || b.Packets != 1 {
		t.Errorf("counted %d and %d, want 1 and 1", a.Packets, b.Packets)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, dial(t, c.Client, c.Server4, 81, patience), syscall.ECONNREFUSED)
	if _, err := f.Count(0); err == nil {
		t.Error("a removed rule still counts")
	}
}

func TestNftEscape(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	err := c.Server.Nft(func(n *nftables.Conn) error {
		table := n.AddTable(&nftables.Table{Name: "own", Family: nftables.TableFamilyIPv4})
		in := n.AddChain(&nftables.Chain{
			Name: "in", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		n.AddRule(&nftables.Rule{Table: table, Chain: in, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantSilence(t, c.Client, c.Server4, 80)
	wantErrno(t, dial(t, c.Client, c.Server6, 80, patience), syscall.ECONNREFUSED)
}
