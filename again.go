package dialscope

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// ConnectAgain tries one new connection to where an ended one led, closes it,
// and adds what came of it to the evidence: it tells a peer that is gone from a
// device on the path that forgot the connection, and a router that has an
// answer names itself. The dialer's options should be those of the first dial;
// a bound of it, or of the context, should be short. Nothing is done for a
// connection that did not end in an error, or that another connection would tell
// nothing about: ok is false then.
func (c *Conn) ConnectAgain(ctx context.Context, d *Dialer) (ok bool) {
	c.mu.Lock()
	failed := c.failed
	c.mu.Unlock()
	remote := c.report.Attempts[c.index].Remote
	if failed == nil || !remote.IsValid() || !worthAsking(failed) {
		return false
	}
	once := *d
	once.Probes, once.Thorough, once.Settle, once.Trace = NoProbes, false, 0, nil
	at := time.Since(c.start) - c.report.Attempts[c.index].Began
	conn, r, err := once.DialReport(ctx, "tcp", remote.String())
	if conn != nil {
		conn.Close()
	}
	var seen *Error
	if err != nil && !errors.As(err, &seen) || len(r.Attempts) == 0 {
		return false
	}
	a := &r.Attempts[0]
	p := &evidence.Probe{Experiment: "second-source-port", Protocol: "tcp", To: remote, Sent: 1, RTT: a.Took}
	icmp, _, told := evidence.Last[*evidence.ICMP](a.Log)
	switch {
	case err == nil, errors.Is(err, syscall.ECONNRESET):
		p.Answer, p.From = evidence.AnswerSYNACK, remote.Addr().WithZone("")
	case told:
		p.Answer, p.From, p.ICMP, p.Errno = evidence.AnswerICMP, icmp.Offender, icmp, errnoIn(err)
	case errors.Is(err, syscall.ECONNREFUSED):
		p.Answer, p.From = evidence.AnswerRST, remote.Addr().WithZone("")
	default:
		p.RTT, p.Waited, p.Errno = 0, a.Took, errnoIn(err)
		if p.Errno == "ETIMEDOUT" {
			p.Errno = ""
		} else if p.Errno != "" {
			p.Sent = 0
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, evidence.Entry{At: at, Source: evidence.FromProbe, Fact: p})
	c.failed = c.snapshot(c.ends)
	return true
}

// worthAsking says that a new connection could tell more about an end: the old
// one met silence, or an error whose sender is not known, or a RST that may
// have come from a host that knows nothing of it.
func worthAsking(r *Report) bool {
	switch v := r.Verdict(); v.Errno {
	case "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH":
		return v.Culprit.Kind != "local"
	}
	return false
}
