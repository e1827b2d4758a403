package lab

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommands(t *testing.T) {
	s := parse(t, strings.NewReplacer(
		"chain: [1]", "chain: [0]", "on: r1, hook: forward", "on: server, hook: input", "path <r1>", "destination <server>",
		"path-firewall-drop", "host-firewall-drop").Replace(minimal))[0]
	want := []string{
		"ip netns add client",
		"ip netns exec client ip link set lo up",
		"ip netns add server",
		"ip netns exec server ip link set lo up",
		"ip link add eth0 netns client type veth peer name eth0 netns server",
		"ip netns exec client ip addr add 192.0.2.2/24 dev eth0",
		"ip netns exec client ip addr add 2001:db8::2/64 dev eth0 nodad",
		"ip netns exec client ip link set eth0 up",
		"ip netns exec server ip addr add 192.0.2.1/24 dev eth0",
		"ip netns exec server ip addr add 2001:db8::1/64 dev eth0 nodad",
		"ip netns exec server ip link set eth0 up",
		"ip netns exec server socat TCP-LISTEN:80,bind=192.0.2.1,fork EXEC:'sleep 60' &",
		"ip netns exec server nft add table inet lab",
		"ip netns exec server nft add chain inet lab input_filter '{ type filter hook input priority filter; }'",
		"ip netns exec server nft add rule inet lab input_filter 'tcp dport 80 drop'",
		"ip netns exec client dialscope dial 192.0.2.1:80",
		"ip netns del client",
		"ip netns del server",
	}
	if d := cmp.Diff(want, s.Commands()); d != "" {
		t.Error(d)
	}
}

func TestNFT(t *testing.T) {
	for _, test := range []struct {
		match   Match
		verdict string
		family  int
		want    string
	}{
		{Match{Dport: 80}, "reset", 4, "tcp dport 80 reject with tcp reset"},
		{Match{Protocol: "udp", Dport: 53}, "reject admin-prohibited", 4, "udp dport 53 reject with icmp type 13"},
		{Match{Dport: 80}, "reject admin-prohibited", 6, "tcp dport 80 reject with icmpv6 type 1"},
		{Match{Protocol: "icmp"}, "drop", 4, "meta l4proto icmp drop"},
		{Match{Flags: "syn-ack", First: 1}, "drop", 4, "tcp flags & (fin|syn|rst|ack) == syn|ack numgen inc mod 4294967295 < 1 drop"},
		{Match{Dst: "2001:db8::1", In: "eth0"}, "ttl 1", 6, "iifname eth0 ip6 daddr 2001:db8::1 ip6 hoplimit set 1"},
		{Match{Src: "192.0.2.0/24", Out: "eth1", Every: 2}, "masquerade", 4, "oifname eth1 ip saddr 192.0.2.0/24 numgen inc mod 2 < 1 masquerade"},
		{Match{Dport: 80}, "dnat 192.0.2.1:81", 4, "tcp dport 80 dnat ip to 192.0.2.1:81"},
		{Match{Dport: 80}, "redirect 81", 4, "tcp dport 80 redirect to :81"},
	} {
		var c commands
		c.rule(&FirewallFault{On: "h", Hook: "input", Match: test.match, Verdict: test.verdict}, test.family)
		if last := c.lines[len(c.lines)-1]; !strings.HasSuffix(last, "'"+test.want+"'") {
			t.Errorf("got %s\nwant %s", last, test.want)
		}
	}
}

// Every scenario can be explained and drawn.
func TestEveryScenarioByHand(t *testing.T) {
	all, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		lines := s.Commands()
		if len(lines) < 4 || !slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, "dialscope dial") || strings.Contains(l, "dialscope talk")
		}) {
			t.Errorf("%s: %q", s.Name, lines)
		}
		for _, l := range lines {
			if strings.Contains(l, "%!") || strings.Contains(l, "invalid AddrPort") || strings.Contains(l, "invalid IP") || strings.Contains(l, "invalid Prefix") {
				t.Errorf("%s: %s", s.Name, l)
			}
		}
		if d := s.Draw(); !strings.HasPrefix(d, "■ client\n") || strings.Contains(d, "invalid") {
			t.Errorf("%s:\n%s", s.Name, d)
		}
	}
}

func TestDraw(t *testing.T) {
	want := `■ client
  │ client eth0 192.0.2.2/24 2001:db8::2/64
  │ r1 eth0 192.0.2.1/24 2001:db8::1/64
◇ r1  (router)
  │ r1 eth1 203.0.113.1/24 2001:db8:1::1/64
  │ server eth0 203.0.113.2/24 2001:db8:1::2/64
■ server
`
	if d := cmp.Diff(want, parse(t, minimal)[0].Draw()); d != "" {
		t.Error(d)
	}
}
