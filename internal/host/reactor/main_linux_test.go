package reactor

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/sweep"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m) }

// engines are all the ways to make attempts: what they find must be the same.
func engines() map[string]Config {
	all := map[string]Config{"what is there": {}}
	for name, c := range map[string]Config{
		"epoll": {Kind: Epoll}, "epoll, beyond the limit": {Kind: Epoll, Beyond: true},
		"io_uring": {Kind: Ring}, "io_uring, beyond the limit": {Kind: Ring, Beyond: true},
		"io_uring, direct": {Kind: Ring, Beyond: true, Direct: true},
	} {
		all[name] = c
		c.NewEach = true
		all[name+", a new socket each"] = c
	}
	return all
}

// list is a source: its targets, each once, and what became of them.
type list struct {
	targets []netip.AddrPort
	next    int
	ended   []Outcome
	keep    bool
	count   int
	opens   int
}

func (l *list) Take(_ time.Duration, into []sweep.Attempt) (n int, wait time.Duration, done bool) {
	for n < len(into) && l.next < len(l.targets) {
		into[n] = sweep.Attempt{Place: uint64(l.next), Addr: l.targets[l.next]}
		l.next++
		n++
	}
	return n, time.Second, l.next == len(l.targets)
}

func (l *list) Done(_ time.Duration, ended []Outcome) {
	l.count += len(ended)
	for i := range ended {
		if ended[i].Call == Handshake && ended[i].Errno == 0 {
			l.opens++
		}
	}
	if l.keep {
		l.ended = append(l.ended, ended...)
	}
}

// sweepIn runs an engine within a host.
func sweepIn(t testing.TB, h *netns.Host, c Config, l *list) []Outcome {
	t.Helper()
	began := time.Now()
	c.Clock = func() time.Duration { return time.Since(began) }
	if c.InFlight == 0 {
		c.InFlight = 100
	}
	if c.Timeout == 0 {
		c.Timeout = 500 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Thread(func() error { return Run(ctx, c, l) }); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the engine did not end by itself")
	}
	if l.count != len(l.targets) {
		t.Fatalf("%d results of %d targets", l.count, len(l.targets))
	}
	return l.ended
}

// pair is two hosts across a veth pair: 192.0.2.1 and 192.0.2.2.
func pair(t testing.TB) (client, server *netns.Host) {
	t.Helper()
	testmain.Need(t, "netns")
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if client, err = n.Host("client"); err != nil {
		t.Fatal(err)
	}
	if server, err = n.Host("server"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Link(client, server, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}},
		B: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64")}},
	}); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// unlimited lifts the limits that Linux has for the ICMP errors that it sends
// (icmp(7)).
func unlimited(t testing.TB, h *netns.Host) {
	t.Helper()
	for limit, value := range map[string]string{"net.ipv4.icmp_ratelimit": "0", "net.ipv6.icmp.ratelimit": "0",
		"net.ipv4.icmp_msgs_per_sec": "100000", "net.ipv4.icmp_msgs_burst": "10000"} {
		if err := h.Sysctl(limit, value); err != nil {
			t.Fatal(err)
		}
	}
}

func at(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func repeat(a netip.AddrPort, n int) []netip.AddrPort {
	all := make([]netip.AddrPort, n)
	for i := range all {
		all[i] = a
	}
	return all
}
