package testmain

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// Listen accepts at a TCP address of this host and gives each connection to
// serve, then closes it. The test's end waits for every serve that runs.
func Listen(t testing.TB, address string, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
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
	return l.Addr().(*net.TCPAddr).AddrPort()
}
