package dialscope

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sock"
)

// SendFlags are flags of send(2), for [Send].
type SendFlags uint

// The flags, and what each does on Linux.
const (
	// DontRoute (MSG_DONTROUTE) sends a datagram to a neighbour only: where the
	// route leads over a gateway, ENETUNREACH (udp_sendmsg, RT_SCOPE_LINK).
	// TCP does not heed it (tcp_sendmsg); SO_DONTROUTE is for connections.
	DontRoute = SendFlags(sock.DontRoute)

	// DontWait (MSG_DONTWAIT) sends what there is room for and returns at once,
	// with EAGAIN where that is not all of it.
	DontWait = SendFlags(sock.DontWait)

	// EndOfRecord (MSG_EOR) ends a record. TCP has none, but what is sent later
	// never goes into the same segment (tcp_skb_can_collapse_to).
	EndOfRecord = SendFlags(sock.EndOfRecord)

	// OutOfBand (MSG_OOB) makes the last byte urgent data: the segment has URG
	// and points behind it (RFC 9293 §3.8.5, RFC 6093). The peer reads the byte
	// with MSG_OOB, or in its place with SO_OOBINLINE. UDP: EOPNOTSUPP.
	OutOfBand = SendFlags(sock.OutOfBand)

	// More (MSG_MORE) says that more follows: a part of a segment, or of a
	// datagram, is kept back until a send without the flag, for TCP at most
	// 200 ms (tcp(7), TCP_CORK).
	More = SendFlags(sock.More)

	// NoSignal (MSG_NOSIGNAL) lets a write after the connection's end give EPIPE
	// without SIGPIPE. Send always sets it.
	NoSignal = SendFlags(sock.NoSignal)
)

// String is "MSG_OOB|MSG_MORE", and "0" without any.
func (f SendFlags) String() string { return sock.SendFlag(f).String() }

// ParseSendFlags reads names with commas between them: "MSG_OOB,MSG_MORE", or
// "oob,more"; "urgent" stands for MSG_OOB, too. No name is no flag.
func ParseSendFlags(text string) (SendFlags, error) {
	var flags SendFlags
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '|' }) {
		word = strings.TrimSpace(word)
		flag, ok := sock.SendFlagOf(word)
		if !ok {
			return 0, fmt.Errorf("no send flag %q: there are dontroute, dontwait, eor, oob (or urgent), more and nosignal", word)
		}
		flags |= SendFlags(flag)
	}
	return flags, nil
}

// Send writes b to a connection with flags of send(2). It waits as Write does,
// until all of b is with the kernel or the write deadline has passed; with
// [DontWait] it sends once, and an n below len(b) comes with EAGAIN. The error
// is a *net.OpError like Write's, and unwraps to the errno. SIGPIPE is never
// raised.
//
// The connection is one with a descriptor: a *net.TCPConn, a *net.UDPConn, or
// what wraps one and tells it by NetConn() net.Conn, as *tls.Conn does, whose
// encryption is then gone round. Any other, and other systems than Linux:
// errors.ErrUnsupported.
func Send(c net.Conn, b []byte, flags SendFlags) (n int, err error) {
	raw, err := descriptor(c)
	if err == nil {
		n, err = sock.Send(raw, b, sock.SendFlag(flags))
	}
	if err == nil {
		return n, nil
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err // of the raw connection: "raw-write"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && err == error(errno) {
		err = os.NewSyscallError("send", errno)
	}
	out := &net.OpError{Op: "write", Err: err}
	if local := c.LocalAddr(); local != nil {
		out.Net, out.Source, out.Addr = local.Network(), local, c.RemoteAddr()
	}
	return n, out
}

// descriptor finds the raw connection behind a connection and what wraps it.
func descriptor(c net.Conn) (syscall.RawConn, error) {
	for range 8 { // a chain of wrappers is short; one that leads back to itself ends
		switch w := c.(type) {
		case syscall.Conn:
			return w.SyscallConn()
		case interface{ NetConn() net.Conn }:
			c = w.NetConn()
		default:
			return nil, fmt.Errorf("%T has no descriptor: %w", c, errors.ErrUnsupported)
		}
	}
	return nil, fmt.Errorf("%T has no descriptor within reach: %w", c, errors.ErrUnsupported)
}
