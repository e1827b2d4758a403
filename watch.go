package dialscope

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sock"
)

// Conn is a connection that explains its own end. It is a [net.Conn] like the
// one inside: the same bytes, deadlines and fast paths (splice(2), sendfile(2)
// by ReadFrom and WriteTo). What it adds is that an error with which the
// connection ends is an [*Error]: it says why and by whom, carries the
// evidence, and unwraps to what the connection itself gave.
//
// While the connection is in order a Read costs one comparison more, and a
// Write a reading of the clock; there is no goroutine and nothing to release
// but the connection. A Conn may be used by several goroutines at once.
type Conn struct {
	conn   net.Conn
	raw    syscall.RawConn // nil: it has no descriptor
	noRaw  error           // why
	start  time.Time       // of the report; entries are timed since its attempt began
	report *Report         // what was known before: copied, never changed
	index  int             // of the attempt that is watched

	lastWrite atomic.Int64 // since start, ns; 0: none yet
	quiet     atomic.Int64 // how long the last pause was that a write ended
	resumed   atomic.Int64 // when that was, since start

	readers atomic.Int32 // calls under way
	writers atomic.Int32

	mu      sync.Mutex
	ends    evidence.Log // what ended so far, and how the connection stood
	failing bool         // an error has ended it
	failed  *Report      // and this is why
	once    sync.Once    // of the examination
	shut    bool         // this end sent FIN
	eof     bool
	closed  bool
}

// Watch makes a connection explain its own end: any that has a descriptor, or
// wraps one that has and says so by NetConn() net.Conn, as *tls.Conn does. Of
// others only the calls themselves are seen. The connection is used through
// the Conn from then on, and closed through it.
//
// Under TLS it is best to watch the connection below, so that [Conn.Counters]
// and the bytes that pass are of one kind:
//
//	c := tls.Client(dialscope.Watch(conn), config)
func Watch(conn net.Conn) *Conn {
	r := &Report{Start: time.Now(), winner: 0}
	a := evidence.Attempt{}
	if remote := conn.RemoteAddr(); remote != nil {
		r.Target, r.Network = remote.String(), remote.Network()
		a.Remote = addrPortOf(remote)
	}
	if local := addrPortOf(conn.LocalAddr()); local.IsValid() {
		a.Log.Add(0, evidence.FromGetsockname, &evidence.LocalAddr{Addr: local})
	}
	r.Attempts = []evidence.Attempt{a}
	return watch(conn, r, 0)
}

// Watch makes the connection that a dial returned explain its own end. What the
// dial observed stands before it in the Conn's report.
func (r *Report) Watch(conn net.Conn) *Conn {
	if r.winner < 0 || r.winner >= len(r.Attempts) {
		return Watch(conn)
	}
	return watch(conn, r, r.winner)
}

func watch(conn net.Conn, r *Report, index int) *Conn {
	c := &Conn{conn: conn, report: r, index: index, start: r.Start}
	c.raw, c.noRaw = descriptor(conn)
	return c
}

func addrPortOf(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		p = a.AddrPort()
	case *net.UDPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// Read reads as the connection does. The end of file stays io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	c.readers.Add(1)
	n, err := c.conn.Read(b)
	if err != nil {
		err = c.note(evidence.ByRead, err)
	}
	c.readers.Add(-1)
	return n, err
}

// Write writes as the connection does.
func (c *Conn) Write(b []byte) (int, error) {
	c.stir()
	c.writers.Add(1)
	n, err := c.conn.Write(b)
	if err != nil {
		err = c.note(evidence.ByWrite, err)
	}
	c.writers.Add(-1)
	return n, err
}

// Send writes with flags of send(2), as the function [Send] does.
func (c *Conn) Send(b []byte, flags SendFlags) (int, error) {
	c.stir()
	c.writers.Add(1)
	defer c.writers.Add(-1)
	n, err := Send(c.conn, b, flags)
	if err != nil {
		err = c.note(evidence.ByWrite, err)
	}
	return n, err
}

