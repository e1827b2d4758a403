package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/lab"
)

func TestTruthNamed(t *testing.T) {
	drop := lab.Truth{Cause: cause.PathFirewallDrop, Culprit: "path 192.0.2.1", Outcome: cause.Timeout}
	filter := lab.Truth{Cause: cause.LocalFirewallDrop, Culprit: "local", Outcome: cause.Timeout}
	proxy := lab.Truth{Cause: cause.SYNProxy, Culprit: "path 192.0.2.1", Outcome: cause.Open, Also: []cause.ID{cause.IsOpen}}
	open := lab.Truth{Cause: cause.IsOpen, Culprit: "none", Outcome: cause.Open}
	router, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("203.0.113.2")
	for _, c := range []struct {
		name           string
		truth          lab.Truth
		said           said
		named, culprit string
	}{
		{"cause and culprit", drop, said{cause: cause.PathFirewallDrop, who: router}, "yes", "yes"},
		{"the culprit alone", drop, said{who: router}, "no", "yes"},
		{"another's address", drop, said{who: other}, "no", "no"},
		{"another cause", drop, said{cause: cause.PortClosed, who: other}, "wrong", "no"},
		{"offered beside another", drop, said{cause: cause.HostFirewallDrop, among: []cause.ID{cause.PathFirewallDrop}, who: other}, "among", "no"},
		{"this host", filter, said{cause: cause.LocalFirewallDrop, here: true}, "yes", "yes"},
		{"a router instead of this host", filter, said{who: router}, "no", "no"},
		{"this host instead of a router", drop, said{here: true}, "no", "no"},
		{"open, but who answered?", proxy, said{cause: cause.IsOpen}, "no", "no"},
		{"open, and a doubt", proxy, said{cause: cause.IsOpen, among: []cause.ID{cause.SYNProxy}}, "among", "no"},
		{"the proxy", proxy, said{cause: cause.SYNProxy, who: router}, "yes", "yes"},
		{"open is all there is to say", open, said{cause: cause.IsOpen}, "yes", "–"},
		{"open where it is not", drop, said{cause: cause.IsOpen}, "wrong", "no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := causeNamed(c.truth, c.said); got != c.named {
				t.Errorf("cause %s, want %s", got, c.named)
			}
			if got := culpritNamed(c.truth, c.said); got != c.culprit {
				t.Errorf("culprit %s, want %s", got, c.culprit)
			}
		})
	}
}

func TestChosenScenarios(t *testing.T) {
	all, err := chosen(nil)
	if err != nil || len(all) != len(attributed) {
		t.Fatalf("by default %d scenarios (%v), want %d", len(all), err, len(attributed))
	}
	if got := clients(all[1].Plan); len(got) == 0 || got[0].String() != "192.0.2.2" {
		t.Errorf("the client of %s has %v", all[1].Name, got)
	}
	some, err := chosen([]string{"path-firewall-drop*", "path-firewall-drop"})
	if err != nil || len(some) < 3 {
		t.Fatalf("of a pattern %d scenarios (%v), want several", len(some), err)
	}
	for _, s := range some {
		if strings.HasSuffix(s.Name, "-v6") {
			t.Errorf("%s is put to tools that know IPv4 alone", s.Name)
		}
	}
	for name, want := range map[string]string{
		"path-firewall-drop-v6": "not an IPv4 address",
		"path-firewall-dorp":    "path-firewall-drop",
		"*-v6":                  "take another",
	} {
		if _, err := chosen([]string{name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", name, err, want)
		}
	}
}

func TestAttributionTable(t *testing.T) {
	row := func(name string, took time.Duration, named, culprit string) attributionRow {
		return attributionRow{&lab.Scenario{Name: name, Title: "it fails"}, []asked{
			{tool: "one", said: said{words: "a|b"}, took: took, named: named, culprit: culprit},
			{tool: "two", took: time.Second, named: "no", culprit: "no"},
		}}
	}
	table := &attributionTable{
		Date: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Args: []string{"-md", "page.md"}, Limit: 10 * time.Second, Missing: []string{"three"},
		Tools: []attributor{{name: "one", argv: []string{"/tmp/x/one", "HOST"}}, {name: "two", argv: []string{"two", "PORT"}}},
		Rows: []attributionRow{
			row("first", 3*time.Second, "yes", "yes"), row("second", time.Second, "among", "no"),
			row("third", 2*time.Second, "wrong", "no"), row("fourth", 4*time.Second, "no", "yes"),
		},
	}
	if got, want := table.sum("one"), (attributionSum{1, 1, 1, 1, 2, 2 * time.Second, 4 * time.Second}); got != want {
		t.Errorf("sum %+v, want %+v", got, want)
	}
	if got := table.sum("three"); got != (attributionSum{}) {
		t.Errorf("a tool that was not asked has %+v", got)
	}
	page := table.markdown()
	for _, want := range []string{
		"`scripts/bench attribution -md page.md`, as root, on 2026-11-21", "stopped after 10s",
		"| one | 1 | 1 | 1 | 1 | 2 | 2.00 s | 4.00 s |", "left out: three.", "one HOST\n",
		"## second\n\nIt fails. The truth", `| one | a\|b | 1.00 s | among | no |`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(page), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	var out strings.Builder
	table.printSum(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || len(lines[1]) != len(lines[2]) {
		t.Errorf("the sum is not aligned:\n%s", out.String())
	}
}
