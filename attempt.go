package dialscope

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/payload"
)

// try makes an attempt at one address. Where the kernel gave the socket the
// destination's own port, so that it met itself (simultaneous open, RFC 9293
// §3.5), another socket is tried, as net.Dialer does; the attempt that met
// itself stays in the report. A source port that the caller chose is not
// second-guessed.
func (r *run) try(ctx context.Context, i int, remote netip.AddrPort, deadline time.Time, scope string) (net.Conn, int, error) {
	for again := 0; ; again++ {
		conn, err := r.attempt(ctx, i, remote, deadline, scope)
		if err != nil || again == 2 || r.local.Port() != 0 || r.Network[0] != 't' {
			return conn, i, err
		}
		if local, ok := conn.LocalAddr().(*net.TCPAddr); !ok || int(remote.Port()) != local.Port || local.AddrPort() != remote {
			return conn, i, nil
		}
		conn.Close()
		i = r.enter(remote)
	}
}

// attempt opens one socket, and files its evidence as attempt i.
func (r *run) attempt(ctx context.Context, i int, remote netip.AddrPort, deadline time.Time, scope string) (net.Conn, error) {
	var hook func(evidence.Entry)
	if r.Trace != nil && r.Trace.Observed != nil {
		hook = func(e evidence.Entry) { r.observed(i, e) }
	}
	rec := sock.NewRecorder(hook)
	cfg := sock.Config{
		Network: r.Network[:3] + "4", Remote: remote, Local: r.local,
		LocalPorts: [2]uint16{r.LocalPorts.Low, r.LocalPorts.High},
		Interface:  r.Interface, Mark: r.Mark, TOS: r.TOS, HopLimit: r.HopLimit,
		UserTimeout: r.UserTimeout, SYNRetries: r.SYNRetries, FastOpen: r.FastOpen, MPTCP: r.MPTCP,
		Broadcast: !r.NoBroadcast,
		KeepAlive: r.KeepAlive, KeepAliveConfig: r.KeepAliveConfig,
		Deadline: deadline, Scope: scope, Settle: r.Settle,
		Probe: r.UDPProbe,
	}
	if r.UDPProbe != nil {
		cfg.Label, cfg.Asks, cfg.Mute = r.udpLabel()
	}
	if remote.Addr().Is6() {
		cfg.Network = r.Network[:3] + "6"
	}
	if r.AttemptTimeout > 0 {
		if at := rec.Began.Add(r.AttemptTimeout); deadline.IsZero() || at.Before(deadline) {
			cfg.Deadline, cfg.Scope = at, "attempt"
		}
	}
	if !cfg.Deadline.IsZero() {
		since := rec.Began
		if cfg.Scope == "dial" {
			since = r.Start
		}
		cfg.Limit = max(0, cfg.Deadline.Sub(since))
	}
	switch {
	case r.ControlContext != nil:
		cfg.Control = func(network, address string, c syscall.RawConn) error {
			return r.ControlContext(ctx, network, address, c)
		}
	case r.Control != nil:
		cfg.Control = r.Dialer.Control
	}
	var x *examination
	if r.Thorough || r.Packets || r.LargePackets || r.Probes != NoProbes || r.Kernel != nil {
		x = r.examine(rec, &cfg)
		if r.Probes != NoProbes {
			var end context.CancelCauseFunc
			ctx, end = context.WithCancelCause(ctx)
			defer end(nil)
			x.experiments = &experiments{ctx: ctx, end: end}
		}
		cfg.Checkpoints, cfg.AtCheckpoint = x.checkpoints(), x.atCheckpoint
	}
	conn, err := sock.Connect(ctx, &cfg, rec)
	took := time.Since(rec.Began)
	if err != nil || x != nil {
		if x == nil {
			x = &examination{run: r, Recorder: rec, cfg: &cfg}
		}
		x.afterwards(err)
	}
	r.leave(i, took, rec.Log)
	return conn, err
}

// udpLabel names the probe's payload, what it asks, and why it may stay
// unanswered.
func (r *run) udpLabel() (name, asks, mute string) {
	if p, known := payload.Named(r.UDPProbeName); known {
		if p.Data == nil && len(r.UDPProbe) > 0 {
			return p.Name, "", p.Silence // the caller's own question to that service
		}
		return p.Name, p.Asks, p.Silence
	}
	switch {
	case r.UDPProbeName != "":
		return r.UDPProbeName, "", ""
	case len(r.UDPProbe) == 0:
		return payload.Empty.Name, "", ""
	}
	return "given", "", ""
}

// enter gives a new attempt its place in the report: it begins now.
func (r *run) enter(remote netip.AddrPort) int {
	began := time.Since(r.Start)
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.Attempts)
	r.Attempts = append(r.Attempts, evidence.Attempt{Remote: remote, Began: began})
	if r.Trace != nil && r.Trace.AttemptStart != nil {
		r.Trace.AttemptStart(i, remote)
	}
	return i
}

func (r *run) leave(i int, took time.Duration, log evidence.Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &r.Attempts[i]
	a.Took, a.Log = took, log
	if r.Trace != nil && r.Trace.AttemptDone != nil {
		r.Trace.AttemptDone(i, *a)
	}
}

func (r *run) observed(i int, e evidence.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Trace.Observed(i, e)
}

// observe files a fact of the target itself: its name, this host.
func (r *run) observe(from evidence.Source, f evidence.Fact) {
	e := evidence.Entry{At: time.Since(r.Start), Source: from, Fact: f}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Log = append(r.Log, e)
	if r.Trace != nil && r.Trace.Observed != nil {
		r.Trace.Observed(-1, e)
	}
}
