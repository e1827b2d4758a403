//go:build amd64 || arm64

package bpf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"192.0.2.2:7001", "[2001:db8::2]:7001"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			s := open(t, Options{Network: p.inA})
			p.listen(t, to)
			before := time.Now()
			c, err := p.a.DialContext(t.Context(), "tcp", to)
			must(t, err)
			after := time.Now()
			local, remote := netip.MustParseAddrPort(c.LocalAddr().String()), netip.MustParseAddrPort(to)

			sent := await(t, s, "SYN_SENT", func(e *Event) bool { return e.New == SynSent })
			if sent.Kind != StateChange || sent.Old != Close || sent.Remote != remote || sent.Protocol != syscall.IPPROTO_TCP {
				t.Errorf("the first change: %+v", sent)
			}
			if sent.PID != uint32(os.Getpid()) || sent.Command() == "" || sent.Cookie == 0 || sent.Network != p.inA {
				t.Errorf("whose it is: %+v", sent)
			}
			if sent.Time.Before(before) || sent.Time.After(after) {
				t.Errorf("connected between %v and %v, the event's time is %v", before, after, sent.Time)
			}
			open := await(t, s, "ESTABLISHED", func(e *Event) bool { return e.New == Established })
			if open.Old != SynSent || open.Local != local || open.Remote != remote || open.Cookie != sent.Cookie || open.PID != sent.PID {
				t.Errorf("the second change: %+v", open)
			}
			if open.RTT <= 0 || open.RTT > time.Second || open.Acked != 1 { // the SYN
				t.Errorf("RTT %v, acknowledged %d", open.RTT, open.Acked)
			}
			c.Close()
			closing := await(t, s, "FIN_WAIT1", func(e *Event) bool { return e.New == FinWait1 })
			if closing.Local != local || closing.Cookie != sent.Cookie {
				t.Errorf("the close: %+v", closing)
			}
			if lost, err := s.Lost(); err != nil || lost != 0 {
				t.Errorf("lost %d, %v", lost, err)
			}
		})
	}
}

// The accepting side's connection changes its state while the client runs; it
// is the listener's all the same.
func TestAcceptedConnectionBelongsToListener(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := open(t, Options{Network: p.inB, Kinds: []Kind{StateChange}})
	p.listen(t, p.toB.String())
	must(t, connect(t, p.a, p.toB))
	e := await(t, s, "ESTABLISHED", func(e *Event) bool { return e.New == Established })
	if e.Old != SynRecv || e.Local != p.toB || e.Remote.Addr() != addrA || e.PID != uint32(os.Getpid()) {
		t.Errorf("%+v", e)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := open(t, Options{Port: p.toBNothing.Port(), Host: addrB})
	if err := connect(t, p.a, p.toBNothing); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	sent := await(t, s, "reset sent", func(e *Event) bool { return e.Kind == ResetSent })
	if sent.Network != p.inB || sent.HasSocket || sent.Local != p.toBNothing || sent.Remote.Addr() != addrA || sent.Reason != "NO_SOCKET" && sent.Reason != "" {
		t.Errorf("%+v", sent)
	}
	if !sent.HasPacket || !sent.Packet.Arrived || sent.Packet.Flags != uint8(netns.SYN) || sent.Packet.Dst != p.toBNothing || sent.Packet.TTL != 64 {
		t.Errorf("what is answered: %+v", sent.Packet)
	}
	received := await(t, s, "reset received", func(e *Event) bool { return e.Kind == ResetReceived })
	if received.Network != p.inA || received.Old != SynSent || received.Remote != p.toBNothing || received.PID != uint32(os.Getpid()) {
		t.Errorf("%+v", received)
	}
	report := await(t, s, "error report", func(e *Event) bool { return e.Kind == ErrorReport })
	if syscall.Errno(report.Errno) != syscall.ECONNREFUSED || report.Cookie != received.Cookie {
		t.Errorf("%+v", report)
	}
}

func TestRetransmit(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	_, err := p.b.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Drop()})
	must(t, err)
	s := open(t, Options{Network: p.inA})
	_ = connect(t, p.a, p.toB)
	first := await(t, s, "SYN_SENT", func(e *Event) bool { return e.New == SynSent })
	again := await(t, s, "retransmission", func(e *Event) bool { return e.Kind == Retransmit })
	if again.Cookie != first.Cookie || again.Remote != p.toB || again.Old != SynSent {
		t.Errorf("%+v", again)
	}
	if after := again.Time.Sub(first.Time); after < 950*time.Millisecond { // RFC 6298 §2.1
		t.Errorf("sent again after %v", after)
	}
}

