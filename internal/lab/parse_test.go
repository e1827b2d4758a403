package lab

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// minimal is a whole scenario; tests put something wrong into it.
const minimal = `name: example
title: an example
teaches: Something.
topology: {chain: [1]}
services:
  - {on: server, at: "<server>:80", does: accept}
faults:
  - firewall: {on: r1, hook: forward, match: {dport: 80}, verdict: drop}
dial: {target: "<server>:80"}
truth: {cause: path-firewall-drop, culprit: path <r1>, outcome: timeout}
`

func parse(t *testing.T, text string) []*Scenario {
	t.Helper()
	all, err := Parse("example.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestParse(t *testing.T) {
	s := parse(t, minimal)[0]
	if s.Name != "example" || s.Family != 4 || s.Dial.Target != "203.0.113.2:80" || s.Truth.Culprit != "path 192.0.2.1" {
		t.Errorf("%+v", s)
	}
}

func TestVariants(t *testing.T) {
	text := strings.NewReplacer("topology: {chain: [1]}", "topology: {chain: [1, 3]}\nfamilies: [4, 6]\ncases:\n  - {what: a, port: 80}\n  - {what: b, port: 81}",
		"name: example", "name: example-<what>", `target: "<server>:80"`, `target: "<server>:<port>"`, "<r1>", "<last>").Replace(minimal)
	var got []string
	for _, s := range parse(t, text) {
		got = append(got, s.Name+" "+s.Dial.Target+" "+s.Truth.Culprit)
	}
	want := []string{
		"example-a 203.0.113.2:80 path 192.0.2.1",
		"example-a-v6 [2001:db8:1::2]:80 path 2001:db8::1",
		"example-a-far 203.0.113.2:80 path 198.51.100.10",
		"example-a-far-v6 [2001:db8:3::2]:80 path 2001:db8:2::2",
		"example-b 203.0.113.2:81 path 192.0.2.1",
		"example-b-v6 [2001:db8:1::2]:81 path 2001:db8::1",
		"example-b-far 203.0.113.2:81 path 198.51.100.10",
		"example-b-far-v6 [2001:db8:3::2]:81 path 2001:db8:2::2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What differs over IPv6 is said beside what holds for both.
func TestFamilyOverrides(t *testing.T) {
	text := strings.Replace(minimal, "outcome: timeout", "outcome: unreachable, outcome6: denied, errno: EHOSTUNREACH, errno6: EACCES", 1)
	text = strings.Replace(text, "topology:", "families: [4, 6]\ntopology:", 1)
	all := parse(t, text)
	if v4, v6 := all[0].Truth, all[1].Truth; v4.Outcome != "unreachable" || v4.Errno != "EHOSTUNREACH" || v6.Outcome != "denied" || v6.Errno != "EACCES" {
		t.Errorf("%+v and %+v", v4, v6)
	}
}

// An error names the file, the line and the key, and says what to write.
func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"unknown key", "title: an example", "titel: an example", `example.yaml:2: titel: unknown field "titel"`},
		{"unknown nested key", "hook: forward", "hok: forward", `example.yaml:8: hok: unknown field "hok"`},
		{"no YAML", "topology: {chain: [1]}", "topology: {chain: [1}", "example.yaml:4"},
		{"wrong type", "dport: 80", "dport: many", "example.yaml:8"},
		{"name", "name: example", "name: An Example", `example.yaml:1: name: "An Example": write small letters, digits and single hyphens`},
		{"no title", "title: an example\n", "", "example.yaml: title: is missing"},
		{"no target", `target: "<server>:80"`, `target: ""`, "example.yaml:9: dial.target: is missing"},
		{"host", "on: r1", "on: r2", `example.yaml:8: faults[0].firewall.on: there is no host "r2"; the hosts are client, r1, server`},
		{"hook", "hook: forward", "hook: forwards", `example.yaml:8: faults[0].firewall.hook: "forwards": write one of forward, input, output, postrouting, prerouting`},
		{"verdict", "verdict: drop", "verdict: dropp", `example.yaml:8: faults[0].firewall.verdict: "dropp": write accept, drop, reset, reject CODE`},
		{"reject code", "verdict: drop", "verdict: reject nonsense", `faults[0].firewall.verdict: reject "nonsense": IPv4 has no such code`},
		{"reject code of the other family", "verdict: drop", "verdict: reject policy-fail", "IPv4 has no such code"},
		{"TTL", "verdict: drop", "verdict: ttl 256", "write a number up to 255 after ttl"},
		{"address", "{dport: 80}", "{dst: nowhere}", `example.yaml:8: faults[0].firewall.match.dst: "nowhere" is no address and no network`},
		{"flags", "{dport: 80}", "{flags: SYN}", `faults[0].firewall.match.flags: "SYN": write one of ack, fin-ack`},
		{"protocol", "{dport: 80}", "{protocol: sctp}", `faults[0].firewall.match.protocol: "sctp"`},
		{"service", "does: accept", "does: nothing", `example.yaml:6: services[0].does: "nothing": write accept, close`},
		{"service address", `at: "<server>:80"`, `at: "server:80"`, `example.yaml:6: services[0].at: "server:80": write ADDRESS:PORT`},
		{"variable", `target: "<server>:80"`, `target: "<sever>:80"`, "example.yaml:9: dial.target: <sever>: there is no such host or variable"},
		{"cause", "cause: path-firewall-drop", "cause: gremlins", `example.yaml:10: truth.cause: "gremlins" is no cause`},
		{"outcome", "outcome: timeout", "outcome: tiemout", `example.yaml:10: truth.outcome: "tiemout": write one of [open refused`},
		{"errno", "outcome: timeout", "outcome: timeout, errno: EWRONG", `example.yaml:10: truth.errno: "EWRONG" is no errno`},
		{"culprit", "culprit: path <r1>", "culprit: somebody", `example.yaml:10: truth.culprit: "somebody": write local, resolver, router, path, destination or none`},
		{"culprit address", "culprit: path <r1>", "culprit: path r1", `example.yaml:10: truth.culprit: "path r1": "r1" is no address`},
		{"two faults in one", "  - firewall:", "  - sysctl: {on: client, name: net.ipv4.ip_default_ttl, value: \"1\"}\n    firewall:", "a fault is exactly one of"},
		{"sysctl", "  - firewall: {on: r1, hook: forward, match: {dport: 80}, verdict: drop}", "  - sysctl: {on: client, name: kernel.panic, value: \"1\"}", `faults[0].sysctl.name: "kernel.panic": only those of a network namespace`},
		{"route kind", "  - firewall: {on: r1, hook: forward, match: {dport: 80}, verdict: drop}", "  - route: {on: client, to: 192.0.2.9, kind: hole}", `faults[0].route.kind: "hole"`},
		{"route to nowhere", "  - firewall: {on: r1, hook: forward, match: {dport: 80}, verdict: drop}", "  - route: {on: client, to: 192.0.2.9}", `faults[0].route.via: "": write a gateway's address, or dev`},
		{"interface", "  - firewall: {on: r1, hook: forward, match: {dport: 80}, verdict: drop}", "  - link: {on: client, interface: eth7}", `faults[0].link.interface: client has no interface "eth7"`},
		{"chain", "chain: [1]", "chain: [99]", "example.yaml:4: topology.chain: a chain of 99 routers: write 0 to 32"},
		{"three chains", "chain: [1]", "chain: [1, 2, 3]", "topology.chain: 3 lengths: at most two, near and far"},
		{"family", "topology:", "families: [5]\ntopology:", "example.yaml:4: families[0]: 5 is no address family: write 4 or 6"},
		{"confidence", "truth:", "expect: {at_least: sure}\ntruth:", `example.yaml:10: expect.at_least: "sure": write certain, likely or possible`},
		{"policy", "truth:", "confine: {deny: selinux}\ntruth:", `example.yaml:10: confine.deny: "selinux": write seccomp, landlock or cgroup`},
		{"signal", `{target: "<server>:80"}`, `{target: "<server>:80", signal: HUP}`, `dial.signal: "HUP": write INT`},
		{"peer beside a chain", "truth:", "peer: {script: \"\"}\ntruth:", "example.yaml:4: topology: a scripted peer brings its own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(minimal, test.old) {
				t.Fatalf("%q is not in the example", test.old)
			}
			_, err := Parse("example.yaml", []byte(strings.Replace(minimal, test.old, test.new, 1)))
			var file *FileError
			if !errors.As(err, &file) {
				t.Fatalf("%v, want a *FileError", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestPeerScriptErrors(t *testing.T) {
	text := "name: example\ntitle: an example\nteaches: Something.\npeer:\n  script: |\n    host <server>\n    expekt SYN\ndial: {target: \"<server>:80\"}\ntruth: {cause: open, culprit: none, outcome: open}\n"
	_, err := Parse("example.yaml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "example.yaml:5: peer.script: ") || !strings.Contains(err.Error(), "expekt") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	f.Add("name: [")
	f.Add("cases: [{a: <a>}]\n" + strings.Replace(minimal, "80", "<a>", 1))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			t.Skip("no scenario is that long")
		}
		all, err := Parse("fuzz.yaml", []byte(text))
		var file *FileError
		if err != nil && !errors.As(err, &file) {
			t.Fatalf("%T: %v", err, err)
		}
		for _, s := range all {
			s.Commands()
			s.Draw()
		}
	})
}