// ReadFrom copies from r to the connection, by splice(2) or sendfile(2) where
// the connection can. A pipe that r is may be made to hold more. [io.Copy] of a
// file hides from ReadFrom that it is one: call ReadFrom itself.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if f, p := c.pipe(r); p != nil {
		return c.readFromPipe(f, p)
	}
	c.stir()
	if w, is := r.(*Conn); is {
		r = w.conn
	}
	to, is := c.conn.(io.ReaderFrom)
	if !is {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	c.writers.Add(1)
	defer c.writers.Add(-1)
	n, err := to.ReadFrom(r)
	if errnoIn(err) == "EPIPE" && c.sentFIN() || c.isOver(err) { // otherwise it is r's
		err = c.note(evidence.ByWrite, err)
	}
	return n, err
}

// WriteTo copies from the connection to w, by splice(2) where it can. A pipe
// that w is may be made to hold more.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	if f, p := c.pipe(w); p != nil {
		return c.writeToPipe(f, p)
	}
	to := w
	if other, is := w.(*Conn); is {
		other.stir()
		to = other.conn
	}
	c.readers.Add(1)
	defer c.readers.Add(-1)
	n, err := io.Copy(to, c.conn)
	switch {
	case err == nil:
		c.note(evidence.ByRead, io.EOF)
	case errnoIn(err) != "EPIPE" && c.isOver(err): // nothing is read with EPIPE
		err = c.note(evidence.ByRead, err)
	}
	return n, err
}

// isOver says that an error of a copy is the connection's own end, and not that
// of what it was copied from or to.
func (c *Conn) isOver(err error) bool {
	if errnoIn(err) == "" {
		return false
	}
	f, _ := c.flow()
	return f == nil || f.State == "CLOSE"
}

func (c *Conn) sentFIN() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shut
}

// CloseWrite sends FIN: this end has nothing more to say (shutdown(2)). The
// error is errors.ErrUnsupported for a connection that cannot be half closed.
func (c *Conn) CloseWrite() error {
	half, is := c.conn.(interface{ CloseWrite() error })
	if !is {
		return &net.OpError{Op: "close", Net: c.report.Network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: errors.ErrUnsupported}
	}
	// It is filed before the peer's answer can be.
	c.mu.Lock()
	defer c.mu.Unlock()
	err := half.CloseWrite()
	if err == nil && !c.shut {
		c.shut = true
		c.add(evidence.FromCaller, &evidence.End{By: evidence.ByShutdown})
	}
	return err
}

// CloseRead shuts the receiving direction of this end (shutdown(2)).
func (c *Conn) CloseRead() error {
	half, is := c.conn.(interface{ CloseRead() error })
	if !is {
		return &net.OpError{Op: "close", Net: c.report.Network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: errors.ErrUnsupported}
	}
	err := half.CloseRead()
	if err == nil {
		c.mu.Lock()
		c.add(evidence.FromCaller, &evidence.End{By: evidence.ByCloseRead})
		c.mu.Unlock()
	}
	return err
}

// Close closes the connection. How it stood then is in the report.
func (c *Conn) Close() error {
	c.finish(&evidence.End{By: evidence.ByClose})
	return c.conn.Close()
}

// GiveUp notes why this program is about to close the connection although
// nobody has ended it: a bound that has passed, or an interruption. Call it
// before Close.
func (c *Conn) GiveUp(why context.Context) {
	end := &evidence.End{By: evidence.BySignal}
	if errors.Is(why.Err(), context.DeadlineExceeded) {
		end.By = evidence.ByLimit
		if at, ok := why.Deadline(); ok {
			end.Limit = at.Sub(c.start)
		}
	}
	c.finish(end)
}

// examined waits for the examination of an error that another call has met.
func (c *Conn) examined() {
	c.mu.Lock()
	failing := c.failing
	c.mu.Unlock()
	if failing {
		c.once.Do(func() {}) // returns when the one under way has
	}
}

// finish files the last look before the descriptor goes.
func (c *Conn) finish(end *evidence.End) {
	c.examined() // it looks at the descriptor, too
	f, why := c.flow()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	if c.failing {
		return
	}
	if !c.eof {
		c.add(evidence.FromCaller, end)
	}
	c.addFlow(f, why)
}

