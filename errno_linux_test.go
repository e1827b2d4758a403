package dialscope

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
)

// condition is one way in which the kernel ends a connect: what an application
// sees, and the causes that a verdict may name for it. The conditions are those
// under which LTP's connect01 and bind01, gVisor's tcp_socket and
// socket_ipv4_udp tests and this project's own trials put the kernel.
type condition struct {
	name    string
	order   order
	outcome cause.Outcome
	errno   evidence.Errno
	causes  []cause.ID // the first is the wanted one; none of the others may be certain
}

// judge compares what came of a dial with its condition. That no certain verdict
// is wrong is the first thing to hold.
func (c *condition) judge(t *testing.T, o outcome) {
	t.Helper()
	v := o.Report.Verdict()
	if v.Confidence == cause.Certain && v.Cause != c.causes[0] {
		t.Errorf("%s: certain of %s: %s", c.name, v.Cause, v.Explanation)
	}
	for _, a := range v.Alternatives {
		if a.Confidence == cause.Certain {
			t.Errorf("%s: certain of the alternative %s", c.name, a.Cause)
		}
	}
	if v.Outcome != c.outcome || v.Errno != c.errno || o.Errno != c.errno {
		t.Errorf("%s: %s %s (the application sees %q, %q), want %s %s", c.name, v.Outcome, v.Errno, o.Errno, o.Text, c.outcome, c.errno)
	}
	if !slices.Contains(c.causes, v.Cause) {
		t.Errorf("%s: %s (%s), want one of %v; alternatives %+v; %s", c.name, v.Cause, v.Confidence, c.causes, v.Alternatives, v.Explanation)
	}
	if v.Explanation == "" || v.Remedy == "" {
		t.Errorf("%s: explanation %q, remedy %q", c.name, v.Explanation, v.Remedy)
	}
}

// check dials all conditions inside a host, plainly and thoroughly: evidence
// that costs time may make a verdict surer, and never another one.
func check(t *testing.T, h *netns.Host, conditions []condition, args ...string) []outcome {
	t.Helper()
	var orders []order
	for _, thorough := range []bool{false, true} {
		for _, c := range conditions {
			c.order.Thorough = thorough
			if c.order.Network == "" {
				c.order.Network = "tcp"
			}
			orders = append(orders, c.order)
		}
	}
	outcomes := dialIn(t, h, orders, args...)
	for i := range outcomes {
		conditions[i%len(conditions)].judge(t, outcomes[i])
	}
	return outcomes
}

func is(ids ...cause.ID) []cause.ID { return ids }

