package resolve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/resolve"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m, testmain.Helper("resolve", askOnce)) }

// askOnce asks the server in its argument for an A record, once, and prints
// what it observed.
func askOnce(args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg := &resolve.Config{Servers: []netip.AddrPort{netip.MustParseAddrPort(args[0])}, Attempts: 1, Timeout: 2 * time.Second}
	enc := json.NewEncoder(os.Stdout)
	for range resolve.Start(ctx, cfg, 4, "h.example.", func(_ evidence.Source, f evidence.Fact) {
		if l, ok := f.(*evidence.Lookup); ok {
			enc.Encode(l)
		}
	}) {
	}
	return 0
}

func lookup(t *testing.T, from *netns.Host, server netip.Addr) *evidence.Lookup {
	t.Helper()
	out, err := from.Wrap(testmain.Command(t.Context(), "resolve", netip.AddrPortFrom(server, 53).String())).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l := new(evidence.Lookup)
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(l); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// An ICMP error about the question ends the wait at once, and its sender is
// known (ip(7), IP_RECVERR).
func TestWayToTheServerBroken(t *testing.T) {
	netns.Require(t)
	c, err := netns.NewChain(1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	router := c.Routers[0]
	for _, dst := range []string{"198.18.0.0/24", "2001:db8:ffff::/64"} {
		p := netip.MustParsePrefix(dst)
		gateway := c.Hops4[0]
		if p.Addr().Is6() {
			gateway = c.Hops6[0]
		}
		if err := c.Client.AddRoute(p, gateway); err != nil {
			t.Fatal(err)
		}
	}
	udp53 := func(hook netns.Hook, v netns.Verdict) netns.Rule {
		return netns.Rule{Hook: hook, Match: netns.Match{Protocol: netns.UDP, Dport: 53}, Verdict: v}
	}
	for _, test := range []struct {
		name     string
		at       *netns.Host // has the rule
		rule     netns.Rule
		server   netip.Addr
		errno    evidence.Errno
		offender netip.Addr
	}{
		{"no route at the router", nil, netns.Rule{}, netip.MustParseAddr("198.18.0.1"), "ENETUNREACH", c.Hops4[0]},
		{"no route at the router, IPv6", nil, netns.Rule{}, netip.MustParseAddr("2001:db8:ffff::1"), "ENETUNREACH", c.Hops6[0]},
		{"no route here", nil, netns.Rule{}, netip.MustParseAddr("198.19.0.1"), "ENETUNREACH", netip.Addr{}},
		{"nobody listens", nil, netns.Rule{}, c.Server4, "ECONNREFUSED", c.Server4},
		{"nobody listens, IPv6", nil, netns.Rule{}, c.Server6, "ECONNREFUSED", c.Server6},
		{"prohibited", router, udp53(netns.Forward, netns.RejectICMP(netns.AdminProhibited)), c.Server4, "EHOSTUNREACH", c.Hops4[0]},
		{"prohibited, IPv6", router, udp53(netns.Forward, netns.RejectICMPv6(netns.AdminProhibited6)), c.Server6, "EACCES", c.Hops6[0]},
		{"refused by the router", router, udp53(netns.Forward, netns.RejectICMP(netns.PortUnreachable)), c.Server4, "ECONNREFUSED", c.Hops4[0]},
		{"dropped here", c.Client, udp53(netns.Output, netns.Drop()), c.Server4, "EPERM", netip.Addr{}},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			if test.at != nil {
				f, err := test.at.Firewall(test.rule)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Remove()
			}
			l := lookup(t, c.Client, test.server)
			if l.Errno != test.errno || l.Offender != test.offender || l.Timeout || l.Rcode != "" || l.Malformed != "" {
				t.Errorf("%+v, want %s from %v", *l, test.errno, test.offender)
			}
		})
	}
	t.Run("silence", func(t *testing.T) {
		f, err := router.Firewall(udp53(netns.Forward, netns.Drop()))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Remove()
		if l := lookup(t, c.Client, c.Server4); !l.Timeout || l.Errno != "" || l.Took < 2*time.Second {
			t.Errorf("%+v, want a timeout after 2 s", *l)
		}
	})
}
