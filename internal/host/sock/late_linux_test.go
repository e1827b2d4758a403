package sock

import (
	"context"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// A busy host may not run the program from the answer to the deadline: what is
// there then is a connection, not silence.
func TestAnsweredBeforeItWasLookedAt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Config, context.CancelCauseFunc){
		"deadline":  func(c *Config, _ context.CancelCauseFunc) { time.Sleep(time.Until(c.Deadline)) },
		"explained": func(_ *Config, cancel context.CancelCauseFunc) { cancel(ErrExplained) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, wake, _ := silentPort(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			c := towards(to)
			c.Deadline = time.Now().Add(4 * time.Second) // the SYN is sent again after one
			c.Checkpoints = []time.Duration{10 * time.Millisecond}
			c.AtCheckpoint = func(fd int) {
				wake()
				for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
					if ready, _ := sys.Readiness(fd); ready&sys.PollOut != 0 {
						break
					}
				}
				end(c, cancel)
			}
			conn, r, err := connectWith(ctx, c, nil)
			if err != nil {
				t.Fatalf("%v: %v", err, kinds(r.Log))
			}
			defer conn.Close()
			if i := last[*evidence.TCPInfo](t, r); i.State != "ESTABLISHED" || i.SegsIn == 0 {
				t.Errorf("%+v", i)
			}
			if _, _, gone := evidence.Last[*evidence.Expired](r.Log); gone {
				t.Errorf("a deadline is in the log: %v", kinds(r.Log))
			}
		})
	}
}

// The caller's own end is one, also of a handshake that is over.
func TestCancelledBeforeItWasLookedAt(t *testing.T) {
	to, _, _ := silentPort(t)
	ctx, cancel := context.WithCancel(context.Background())
	c := towards(to)
	c.Checkpoints = []time.Duration{time.Millisecond}
	c.AtCheckpoint = func(int) { cancel() }
	conn, r, err := connectWith(ctx, c, nil)
	if conn != nil || err == nil {
		t.Fatalf("%v, %v", conn, err)
	}
	if f := last[*evidence.Cancelled](t, r); f.By != "caller" {
		t.Errorf("%+v", f)
	}
}
