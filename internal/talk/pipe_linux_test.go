package talk_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/talk"
	"github.com/dialscope/dialscope/internal/testmain"
)

// An input of each kind, an output of each kind, and an echo between them: the
// same octets come back, and the counters know them all.
func TestEveryKindOfStream(t *testing.T) {
	for _, size := range []int{0, 1, 4096, 300_001, 3 << 20} {
		sent := make([]byte, size)
		rand.Read(sent)
		inputs := map[string]func(*testing.T) io.Reader{
			"memory": func(*testing.T) io.Reader { return bytes.NewReader(sent) },
			"file": func(t *testing.T) io.Reader {
				f, err := os.CreateTemp(t.TempDir(), "")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { f.Close() })
				f.Write(sent)
				f.Seek(0, io.SeekStart)
				return f
			},
		}
		outputs := map[string]func(*testing.T) (io.Writer, func() []byte){
			"memory": func(*testing.T) (io.Writer, func() []byte) {
				var out bytes.Buffer
				return &out, out.Bytes
			},
			"file": func(t *testing.T) (io.Writer, func() []byte) {
				f, err := os.CreateTemp(t.TempDir(), "")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { f.Close() })
				return f, func() []byte { b, _ := os.ReadFile(f.Name()); return b }
			},
		}
		for name, blocking := range map[string]bool{"pipe": true, "polled pipe": false} {
			inputs[name] = func(t *testing.T) io.Reader {
				r, w := testmain.Pipe(t, blocking)
				go func() { w.Write(sent); w.Close() }()
				return r
			}
			outputs[name] = func(t *testing.T) (io.Writer, func() []byte) {
				r, w := testmain.Pipe(t, blocking)
				got := make(chan []byte, 1)
				go func() { b, _ := io.ReadAll(r); got <- b }()
				return w, func() []byte { w.Close(); return <-got }
			}
		}
		for from, input := range inputs {
			for to, output := range outputs {
				t.Run(from+" to "+to, func(t *testing.T) {
					in := input(t)
					out, got := output(t)
					c := peerThat(t, echo)
					if err := talk.Run(t.Context(), c, talk.Config{In: in, Out: out, HalfClose: true}); err != nil {
						t.Fatal(err)
					}
					if b := got(); !bytes.Equal(b, sent) {
						t.Errorf("%d octets came back of %d, or others", len(b), size)
					}
					if n, _ := c.Counters(); n.Sent != uint64(size) || n.Acknowledged != uint64(size) || n.Received != uint64(size) || n.Unread != 0 {
						t.Errorf("%d: %+v", size, n)
					}
					if v := c.Verdict(); v.Cause != cause.PeerClosed || v.Culprit.Kind != cause.Nobody {
						t.Errorf("%+v", v)
					}
				})
			}
		}
	}
}

// Whoever reads the output goes away in the middle.
func TestOutputGone(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		r, w := testmain.Pipe(t, blocking)
		c := peerThat(t, func(c *net.TCPConn) { io.Copy(c, zeros{}) })
		var head sync.WaitGroup
		head.Go(func() { io.CopyN(io.Discard, r, 1<<20); r.Close() })
		err := talk.Run(t.Context(), c, talk.Config{Out: w})
		if !talk.OutputGone(err) {
			t.Errorf("%v", err)
		}
		head.Wait()
		if n, _ := c.Counters(); n.Received < 1<<20 {
			t.Errorf("%+v", n)
		}
	})
}

// A peer that never reads, with an input that never ends, and nobody who reads the
// output: an interruption ends it all the same.
func TestInterruptedWhileAllIsFull(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		in, source := testmain.Pipe(t, blocking)
		sink, out := testmain.Pipe(t, blocking)
		var feeding sync.WaitGroup
		feeding.Go(func() { io.Copy(source, zeros{}) })
		c := peerThat(t, func(c *net.TCPConn) { io.Copy(c, zeros{}) }) // it writes only
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- talk.Run(ctx, c, talk.Config{In: in, Out: out, HalfClose: true}) }()
		for last := (dialscope.Counters{}); ; time.Sleep(50 * time.Millisecond) {
			n, ok := c.Counters()
			if !ok || n.Unsent > 0 && n.Unread > 0 && n == last {
				break // nothing moves
			}
			last = n
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%v", err)
		}
		if n, _ := c.Counters(); n.Unacknowledged == 0 {
			t.Errorf("%+v", n)
		}
		in.Close()
		sink.Close()
		feeding.Wait()
	})
}

