package answer

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// forked is a trace by three flows whose second hop differs; the third flow is
// not answered there.
func forked() *evidence.Dial {
	var log evidence.Log
	to := netip.MustParseAddrPort("203.0.113.5:443")
	add := func(port uint16, ttl int, from string) {
		p := &evidence.Probe{Experiment: finding, Protocol: "tcp", To: to, TTL: ttl, Source: port, Sent: 1}
		if from != "" {
			p.Answer, p.From, p.RTT = evidence.AnswerICMP, ip(from), time.Duration(ttl)*time.Millisecond
			p.ICMP = &evidence.ICMP{Version: 4, Type: 11}
			if p.From == to.Addr() {
				p.Answer, p.ICMP = evidence.AnswerRST, nil
			}
		}
		log.Add(0, evidence.FromProbe, p)
	}
	for _, port := range []uint16{1001, 1002, 1003} {
		add(port, 1, "192.0.2.1")
	}
	for _, f := range []struct {
		port   uint16
		second string
	}{{1001, "198.51.100.2"}, {1002, "198.51.100.6"}, {1003, ""}} {
		add(f.port, 2, f.second)
		add(f.port, 3, "203.0.113.5")
	}
	return &evidence.Dial{Target: "203.0.113.5:443", Network: "tcp", Attempts: []evidence.Attempt{{Remote: to, Log: log}}}
}

func TestFlows(t *testing.T) {
	hops := tracedHops(forked(), 0)
	if len(hops) != 3 || len(hops[1].Flows) != 3 || hops[1].Sent != 3 || hops[1].Answered != 2 || !hops[2].Reached {
		t.Fatalf("%+v", hops)
	}
	if got, want := ways(hops), "3 flows take 2 ways (equal-cost multipath): they differ at hop 2."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := ways(hops[:1]); got != "All 3 flows take the same way, as far as its hops answer." {
		t.Errorf("%q", got)
	}
	if got := ways(tracedHops(forked(), -1)); got != "" {
		t.Errorf("no hops: %q", got)
	}
}

// However narrow, no line is longer than the terminal.
func TestTableFits(t *testing.T) {
	for _, width := range []int{40, 56, 64, 80, 120} {
		table := Table(terminal.Style{Width: width}, forked(), 0)
		for _, line := range strings.Split(table, "\n") {
			if terminal.Columns(line) > width {
				t.Errorf("%d columns: %q", width, line)
			}
		}
		if wide := strings.Contains(table, "last"); wide != (width >= wideTable) {
			t.Errorf("%d columns: the column of last times: %v", width, wide)
		}
		if !strings.Contains(table, "198.51.100.6") || !strings.Contains(table, "33%") {
			t.Errorf("%d columns:\n%s", width, table)
		}
	}
	if table := Table(terminal.Style{}, &evidence.Dial{Attempts: []evidence.Attempt{{}}}, 0); table != "" {
		t.Errorf("a table of nothing: %q", table)
	}
}

// Where no echo request could be sent, the trace says why.
func TestRefused(t *testing.T) {
	d := &evidence.Dial{Attempts: []evidence.Attempt{{}}}
	d.Attempts[0].Log.Add(0, evidence.FromProbe, &evidence.Probe{Experiment: finding, Protocol: "icmp", TTL: 1, Errno: "EACCES"})
	if why := refused(d, 0); !strings.Contains(why, "ping_group_range") {
		t.Errorf("%q", why)
	}
	if why := refused(forked(), 0); why != "" {
		t.Errorf("%q", why)
	}
}