// LocalAddr is that of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr is that of the connection.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline is that of the connection.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// SetReadDeadline is that of the connection.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline is that of the connection.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// NetConn is the connection inside. What is read from and written to it past
// the Conn goes unnoticed.
func (c *Conn) NetConn() net.Conn { return c.conn }

// SyscallConn gives the descriptor, as [*net.TCPConn] does.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if c.raw == nil {
		return nil, c.noRaw
	}
	return c.raw, nil
}

// pause is what makes a write the end of a silence.
const pause = time.Second

// stir notes a write: when it ends a silence, how long that was.
func (c *Conn) stir() {
	now := int64(time.Since(c.start))
	last := c.lastWrite.Swap(now)
	if now-last < int64(pause) {
		return
	}
	f, _ := c.flow()
	if f == nil || f.Unacked > 0 {
		return
	}
	quiet := min(f.SinceAck, f.SinceReceived, f.SinceSent)
	if quiet >= pause {
		c.quiet.Store(int64(quiet))
		c.resumed.Store(now)
	}
}

// flow reads how the connection stands.
func (c *Conn) flow() (*evidence.Flow, error) {
	if c.raw == nil {
		return nil, c.noRaw
	}
	c.mu.Lock()
	shut, eof, failing := c.shut, c.eof, c.failing
	c.mu.Unlock()
	f, err := sock.Flow(c.raw, shut, eof, failing)
	if err != nil {
		return nil, err
	}
	if at := c.resumed.Load(); at > 0 {
		f.Quiet, f.SinceQuiet = time.Duration(c.quiet.Load()), time.Since(c.start)-time.Duration(at)
	}
	return f, nil
}

