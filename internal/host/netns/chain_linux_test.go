package netns_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// chain builds a chain for one test.
func chain(t testing.TB, routers int) *netns.Chain {
	t.Helper()
	netns.Require(t)
	c, err := netns.NewChain(routers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// serve listens on the host's address and port and closes what it accepts.
func serve(t testing.TB, h *netns.Host, addr netip.Addr, port uint16) {
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
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// patience is how long a dial waits that is meant to end by itself.
const patience = 5 * time.Second

// dial connects and closes at once. The SYN's way to the other end and an ICMP
// error's way back fit into one call of connect(2) here. The socket is locked
// meanwhile, and tcp_v6_err then reports the error only when the SYN is sent
// again, unless the socket asked for its error queue, as tcp_v4_err always does.
func dial(t testing.TB, h *netns.Host, addr netip.Addr, port uint16, patience time.Duration) error {
	t.Helper()
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			const ipv6RecvErr = 25 // IPV6_RECVERR, linux/in6.h
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, ipv6RecvErr, 1)
		})
	}}
	return h.Do(func() error {
		c, err := d.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addr, port).String())
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func wantErrno(t testing.TB, err error, want syscall.Errno) {
	t.Helper()
	if want == 0 && err != nil {
		t.Errorf("connect: %v, want success", err)
	}
	if want != 0 && !errors.Is(err, want) {
		t.Errorf("connect: %v, want %v (%d)", err, want, int(want))
	}
}

// wantSilence wants no answer before a short deadline.
func wantSilence(t testing.TB, h *netns.Host, addr netip.Addr, port uint16) {
	t.Helper()
	const deadline = 150 * time.Millisecond
	err := dial(t, h, addr, port, deadline)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("connect to %s port %d: %v, want a timeout", addr, port, err)
	}
}

func TestChainJoinsAll(t *testing.T) {
	t.Parallel()
	for routers := range 4 {
		c := chain(t, routers)
		for _, server := range []netip.Addr{c.Server4, c.Server6} {
			serve(t, c.Server, server, 80)
			wantErrno(t, dial(t, c.Client, server, 80, patience), 0)
			wantErrno(t, dial(t, c.Client, server, 81, patience), syscall.ECONNREFUSED)
		}
		for i := range routers {
			for _, a := range []netip.Addr{c.Hops4[i], c.Hops6[i], c.Far4[i], c.Far6[i]} {
				wantErrno(t, dial(t, c.Client, a, 80, patience), syscall.ECONNREFUSED)
				wantErrno(t, dial(t, c.Server, a, 80, patience), syscall.ECONNREFUSED)
			}
		}
	}
}

// A chain's addresses are fixed, and a router's near address is the one that
// answers when a TTL ends there.
func TestChainAddresses(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	for what, pair := range map[string][2]string{
		"client":  {c.Client4.String(), "192.0.2.2"},
		"client6": {c.Client6.String(), "2001:db8::2"},
		"server":  {c.Server4.String(), "203.0.113.2"},
		"server6": {c.Server6.String(), "2001:db8:2::2"},
		"r1":      {c.Hops4[0].String(), "192.0.2.1"},
		"r1 far":  {c.Far4[0].String(), "198.51.100.5"},
		"r2":      {c.Hops4[1].String(), "198.51.100.6"},
		"r2 far6": {c.Far6[1].String(), "2001:db8:2::1"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
		}
	}
	if _, err := netns.NewChain(65); err == nil {
		t.Error("a chain of 65 routers was built")
	}
}

// No host has a default route, so the first router answers for an address
// outside the chain (RFC 1812 §5.2.7.1), and the client itself without one.
func TestChainHasNoDefaultRoute(t *testing.T) {
	t.Parallel()
	c := chain(t, 2)
	nowhere := netip.MustParseAddr("198.51.100.200")
	wantErrno(t, dial(t, c.Client, nowhere, 80, patience), syscall.ENETUNREACH)
	if err := c.Client.AddRoute(netip.PrefixFrom(nowhere, 32), c.Hops4[0]); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, dial(t, c.Client, nowhere, 80, patience), syscall.ENETUNREACH)
	snmp, err := counter(c.Client, "snmp", "Icmp", "InDestUnreachs")
	if err != nil || snmp != 1 {
		t.Errorf("client received %d ICMP destination unreachable (%v), want 1", snmp, err)
	}
}

func BenchmarkPair(b *testing.B)   { benchmarkChain(b, 0) }
func BenchmarkChain3(b *testing.B) { benchmarkChain(b, 3) }

// Standing in counts; taking down is the kernel's work, after Close.
func benchmarkChain(b *testing.B, routers int) {
	netns.Require(b)
	for b.Loop() {
		c, err := netns.NewChain(routers)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
