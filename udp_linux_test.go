package dialscope

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
)

// echo answers every datagram in a host.
func echo(t *testing.T, h *netns.Host, address netip.AddrPort) {
	t.Helper()
	c, err := h.ListenPacket("udp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
}

// offender is who sent the ICMP error of a report's only attempt.
func offender(r *Report) netip.Addr {
	f, _, _ := evidence.Last[*evidence.ICMP](r.Attempts[0].Log)
	if f == nil {
		return netip.Addr{}
	}
	return f.Offender
}

// A datagram is answered, refused by the host, answered by a router in the
// host's place, or nothing comes back: each is said as what it is, for IPv4 and IPv6.
func TestUDP(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	for _, a := range []netip.Addr{c.Server4, c.Server6} {
		echo(t, c.Server, netip.AddrPortFrom(a, 53))
	}
	for _, h := range []*netns.Host{c.Routers[0], c.Server} { // so many answers at once are more than a host sends (icmp(7))
		for name, value := range map[string]string{"net.ipv4.icmp_ratelimit": "0", "net.ipv4.icmp_ratemask": "0", "net.ipv6.icmp.ratelimit": "0"} {
			if err := h.Sysctl(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	match := func(port uint16) netns.Match { return netns.Match{Protocol: netns.UDP, Dport: port} }
	if _, err := c.Routers[0].Firewall(
		netns.Rule{Hook: netns.Forward, Match: match(1), Verdict: netns.RejectICMP(netns.AdminProhibited)},
		netns.Rule{Hook: netns.Forward, Match: match(1), Verdict: netns.RejectICMPv6(netns.AdminProhibited6)},
		netns.Rule{Hook: netns.Forward, Match: match(2), Verdict: netns.RejectICMP(netns.HostUnreachable)},
		netns.Rule{Hook: netns.Forward, Match: match(2), Verdict: netns.RejectICMPv6(netns.NoRoute6)},
		netns.Rule{Hook: netns.Forward, Match: match(3), Verdict: netns.RejectICMP(netns.PortUnreachable)},
		netns.Rule{Hook: netns.Forward, Match: match(3), Verdict: netns.RejectICMPv6(netns.PortUnreachable6)},
		netns.Rule{Hook: netns.Forward, Match: match(4), Verdict: netns.Drop()},
	); err != nil {
		t.Fatal(err)
	}
	nobody := netip.Addr{}
	var conditions []condition
	var senders []netip.Addr
	for i, server := range []netip.Addr{c.Server4, c.Server6} {
		router := []netip.Addr{c.Hops4[0], c.Hops6[0]}[i]
		prohibited, unreachable := evidence.Errno("EHOSTUNREACH"), evidence.Errno("EHOSTUNREACH")
		outcome, hostCause := cause.Unreachable, cause.HostUnreachable
		if server.Is6() {
			prohibited, unreachable, outcome, hostCause = "EACCES", "ENETUNREACH", cause.Denied, cause.RouterNoRoute
		}
		to := func(port uint16, probe string) order {
			o := order{Network: "udp", Target: netip.AddrPortFrom(server, port).String(), Timeout: 5 * time.Second}
			if probe != "" {
				o.Probe = []byte(probe)
			}
			return o
		}
		quiet := to(4, "anybody?")
		quiet.Timeout = time.Second
		hop := to(53, "how far?")
		hop.HopLimit = 1
		for _, x := range []struct {
			condition
			by netip.Addr
		}{
			{condition{"no probe", to(53, ""), cause.Open, "", is(cause.IsOpen)}, nobody},
			{condition{"no probe, nobody there", to(54, ""), cause.Open, "", is(cause.IsOpen)}, nobody},
			{condition{"answered", to(53, "question"), cause.Open, "", is(cause.UDPAnswered)}, nobody},
			{condition{"refused", to(54, "question"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)}, server},
			{condition{"prohibited", to(1, "question"), outcome, prohibited, is(cause.AdminProhibited)}, router},
			{condition{"unreachable", to(2, "question"), cause.Unreachable, unreachable, is(hostCause)}, router},
			{condition{"a router says port unreachable", to(3, "question"), cause.Refused, "ECONNREFUSED", is(cause.FirewallReject)}, router},
			{condition{"silent", quiet, cause.Timeout, "", is(cause.UDPSilent)}, nobody},
			{condition{"hop limit", hop, cause.Unreachable, "EHOSTUNREACH", is(cause.HopLimitTooSmall, cause.RoutingLoop)}, router},
		} {
			x.name += " " + server.String()
			conditions, senders = append(conditions, x.condition), append(senders, x.by)
		}
	}
	for i, o := range check(t, c.Client, conditions) {
		i %= len(conditions)
		if got := offender(o.Report); got != senders[i] {
			t.Errorf("%s: the ICMP error is from %v, want %v", conditions[i].name, got, senders[i])
		}
		v := o.Report.Verdict()
		if conditions[i].order.Probe == nil && v.Confidence == cause.Certain {
			t.Errorf("%s: certain of %s without a datagram", conditions[i].name, v.Cause)
		}
		if senders[i].IsValid() && conditions[i].causes[0] == cause.AdminProhibited && v.Culprit != (cause.Culprit{Kind: cause.Router, Address: senders[i]}) {
			t.Errorf("%s: culprit %+v", conditions[i].name, v.Culprit)
		}
	}
}

// What this host says to a datagram before it leaves.
func TestUDPErrnosOfThisHost(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	if _, err := c.Client.Firewall(netns.Rule{Hook: netns.Output, Match: netns.Match{Protocol: netns.UDP, Dport: 5}, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	probe := []byte("question")
	four := c.Server4.String()
	check(t, c.Client, []condition{
		{"dropped in OUTPUT", order{Network: "udp", Target: four + ":5", Probe: probe, Timeout: time.Second}, cause.Denied, "EPERM", is(cause.LocalFirewallDrop)},
		{"dropped in OUTPUT, IPv6", order{Network: "udp", Target: netip.AddrPortFrom(c.Server6, 5).String(), Probe: probe, Timeout: time.Second}, cause.Denied, "EPERM", is(cause.LocalFirewallDrop)},
		{"too long for a datagram", order{Network: "udp", Target: four + ":6", Probe: make([]byte, 65508), Timeout: time.Second}, cause.LocalFault, "EMSGSIZE", is(cause.DatagramTooLarge)},
		{"broadcast", order{Network: "udp", Target: "192.0.2.255:9"}, cause.Open, "", is(cause.IsOpen)},
		{"broadcast without SO_BROADCAST", order{Network: "udp", Target: "192.0.2.255:9", NoBroadcast: true}, cause.Denied, "EACCES", is(cause.BroadcastDenied)},
		{"limited broadcast, no route", order{Network: "udp", Target: "255.255.255.255:9"}, cause.Unreachable, "ENETUNREACH", is(cause.BroadcastDenied, cause.NoRoute)},
		{"no route", order{Network: "udp", Target: "198.51.100.9:9"}, cause.Unreachable, "ENETUNREACH", is(cause.NoRoute)},
		{"port 0", order{Network: "udp", Target: four + ":0"}, cause.Open, "", is(cause.IsOpen)},
		{"a datagram to port 0", order{Network: "udp", Target: four + ":0", Probe: probe, Timeout: time.Second}, cause.Refused, "ECONNREFUSED", is(cause.PortClosed, cause.BadAddress)},
		{"the port of nobody here", order{Network: "udp", Target: "127.0.0.1:9", Probe: probe, Timeout: time.Second}, cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"the port of nobody here, IPv6", order{Network: "udp", Target: "[::1]:9", Probe: probe, Timeout: time.Second}, cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"a source of another host", order{Network: "udp", Source: "192.0.2.77:0", Target: four + ":9"}, cause.LocalFault, "EADDRNOTAVAIL", is(cause.SourceNotLocal)},
	}, "in-turn")
}

// The probe's answer is left for the application, and so is an empty one.
func TestUDPAnswerStays(t *testing.T) {
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	done := make(chan struct{})
	defer func() { peer.Close(); <-done }()
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := peer.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			peer.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	for _, probe := range [][]byte{[]byte("question"), {}} {
		c, r, err := (&Dialer{UDPProbe: probe, Timeout: 5 * time.Second}).DialReport(context.Background(), "udp", peer.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if v := r.Verdict(); v.Cause != cause.UDPAnswered || v.Confidence != cause.Certain {
			t.Errorf("%+v", v)
		}
		d, _, _ := evidence.Last[*evidence.Datagram](r.Attempts[0].Log)
		if d == nil || d.Sent != len(probe) || d.Received != len(probe) || !d.Answered {
			t.Errorf("%+v", d)
		}
		u := c.(*net.UDPConn)
		u.SetDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 64)
		if n, err := u.Read(b); err != nil || string(b[:n]) != string(probe) {
			t.Errorf("read %q, %v", b[:n], err)
		}
		if _, err := u.Write([]byte("again")); err != nil {
			t.Error(err)
		}
		if n, err := u.Read(b); err != nil || string(b[:n]) != "again" {
			t.Errorf("read %q, %v", b[:n], err)
		}
	}
}

// Without a probe an ICMP error comes to the application as on net's
// connection: at its second call.
func TestUDPErrorsOfTheApplication(t *testing.T) {
	nobody, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := nobody.LocalAddr().String()
	nobody.Close()
	for name, dial := range map[string]func(network, address string) (net.Conn, error){"net": net.Dial, "dialscope": new(Dialer).Dial} {
		c, err := dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write([]byte("1")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
