package reactor

import (
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// tcp says what a rule does with SYNs to a port of the server.
func tcp(port uint16, v netns.Verdict) netns.Rule {
	return netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: port}, Verdict: v}
}

// Every way to end, a thousand times in random company, on sockets that are
// used again and again as on new ones.
func TestOutcomes(t *testing.T) {
	client, server := pair(t)
	for _, a := range []string{"192.0.2.2:80", "[2001:db8::2]:80"} {
		l, err := server.ListenBacklog(at(a), 4096)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if _, err := server.Firewall(
		tcp(81, netns.Drop()),
		tcp(82, netns.RejectICMP(netns.AdminProhibited)),
		tcp(83, netns.RejectICMP(netns.PortUnreachable)),
		tcp(84, netns.RejectICMPv6(netns.AdminProhibited6)),
	); err != nil {
		t.Fatal(err)
	}
	unlimited(t, server)
	if err := client.RejectRoute(netip.MustParsePrefix("198.51.100.0/24"), netns.Prohibit); err != nil {
		t.Fatal(err)
	}
	type want struct {
		call     Call
		errno    syscall.Errno
		icmp     uint8 // type
		code     uint8
		answered bool
	}
	wants := map[string]want{
		"192.0.2.2:80":     {answered: true},
		"192.0.2.2:9":      {errno: syscall.ECONNREFUSED, answered: true},
		"192.0.2.2:81":     {call: Expired},
		"192.0.2.2:82":     {errno: syscall.EHOSTUNREACH, icmp: 3, code: 13},
		"192.0.2.2:83":     {errno: syscall.ECONNREFUSED, icmp: 3, code: 3},
		"[2001:db8::2]:80": {answered: true},
		"[2001:db8::2]:9":  {errno: syscall.ECONNREFUSED, answered: true},
		"[2001:db8::2]:84": {errno: syscall.EACCES, icmp: 1, code: 1},
		"198.51.100.1:80":  {call: Connect, errno: syscall.EACCES},
		"203.0.113.1:80":   {call: Connect, errno: syscall.ENETUNREACH},
	}
	var targets []netip.AddrPort
	for range 100 {
		for a := range wants { // in another order each time
			targets = append(targets, at(a))
		}
	}
	for name, c := range engines() {
		t.Run(name, func(t *testing.T) {
			c.InFlight, c.Timeout = 300, 300*time.Millisecond
			for _, o := range sweepIn(t, client, c, &list{targets: targets, keep: true}) {
				w := wants[o.Addr.String()]
				got := want{o.Call, o.Errno, o.ICMP.Type, o.ICMP.Code, o.Answered}
				if w.icmp != 0 && o.ICMP.Offender != o.Addr.Addr() {
					t.Errorf("%v: offender %v", o.Addr, o.ICMP.Offender)
				}
				if got != w {
					t.Errorf("%v: %+v, want %+v", o.Addr, got, w)
				}
				if wantSYNs := 1; o.Call != Connect && o.SYNs != wantSYNs {
					t.Errorf("%v: %d SYNs", o.Addr, o.SYNs)
				}
				if o.Call == Expired && o.Took < 300*time.Millisecond || o.Took > 5*time.Second {
					t.Errorf("%v: took %v", o.Addr, o.Took)
				}
			}
		})
	}
}

// Most of the errors above arrive while connect(2) holds the socket, and are
// soft then (tcp_v4_err); SO_ERROR gives them all the same, to a single dial too.
func TestICMPWithinConnect(t *testing.T) {
	client, server := pair(t)
	if _, err := server.Firewall(tcp(82, netns.RejectICMP(netns.AdminProhibited))); err != nil {
		t.Fatal(err)
	}
	unlimited(t, server)
	for name, c := range engines() {
		c.InFlight = 1
		s := &list{targets: append(repeat(at("192.0.2.2:82"), 1), repeat(at("192.0.2.2:9"), 20)...), keep: true}
		ended := sweepIn(t, client, c, s)
		if o := ended[0]; o.Call != Handshake || o.Errno != syscall.EHOSTUNREACH || o.SYNs != 1 || o.Answered || o.ICMP.Code != 13 {
			t.Errorf("%s: %+v", name, o)
		}
		for _, o := range ended[1:] {
			if o.Errno != syscall.ECONNREFUSED || o.ICMP.Version != 0 {
				t.Errorf("%s: the error stayed behind: %+v", name, o)
			}
		}
	}
}

// A SYN that is lost is sent again by the kernel, and counted.
func TestResentSYN(t *testing.T) {
	client, server := pair(t)
	l, err := server.ListenBacklog(at("192.0.2.2:80"), 16)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range engines() {
		if _, err := server.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: 80, First: 1}, Verdict: netns.Drop()}); err != nil {
			t.Fatal(err)
		}
		c.Timeout = 5 * time.Second
		o := sweepIn(t, client, c, &list{targets: repeat(at("192.0.2.2:80"), 1), keep: true})[0]
		if o.Call != Handshake || o.Errno != 0 || o.SYNs != 2 || o.Took < 900*time.Millisecond {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// Many more connections to one target than there are source ports: a swept
// connection leaves no TIME_WAIT on either side.
func TestLeavesNothing(t *testing.T) {
	client, server := pair(t)
	l, err := server.ListenBacklog(at("192.0.2.2:80"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	testmain.Serve(t, l, func(*net.TCPConn) {})
	if err := client.Sysctl("net.ipv4.ip_local_port_range", "40000 40999"); err != nil {
		t.Fatal(err)
	}
	for name, c := range engines() {
		c.InFlight, c.Timeout = 64, 10*time.Second
		s := &list{targets: repeat(at("192.0.2.2:80"), 3000)}
		sweepIn(t, client, c, s)
		if s.opens != 3000 {
			t.Errorf("%s: %d of 3000 open", name, s.opens)
		}
	}
}

// With fewer source ports than attempts in flight the kernel says so, and
// nothing else.
func TestPortsRunOut(t *testing.T) {
	client, server := pair(t)
	if _, err := server.Firewall(tcp(81, netns.Drop())); err != nil {
		t.Fatal(err)
	}
	if err := client.Sysctl("net.ipv4.ip_local_port_range", "40000 40019"); err != nil {
		t.Fatal(err)
	}
	for name, c := range engines() {
		silent, none := 0, 0
		c.Timeout = 200 * time.Millisecond
		for _, o := range sweepIn(t, client, c, &list{targets: repeat(at("192.0.2.2:81"), 60), keep: true}) {
			switch {
			case o.Call == Expired:
				silent++
			case o.Call == Connect && o.Errno == syscall.EADDRNOTAVAIL:
				none++
			default:
				t.Errorf("%s: %+v", name, o)
			}
		}
		if silent != 20 || none != 40 {
			t.Errorf("%s: %d silent and %d without a port, want 20 and 40", name, silent, none)
		}
	}
}

// The local address of an open socket is asked for where the caller needs it.
func TestConfirm(t *testing.T) {
	client, server := pair(t)
	l, err := server.ListenBacklog(at("192.0.2.2:80"), 256)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range engines() {
		for _, ask := range []bool{true, false} {
			c.Confirm = func(netip.AddrPort) bool { return ask }
			o := sweepIn(t, client, c, &list{targets: repeat(at("192.0.2.2:80"), 1), keep: true})[0]
			if got := o.Local.Addr() == netip.MustParseAddr("192.0.2.1") && o.Local.Port() != 0; got != ask {
				t.Errorf("%s, asked %v: local address %v", name, ask, o.Local)
			}
		}
	}
}

func TestReusableHere(t *testing.T) {
	client, _ := pair(t)
	var is bool
	if err := client.Do(func() error { is = Reusable(); return nil }); err != nil {
		t.Fatal(err)
	}
	if !is {
		t.Error("this kernel does not take a socket again; every Linux since 2.6 does")
	}
}

// Without loopback the trial cannot be made, and nothing is claimed.
func TestReusableUnknown(t *testing.T) {
	client, _ := pair(t)
	if _, err := client.Firewall(netns.Rule{Hook: netns.Output, Match: netns.Match{Out: "lo"}, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	var is bool
	if err := client.Do(func() error { is = Reusable(); return nil }); err != nil {
		t.Fatal(err)
	}
	if is {
		t.Error("proved without a packet")
	}
}

// An attempt allocates nothing.
func TestAllocatesNothing(t *testing.T) {
	client, _ := pair(t)
	for name, c := range engines() {
		l := &list{targets: repeat(at("192.0.2.2:9"), 20000)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.InFlight = 500
		sweepIn(t, client, c, l)
		runtime.ReadMemStats(&after)
		if n := after.Mallocs - before.Mallocs; n > 1000 {
			t.Errorf("%s: %d allocations in 20000 attempts", name, n)
		}
	}
}
