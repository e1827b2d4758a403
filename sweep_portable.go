package dialscope

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/reactor"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/sweep"
)

// portableMost bounds the goroutines of an engine where there is no epoll.
const portableMost = 512

// runPortable is an engine of goroutines, each with one attempt at a time.
func runPortable(ctx context.Context, c reactor.Config, s reactor.Source) error {
	var running sync.WaitGroup
	for range min(c.InFlight, portableMost) {
		running.Go(func() {
			var job [1]sweep.Attempt
			for ctx.Err() == nil {
				n, wait, done := s.Take(c.Clock(), job[:])
				switch {
				case n == 1:
					if o, ok := attemptPortably(ctx, c, job[0]); ok {
						s.Done(c.Clock(), []reactor.Outcome{o})
					}
				case done:
					return
				default:
					t := time.NewTimer(wait)
					select {
					case <-ctx.Done():
					case <-t.C:
					}
					t.Stop()
				}
			}
		})
	}
	running.Wait()
	return nil
}

// attemptPortably makes one attempt; false when the context ended it.
func attemptPortably(ctx context.Context, c reactor.Config, job sweep.Attempt) (o reactor.Outcome, ok bool) {
	o = reactor.Outcome{Attempt: job, Began: c.Clock(), SYNs: 1}
	rec := sock.NewRecorder(nil)
	cfg := sock.Config{Network: "tcp4", Remote: job.Addr, Deadline: rec.Began.Add(c.Timeout), Limit: c.Timeout, Scope: "attempt"}
	if job.Addr.Addr().Is6() {
		cfg.Network = "tcp6"
	}
	conn, err := sock.Connect(ctx, &cfg, rec)
	o.Took = time.Since(rec.Began)
	var call *os.SyscallError
	var errno syscall.Errno
	switch {
	case err == nil:
		if t, is := conn.(interface{ SetLinger(int) error }); is {
			t.SetLinger(0)
		}
		conn.Close()
	case errors.Is(err, sock.ErrExpired):
		o.Call = reactor.Expired
	case errors.As(err, &call) && errors.As(err, &errno):
		o.Errno = errno
		switch _, _, waited := evidence.Last[*evidence.SOError](rec.Log); {
		case call.Syscall == "socket":
			o.Call = reactor.Socket
		case !waited:
			o.Call = reactor.Connect
		}
	default:
		return o, false
	}
	if l, _, is := evidence.Last[*evidence.LocalAddr](rec.Log); is && o.Call == reactor.Handshake && o.Errno == 0 &&
		c.Confirm != nil && c.Confirm(job.Addr) {
		o.Local = l.Addr
	}
	if i, _, is := evidence.Last[*evidence.TCPInfo](rec.Log); is {
		o.SYNs, o.Answered = 1+int(i.TotalRetrans), i.SegsIn > 0
		o.State = map[string]uint8{"ESTABLISHED": 1, "SYN_SENT": 2, "CLOSE_WAIT": 8}[i.State]
	}
	if i, _, is := evidence.Last[*evidence.ICMP](rec.Log); is && !i.Local {
		o.ICMP = reactor.ICMP{Errno: o.Errno, Version: i.Version, Type: i.Type, Code: i.Code, Offender: i.Offender}
	}
	return o, true
}