// drops are made by both sides' own kernel; a knows only what a dropped.
func TestDrop(t *testing.T) {
	t.Parallel()
	fromB := netns.Match{Protocol: netns.TCP, Sport: 7001}
	toB := netns.Match{Protocol: netns.TCP, Dport: 7001}
	for _, c := range []struct {
		name    string
		reason  string
		arrived bool
		fault   func(t *testing.T, p *pair) error
	}{
		{"output", "NETFILTER_DROP", false, func(t *testing.T, p *pair) error {
			_, err := p.a.Firewall(netns.Rule{Hook: netns.Output, Match: toB, Verdict: netns.Drop()})
			return err
		}},
		{"input", "NETFILTER_DROP", true, func(t *testing.T, p *pair) error {
			_, err := p.a.Firewall(netns.Rule{Hook: netns.Input, Match: fromB, Verdict: netns.Drop()})
			return err
		}},
		{"prerouting", "NETFILTER_DROP", true, func(t *testing.T, p *pair) error {
			_, err := p.a.Firewall(netns.Rule{Hook: netns.Prerouting, Match: fromB, Verdict: netns.Drop()})
			return err
		}},
		{"rp_filter", "IP_RPFILTER", true, func(t *testing.T, p *pair) error {
			// b answers over a second link, and a expects b on the first (RFC 3704).
			second, err := p.net.Link(p.a, p.b, netns.LinkOptions{
				A: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/24")}},
				B: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.2/24")}},
			})
			must(t, err)
			return errors.Join(
				p.b.Neighbour(second.A.Addrs[0].Addr(), second.A.HardwareAddr, second.B.Name), // arp_process checks, too
				p.a.Sysctl("net.ipv4.conf."+second.A.Name+".rp_filter", "1"),
				p.b.AddRoute(netip.PrefixFrom(addrA, 32), netip.MustParseAddr("198.51.100.1")))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.listen(t, p.toB.String())
			s := open(t, Options{Own: true, Network: p.inA, Kinds: []Kind{Drop}})
			must(t, s.Follow(p.inA, p.toB))
			must(t, c.fault(t, p))
			_ = connect(t, p.a, p.toB)
			e := await(t, s, "drop", func(e *Event) bool { return true })
			if e.Reason != c.reason || e.Network != p.inA || e.Remote != p.toB || e.Local.Addr() != addrA {
				t.Errorf("%+v", e)
			}
			if !e.HasPacket || e.Packet.Arrived != c.arrived || e.Packet.Length < 40 || e.Packet.Index == 0 && c.arrived {
				t.Errorf("the packet: %+v", e.Packet)
			}
			want := netns.SYN
			if c.arrived {
				want = netns.SYNACK
			}
			if e.Packet.Flags != uint8(want) {
				t.Errorf("flags %#x, want %#x", e.Packet.Flags, want)
			}
			if name := e.Function(); name == "" || name != s.Symbol(e.Location) {
				t.Errorf("the place is called %q, and %q", name, s.Symbol(e.Location))
			}
		})
	}
}

func TestCallsThatFailAtOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := open(t, Options{Network: p.inA, Kinds: []Kind{ConnectFailed, SocketFailed}})
	nowhere := netip.MustParseAddrPort("203.0.113.9:443")
	if err := connect(t, p.a, nowhere); !errors.Is(err, syscall.ENETUNREACH) {
		t.Fatal(err)
	}
	e := await(t, s, "connect", func(e *Event) bool { return e.Kind == ConnectFailed })
	if syscall.Errno(e.Errno) != syscall.ENETUNREACH || e.Remote != nowhere || e.PID != uint32(os.Getpid()) || e.Network != p.inA || e.Protocol != syscall.IPPROTO_TCP {
		t.Errorf("%+v", e)
	}
	must(t, p.a.Do(func() error {
		if _, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM, 253); err == nil {
			return errors.New("a socket of protocol 253 was made")
		}
		return nil
	}))
	e = await(t, s, "socket", func(e *Event) bool { return e.Kind == SocketFailed })
	if syscall.Errno(e.Errno) != syscall.EPROTONOSUPPORT || e.Protocol != 253 || e.PID != uint32(os.Getpid()) {
		t.Errorf("%+v", e)
	}
}

