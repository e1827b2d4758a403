package dialscope

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/testmain"
)

func noise(size int) []byte {
	b := make([]byte, size)
	rand.Read(b) //nolint:errcheck // it never fails
	return b
}

// The sizes are none, one octet, about a pipe's, and more than pipe and socket hold.
var splicedSizes = []int{0, 1, 65536, 65537, 9<<20 + 1}

func TestSpliceFromAPipe(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		for _, size := range splicedSizes {
			ours, theirs := pairOf(t)
			c := Watch(ours)
			r, w := testmain.Pipe(t, blocking)
			sent := noise(size)
			var feeding sync.WaitGroup
			feeding.Go(func() { w.Write(sent); w.Close() })
			got := make(chan []byte, 1)
			feeding.Go(func() { b, _ := io.ReadAll(theirs); got <- b })
			n, err := c.ReadFrom(r)
			if n != int64(size) || err != nil {
				t.Errorf("%d of %d, %v", n, size, err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if b := <-got; !bytes.Equal(b, sent) {
				t.Errorf("%d octets came of %d, or others", len(b), size)
			}
			feeding.Wait()
			theirs.Close()
			if _, err := c.Read(make([]byte, 1)); err != io.EOF { // so that everything is acknowledged
				t.Errorf("%v", err)
			}
			if n, _ := c.Counters(); n.Sent != uint64(size) || n.Unacknowledged != 0 || n.Received != 0 {
				t.Errorf("%d: %+v", size, n)
			}
			c.Close()
		}
	})
}

func TestSpliceToAPipe(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		for _, size := range splicedSizes {
			ours, theirs := pairOf(t)
			c := Watch(ours)
			r, w := testmain.Pipe(t, blocking)
			sent := noise(size)
			var feeding sync.WaitGroup
			feeding.Go(func() { theirs.Write(sent); theirs.Close() })
			got := make(chan []byte, 1)
			feeding.Go(func() { b, _ := io.ReadAll(r); got <- b })
			n, err := c.WriteTo(w)
			w.Close()
			if n != int64(size) || err != nil {
				t.Errorf("%d of %d, %v", n, size, err)
			}
			if b := <-got; !bytes.Equal(b, sent) {
				t.Errorf("%d octets came of %d, or others", len(b), size)
			}
			if n, _ := c.Counters(); n.Received != uint64(size) || n.Unread != 0 || n.Sent != 0 {
				t.Errorf("%d: %+v", size, n)
			}
			if v := c.Verdict(); v.Cause != cause.PeerClosed || v.Culprit.Kind != cause.Destination {
				t.Errorf("%+v", v)
			}
			feeding.Wait()
			c.Close()
		}
	})
}

// An urgent octet is no part of the stream (tcp(7)): what stands before and behind
// it goes through, also where all of it has come, with the FIN, before the first
// is read.
func TestSpliceAcrossAnUrgentOctet(t *testing.T) {
	for _, late := range []bool{true, false} {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		r, w := testmain.Pipe(t, true)
		before, behind := noise(3000), noise(5000)
		send := func() {
			theirs.Write(before)
			if _, err := Send(theirs, []byte("!"), OutOfBand); err != nil {
				t.Error(err)
			}
			theirs.Write(behind)
			theirs.Close()
		}
		var sending sync.WaitGroup
		if late {
			sending.Go(send)
		} else {
			send()
		}
		n, err := c.WriteTo(w)
		w.Close()
		got, _ := io.ReadAll(r)
		if n != 8000 || err != nil || !bytes.Equal(got, append(before, behind...)) {
			t.Errorf("late %t: %d, %v; %d octets", late, n, err, len(got))
		}
		sending.Wait()
		c.Close()
	}
}

// Whoever reads the output is gone: that is the output's, not the connection's end.
func TestSpliceOutputGone(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		defer c.Close()
		r, w := testmain.Pipe(t, blocking)
		r.Close()
		theirs.Write([]byte("for nobody"))
		n, err := c.WriteTo(w)
		var explained *Error
		var path *os.PathError
		if n != 0 || !errors.Is(err, syscall.EPIPE) || !errors.As(err, &path) || errors.As(err, &explained) {
			t.Errorf("%d, %T %v", n, err, err)
		}
		if v := c.Verdict(); v.Cause != cause.IsOpen {
			t.Errorf("%+v", v)
		}
	})
}

// A full pipe whose reader goes away.
func TestSpliceFullOutputGone(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		defer c.Close()
		r, w := testmain.Pipe(t, blocking)
		var feeding sync.WaitGroup
		defer feeding.Wait()
		defer theirs.Close()
		feeding.Go(func() { io.Copy(theirs, endless{}) }) //nolint:errcheck // it ends by an error
		done := make(chan error, 1)
		go func() { _, err := c.WriteTo(w); done <- err }()
		if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("%v: nobody reads", err)
		case <-time.After(50 * time.Millisecond):
		}
		r.Close()
		if err := <-done; !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%v", err)
		}
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// The connection's own end comes with its verdict, in both directions.
func TestSpliceReset(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		r, w := testmain.Pipe(t, blocking)
		var feeding sync.WaitGroup
		feeding.Go(func() { io.Copy(w, endless{}) }) //nolint:errcheck // it ends by an error
		feeding.Go(func() {
			io.CopyN(io.Discard, theirs, 1<<20)
			theirs.SetLinger(0)
			theirs.Close()
		})
		_, err := c.ReadFrom(r)
		var explained *Error
		if !errors.As(err, &explained) || explained.Op.Op != "write" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%T %v", err, err)
		} else if v := explained.Report.Verdict(); v.Cause != cause.PeerReset {
			t.Errorf("%+v", v)
		}
		r.Close()
		feeding.Wait()
		c.Close()

		ours, theirs = pairOf(t)
		c = Watch(ours)
		r, w = testmain.Pipe(t, blocking)
		go func() { io.Copy(io.Discard, r) }()
		theirs.Write(noise(1000))
		feeding.Go(func() { reset(t, theirs) })
		_, err = c.WriteTo(w)
		if !errors.As(err, &explained) || explained.Op.Op != "read" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%T %v", err, err)
		} else if v := explained.Report.Verdict(); v.Cause != cause.PeerReset {
			t.Errorf("%+v", v)
		}
		feeding.Wait()
		w.Close()
		c.Close()
	})
}

