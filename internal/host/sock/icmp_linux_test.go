package sock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// path is a client, one router and a server.
func path(t testing.TB) *netns.Chain {
	t.Helper()
	testmain.Need(t, "netns")
	c, err := netns.NewChain(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func filter(t testing.TB, h *netns.Host, rules ...netns.Rule) {
	t.Helper()
	if _, err := h.Firewall(rules...); err != nil {
		t.Fatal(err)
	}
}

// in makes an attempt on a host.
func in(t testing.TB, h *netns.Host, c *Config) (conn net.Conn, r *Recorder, err error) {
	t.Helper()
	h.Do(func() error {
		conn, r, err = try(t, c)
		return nil
	})
	return conn, r, err
}

// A router's ICMP error: its type, code, sender and the segment that it quotes
// come out of the error queue, and the errno is the connect's.
func TestICMPErrorOfARouter(t *testing.T) {
	c := path(t)
	router := c.Routers[0]
	tcp := netns.Match{Protocol: netns.TCP}
	filter(t, router,
		netns.Rule{Hook: netns.Forward, Match: tcp, Verdict: netns.RejectICMP(netns.AdminProhibited)},
		netns.Rule{Hook: netns.Forward, Match: tcp, Verdict: netns.RejectICMPv6(netns.AddressUnreachable6)})
	for _, tt := range []struct {
		to   netip.Addr
		want evidence.ICMP
	}{
		{c.Server4, evidence.ICMP{Version: 4, Type: 3, Code: 13, Errno: "EHOSTUNREACH", Offender: c.Hops4[0], To: c.Server4}},
		{c.Server6, evidence.ICMP{Version: 6, Type: 1, Code: 3, Errno: "EHOSTUNREACH", Offender: c.Hops6[0], To: c.Server6}},
	} {
		_, r, err := in(t, c.Client, towards(netip.AddrPortFrom(tt.to, 80)))
		wantSyscallError(t, err, "connect", syscall.EHOSTUNREACH)
		got := last[*evidence.ICMP](t, r)
		if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreFields(evidence.ICMP{}, "Quoted", "Text"), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got.Quoted == nil || got.Quoted.DstPort != 80 || got.Quoted.SrcPort != last[*evidence.LocalAddr](t, r).Addr.Port() || got.Quoted.Seq == 0 {
			t.Errorf("quoted %+v", got.Quoted)
		}
		if n := len(evidence.All[*evidence.ICMP](r.Log)); n != 1 {
			t.Errorf("%d entries in the queue", n)
		}
	}
}

// A TTL that ends at the router: time exceeded, with the option in the report.
func TestTimeExceeded(t *testing.T) {
	c := path(t)
	for _, tt := range []struct{ to, hop netip.Addr }{{c.Server4, c.Hops4[0]}, {c.Server6, c.Hops6[0]}} {
		cfg := towards(netip.AddrPortFrom(tt.to, 80))
		cfg.HopLimit = 1
		_, r, err := in(t, c.Client, cfg)
		wantSyscallError(t, err, "connect", syscall.EHOSTUNREACH)
		got := last[*evidence.ICMP](t, r)
		if got.Offender != tt.hop || got.Version == 4 && got.Type != 11 || got.Version == 6 && got.Type != 3 || got.Code != 0 {
			t.Errorf("%+v", got)
		}
	}
}

// The word of the stack itself about a neighbour that does not answer comes
// from an address of this host.
func TestICMPErrorOfThisHost(t *testing.T) {
	t.Parallel()
	c := path(t)
	_, r, err := in(t, c.Client, towards(netip.MustParseAddrPort("192.0.2.200:80"))) // on the link, and nobody there
	wantSyscallError(t, err, "connect", syscall.EHOSTUNREACH)
	if got := last[*evidence.ICMP](t, r); got.Offender != c.Client4 || got.Type != 3 || got.Code != 1 {
		t.Errorf("%+v", got)
	}
}

// A router that answers a datagram is named too; the errno is the next read's.
func TestDatagramsICMPError(t *testing.T) {
	c := path(t)
	udp := netns.Match{Protocol: netns.UDP}
	filter(t, c.Routers[0],
		netns.Rule{Hook: netns.Forward, Match: udp, Verdict: netns.RejectICMP(netns.HostProhibited)},
		netns.Rule{Hook: netns.Forward, Match: udp, Verdict: netns.RejectICMPv6(netns.AdminProhibited6)})
	for _, tt := range []struct {
		network string
		to, by  netip.Addr
		errno   syscall.Errno
	}{
		{"udp4", c.Server4, c.Hops4[0], syscall.EHOSTUNREACH},
		{"udp6", c.Server6, c.Hops6[0], syscall.EACCES},
	} {
		cfg := towards(netip.AddrPortFrom(tt.to, 53))
		cfg.Network, cfg.Probe, cfg.Label = tt.network, []byte("question"), "given"
		_, r, err := in(t, c.Client, cfg)
		wantSyscallError(t, err, "read", tt.errno)
		if got := last[*evidence.ICMP](t, r); got.Offender != tt.by || got.Errno != name(tt.errno) || got.Quoted != nil {
			t.Errorf("%+v", got)
		}
		if d := last[*evidence.Datagram](t, r); d.Sent != len("question") || d.RecvErrno != name(tt.errno) || d.Answered || d.Payload != "given" {
			t.Errorf("%+v", d)
		}
	}
}

// ICMP errors about an established connection stay soft, as on net's: neither
// a read nor a write of the application sees them (tcp_v4_err, tcp_v6_err).
func TestICMPErrorsAfterwardsStaySoft(t *testing.T) {
	c := path(t)
	for _, to := range []netip.Addr{c.Server4, c.Server6} {
		l, err := c.Server.Listen("tcp", netip.AddrPortFrom(to, 8080).String())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	var conns []net.Conn
	for _, to := range []netip.Addr{c.Server4, c.Server6} {
		conn, _, err := in(t, c.Client, towards(netip.AddrPortFrom(to, 8080)))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	tcp := netns.Match{Protocol: netns.TCP}
	f, err := c.Routers[0].Firewall(
		netns.Rule{Hook: netns.Forward, Match: tcp, Verdict: netns.RejectICMP(netns.HostUnreachable)},
		netns.Rule{Hook: netns.Forward, Match: tcp, Verdict: netns.RejectICMPv6(netns.AddressUnreachable6)})
	if err != nil {
		t.Fatal(err)
	}
	for i, conn := range conns {
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(patience); ; {
			if n, err := f.Count(i); err != nil || n.Packets > 0 {
				break // the router has answered
			} else if time.Now().After(until) {
				t.Fatal("the router saw nothing")
			}
		}
		conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: the read gives %v", conn.RemoteAddr(), err)
		}
	}
}
