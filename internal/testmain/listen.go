package testmain

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// Listen is [Serve] at a TCP address of this host.
func Listen(t testing.TB, address string, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	Serve(t, l, serve)
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// Serve accepts of a TCP listener and gives each connection to serve, then closes
// it. The test's end closes the listener, and waits for every serve that runs.
func Serve(t testing.TB, l net.Listener, serve func(*net.TCPConn)) {
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
}
