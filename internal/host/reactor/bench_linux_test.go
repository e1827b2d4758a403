package reactor

import (
	"testing"
	"time"
)

// What an attempt costs across a veth pair, in time and in allocations.
func BenchmarkAttempt(b *testing.B) {
	client, server := pair(b)
	l, err := server.ListenBacklog(at("192.0.2.2:80"), 4096)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	for _, bench := range []struct {
		name string
		to   string
		c    Config
	}{
		{"refused", "192.0.2.2:9", Config{InFlight: 1000, Kind: Epoll}},
		{"refused, a new socket each", "192.0.2.2:9", Config{InFlight: 1000, Kind: Epoll, NewEach: true}},
		{"refused, io_uring", "192.0.2.2:9", Config{InFlight: 1000, Kind: Ring}},
		{"refused, io_uring, a new socket each", "192.0.2.2:9", Config{InFlight: 1000, Kind: Ring, NewEach: true}},
		{"refused, io_uring, direct", "192.0.2.2:9", Config{InFlight: 1000, Kind: Ring, Beyond: true, Direct: true}},
		{"open, io_uring", "192.0.2.2:80", Config{InFlight: 1000, Kind: Ring}},
		{"refused, IPv6", "[2001:db8::2]:9", Config{InFlight: 1000, Kind: Epoll}},
		{"open", "192.0.2.2:80", Config{InFlight: 1000, Kind: Epoll}},
		{"open, a new socket each", "192.0.2.2:80", Config{InFlight: 1000, Kind: Epoll, NewEach: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bench.c.Timeout = 5 * time.Second
			l := &list{targets: repeat(at(bench.to), b.N)}
			b.ReportAllocs()
			b.ResetTimer()
			sweepIn(b, client, bench.c, l)
		})
	}
}
