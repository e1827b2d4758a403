package netns_test

import (
	"context"
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

// dial connects and closes at once.
func dial(t testing.TB, h *netns.Host, addr netip.Addr, port uint16, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := h.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		return err
	}
	return c.Close()
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
