package dialscope

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sock"
)

// piece is what is copied where splice(2) cannot move it.
const piece = 32 << 10

// pipe is the pipe that a copy's other side is, where splice(2) takes it: package
// net splices between sockets only, and a file by a pipe of its own. Nil: copy.
func (c *Conn) pipe(side any) (*os.File, *sock.Pipe) {
	f, is := side.(*os.File)
	if _, tcp := c.conn.(*net.TCPConn); !is || !tcp || c.raw == nil {
		return nil, nil
	}
	return f, sock.PipeOf(f)
}

// readFromPipe is ReadFrom of a pipe. While it waits for the pipe, others write.
func (c *Conn) readFromPipe(f *os.File, p *sock.Pipe) (total int64, err error) {
	var buf []byte
	for {
		if err := p.AwaitInput(); err != nil {
			return total, err
		}
		c.stir()
		c.writers.Add(1)
		n, how, err := p.To(c.raw)
		if err != nil {
			err = c.noteSplice(evidence.ByWrite, err)
		}
		c.writers.Add(-1)
		total += int64(n)
		switch {
		case err != nil:
			return total, err
		case how == sock.SpliceEnd:
			return total, nil
		case how == sock.SpliceCopy:
			if buf == nil {
				buf = make([]byte, piece)
			}
			n, end, err := move(c, f, buf)
			if total += int64(n); end {
				return total, err
			}
		}
	}
}

// writeToPipe is WriteTo a pipe.
func (c *Conn) writeToPipe(f *os.File, p *sock.Pipe) (total int64, err error) {
	var buf []byte
	for {
		c.readers.Add(1)
		n, how, err := p.From(c.raw)
		gone := errors.Is(err, syscall.EPIPE)
		if err != nil && !gone {
			err = c.noteSplice(evidence.ByRead, err)
		}
		c.readers.Add(-1)
		total += int64(n)
		switch {
		case gone:
			return total, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.EPIPE}
		case err != nil:
			return total, err
		case how == sock.SplicePipe:
			if err := p.AwaitRoom(); err != nil {
				return total, err
			}
		case how == sock.SpliceCopy:
			if buf == nil {
				buf = make([]byte, piece)
			}
			n, end, err := move(f, c, buf)
			if total += int64(n); end {
				return total, err
			}
		}
	}
}

// noteSplice files an error as that of a read or write.
func (c *Conn) noteSplice(by string, err error) error {
	if errors.Is(err, os.ErrClosed) { // of the file
		return err
	}
	return c.note(by, &net.OpError{Op: by, Net: c.report.Network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err})
}

// move copies one piece; end says that it is the last: an error, or the end of
// what is read, which is none.
func move(to io.Writer, from io.Reader, buf []byte) (n int, end bool, err error) {
	got, err := from.Read(buf)
	if got > 0 {
		var bad error
		if n, bad = to.Write(buf[:got]); bad != nil {
			return n, true, bad
		}
	}
	if err == io.EOF {
		return n, true, nil
	}
	return n, err != nil, err
}
