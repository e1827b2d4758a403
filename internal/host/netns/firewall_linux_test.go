package netns_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// Each verdict is given once by the first router while it forwards and once by
// the server to what arrives; the client sees it as an errno of connect(2)
// (icmp_err_convert in net/ipv4/icmp.c, tcp_v6_err's table in net/ipv6/icmp.c).
func TestVerdictsSeenByClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		v      netns.Verdict
		v4, v6 syscall.Errno
	}{
		{"drop", netns.Drop(), silence, silence},
		{"reset", netns.RejectTCPReset(), syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{"net unreachable", netns.RejectICMP(netns.NetUnreachable), syscall.ENETUNREACH, pass},
		{"host unreachable", netns.RejectICMP(netns.HostUnreachable), syscall.EHOSTUNREACH, pass},
		{"protocol unreachable", netns.RejectICMP(netns.ProtocolUnreachable), syscall.ENOPROTOOPT, pass},
		{"port unreachable", netns.RejectICMP(netns.PortUnreachable), syscall.ECONNREFUSED, pass},
		{"source route failed", netns.RejectICMP(netns.SourceRouteFailed), syscall.EOPNOTSUPP, pass},
		{"net unknown", netns.RejectICMP(netns.NetUnknown), syscall.ENETUNREACH, pass},
		{"host unknown", netns.RejectICMP(netns.HostUnknown), syscall.EHOSTDOWN, pass},
		{"net prohibited", netns.RejectICMP(netns.NetProhibited), syscall.ENETUNREACH, pass},
		{"host prohibited", netns.RejectICMP(netns.HostProhibited), syscall.EHOSTUNREACH, pass},
		{"admin prohibited", netns.RejectICMP(netns.AdminProhibited), syscall.EHOSTUNREACH, pass},
		{"no route", netns.RejectICMPv6(netns.NoRoute6), pass, syscall.ENETUNREACH},
		{"prohibited v6", netns.RejectICMPv6(netns.AdminProhibited6), pass, syscall.EACCES},
		{"beyond scope", netns.RejectICMPv6(netns.BeyondScope6), pass, syscall.EHOSTUNREACH},
		{"address unreachable", netns.RejectICMPv6(netns.AddressUnreachable6), pass, syscall.EHOSTUNREACH},
		{"port unreachable v6", netns.RejectICMPv6(netns.PortUnreachable6), pass, syscall.ECONNREFUSED},
		{"policy failed", netns.RejectICMPv6(netns.PolicyFailed6), pass, syscall.EACCES},
		{"reject route", netns.RejectICMPv6(netns.RejectRoute6), pass, syscall.EACCES},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, hook := range []netns.Hook{netns.Forward, netns.Input, netns.Prerouting} {
				c := chain(t, 1)
				host := c.Routers[0]
				if hook == netns.Input {
					host = c.Server
				}
				serve(t, c.Server, c.Server4, 80)
				serve(t, c.Server, c.Server6, 80)
				f := firewall(t, host, netns.Rule{
					Hook: hook, Match: netns.Match{Protocol: netns.TCP, Dport: 80}, Verdict: tt.v,
				})
				wantVerdict(t, c.Client, c.Server4, tt.v4)
				wantVerdict(t, c.Client, c.Server6, tt.v6)
				wantErrno(t, dial(t, c.Client, c.Server4, 81, patience), syscall.ECONNREFUSED)
				if n := count(t, f, 0); n.Packets == 0 || n.Bytes < 40*n.Packets {
					t.Errorf("rule counted %+v", n)
				}
			}
		})
	}
}

// What a verdict may do instead of ending the connect with an errno: nothing,
// because it is about the other family, or discard the SYN.
const pass, silence = syscall.Errno(0), ^syscall.Errno(0)

// wantVerdict dials port 80.
func wantVerdict(t *testing.T, from *netns.Host, to netip.Addr, errno syscall.Errno) {
	t.Helper()
	if errno == silence {
		wantSilence(t, from, to, 80)
		return
	}
	wantErrno(t, dial(t, from, to, 80, patience), errno)
}

