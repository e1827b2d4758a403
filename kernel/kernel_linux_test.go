package kernel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
	"github.com/dialscope/dialscope/kernel"
)

func TestMain(m *testing.M) {
	testmain.Main(m, testmain.Helper("dial", dial))
}

// dial makes one dial in a process of its own, so that all its threads are in
// the host's network, and prints the report.
func dial(args []string) int {
	// A host that is slow to load the programs hears of a later SYN: at 1, 2, 3 or 4 s.
	events, limit := kernel.WhenOverdue(), 4300*time.Millisecond
	if args[0] == "first" {
		var err error
		limit = 1300 * time.Millisecond
		if events, err = kernel.Open(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	d := &dialscope.Dialer{Kernel: events, Timeout: limit, FullTimeout: true, UDPProbe: []byte("?")}
	conn, report, _ := d.DialReport(context.Background(), args[1], args[2])
	if conn != nil {
		conn.Close()
	}
	select {
	case <-events.Ready():
	default:
		fmt.Fprint(os.Stderr, "never opened")
	}
	if err := events.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		return 1
	}
	return 0
}

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

type pair struct{ a, b *netns.Host }

func newPair(t *testing.T) pair {
	t.Helper()
	testmain.Need(t, "netns", "bpf")
	n, err := netns.New()
	must(t, err)
	t.Cleanup(func() { must(t, n.Close()) })
	a, err := n.Host("a")
	must(t, err)
	b, err := n.Host("b")
	must(t, err)
	_, err = n.Link(a, b, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.PrefixFrom(addrA, 24)}}, B: netns.End{Addrs: []netip.Prefix{netip.PrefixFrom(addrB, 24)}}})
	must(t, err)
	return pair{a, b}
}

// dial dials from a, and gives the report and what was said beside it.
func (p pair) dial(t *testing.T, when, network, target string, unprivileged bool) (report *dialscope.Report, said string) {
	t.Helper()
	cmd := p.a.Wrap(testmain.Command(context.Background(), "dial", when, network, target))
	if unprivileged {
		cmd.Unprivileged()
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	report = new(dialscope.Report)
	must(t, json.Unmarshal(out.Bytes(), report))
	return report, complaint.String()
}

func serve(t *testing.T, h *netns.Host, address string) {
	t.Helper()
	l, err := h.Listen("tcp", address)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

func firewall(t *testing.T, h *netns.Host, hook netns.Hook, m netns.Match) {
	t.Helper()
	_, err := h.Firewall(netns.Rule{Hook: hook, Match: m, Verdict: netns.Drop()})
	must(t, err)
}

func TestDropsOfOneDial(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, when, network string
		hook                netns.Hook
		match               netns.Match
		cause               cause.ID
		certain             bool
		direction           string
	}{
		{"out", "first", "tcp", netns.Output, netns.Match{Protocol: netns.TCP, Dport: 7}, cause.LocalFirewallDrop, true, evidence.Sent},
		{"out, overdue", "overdue", "tcp", netns.Output, netns.Match{Protocol: netns.TCP, Dport: 7}, cause.LocalFirewallDrop, false, evidence.Sent},
		{"in", "first", "tcp", netns.Input, netns.Match{Protocol: netns.TCP, Sport: 7}, cause.LocalFirewallInput, true, evidence.Received},
		{"in, overdue", "overdue", "tcp", netns.Input, netns.Match{Protocol: netns.TCP, Sport: 7}, cause.LocalFirewallInput, true, evidence.Received},
		{"datagram out", "first", "udp", netns.Output, netns.Match{Protocol: netns.UDP, Dport: 7}, cause.LocalFirewallDrop, false, evidence.Sent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			serve(t, p.b, "192.0.2.2:7")
			firewall(t, p.a, c.hook, c.match)
			report, said := p.dial(t, c.when, c.network, "192.0.2.2:7", false)
			if said != "" {
				t.Error(said)
			}
			v := report.Verdict()
			if v.Cause != c.cause || v.Culprit.Kind != cause.Local || c.certain && v.Confidence != cause.Certain {
				t.Errorf("%+v", v)
			}
			log := report.Attempts[0].Log
			w, since, ok := evidence.First[*evidence.KernelWatch](log)
			if !ok || w.Lost != 0 || len(w.Tracepoints) != 4 {
				t.Errorf("listened from %v on: %+v", since, w)
			}
			_, connected, _ := evidence.First[*evidence.Connect](log)
			if (since <= connected) != (c.when == "first") {
				t.Errorf("listened from %v on, connected at %v", since, connected)
			}
			d, at, ok := evidence.First[*evidence.KernelDrop](log)
			if !ok || d.Direction != c.direction || d.Reason != "NETFILTER_DROP" || d.Quoted || at < since {
				t.Errorf("at %v: %+v", at, d)
			}
		})
	}
}

// The same packet dropped by another host of the same machine is not this
// host's doing.
func TestDropElsewhere(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	serve(t, p.b, "192.0.2.2:7")
	firewall(t, p.b, netns.Input, netns.Match{Protocol: netns.TCP, Dport: 7})
	report, _ := p.dial(t, "first", "tcp", "192.0.2.2:7", false)
	log := report.Attempts[0].Log
	if d, _, ok := evidence.First[*evidence.KernelDrop](log); ok {
		t.Errorf("%+v", d)
	}
	if len(evidence.All[*evidence.KernelRetransmit](log)) == 0 {
		t.Error("the second SYN was not heard of")
	}
	if v := report.Verdict(); v.Confidence == cause.Certain || v.Culprit.Kind == cause.Local {
		t.Errorf("%+v", v)
	}
}

func TestResets(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	report, _ := p.dial(t, "first", "tcp", "192.0.2.2:7", false)
	r, _, ok := evidence.First[*evidence.KernelReset](report.Attempts[0].Log)
	if !ok || r.Direction != evidence.Received || r.State != "SYN_SENT" {
		t.Errorf("%+v", r)
	}
}

// A dial that is answered at once loads nothing.
func TestAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	serve(t, p.b, "192.0.2.2:7")
	report, said := p.dial(t, "overdue", "tcp", "192.0.2.2:7", false)
	if v := report.Verdict(); v.Outcome != cause.Open && v.Outcome != cause.Closed || said != "never opened" {
		t.Errorf("%+v; %s", v, said)
	}
}

func TestWithoutPrivilege(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	report, _ := p.dial(t, "overdue", "tcp", "192.0.2.2:7", true)
	for _, u := range report.Privilege().Missing {
		if u.What == "kernel_events" && u.Why == "bpf: operation not permitted: CAP_BPF and CAP_PERFMON are missing" {
			return
		}
	}
	t.Errorf("%+v", report.Privilege().Missing)
}

// Many dials share one session, and each gets its own.
func TestSharedByDials(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "bpf")
	events, err := kernel.Open()
	must(t, err)
	defer func() { must(t, events.Close()) }()
	refusing := make([]string, 8)
	for i := range refusing {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		refusing[i] = l.Addr().String()
		must(t, l.Close())
	}
	failed := make(chan string)
	for _, address := range refusing {
		go func() {
			_, report, _ := (&dialscope.Dialer{Kernel: events}).DialReport(context.Background(), "tcp", address)
			resets := evidence.All[*evidence.KernelReset](report.Attempts[0].Log)
			if len(resets) != 1 {
				failed <- fmt.Sprintf("%s: %d resets", address, len(resets))
				return
			}
			failed <- ""
		}()
	}
	for range refusing {
		if text := <-failed; text != "" {
			t.Error(text)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
