package sock

import (
	"context"
	"net"
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

// Nor is a datagram's answer overlooked that lies there when the deadline is noticed.
func TestDatagramAnsweredBeforeItWasLookedAt(t *testing.T) {
	for name, answer := range map[string]bool{"a datagram": true, "port unreachable": false} {
		t.Run(name, func(t *testing.T) {
			server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			c := towards(server.LocalAddr().(*net.UDPAddr).AddrPort())
			c.Network, c.Probe = "udp4", []byte("ask")
			c.Deadline = time.Now().Add(100 * time.Millisecond)
			c.Checkpoints = []time.Duration{time.Millisecond}
			c.AtCheckpoint = func(fd int) {
				b := make([]byte, 8)
				n, from, err := server.ReadFromUDPAddrPort(b)
				if err != nil {
					t.Error(err)
					return
				}
				if answer {
					server.WriteToUDPAddrPort(b[:n], from)
				} else {
					// The question was taken, and the answer is an error on the next send.
					server.Close()
					sys.Send(fd, []byte("again"))
				}
				for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
					if ready, _ := sys.Readiness(fd); ready&(sys.PollIn|sys.PollErr) != 0 {
						break
					}
				}
				time.Sleep(time.Until(c.Deadline))
			}
			conn, r, err := connectWith(context.Background(), c, nil)
			if conn != nil {
				conn.Close()
			}
			d := last[*evidence.Datagram](t, r)
			switch {
			case answer && (err != nil || !d.Answered):
				t.Errorf("%v: %+v", err, d)
			case !answer && (err == nil || d.RecvErrno != "ECONNREFUSED"):
				t.Errorf("%v: %+v", err, d)
			}
			if _, _, gone := evidence.Last[*evidence.Expired](r.Log); gone {
				t.Errorf("a deadline is in the log: %v", kinds(r.Log))
			}
		})
	}
}
