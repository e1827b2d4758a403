package dialscope

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// pairOf is a connection over the loopback, both ends.
func pairOf(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func reset(t testing.TB, c *net.TCPConn) {
	t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// A watched connection is a net.Conn in every way.
func TestWatchIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := pairOf(t)
		x, y := Watch(a), Watch(b)
		return x, y, func() { x.Close(); y.Close() }, nil
	})
}

func TestWatchEndOfFile(t *testing.T) {
	ours, theirs := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	if _, err := theirs.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	got, err := io.ReadAll(c)
	if string(got) != "bye" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v: not io.EOF itself", n, err)
	}
	v := c.Verdict()
	if v.Cause != cause.PeerClosed || v.Outcome != cause.Closed || v.Culprit.Kind != cause.Destination {
		t.Errorf("%+v", v)
	}
	if n, ok := c.Counters(); ok && n != (Counters{Received: 3}) {
		t.Errorf("%+v", n)
	}
}

// An error carries the cause, and is still what the connection itself gave.
func TestWatchReset(t *testing.T) {
	ours, theirs := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	reset(t, theirs)
	_, err := c.Read(make([]byte, 1))
	var explained *Error
	var op *net.OpError
	switch {
	case !errors.As(err, &explained), !errors.As(err, &op):
		t.Fatalf("%T %v", err, err)
	case !errors.Is(err, syscall.ECONNRESET), op.Op != "read", explained.Timeout():
		t.Errorf("%v", err)
	}
	if v := explained.Report.Verdict(); v.Cause != cause.PeerReset || v.Errno != "ECONNRESET" || v.Outcome != cause.Reset {
		t.Errorf("%+v", v)
	}
	_, err = c.Write([]byte("x"))
	var again *Error
	if !errors.As(err, &again) || !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("%v", err)
	}
	if again.Report != explained.Report || c.Report() != explained.Report {
		t.Error("a connection ends once: every error has the same report")
	}
}

func TestWatchBrokenPipe(t *testing.T) {
	ours, theirs := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	theirs.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	reset(t, theirs)
	var err error
	for range 1000 { // the RST may be on its way
		if _, err = c.Write([]byte("x")); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("%v", err)
	}
	if v := c.Verdict(); v.Cause != cause.BrokenPipe || v.Confidence != cause.Certain || v.Culprit.Kind != cause.Destination {
		t.Errorf("%+v", v)
	}
}

func TestWatchOwnShutdown(t *testing.T) {
	ours, _ := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	if v := c.Verdict(); v.Cause != cause.BrokenPipe || v.Culprit.Kind != cause.Local || v.Confidence != cause.Certain {
		t.Errorf("%+v", v)
	}
}

// A reader and a writer that meet a RST at the same moment agree about it; who
// closes as soon as one of them has returned gets the same report.
func TestWatchTwoMeetAReset(t *testing.T) {
	for i := range 40 {
		ours, theirs := pairOf(t)
		c := Watch(ours)
		done := make(chan error, 2)
		go func() { _, err := io.Copy(io.Discard, struct{ io.Reader }{c}); done <- err }()
		go func() {
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					done <- err
					return
				}
			}
		}()
		if _, err := theirs.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		reset(t, theirs)
		<-done
		if i%2 == 0 {
			<-done
		}
		c.Close()
		if v := c.Verdict(); v.Cause != cause.PeerReset {
			t.Fatalf("%d: %s %s (%s)", i, v.Cause, v.Errno, v.Confidence)
		}
		if i%2 == 1 {
			<-done
		}
	}
}

// Deadlines, and a connection that this program closed, are no end.
func TestWatchNoEnd(t *testing.T) {
	ours, _ := pairOf(t)
	c := Watch(ours)
	c.SetReadDeadline(time.Unix(1, 0))
	_, err := c.Read(make([]byte, 1))
	var explained *Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &explained) {
		t.Errorf("%T %v", err, err)
	}
	if v := c.Verdict(); v.Cause != cause.IsOpen || v.Confidence != cause.Certain {
		t.Errorf("%+v", v)
	}
	c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || errors.As(err, &explained) {
		t.Errorf("%T %v", err, err)
	}
	if v := c.Verdict(); v.Cause != cause.IsOpen || v.Culprit.Kind != cause.Nobody {
		t.Errorf("%+v", v)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestWatchGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		want cause.ID
	}{
		{"limit", func() (context.Context, context.CancelFunc) {
			return context.WithDeadline(context.Background(), time.Unix(1, 0))
		}, cause.IsOpen},
		{"interrupt", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}, cause.CancelledByCaller},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, _ := pairOf(t)
			ctx, cancel := tt.ctx()
			defer cancel()
			c := Watch(ours)
			c.GiveUp(ctx)
			c.Close()
			if v := c.Verdict(); v.Cause != tt.want {
				t.Errorf("%+v", v)
			}
		})
	}
}