// The peer resets in the middle of what is sent by a pipe: its report says so.
func TestResetWhileAPipeIsSent(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		in, source := testmain.Pipe(t, blocking)
		var feeding sync.WaitGroup
		feeding.Go(func() { io.Copy(source, zeros{}) })
		c := peerThat(t, func(c *net.TCPConn) {
			io.CopyN(io.Discard, c, 1<<20)
			c.SetLinger(0)
		})
		if err := talk.Run(t.Context(), c, talk.Config{In: in, Out: io.Discard, HalfClose: true}); err != nil {
			t.Errorf("%v", err)
		}
		if v := c.Verdict(); v.Cause != cause.PeerReset || v.Errno != "ECONNRESET" {
			t.Errorf("%+v", v)
		}
		in.Close()
		feeding.Wait()
	})
}

// The peer has sent FIN with much of what it was sent still on its way, and then
// takes it; an open input that says nothing more does not keep the talk going.
func TestPeerFinishesBeforeItReads(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		in, source := testmain.Pipe(t, blocking)
		const size = 6 << 20
		got := make(chan int64, 1)
		finished := make(chan struct{})
		c := peerThat(t, func(c *net.TCPConn) {
			<-finished
			c.CloseWrite()
			n, _ := io.Copy(io.Discard, c)
			got <- n
		})
		var feeding sync.WaitGroup
		feeding.Go(func() {
			source.Write(make([]byte, size/2))
			close(finished)
			source.Write(make([]byte, size/2))
		})
		if err := talk.Run(t.Context(), c, talk.Config{In: in, Out: io.Discard, HalfClose: true}); err != nil {
			t.Fatal(err)
		}
		if n := <-got; n != size {
			t.Errorf("%d of %d octets", n, size)
		}
		in.Close()
		feeding.Wait()
	})
}

// After this end's own FIN there are no heartbeats: they would break the connection.
func TestNoHeartbeatAfterFIN(t *testing.T) {
	heard := make(chan string, 1)
	c := peerThat(t, func(c *net.TCPConn) {
		b, _ := io.ReadAll(c)
		heard <- string(b)
		time.Sleep(30 * time.Millisecond)
	})
	in, source := testmain.Pipe(t, true)
	source.Write([]byte("all"))
	source.Close()
	if err := talk.Run(t.Context(), c, talk.Config{In: in, Out: io.Discard, HalfClose: true, Heartbeat: 3 * time.Millisecond, Beat: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; len(got) < 3 {
		t.Errorf("%q", got)
	}
	if v := c.Verdict(); v.Cause != cause.PeerClosed {
		t.Errorf("%+v", v)
	}
}

// Heartbeats go while a pipe says nothing.
func TestHeartbeatBesideAPipe(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		in, source := testmain.Pipe(t, blocking)
		source.Write([]byte("x"))
		heard := make(chan string, 1)
		c := peerThat(t, func(c *net.TCPConn) {
			var all []byte
			for b := make([]byte, 1); !bytes.Contains(all, []byte("x")) || bytes.Count(all, []byte("b")) < 4; all = append(all, b...) {
				if _, err := io.ReadFull(c, b); err != nil {
					break
				}
			}
			heard <- string(all)
			c.SetLinger(0) // beats may be on their way
		})
		if err := talk.Run(t.Context(), c, talk.Config{In: in, Out: io.Discard, Heartbeat: 5 * time.Millisecond, Beat: []byte("b")}); err != nil {
			t.Fatal(err)
		}
		source.Close() // the reading of a blocking one ends with it
		if got := <-heard; strings.Count(got, "b") < 4 || strings.Count(got, "x") != 1 {
			t.Errorf("%q", got)
		}
	})
}