// While a copy waits for its pipe, others write; and it holds nobody up who
// closes the connection.
func TestSpliceWaits(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		r, w := testmain.Pipe(t, blocking)
		done := make(chan error, 1)
		go func() { _, err := c.ReadFrom(r); done <- err }()
		buf := make([]byte, 10)
		for _, from := range []io.Writer{w, c, w, c} {
			io.WriteString(from, "a piece") //nolint:errcheck // the peer sees it
			if n, err := theirs.Read(buf); err != nil || string(buf[:n]) != "a piece" {
				t.Fatalf("%q, %v", buf[:n], err)
			}
		}
		c.Close()
		io.WriteString(w, "too late")
		w.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

// A peer that does not read holds the copy, and takes no memory but the pipe's and
// the socket's. Deadlines and Close end it.
func TestSplicePeerThatNeverReads(t *testing.T) {
	testmain.EachPipe(t, func(t *testing.T, blocking bool) {
		ours, theirs := pairOf(t)
		ours.SetWriteBuffer(64 << 10)
		theirs.SetReadBuffer(64 << 10)
		c := Watch(ours)
		r, w := testmain.Pipe(t, blocking)
		var feeding sync.WaitGroup
		feeding.Go(func() { io.Copy(w, endless{}) }) //nolint:errcheck // it ends by an error
		var meddling sync.WaitGroup
		meddling.Go(func() {
			for range 2000 {
				if n, ok := c.Counters(); !ok || n.Unsent > 0 { // the window is closed
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			c.SetWriteDeadline(time.Unix(1, 0))
		})
		n, err := c.ReadFrom(r)
		meddling.Wait()
		var op *net.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "write" || !op.Timeout() {
			t.Errorf("%T %v", err, err)
		}
		if got, _ := c.Counters(); got.Sent != uint64(n) || got.Unacknowledged == 0 {
			t.Errorf("%d were moved: %+v", n, got)
		}
		c.SetWriteDeadline(time.Time{})
		done := make(chan error, 1)
		go func() { _, err := c.ReadFrom(r); done <- err }()
		select {
		case err := <-done:
			t.Errorf("%v", err)
		case <-time.After(20 * time.Millisecond):
		}
		c.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
		r.Close()
		feeding.Wait()
	})
}

// The pipe's own deadline, and that it was closed, are the pipe's errors.
func TestSplicePipeGivesUp(t *testing.T) {
	ours, _ := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	r, _ := testmain.Pipe(t, false)
	r.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.ReadFrom(r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	r.SetReadDeadline(time.Time{})
	time.AfterFunc(10*time.Millisecond, func() { r.Close() })
	if _, err := c.ReadFrom(r); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if v := c.Verdict(); v.Cause != cause.IsOpen {
		t.Errorf("%+v", v)
	}
}

// What is no pipe, or no TCP connection of package net itself, is copied.
func TestSpliceOnlyWhatCanBe(t *testing.T) {
	ours, theirs := pairOf(t)
	r, _ := testmain.Pipe(t, false)
	regular, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	if _, p := Watch(ours).pipe(r); p == nil {
		t.Error("a pipe was not seen")
	}
	if _, p := Watch(ours).pipe(regular); p != nil {
		t.Error("a regular file is a pipe")
	}
	if _, p := Watch(&fast{Conn: theirs}).pipe(r); p != nil {
		t.Error("a wrapped connection would be gone round")
	}
	if _, p := Watch(ours).pipe(struct{ io.Reader }{r}); p != nil {
		t.Error("what wraps a pipe would be gone round")
	}
	r.Close()
	if _, p := Watch(ours).pipe(r); p != nil {
		t.Error("a closed pipe")
	}
}

// The counters go on after the peer's FIN: this end may still send.
func TestCountersAfterFIN(t *testing.T) {
	ours, theirs := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	theirs.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	c.Write([]byte("still"))
	if _, err := io.ReadFull(theirs, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if n, _ := c.Counters(); n.Sent != 5 || n.Received != 0 {
		t.Errorf("%+v", n)
	}
}

// The peer's FIN is no octet, also while nobody has met it, and a RST is none either.
func TestCountersOfAnEndNobodyHasMet(t *testing.T) {
	for _, rst := range []bool{false, true} {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		c.CloseWrite()
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		theirs.Write([]byte("four"))
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		if rst {
			reset(t, theirs)
		} else {
			theirs.Close()
		}
		if n, _ := c.Counters(); n.Received != 4 || n.Unread != 1 && !rst {
			t.Errorf("reset %t: %+v", rst, n)
		}
		if rst {
			if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) { // behind what came before
				t.Errorf("%v", err)
			}
			if n, _ := c.Counters(); n.Received != 4 {
				t.Errorf("after the reset was met: %+v", n)
			}
		}
		c.Close()
		if n, _ := c.Counters(); n.Received != 4 || n.Sent != 0 || n.Unacknowledged != 0 {
			t.Errorf("reset %t: %+v", rst, n)
		}
	}
}