// serve listens in a host, without ever accepting.
func serve(t *testing.T, h *netns.Host, address string) {
	t.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// What connect(2), bind(2) and setsockopt(2) say at once.
func TestErrnosAtOnce(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	serve(t, c.Client, "127.0.0.1:80")
	serve(t, c.Client, "[::1]:80")
	for prefix, kind := range map[string]netns.RouteKind{
		"198.18.1.0/24": netns.Unreachable, "198.18.2.0/24": netns.Prohibit, "198.18.3.0/24": netns.Blackhole, "198.18.4.0/24": netns.Throw,
		"2001:2:0:1::/64": netns.Unreachable, "2001:2:0:2::/64": netns.Prohibit, "2001:2:0:3::/64": netns.Blackhole, "2001:2:0:4::/64": netns.Throw,
	} {
		if err := c.Client.RejectRoute(netip.MustParsePrefix(prefix), kind); err != nil {
			t.Fatal(err)
		}
	}
	to := func(target string) order { return order{Target: target, Timeout: 5 * time.Second} }
	from := func(source, target string) order {
		return order{Source: source, Target: target, Timeout: 5 * time.Second}
	}
	own := c.Client4.String()
	check(t, c.Client, []condition{
		{"a listener", to("127.0.0.1:80"), cause.Open, "", is(cause.IsOpen)},
		{"a listener, IPv6", to("[::1]:80"), cause.Open, "", is(cause.IsOpen)},
		{"nobody listens", to("127.0.0.1:81"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"nobody listens, IPv6", to("[::1]:81"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"0.0.0.0 with a listener on 127.0.0.1", to("0.0.0.0:80"), cause.Open, "", is(cause.IsOpen)},
		{"0.0.0.0, nobody listens", to("0.0.0.0:81"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"::, nobody listens", order{Network: "tcp6", Target: "[::]:81"}, cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"another address of the loopback", to("127.0.0.2:80"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"an own address, nobody listens", to(own + ":80"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"a neighbour, nobody listens", to(c.Server4.String() + ":80"), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"a neighbour, nobody listens, IPv6", to(netip.AddrPortFrom(c.Server6, 80).String()), cause.Refused, "ECONNREFUSED", is(cause.PortClosed)},
		{"port 0", to("127.0.0.1:0"), cause.Refused, "ECONNREFUSED", is(cause.BadAddress)},
		{"port 0, IPv6", to("[::1]:0"), cause.Refused, "ECONNREFUSED", is(cause.BadAddress)},
		{"limited broadcast", to("255.255.255.255:80"), cause.Unreachable, "ENETUNREACH", is(cause.BroadcastDenied)},
		{"subnet broadcast", to("192.0.2.255:80"), cause.Unreachable, "ENETUNREACH", is(cause.BroadcastDenied)},
		{"multicast", to("224.0.0.1:80"), cause.Unreachable, "ENETUNREACH", is(cause.BadAddress)},
		{"multicast, IPv6", to("[ff02::1]:80"), cause.Unreachable, "ENETUNREACH", is(cause.BadAddress)},
		{"link-local without a zone", to("[fe80::1]:80"), cause.LocalFault, "EINVAL", is(cause.BadAddress)},
		{"a zone without an interface", to("[fe80::1%77]:80"), cause.Unreachable, "ENETUNREACH", is(cause.BadAddress)},
		{"class E", to("240.0.0.1:80"), cause.Unreachable, "ENETUNREACH", is(cause.NoRoute)},
		{"no route", to("198.51.100.9:80"), cause.Unreachable, "ENETUNREACH", is(cause.NoRoute)},
		{"no route, IPv6", to("[2001:db8:99::9]:80"), cause.Unreachable, "ENETUNREACH", is(cause.NoRoute)},
		{"an unreachable route", to("198.18.1.1:80"), cause.Unreachable, "EHOSTUNREACH", is(cause.RouteRejected)},
		{"an unreachable route, IPv6", to("[2001:2:0:1::1]:80"), cause.Unreachable, "EHOSTUNREACH", is(cause.RouteRejected)},
		{"a prohibit route", to("198.18.2.1:80"), cause.Denied, "EACCES", is(cause.RouteRejected)},
		{"a prohibit route, IPv6", to("[2001:2:0:2::1]:80"), cause.Denied, "EACCES", is(cause.RouteRejected)},
		{"a blackhole route", to("198.18.3.1:80"), cause.LocalFault, "EINVAL", is(cause.RouteRejected)},
		{"a blackhole route, IPv6", to("[2001:2:0:3::1]:80"), cause.LocalFault, "EINVAL", is(cause.RouteRejected)},
		{"a throw route", to("198.18.4.1:80"), cause.Unreachable, "ENETUNREACH", is(cause.NoRoute)},
		{"a throw route, IPv6", to("[2001:2:0:4::1]:80"), cause.Unreachable, "ENETUNREACH", is(cause.NoRoute)},
		{"a source of another host", from("192.0.2.77:0", "127.0.0.1:80"), cause.LocalFault, "EADDRNOTAVAIL", is(cause.SourceNotLocal)},
		{"a source of another host, IPv6", from("[2001:db8::77]:0", "[::1]:80"), cause.LocalFault, "EADDRNOTAVAIL", is(cause.SourceNotLocal)},
		{"a source port in LISTEN", from("127.0.0.1:80", "127.0.0.1:80"), cause.LocalFault, "EADDRINUSE", is(cause.SourceInUse)},
		{"no such interface", order{Interface: "nosuchif0", Target: "127.0.0.1:80"}, cause.LocalFault, "ENODEV", is(cause.LinkDown)},
		{"the loopback bound to another interface", order{Interface: "eth0", Target: "127.0.0.1:80", Timeout: 200 * time.Millisecond}, cause.Timeout, "",
			is(cause.LocalFirewallDrop, cause.HostSilent, cause.NeighbourUnresolved, cause.PathFirewallDrop, cause.HostFirewallDrop)},
	}, "in-turn")
}

// A four-tuple that exists: both sockets may bind (SO_REUSEADDR), and the
// second cannot connect. Where both ends are the same, the first connects to itself.
func TestErrnoOfATakenFourTuple(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	serve(t, c.Client, "127.0.0.1:80")
	itself := order{Network: "tcp", Source: "127.0.0.1:5555", Target: "127.0.0.1:5555"}
	again := order{Network: "tcp", Source: "127.0.0.1:5556", Target: "127.0.0.1:80", Reuse: true}
	conditions := []condition{
		{"the first", again, cause.Open, "", is(cause.IsOpen)},
		{"the second", again, cause.LocalFault, "EADDRNOTAVAIL", is(cause.SourceInUse)},
		{"itself", itself, cause.Open, "", is(cause.SelfConnect)},
		{"itself again", itself, cause.LocalFault, "EADDRINUSE", is(cause.SourceInUse)},
	}
	for i, o := range dialIn(t, c.Client, []order{again, again, itself, itself}, "in-turn") {
		conditions[i].judge(t, o)
	}
}

// Four ephemeral ports are four connections to one destination (ip-sysctl.rst
// ip_local_port_range), and as many UDP sockets.
func TestErrnosWithoutPorts(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	if err := c.Client.Sysctl("net.ipv4.ip_local_port_range", "50000 50003"); err != nil {
		t.Fatal(err)
	}
	serve(t, c.Client, "127.0.0.1:80")
	serve(t, c.Client, "127.0.0.1:81") // another destination has all four again, those in TIME_WAIT included
	for _, tt := range []struct {
		open, then condition
	}{
		{condition{"tcp", order{Network: "tcp", Target: "127.0.0.1:80"}, cause.Open, "", is(cause.IsOpen)},
			condition{"the fifth", order{Network: "tcp", Target: "127.0.0.1:80", Thorough: true}, cause.LocalFault, "EADDRNOTAVAIL", is(cause.PortsExhausted)}},
		{condition{"tcp from an address", order{Network: "tcp", Source: "127.0.0.1:0", Target: "127.0.0.1:81"}, cause.Open, "", is(cause.IsOpen)},
			condition{"the fifth from an address", order{Network: "tcp", Source: "127.0.0.1:0", Target: "127.0.0.1:81"}, cause.LocalFault, "EADDRNOTAVAIL", is(cause.PortsExhausted)}},
		{condition{"udp", order{Network: "udp", Target: "127.0.0.1:9"}, cause.Open, "", is(cause.IsOpen)},
			condition{"the fifth udp", order{Network: "udp", Target: "127.0.0.1:9"}, cause.LocalFault, "EAGAIN", is(cause.PortsExhausted)}},
	} {
		orders := append(slices.Repeat([]order{tt.open.order}, 4), tt.then.order)
		for i, o := range dialIn(t, c.Client, orders, "in-turn") {
			if i < 4 {
				tt.open.judge(t, o)
			} else {
				tt.then.judge(t, o)
			}
		}
	}
}

// An accept queue that is full answers nothing, also where tcp_abort_on_overflow
// is set, which is about the last segment of a handshake only.
func TestErrnosOfAFullQueue(t *testing.T) {
	t.Parallel()
	for _, abort := range []string{"0", "1"} {
		c := chain(t, 0)
		if err := c.Client.Sysctl("net.ipv4.tcp_abort_on_overflow", abort); err != nil {
			t.Fatal(err)
		}
		l, err := c.Client.ListenBacklog(netip.MustParseAddrPort("127.0.0.1:80"), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		waiting, err := c.Client.DialContext(t.Context(), "tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close()
		check(t, c.Client, []condition{{"abort " + abort, order{Target: "127.0.0.1:80", Timeout: 200 * time.Millisecond}, cause.Timeout, "", is(cause.ListenQueueFull)}})
	}
}

// What takes the kernel seconds: neighbours that do not answer, and a silent one
// whose SYNs are counted or timed.
func TestErrnosInTime(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	mute := netip.MustParseAddr("192.0.2.99")
	if err := c.Client.Neighbour(mute, net.HardwareAddr{2, 0, 0, 0, 0, 99}, c.Links[0].A.Name); err != nil {
		t.Fatal(err)
	}
	silent := netip.AddrPortFrom(mute, 80).String()
	silence := is(cause.HostFirewallDrop, cause.HostSilent, cause.PathFirewallDrop, cause.ReplyLost, cause.LocalFirewallInput, cause.LocalFirewallDrop, cause.NeighbourUnresolved)
	conditions := []condition{
		{"ARP unanswered", order{Target: "192.0.2.98:80"}, cause.Unreachable, "EHOSTUNREACH", is(cause.NeighbourUnresolved)},
		{"ND unanswered", order{Target: "[2001:db8::98]:80"}, cause.Unreachable, "EHOSTUNREACH", is(cause.NeighbourUnresolved)},
		{"TCP_USER_TIMEOUT", order{Target: silent, UserTimeout: 2500 * time.Millisecond}, cause.Timeout, "ETIMEDOUT", silence},
		{"TCP_SYNCNT 1", order{Target: silent, SYNRetries: 1}, cause.Timeout, "ETIMEDOUT", silence},
		{"TCP_SYNCNT 2", order{Target: silent, SYNRetries: 2}, cause.Timeout, "ETIMEDOUT", silence},
	}
	took := []time.Duration{3100 * time.Millisecond, 3100 * time.Millisecond, 2500 * time.Millisecond, 3100 * time.Millisecond, 7100 * time.Millisecond}
	for i, o := range check(t, c.Client, conditions) {
		i %= len(conditions)
		if d := o.Report.Took - took[i]; d < -500*time.Millisecond || d > 2*time.Second {
			t.Errorf("%s: after %v, want about %v", conditions[i].name, o.Report.Took, took[i])
		}
		if v := o.Report.Verdict(); i >= 2 && v.Confidence == cause.Certain {
			t.Errorf("%s: silence made certain of %s", conditions[i].name, v.Cause)
		}
	}
}

// Interfaces that are off.
func TestErrnosOfLinks(t *testing.T) {
	t.Parallel()
	t.Run("no carrier", func(t *testing.T) {
		t.Parallel()
		c := chain(t, 0)
		if err := c.Server.SetLink(c.Links[0].B.Name, false); err != nil {
			t.Fatal(err)
		}
		check(t, c.Client, []condition{{"no carrier", order{Target: "192.0.2.1:80"}, cause.Unreachable, "EHOSTUNREACH", is(cause.LinkDown, cause.NeighbourUnresolved)}})
	})
	t.Run("switched off", func(t *testing.T) {
		t.Parallel()
		c := chain(t, 0)
		if err := c.Client.SetLink(c.Links[0].A.Name, false); err != nil {
			t.Fatal(err)
		}
		check(t, c.Client, []condition{{"switched off", order{Target: "192.0.2.1:80"}, cause.Unreachable, "ENETUNREACH", is(cause.LinkDown, cause.NoRoute)}})
	})
	t.Run("no loopback", func(t *testing.T) {
		t.Parallel()
		c := chain(t, 0)
		lo, err := c.Client.Netlink().LinkByName("lo")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Client.Netlink().LinkSetDown(lo); err != nil {
			t.Fatal(err)
		}
		check(t, c.Client, []condition{{"no loopback", order{Target: "127.0.0.1:80", Timeout: 300 * time.Millisecond}, cause.Timeout, "", is(cause.LinkDown, cause.LocalFirewallDrop)}})
	})
}