func firewall(t *testing.T, h *netns.Host, rules ...netns.Rule) *netns.Firewall {
	t.Helper()
	f, err := h.Firewall(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func count(t *testing.T, f *netns.Firewall, rule int) netns.Count {
	t.Helper()
	n, err := f.Count(rule)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tcp_retransmit_timer: the first SYN is sent again after one second (RFC 6298 §2).
func TestFirstSYNDropped(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	serve(t, c.Server, c.Server4, 80)
	f := firewall(t, c.Routers[0], netns.Rule{
		Hook:    netns.Forward,
		Match:   netns.Match{Protocol: netns.TCP, Flags: netns.SYN, First: 1},
		Verdict: netns.Drop(),
	})
	start := time.Now()
	wantErrno(t, dial(t, c.Client, c.Server4, 80, patience), 0)
	if took := time.Since(start); took < 900*time.Millisecond || took > 2*time.Second {
		t.Errorf("connected after %v, want about one second", took)
	}
	wantErrno(t, dial(t, c.Client, c.Server4, 80, 500*time.Millisecond), 0)
	if n := count(t, f, 0); n.Packets != 1 {
		t.Errorf("dropped %d packets, want 1", n.Packets)
	}
}

func TestSampling(t *testing.T) {
	t.Parallel()
	const dials = 12
	for _, tt := range []struct {
		name  string
		match netns.Match
		want  func(refused int) bool
	}{
		{"every third", netns.Match{Every: 3}, func(n int) bool { return n == 4 }},
		{"every", netns.Match{Every: 1}, func(n int) bool { return n == dials }},
		{"first five", netns.Match{First: 5}, func(n int) bool { return n == 5 }},
		{"always", netns.Match{Percent: 100}, func(n int) bool { return n == dials }},
		// Neither end of the range: the odds against are one to 2^11.
		{"half", netns.Match{Percent: 50}, func(n int) bool { return n > 0 && n < dials }},
		{"both", netns.Match{Every: 2, First: 3}, func(n int) bool { return n == 3 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := chain(t, 0)
			serve(t, c.Server, c.Server4, 80)
			tt.match.Protocol, tt.match.Flags = netns.TCP, netns.SYN
			f := firewall(t, c.Server, netns.Rule{Hook: netns.Input, Match: tt.match, Verdict: netns.RejectTCPReset()})
			refused := 0
			for range dials {
				if err := dial(t, c.Client, c.Server4, 80, patience); err != nil {
					wantErrno(t, err, syscall.ECONNREFUSED)
					refused++
				}
			}
			if !tt.want(refused) {
				t.Errorf("%d of %d refused", refused, dials)
			}
			if n := count(t, f, 0); n.Packets != uint64(refused) {
				t.Errorf("counted %d packets, %d refused", n.Packets, refused)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	r := c.Routers[0]
	serve(t, c.Server, c.Server4, 80)
	serve(t, c.Server, c.Server6, 80)
	other := netip.MustParsePrefix("192.0.2.128/25")
	for _, tt := range []struct {
		name   string
		match  netns.Match
		v4, v6 bool // refused
	}{
		{"all", netns.Match{}, true, true},
		{"protocol", netns.Match{Protocol: netns.TCP}, true, true},
		{"other protocol", netns.Match{Protocol: netns.UDP}, false, false},
		{"port", netns.Match{Protocol: netns.TCP, Dport: 80}, true, true},
		{"other port", netns.Match{Protocol: netns.TCP, Dport: 443}, false, false},
		{"source port", netns.Match{Protocol: netns.TCP, Sport: 1}, false, false},
		{"flags", netns.Match{Protocol: netns.TCP, Flags: netns.SYN}, true, true},
		{"other flags", netns.Match{Protocol: netns.TCP, Flags: netns.RST}, false, false},
		{"source", netns.Match{Src: netip.PrefixFrom(c.Client4, 32)}, true, false},
		{"source net", netns.Match{Src: netip.PrefixFrom(c.Client4, 24)}, true, false},
		{"other source", netns.Match{Src: other}, false, false},
		{"source v6", netns.Match{Src: netip.PrefixFrom(c.Client6, 64)}, false, true},
		{"destination", netns.Match{Dst: netip.PrefixFrom(c.Server4, 30)}, true, false},
		{"destination v6", netns.Match{Dst: netip.PrefixFrom(c.Server6, 128)}, false, true},
		{"in", netns.Match{In: "eth0"}, true, true},
		{"other in", netns.Match{In: "eth2"}, false, false},
		{"out", netns.Match{Out: "eth1"}, true, true},
		{"all fields", netns.Match{
			Protocol: netns.TCP, Flags: netns.SYN, Dport: 80, In: "eth0", Out: "eth1",
			Src: netip.PrefixFrom(c.Client4, 32), Dst: netip.PrefixFrom(c.Server4, 32), First: 9,
		}, true, false},
	} {
		f := firewall(t, r, netns.Rule{
			Hook: netns.Forward, Match: tt.match, Verdict: netns.RejectTCPReset(),
		})
		for _, to := range []struct {
			addr    netip.Addr
			refused bool
		}{{c.Server4, tt.v4}, {c.Server6, tt.v6}} {
			err := dial(t, c.Client, to.addr, 80, patience)
			if refused := errors.Is(err, syscall.ECONNREFUSED); refused != to.refused || err != nil && !refused {
				t.Errorf("%s: %s: %v, want refused: %t", tt.name, to.addr, err, to.refused)
			}
		}
		want := uint64(0)
		for _, refused := range []bool{tt.v4, tt.v6} {
			if refused {
				want++
			}
		}
		if n := count(t, f, 0); n.Packets != want {
			t.Errorf("%s: %d packets matched, want %d", tt.name, n.Packets, want)
		}
		if err := f.Remove(); err != nil {
			t.Fatal(err)
		}
	}
}
