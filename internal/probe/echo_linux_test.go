package probe

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
	"github.com/dialscope/dialscope/internal/wire"
)

// Where the user's groups may not ask, CAP_NET_RAW may; several requests to one
// host, and the errors about them, are kept apart.
func TestEchoByRawSocket(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	t.Parallel()
	c := chain(t, 2)
	if err := c.Client.Sysctl("net.ipv4.ping_group_range", "1 0"); err != nil {
		t.Fatal(err)
	}
	for name, ends := range map[string]struct {
		server netip.Addr
		hops   []netip.Addr
	}{"IPv4": {c.Server4, c.Hops4}, "IPv6": {c.Server6, c.Hops6}} {
		ask := func(ttl int) shot {
			return shot{experiment: "x", protocol: echo, to: netip.AddrPortFrom(ends.server, 0), ttl: ttl}
		}
		all := fire(t, c.Client, Way{}, 2*time.Second, ask(0), ask(1), ask(2), ask(3))
		for i, from := range []netip.Addr{ends.server, ends.hops[0], ends.hops[1], ends.server} {
			p := all[i]
			if p.Sent != 1 || p.From != from || p.RTT <= 0 || p.Errno != "" || p.Reached() != (from == ends.server) || p.Expired() == p.Reached() {
				t.Errorf("%s, TTL %d: %+v, want an answer from %v", name, p.TTL, p, from)
			}
		}
	}
}

// A request that nobody answers is not taken for answered by errors about another.
func TestRawEchoUnanswered(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	t.Parallel()
	c := chain(t, 1)
	if err := c.Client.Sysctl("net.ipv4.ping_group_range", "1 0"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server.Firewall(netns.Rule{Hook: netns.Input, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	for _, server := range []netip.Addr{c.Server4, c.Server6} {
		to := netip.AddrPortFrom(server, 0)
		all := fire(t, c.Client, Way{}, 100*time.Millisecond, shot{experiment: "x", protocol: echo, to: to}, shot{experiment: "x", protocol: echo, to: to, ttl: 1})
		if p := all[0]; p.Answer != "" || p.Errno != "" || p.Waited < 100*time.Millisecond {
			t.Errorf("%+v", p)
		}
		if p := all[1]; !p.Expired() {
			t.Errorf("%+v", p)
		}
	}
}

func TestOwnRequest(t *testing.T) {
	if b := ownRequest(0x1234, false); len(b) != 8 || b[0] != 8 || wire.Checksum(b) != 0 || !quotes(b, 0x1234) || quotes(b, 0x1235) {
		t.Errorf("% x", b)
	}
	if b := ownRequest(0x1234, true); b[0] != 128 || b[2] != 0 || b[3] != 0 || !quotes(b, 0x1234) {
		t.Errorf("% x", b)
	}
	for _, b := range [][]byte{nil, {8, 0, 0, 0, 0x12}, {0, 0, 0, 0, 0x12, 0x34}} {
		if quotes(b, 0x1234) {
			t.Errorf("% x", b)
		}
	}
}

func TestRepliesFilter(t *testing.T) {
	ip := make([]byte, 24)
	ip[0] = 0x46 // with an option
	for _, tt := range []struct {
		name   string
		v6     bool
		packet []byte
		passes bool
	}{
		{"its reply", false, append(ip[:24:24], 0, 0, 0, 0, 0x12, 0x34, 0, 1), true},
		{"another's reply", false, append(ip[:24:24], 0, 0, 0, 0, 0x12, 0x35, 0, 1), false},
		{"a request", false, append(ip[:24:24], 8, 0, 0, 0, 0x12, 0x34, 0, 1), false},
		{"too short", false, append(ip[:24:24], 0, 0), false},
		{"its reply, IPv6", true, []byte{129, 0, 0, 0, 0x12, 0x34, 0, 1}, true},
		{"a request, IPv6", true, []byte{128, 0, 0, 0, 0x12, 0x34, 0, 1}, false},
	} {
		vm, err := bpf.NewVM(replies(0x1234, tt.v6))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := vm.Run(tt.packet); err != nil || n > 0 != tt.passes {
			t.Errorf("%s: %d, %v", tt.name, n, err)
		}
	}
}
