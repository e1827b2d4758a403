// Package talk joins an input and an output to a connection: what comes in goes
// to the peer, what the peer sends goes out, until one of them ends it.
//
// How the connection ended is not judged here: it is a [dialscope.Conn], which
// says so itself.
package talk

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialscope/dialscope"
)

// Config says what is said, and when nothing more is.
type Config struct {
	In   io.Reader // what is sent; nil: nothing but Send and heartbeats
	Out  io.Writer // where that goes which the peer sends
	Send []byte    // sent before anything of In

	Flags     dialscope.SendFlags // of send(2), for everything that is sent; 0: none
	HalfClose bool                // send FIN when everything has been sent
	Heartbeat time.Duration       // send Beat when nothing was sent for so long; 0: never
	Beat      []byte
	Datagrams bool // each read of In is one datagram
	Lines     bool // of Datagrams: each line of In is one

	// Stream is what is talked over where that is not Conn itself: TLS over it.
	Stream Stream
}

// Stream is a connection that may be half closed.
type Stream interface {
	io.ReadWriter
	CloseWrite() error
}

// chunk is how much is moved at once: more than the pipe of a shell holds, and
// all the memory that a peer costs that does not read.
const chunk = 128 << 10

// grace is how long input may pause, after the peer has sent FIN, before that is
// the end: a program that is still sending goes on.
const grace = 500 * time.Millisecond

// session is one Run under way.
type session struct {
	Config
	conn     *dialscope.Conn
	stream   Stream
	sending  sync.Mutex // whoever writes piece by piece
	finished bool       // FIN was sent: no more heartbeats; sending guards it
	lastSent atomic.Int64
	counted  uint64 // octets sent, when await looked last
	began    time.Time
	plain    bool // stream is conn
}

// Run talks until the peer, the path, the input or ctx ends it, and closes the
// connection. The error is one of this end's own input or output; how the
// connection ended is in its report.
func Run(ctx context.Context, conn *dialscope.Conn, c Config) error {
	s := &session{Config: c, conn: conn, stream: c.Stream, began: time.Now()}
	if s.stream == nil {
		s.stream, s.plain = conn, true
	}
	return s.run(ctx)
}

func (s *session) run(ctx context.Context) error {
	var beating sync.WaitGroup
	ending, end := context.WithCancel(ctx)
	down, up := make(chan error, 1), make(chan error, 1)
	go func() { down <- s.receive() }()
	go func() { up <- s.send() }()
	if s.Heartbeat > 0 {
		beating.Go(func() { s.beat(ending) })
	}
	err := s.await(ctx, down, up)
	end()
	if ctx.Err() != nil {
		s.conn.GiveUp(ctx)
	}
	s.conn.Close()
	if in, is := s.In.(interface{ SetReadDeadline(time.Time) error }); is {
		_ = in.SetReadDeadline(time.Unix(1, 0)) // a terminal may know no deadlines: its reading ends with the program
	}
	beating.Wait()
	return err
}

// await waits for the end. A direction that has ended with an error of the
// connection's leaves the other to find out by itself: what the peer sent
// before can still be read.
func (s *session) await(ctx context.Context, down, up <-chan error) error {
	var pausing <-chan time.Time // after the peer's FIN
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-down:
			if err != nil {
				return ownFault(err)
			}
			if down = nil; up == nil || s.paused() {
				return nil
			}
			ticker := time.NewTicker(grace / 10)
			defer ticker.Stop()
			pausing = ticker.C
		case err := <-up:
			up = nil
			var dead *dialscope.Error
			if err != nil && !errors.As(err, &dead) {
				return ownFault(err)
			}
			if down == nil {
				return nil
			}
		case <-pausing:
			if s.paused() {
				return nil
			}
		}
	}
}

// paused says that nothing was sent for the time of grace, and that the peer has
// everything.
func (s *session) paused() bool {
	n, counts := s.conn.Counters()
	if counts && n.Sent != s.counted { // what was spliced, nobody else notes
		s.counted = n.Sent
		s.lastSent.Store(int64(time.Since(s.began)))
	}
	idle := time.Since(s.began) - time.Duration(s.lastSent.Load())
	return idle >= grace && (!counts || n.Unacknowledged == 0)
}

// ownFault is nil for the connection's own end, which its report tells.
func ownFault(err error) error {
	var dead *dialscope.Error
	if errors.As(err, &dead) {
		return nil
	}
	return err
}

// receive moves what the peer sends to the output.
func (s *session) receive() error {
	if s.Datagrams {
		return s.receiveDatagrams()
	}
	if s.plain && isPipe(s.Out) {
		// By splice(2), without this program seeing a byte.
		_, err := s.conn.WriteTo(s.Out)
		return err
	}
	// Without ReadFrom and WriteTo, which would bring buffers of their own.
	_, err := io.CopyBuffer(struct{ io.Writer }{s.Out}, struct{ io.Reader }{s.stream}, make([]byte, chunk))
	return err
}

func (s *session) receiveDatagrams() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.conn.Read(buf)
		if n > 0 {
			if _, bad := s.Out.Write(buf[:n]); bad != nil {
				return bad
			}
		}
		if err != nil {
			return err
		}
	}
}

// send moves the input to the peer, and then sends FIN if that is wanted.
func (s *session) send() error {
	if len(s.Send) > 0 {
		if err := s.write(s.Send); err != nil {
			return err
		}
	}
	if s.In != nil {
		if err := s.pump(); err != nil {
			return err
		}
	}
	if s.HalfClose && !s.Datagrams {
		s.sending.Lock()
		defer s.sending.Unlock()
		s.finished = true
		return s.stream.CloseWrite()
	}
	return nil
}

// pump reads the input to its end. A read that fails is an end, too, and is
// told; what was read before it is sent.
func (s *session) pump() error {
	switch {
	case s.Lines:
		return s.pumpLines()
	case s.plain && s.Flags == 0 && s.Heartbeat == 0 && isPipe(s.In):
		_, err := s.conn.ReadFrom(s.In)
		return err
	}
	buf := make([]byte, chunk)
	for {
		n, err := s.In.Read(buf)
		if n > 0 {
			if bad := s.write(buf[:n]); bad != nil {
				return bad
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// write sends one piece, whole.
func (s *session) write(b []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.writeLocked(b)
}

// writeBeat sends a heartbeat; false: there are to be no more. After this end's
// own FIN it would break the connection. Of an error the reading direction is
// told, too.
func (s *session) writeBeat() bool {
	s.sending.Lock()
	defer s.sending.Unlock()
	return !s.finished && s.writeLocked(s.Beat) == nil
}

func (s *session) writeLocked(b []byte) error {
	var err error
	if s.Flags != 0 && s.plain {
		_, err = s.conn.Send(b, s.Flags)
	} else {
		_, err = s.stream.Write(b)
	}
	s.lastSent.Store(int64(time.Since(s.began)))
	return err
}

// beat sends a heartbeat whenever nothing was sent for its time.
func (s *session) beat(ctx context.Context) {
	timer := time.NewTimer(s.Heartbeat)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := s.Heartbeat - (time.Since(s.began) - time.Duration(s.lastSent.Load()))
		if wait <= 0 {
			if !s.writeBeat() {
				return
			}
			wait = s.Heartbeat
		}
		timer.Reset(wait)
	}
}