// Sent is not received.
func TestWatchCounters(t *testing.T) {
	ours, theirs := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	if _, ok := c.Counters(); !ok {
		if runtime.GOOS == "linux" {
			t.Fatal("nothing is counted")
		}
		t.Skip("this system does not count")
	}
	ours.SetWriteBuffer(64 << 10)
	c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	sent := 0
	for {
		n, err := c.Write(make([]byte, 64<<10))
		sent += n
		if err != nil {
			break
		}
	}
	n, _ := c.Counters()
	if n.Sent != uint64(sent) || n.Unacknowledged == 0 || n.Acknowledged+n.Unacknowledged != n.Sent || n.Received != 0 {
		t.Errorf("%d were written: %+v", sent, n)
	}
	if _, err := theirs.Write([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if n, _ := c.Counters(); n.Received != 4 || n.Unread != 3 {
		t.Errorf("%+v", n)
	}
	if _, err := io.CopyN(io.Discard, theirs, int64(sent)); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF { // so that everything is acknowledged
		t.Fatal(err)
	}
	theirs.Close()
	io.Copy(io.Discard, c)
	if n, _ := c.Counters(); n.Sent != uint64(sent) || n.Unacknowledged != 0 || n.Received != 4 {
		t.Errorf("SYN and FIN are no data: %+v, sent %d", n, sent)
	}
}

// fast is a connection that says when its fast paths were taken.
type fast struct {
	net.Conn
	readFrom io.Reader
}

func (f *fast) ReadFrom(r io.Reader) (int64, error) { f.readFrom = r; return 7, nil }
func (f *fast) NetConn() net.Conn                   { return f.Conn }

// Copies go past the wrapper, so that package net sees files and sockets and
// can splice.
func TestWatchKeepsTheFastPaths(t *testing.T) {
	ours, theirs := pairOf(t)
	inner := &fast{Conn: ours}
	c := Watch(inner)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := c.ReadFrom(f); n != 7 || err != nil || inner.readFrom != io.Reader(f) {
		t.Errorf("%d, %v from %T", n, err, inner.readFrom)
	}
	if _, err := c.ReadFrom(Watch(theirs)); err != nil || inner.readFrom != io.Reader(theirs) {
		t.Errorf("%v from %T: a watched connection hides the socket", err, inner.readFrom)
	}
	if _, err := io.Copy(c, theirs); err != nil || inner.readFrom == nil {
		t.Errorf("io.Copy: %v", err)
	}
	watched := Watch(theirs)
	ours.Write([]byte("through"))
	ours.Close()
	var out bytes.Buffer
	if n, err := watched.WriteTo(&out); n != 7 || err != nil || out.String() != "through" {
		t.Errorf("%d %v %q", n, err, out.String())
	}
	if v := watched.Verdict(); v.Cause != cause.PeerClosed {
		t.Errorf("a copy that met FIN: %+v", v)
	}
}

// An error of what is copied from or to is not the connection's end.
func TestWatchForeignErrors(t *testing.T) {
	ours, theirs := pairOf(t)
	c := Watch(ours)
	defer c.Close()
	foreign := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	_, err := c.ReadFrom(broken{foreign})
	var explained *Error
	if errors.As(err, &explained) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%T %v", err, err)
	}
	theirs.Write([]byte("x"))
	_, err = c.WriteTo(broken{syscall.EPIPE})
	if errors.As(err, &explained) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%T %v", err, err)
	}
	if v := c.Verdict(); v.Cause != cause.IsOpen {
		t.Errorf("%+v", v)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error)  { return 0, b.err }
func (b broken) Write([]byte) (int, error) { return 0, b.err }

// Without a descriptor the calls are seen, and what is not is said.
func TestWatchWithoutADescriptor(t *testing.T) {
	a, b := net.Pipe()
	c := Watch(a)
	b.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	if v := c.Verdict(); v.Cause != cause.PeerClosed || v.Confidence != cause.Likely {
		t.Errorf("%+v", v)
	}
	if _, ok := c.Counters(); ok {
		t.Error("a pipe has no counters")
	}
	if missing := c.Report().Privilege().Missing; len(missing) == 0 {
		t.Error("it is not said what could not be seen")
	}
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if err := c.CloseRead(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if _, err := c.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	c.Close()
}

// The dial's evidence stands before the end's, and the document survives storage.
func TestReportWatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, r, err := new(Dialer).DialReport(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := r.Watch(conn)
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	reset(t, theirs.(*net.TCPConn))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	c.Close()
	if r.Verdict().Cause != cause.IsOpen {
		t.Error("the dial's own report has changed")
	}
	end := c.Report()
	if end.Target != l.Addr().String() || end.Winner() != 0 {
		t.Errorf("%s, winner %d", end.Target, end.Winner())
	}
	if _, _, ok := evidence.First[*evidence.Connect](end.Attempts[0].Log); !ok {
		t.Error("the dial's evidence is gone")
	}
	last := time.Duration(-1)
	for _, e := range end.Attempts[0].Log {
		if _, is := e.Fact.(*evidence.End); is && e.At < last {
			t.Errorf("the end at %v stands after %v", e.At, last)
		}
		last = max(last, e.At)
	}
	data, err := json.Marshal(end)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Cause    cause.ID
		Counters *Counters
	}
	var back Report
	if err := errors.Join(json.Unmarshal(data, &doc), json.Unmarshal(data, &back)); err != nil {
		t.Fatal(err)
	}
	if doc.Cause != cause.PeerReset || back.Verdict().Cause != cause.PeerReset {
		t.Errorf("%s, and read back %s", doc.Cause, back.Verdict().Cause)
	}
	if _, counted := end.Counters(); counted != (doc.Counters != nil) {
		t.Error("the counters are not in the document")
	}
	if Watch(conn).Report().Target != end.Target {
		t.Error("a connection by itself names its peer")
	}
	if lost := (&Report{winner: -1}).Watch(conn); lost.Report().Target != end.Target {
		t.Error("the report of a dial that failed has no connection of its own")
	}
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"peer.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TLS may stand above or below.
func TestWatchTLS(t *testing.T) {
	server := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	client := &tls.Config{InsecureSkipVerify: true}
	for _, tt := range []struct {
		name string
		make func(net.Conn) (user net.Conn, watched *Conn)
	}{
		{"above", func(c net.Conn) (net.Conn, *Conn) { w := Watch(tls.Client(c, client)); return w, w }},
		{"below", func(c net.Conn) (net.Conn, *Conn) { w := Watch(c); return tls.Client(w, client), w }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := pairOf(t)
			user, watched := tt.make(ours)
			defer user.Close()
			served := make(chan error, 1)
			go func() {
				s := tls.Server(theirs, server)
				_, err := io.CopyN(s, s, 5)
				served <- err
			}()
			if _, err := user.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(user, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			if err := <-served; err != nil {
				t.Fatal(err)
			}
			reset(t, theirs)
			_, err := user.Read(make([]byte, 1))
			var explained *Error
			if !errors.As(err, &explained) || !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("%T %v", err, err)
			}
			if v := watched.Verdict(); v.Cause != cause.PeerReset {
				t.Errorf("%+v", v)
			}
			if n, ok := watched.Counters(); ok && (n.Sent < 5 || n.Received < 5) {
				t.Errorf("%+v", n)
			}
		})
	}
}

// go test -bench Watch -run '^$' . compares.
func BenchmarkWatchWrite(b *testing.B) {
	for _, tt := range []struct {
		name string
		wrap func(net.Conn) net.Conn
	}{{"plain", func(c net.Conn) net.Conn { return c }}, {"watched", func(c net.Conn) net.Conn { return Watch(c) }}} {
		b.Run(tt.name, func(b *testing.B) {
			ours, theirs := pairOf(b)
			go io.Copy(io.Discard, theirs)
			c := tt.wrap(ours)
			piece := make([]byte, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(piece); err != nil {
					b.Fatal(err)
				}
			}
			c.Close()
		})
	}
}

func BenchmarkWatchRead(b *testing.B) {
	for _, tt := range []struct {
		name string
		wrap func(net.Conn) net.Conn
	}{{"plain", func(c net.Conn) net.Conn { return c }}, {"watched", func(c net.Conn) net.Conn { return Watch(c) }}} {
		b.Run(tt.name, func(b *testing.B) {
			ours, theirs := pairOf(b)
			go func() {
				piece := make([]byte, 64<<10)
				for {
					if _, err := theirs.Write(piece); err != nil {
						return
					}
				}
			}()
			c := tt.wrap(ours)
			piece := make([]byte, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.ReadFull(c, piece); err != nil {
					b.Fatal(err)
				}
			}
			c.Close()
		})
	}
}
