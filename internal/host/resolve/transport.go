package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// maxDatagram is the largest UDP answer that is taken: more than was offered
// (udpSize), for servers that do not heed the offer.
const maxDatagram = 4096

var datagrams = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// errNoAnswer is the end of a TCP connection on which no answer came.
var errNoAnswer = errors.New("the server closed the connection without an answer")

// connect opens a socket to the server, connected, so that the kernel lets
// through only what comes from there and reports ICMP errors (udp(7)). The
// source port is the kernel's random choice. The connection ends with ctx.
func connect(ctx context.Context, network string, server netip.AddrPort) (c net.Conn, release func(), err error) {
	var d net.Dialer
	if network == "udp" {
		d.Control = reportICMP
	}
	c, err = d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline) //nolint:errcheck // an open socket takes a deadline
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // as above
	return c, func() {
		stop()
		c.Close() //nolint:errcheck // nothing is left to write
	}, nil
}

// askUDP sends the query and waits for its answer. Datagrams that do not answer
// it are passed over, as they may be forged (RFC 5452 §9.1), and counted.
func askUDP(c net.Conn, q question, id uint16, query []byte, look *evidence.Lookup) (*reply, error) {
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	buf := datagrams.Get().(*[maxDatagram]byte)
	defer datagrams.Put(buf)
	for {
		n, err := c.Read(buf[:])
		if err != nil {
			return nil, err
		}
		r, stray := parseReply(buf[:n], id, q)
		if r == nil {
			look.Ignored++
			look.Malformed = "not the answer: " + stray
			continue
		}
		look.Malformed = ""
		if n == maxDatagram && r.broken {
			r.malformed = "the answer is larger than was offered and was cut off"
		}
		return r, nil
	}
}

// askTCP sends the query with its length in front (RFC 1035 §4.2.2) and reads
// one answer. On a connection of its own nothing else may come.
func askTCP(c net.Conn, q question, id uint16, query []byte, look *evidence.Lookup) (*reply, error) {
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, cutOff(err)
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, msg); err != nil {
		return nil, cutOff(err)
	}
	r, stray := parseReply(msg, id, q)
	if r == nil {
		look.Malformed = "not the answer: " + stray
		return nil, errStray
	}
	return r, nil
}

var errStray = errors.New("what came over TCP is not the answer")

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errNoAnswer
	}
	return err
}

// errnoOf is the errno inside an error of package net, "" when there is none.
func errnoOf(err error) evidence.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return evidence.Errno(sys.ErrnoName(errno))
	}
	return ""
}