func TestTasks(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.listen(t, p.toB.String())
	s := open(t, Options{Network: 0, Tasks: true})
	must(t, s.FollowTask(os.Getpid()))
	cmd := p.a.Wrap(testmain.Command(context.Background(), "dial", p.toB.String()))
	_ = cmd.Run() // its status is looked at below
	var child uint32
	await(t, s, "SYN_SENT of the child", func(e *Event) bool {
		child = e.PID
		return e.Kind == StateChange && e.New == SynSent && e.Network == p.inA && e.PID != uint32(os.Getpid()) && e.Remote == p.toB
	})
	exit := await(t, s, "its end", func(e *Event) bool { return e.Kind == Exited && e.PID == child })
	if exit.ExitCode>>8 != 7 {
		t.Errorf("%+v", exit)
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "bpf")
	s := open(t, Options{Tasks: true, Kinds: []Kind{Forked}})
	must(t, s.FollowTask(os.Getpid()))
	cmd := testmain.Command(context.Background(), "true")
	must(t, cmd.Run())
	child := uint32(cmd.Process.Pid)
	fork := await(t, s, "fork", func(e *Event) bool { return e.Kind == Forked && e.PID == child })
	if fork.Parent != uint32(os.Getpid()) {
		t.Errorf("%+v", fork)
	}
	exec := await(t, s, "exec", func(e *Event) bool { return e.Kind == Executed && e.PID == child })
	if !strings.HasPrefix(exec.Command(), "exe") && !strings.HasPrefix(exec.Command(), "bpf") {
		t.Errorf("the program is called %q", exec.Command())
	}
	exit := await(t, s, "exit", func(e *Event) bool { return e.Kind == Exited && e.PID == child })
	if exit.ExitCode != 0 {
		t.Errorf("%+v", exit)
	}
}

// A session hears only what it asks for.
func TestFilters(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.listen(t, p.toB.String())
	own := open(t, Options{Own: true})
	must(t, own.Follow(p.inA, p.toBNothing))
	for name, s := range map[string]*Session{
		"other network":   open(t, Options{Network: p.inA + 1<<20}),
		"other port":      open(t, Options{Network: p.inA, Port: 7003}),
		"other host":      open(t, Options{Network: p.inA, Host: netip.MustParseAddr("192.0.2.3")}),
		"other cgroup":    open(t, Options{Network: p.inA, Cgroup: 1 << 40}),
		"other processes": open(t, Options{Network: p.inA, Tasks: true}),
		"other place":     own,
		"other kind":      open(t, Options{Network: p.inA, Kinds: []Kind{Retransmit}}),
	} {
		defer func() {
			if all := drain(t, s); len(all) != 0 {
				t.Errorf("%s: heard %d events: %+v", name, len(all), all[0])
			}
		}()
	}
	all := open(t, Options{Network: p.inA, Port: 7001, Host: addrB})
	must(t, connect(t, p.a, p.toB))
	await(t, all, "ESTABLISHED", func(e *Event) bool { return e.New == Established })
}

func TestUnfollow(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.listen(t, p.toB.String())
	s := open(t, Options{Own: true, Kinds: []Kind{StateChange}})
	must(t, s.Follow(p.inA, p.toB))
	must(t, connect(t, p.a, p.toB))
	await(t, s, "ESTABLISHED", func(e *Event) bool { return e.New == Established })
	must(t, s.Unfollow(p.inA, p.toB))
	must(t, connect(t, p.a, p.toB))
	if all := drain(t, s); len(all) != 0 {
		t.Errorf("heard %+v", all)
	}
}

// A ring that nobody empties fills up, and what does not fit is counted.
func TestLost(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := open(t, Options{Network: p.inA, Kinds: []Kind{StateChange}, Buffer: 1})
	const calls = 40
	for range calls {
		_ = connect(t, p.a, p.toBNothing) // SYN_SENT, CLOSE
	}
	lost, err := s.Lost()
	must(t, err)
	read := len(drain(t, s))
	if read == 0 || lost == 0 || read+int(lost) < 2*calls {
		t.Errorf("read %d, lost %d of at least %d", read, lost, 2*calls)
	}
}

func TestCloseEndsRead(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "bpf")
	s, err := Open(Options{Own: true})
	must(t, err)
	ended := make(chan error)
	go func() {
		var e Event
		ended <- s.Read(&e)
	}()
	must(t, s.Close())
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// Who may not listen is told what is missing.
func TestPermitted(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "bpf")
	if err := Permitted(); err != nil {
		t.Error(err)
	}
	cmd := testmain.Command(context.Background(), "permitted")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if fmt.Sprint(err) != "exit status 3" || !strings.Contains(string(out), "CAP_BPF and CAP_PERFMON are missing") {
		t.Errorf("%v: %s", err, out)
	}
}