// note files the end that a call has met, and gives the error that its caller gets.
func (c *Conn) note(by string, err error) error {
	errno := errnoIn(err)
	switch {
	case err == io.EOF || errors.Is(err, io.EOF) && errno == "":
		c.noteEOF()
		return err
	case errno == "", errors.Is(err, os.ErrDeadlineExceeded), errno == "EAGAIN", errno == "EBADF":
		return err // a deadline, a connection that was closed here: no end
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		op = &net.OpError{Op: by, Net: c.report.Network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
	if errno == "EPIPE" && !c.known() {
		c.yield(&c.readers) // a write after the read that was given ECONNRESET gets EPIPE (sk_stream_error)
	}
	c.once.Do(func() { c.examine(by, errno) })
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Error{Op: op, Report: c.failed}
}

// known says that an EPIPE is no wonder: an end was seen before.
func (c *Conn) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.eof || c.shut || c.failing
}

// yield lets the other direction file first: the kernel gives a RST's error to
// one call only, and what the other one gets is its consequence. It wakes both at
// once, so that the wait is short.
func (c *Conn) yield(others *atomic.Int32) {
	for range 1000 {
		if others.Load() == 0 || c.known() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *Conn) noteEOF() {
	if f, _ := c.flow(); f != nil && f.State == "CLOSE" && !c.sentFIN() {
		c.yield(&c.writers) // no FIN leads to CLOSE alone: a write was given ECONNRESET
	}
	c.mu.Lock()
	known := c.eof || c.failing
	c.eof = true
	c.mu.Unlock()
	if known {
		return
	}
	f, why := c.flow()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(evidence.FromRead, &evidence.End{By: evidence.ByRead, EOF: true})
	c.addFlow(f, why)
}

// examine files an error with all that this host knows about it, once. To a
// datagram socket it is no end, but what became of a datagram (udp(7)).
func (c *Conn) examine(by string, errno evidence.Errno) {
	if n := c.report.Network; n != "" && n[0] == 'u' {
		d, from := &evidence.Datagram{RecvErrno: errno}, evidence.FromRecv
		if by == evidence.ByWrite && errno != "ECONNREFUSED" && errno != "EHOSTUNREACH" && errno != "ENETUNREACH" {
			d, from = &evidence.Datagram{SendErrno: errno}, evidence.FromSend // otherwise an earlier datagram's ICMP error
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.add(from, d)
		c.failing, c.failed = true, c.snapshot(c.ends)
		return
	}
	c.mu.Lock()
	c.failing = true
	c.mu.Unlock()
	f, why := c.flow()
	var queued []*evidence.ICMP
	if c.raw != nil {
		queued = sock.Queue(c.raw)
	}
	c.mu.Lock()
	for _, i := range queued {
		c.add(evidence.FromErrqueue, i)
	}
	from := evidence.FromRead
	if by == evidence.ByWrite {
		from = evidence.FromWrite
	}
	c.add(from, &evidence.End{By: by, Errno: errno})
	c.addFlow(f, why)
	c.mu.Unlock()
	rec := c.seeHost()
	c.mu.Lock()
	defer c.mu.Unlock()
	if rec != nil {
		c.ends = append(c.ends, rec.Log...)
	}
	c.failed = c.snapshot(c.ends)
}

// seeHost looks at this host's own way to the peer: the route, the link, the
// next hop and the packet filter, and the settings of the socket.
func (c *Conn) seeHost() *sock.Recorder {
	a := &c.report.Attempts[c.index]
	if !a.Remote.IsValid() {
		return nil
	}
	rec := sock.NewRecorder(nil)
	rec.Began = c.start.Add(a.Began)
	if c.raw != nil {
		if alive, err := sock.AliveOf(c.raw); err == nil {
			rec.Add(evidence.FromSocket, alive)
		}
	}
	x := &examination{run: &run{Dialer: new(Dialer), Report: new(Report)}, Recorder: rec,
		cfg: &sock.Config{Network: "tcp4", Remote: a.Remote, Local: addrPortOf(c.LocalAddr())}}
	if a.Remote.Addr().Is6() {
		x.cfg.Network = "tcp6"
	}
	x.seeRoute()
	x.seeNeighbour()
	x.seeLink()
	x.later = true
	x.seeRulesBefore()
	x.seeRules()
	return rec
}

// add files a fact of the end, now. The lock is held.
func (c *Conn) add(from evidence.Source, f evidence.Fact) {
	c.ends.Add(time.Since(c.start)-c.report.Attempts[c.index].Began, from, f)
}

func (c *Conn) addFlow(f *evidence.Flow, why error) {
	if f != nil {
		c.add(evidence.FromTCPInfo, f)
	} else if why != nil {
		c.add(evidence.FromFeature, &evidence.Unseen{What: "tcp_info", Why: why.Error()})
	}
}

// snapshot is the report so far, with these entries behind the attempt's own.
func (c *Conn) snapshot(ends evidence.Log) *Report {
	r := &Report{Start: c.report.Start, winner: c.index}
	r.Dial = c.report.Dial
	r.Attempts = slices.Clone(c.report.Attempts)
	a := &r.Attempts[c.index]
	a.Log = slices.Concat(a.Log, ends)
	if n := len(ends); n > 0 {
		r.Took = a.Began + ends[n-1].At
	}
	return r
}

// Report says how the connection ended, or how it stands where it has not: the
// evidence of the dial, where that is known, with that of the end. The report
// of a connection that an error has ended is always the same.
func (c *Conn) Report() *Report {
	c.examined()
	c.mu.Lock()
	failed, over := c.failed, c.closed || c.eof
	ends := slices.Clone(c.ends)
	c.mu.Unlock()
	switch {
	case failed != nil:
		return failed
	case !over:
		f, why := c.flow()
		look := Conn{start: c.start, report: c.report, index: c.index, ends: ends}
		look.add(evidence.FromCaller, &evidence.End{By: evidence.ByLook})
		look.addFlow(f, why)
		ends = look.ends
	}
	return c.snapshot(ends)
}

// Verdict says how the connection ended, or how it stands.
func (c *Conn) Verdict() cause.Verdict { return c.Report().Verdict() }

// errnoIn is the name of the errno in an error, "" where there is none.
func errnoIn(err error) evidence.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return sock.ErrnoName(errno)
	}
	return ""
}
