package dialscope

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/reactor"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/sweep"
)

// sweepJudge says what the outcomes mean. Those that look the same and come
// from the same network have the same explanation: the first of them is
// examined as a failed dial is, with this host's routes, neighbours and limits,
// and speaks for the others.
type sweepJudge struct {
	timeout time.Duration
	known   map[sweepKey]int
	groups  []SweepGroup
}

// sweepKey is all of an outcome that its explanation may depend on.
type sweepKey struct {
	network  netip.Prefix
	call     reactor.Call
	errno    syscall.Errno
	answered bool
	resent   bool
	self     bool
	icmp     reactor.ICMP
}

// manyGroups is how many networks are told apart at their finest.
const manyGroups = 4096

func newSweepJudge(timeout time.Duration) *sweepJudge {
	return &sweepJudge{timeout: timeout, known: map[sweepKey]int{}}
}

func (j *sweepJudge) result(o *reactor.Outcome) SweepResult {
	i := j.groupOf(o)
	g := &j.groups[i]
	g.Count++
	r := SweepResult{
		Place: o.Place, Addr: o.Addr, Outcome: g.Verdict.Outcome, Errno: g.Verdict.Errno, Cause: g.Verdict.Cause,
		Culprit: g.Verdict.Culprit, Latency: o.Took, SYNs: int(o.Attempt.SYNs) + sent(o), Attempts: int(o.Try) + 1,
		ICMP: icmpOf(o), At: o.Began + o.Took, Group: i,
	}
	if r.Culprit.Kind == cause.Destination {
		r.Culprit.Address = o.Addr.Addr()
	}
	return r
}

func (j *sweepJudge) groupOf(o *reactor.Outcome) int {
	k := sweepKey{call: o.Call, errno: o.Errno, answered: o.Answered, resent: o.SYNs > 1, icmp: o.ICMP, self: o.Local == o.Addr}
	if k.icmp.Offender == o.Addr.Addr() {
		k.icmp.Offender = netip.Addr{} // each its own
	}
	open := o.Call == reactor.Handshake && o.Errno == 0
	if !open {
		k.network = sweepNetwork(o.Addr.Addr(), len(j.groups) >= manyGroups)
	}
	if i, known := j.known[k]; known {
		return i
	}
	i := len(j.groups)
	j.known[k] = i
	j.groups = append(j.groups, SweepGroup{Network: k.network, Example: o.Addr, Verdict: j.explain(o)})
	return i
}

// sweepNetwork is the network that an address is counted with.
func sweepNetwork(a netip.Addr, coarse bool) netip.Prefix {
	bits := 24
	switch {
	case a.Is4() && coarse:
		bits = 16
	case a.Is6() && coarse:
		bits = 48
	case a.Is6():
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// explain examines one outcome as a dial's would be.
func (j *sweepJudge) explain(o *reactor.Outcome) cause.Verdict {
	r := &run{Dialer: &Dialer{AttemptTimeout: j.timeout}, Report: &Report{Start: time.Now()}}
	r.Target, r.Network, r.winner = o.Addr.String(), "tcp", -1
	rec := sock.NewRecorder(nil)
	rec.Began = time.Now().Add(-o.Took)
	err := j.evidence(o, rec)
	if err != nil {
		network := "tcp4"
		if o.Addr.Addr().Is6() {
			network = "tcp6"
		}
		x := &examination{run: r, Recorder: rec, cfg: &sock.Config{Network: network, Remote: o.Addr}}
		x.afterwards(err)
	}
	r.Attempts = []evidence.Attempt{{Remote: o.Addr, Took: o.Took, Log: rec.Log}}
	return r.Verdict()
}

// evidence files what the engine saw, in the terms of a single dial, and gives
// the error that it would have ended with.
func (j *sweepJudge) evidence(o *reactor.Outcome, rec *sock.Recorder) error {
	errno := evidence.Errno(reactor.ErrnoName(o.Errno))
	switch o.Call {
	case reactor.Socket:
		rec.AddAt(0, evidence.FromSocket, &evidence.Call{Call: "socket", Errno: errno})
		return os.NewSyscallError("socket", o.Errno)
	case reactor.Connect:
		rec.AddAt(0, evidence.FromConnect, &evidence.Connect{Remote: o.Addr, Errno: errno})
		return os.NewSyscallError("connect", o.Errno)
	}
	rec.AddAt(0, evidence.FromConnect, &evidence.Connect{Remote: o.Addr, Errno: "EINPROGRESS"})
	if o.Local.IsValid() {
		rec.AddAt(o.Took, evidence.FromGetsockname, &evidence.LocalAddr{Addr: o.Local})
	}
	expired := o.Call == reactor.Expired
	if !expired {
		rec.AddAt(o.Took, evidence.FromPoll, &evidence.Ready{Writable: true, Error: o.Errno != 0, Hangup: o.Errno != 0, Readable: o.Errno != 0})
		rec.AddAt(o.Took, evidence.FromSOError, &evidence.SOError{Errno: errno})
	}
	info := &evidence.TCPInfo{State: sweepState(o.State), TotalRetrans: uint32(o.SYNs - 1), SegsOut: uint32(o.SYNs)}
	if o.Answered {
		info.SegsIn = 1
	}
	rec.AddAt(o.Took, evidence.FromTCPInfo, info)
	if o.ICMP.Version != 0 {
		f := icmpOf(o)
		rec.AddAt(o.Took, evidence.FromErrqueue, &f)
	}
	switch {
	case expired:
		rec.AddAt(o.Took, evidence.FromTimer, &evidence.Expired{Limit: j.timeout, Scope: "attempt"})
		return sock.ErrExpired
	case o.Errno != 0:
		return os.NewSyscallError("connect", o.Errno)
	}
	return nil
}

// sweepState names the states that an attempt can end in, as ss(8) does.
func sweepState(s uint8) string {
	switch s {
	case 1:
		return "ESTABLISHED"
	case 2:
		return "SYN_SENT"
	case 8:
		return "CLOSE_WAIT"
	}
	return "CLOSE"
}

func icmpOf(o *reactor.Outcome) evidence.ICMP {
	if o.ICMP.Version == 0 {
		return evidence.ICMP{}
	}
	return evidence.ICMP{
		Version: o.ICMP.Version, Type: o.ICMP.Type, Code: o.ICMP.Code, Errno: evidence.Errno(reactor.ErrnoName(o.ICMP.Errno)),
		Offender: o.ICMP.Offender, To: o.Addr.Addr(), Text: cause.ICMPText(o.ICMP.Version, o.ICMP.Type, o.ICMP.Code),
	}
}

// unresolved is the result of a name that has no address: one dial says why.
func (j *sweepJudge) unresolved(ctx context.Context, t sweep.Target, ports []uint16) SweepResult {
	if t.Ports != nil {
		ports = t.Ports
	}
	d := Dialer{Timeout: 2 * DefaultSweepTimeout}
	conn, report, err := d.DialReport(ctx, "tcp", net.JoinHostPort(t.Name, strconv.Itoa(int(ports[0]))))
	if err == nil {
		conn.Close() // it has an address now; the sweep has not
	}
	v := report.Verdict()
	j.groups = append(j.groups, SweepGroup{Verdict: v, Count: 1})
	return SweepResult{
		Place: noPlace, Name: t.Name, Addr: netip.AddrPortFrom(netip.Addr{}, ports[0]), Outcome: cause.Unresolved,
		Cause: v.Cause, Culprit: v.Culprit, Latency: report.Took, Group: len(j.groups) - 1,
	}
}

// noPlace is the place of a name that has no address.
const noPlace = 1<<64 - 1
