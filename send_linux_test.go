package dialscope

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/wire"
)

// sniffer reads what passes a host's interfaces: a summary of each packet with data.
type sniffer struct {
	file    *os.File
	reading sync.WaitGroup
	mu      sync.Mutex
	seen    []string
}

// watchPackets captures what a host receives.
func watchPackets(t *testing.T, h *netns.Host) *sniffer {
	t.Helper()
	p := new(sniffer)
	if err := h.Do(func() error {
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, syscall.ETH_P_ALL))
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, int(all))
		if err == nil {
			p.file = os.NewFile(uintptr(fd), "packets")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p.reading.Go(p.read)
	t.Cleanup(func() { p.file.SetReadDeadline(time.Unix(1, 0)); p.reading.Wait(); p.file.Close() })
	return p
}

func (p *sniffer) read() {
	b := make([]byte, 1<<16)
	for {
		n, err := p.file.Read(b)
		if err != nil {
			return
		}
		v := wire.Look(b[:n])
		text := ""
		switch v.Protocol {
		case wire.TCP:
			s := wire.LookTCP(v.Payload)
			if len(s.Payload) == 0 {
				continue
			}
			text = fmt.Sprintf("%q", s.Payload)
			if s.Flags.Has(wire.URG) {
				text += fmt.Sprintf(" urgent %d", s.Urgent)
			}
			if len(s.Payload) > 40 {
				text = "bulk"
			}
		case wire.UDP:
			d := wire.LookUDP(v.Payload)
			text = fmt.Sprintf("%q", d.Payload)
		default:
			continue
		}
		p.mu.Lock()
		p.seen = append(p.seen, text)
		p.mu.Unlock()
	}
}

// until waits for a text, and tells what was seen since the last call.
func (p *sniffer) until(t *testing.T, last string) string {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		p.mu.Lock()
		for i, s := range p.seen {
			if strings.HasPrefix(s, last) {
				seen := strings.Join(p.seen[:i+1], ", ")
				p.seen = p.seen[i+1:]
				p.mu.Unlock()
				return seen
			}
		}
		p.mu.Unlock()
	}
	t.Fatalf("%s was not captured: %q", last, p.seen)
	return ""
}

// joined is a connection from one host to another, both ends.
func joined(t *testing.T, c *netns.Chain) (client, server *net.TCPConn) {
	t.Helper()
	l, err := c.Server.Listen("tcp", netip.AddrPortFrom(c.Server4, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	one, err := c.Client.DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Close(); other.Close() })
	for _, e := range []net.Conn{one, other} {
		e.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return one.(*net.TCPConn), other.(*net.TCPConn)
}

func mustSend(t *testing.T, c net.Conn, text string, flags SendFlags) {
	t.Helper()
	if n, err := Send(c, []byte(text), flags); n != len(text) || err != nil {
		t.Fatalf("Send %q, %v: %d, %v", text, flags, n, err)
	}
}

// What each flag does to the segments of a connection, as the other end's
// interface sees them.
func TestSendFlagsInSegments(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	client, server := joined(t, c)
	p := watchPackets(t, c.Server)

	mustSend(t, client, "plain", 0)
	if got := p.until(t, `"plain"`); got != `"plain"` {
		t.Error(got)
	}
	// tcp(7), TCP_CORK: MSG_MORE holds a partial frame back.
	mustSend(t, client, "ab", More)
	mustSend(t, client, "cd", 0)
	if got := p.until(t, `"abcd"`); got != `"abcd"` {
		t.Error("MSG_MORE:", got)
	}
	// tcp_skb_can_collapse_to: nothing is put into a segment that ended a record.
	mustSend(t, client, "ef", More|EndOfRecord)
	mustSend(t, client, "gh", 0)
	if got := p.until(t, `"gh"`); got != `"ef", "gh"` {
		t.Error("MSG_EOR:", got)
	}
	// RFC 6093 §3.1: implementations, Linux too, point behind the urgent byte.
	mustSend(t, client, "xyz!", OutOfBand)
	if got := p.until(t, `"xyz!"`); got != `"xyz!" urgent 4` {
		t.Error("MSG_OOB:", got)
	}
	// TCP does not heed it: tcp_sendmsg.
	mustSend(t, client, "near", DontRoute)
	p.until(t, `"near"`)

	b := make([]byte, 64)
	read := func(want string) {
		t.Helper()
		if n, err := io.ReadFull(server, b[:len(want)]); err != nil || string(b[:n]) != want {
			t.Errorf("the peer read %q, %v: want %q", b[:n], err, want)
		}
	}
	read("plainabcdefghxyz")
	raw, err := server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { _, _, err = syscall.Recvfrom(int(fd), b[:1], syscall.MSG_OOB) })
	if err != nil || b[0] != '!' {
		t.Errorf("MSG_OOB read %q, %v", b[0], err)
	}
	read("near") // the urgent byte is not in the stream
}

// MSG_DONTWAIT takes what there is room for; without it Send waits, as long as
// the write deadline lets it.
func TestSendDontWait(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	client, server := joined(t, c)
	client.SetWriteBuffer(1 << 14)
	server.SetReadBuffer(1 << 14)
	bulk := make([]byte, 1<<22)
	n, err := Send(client, bulk, DontWait)
	if n == 0 || n == len(bulk) || !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("%d bytes, %v: want some, and EAGAIN", n, err)
	}
	client.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err = Send(client, bulk, 0); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v: want the deadline", err)
	}
	client.SetWriteDeadline(time.Now().Add(10 * time.Second))
	done := make(chan int64)
	go func() { n, _ := io.Copy(io.Discard, server); done <- n }()
	if n, err := Send(client, bulk, NoSignal); n != len(bulk) || err != nil {
		t.Errorf("%d, %v: all of it goes once the peer reads", n, err)
	}
	client.Close()
	<-done
}

// Behind the connection's end nothing leaves, the error is EPIPE, and the
// program lives.
func TestSendAfterTheEnd(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	client, server := joined(t, c)
	server.SetLinger(0)
	server.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	p := watchPackets(t, c.Server)
	for _, flags := range []SendFlags{0, NoSignal, OutOfBand} {
		_, err := Send(client, []byte("late"), flags)
		var op *net.OpError
		if !errors.Is(err, syscall.EPIPE) || !errors.As(err, &op) || op.Op != "write" || op.Addr.String() != client.RemoteAddr().String() {
			t.Errorf("%v: %v", flags, err)
		}
	}
	other, _ := joined(t, c)
	mustSend(t, other, "mark", 0)
	if got := p.until(t, `"mark"`); got != `"mark"` {
		t.Errorf("captured %s", got)
	}
	other.Close()
	if _, err := Send(other, []byte("x"), 0); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// Datagrams: MSG_MORE gathers one, MSG_DONTROUTE knows neighbours only,
// MSG_OOB does not exist.
func TestSendFlagsOfDatagrams(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	dial := func(a netip.Addr) net.Conn {
		u, err := c.Client.DialContext(context.Background(), "udp", netip.AddrPortFrom(a, 9).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		return u
	}
	far, near := dial(c.Server4), dial(c.Hops4[0])
	p := watchPackets(t, c.Routers[0])
	mustSend(t, far, "one ", More)
	mustSend(t, far, "datagram", 0)
	if got := p.until(t, `"one datagram"`); got != `"one datagram"` {
		t.Error(got)
	}
	if _, err := Send(dial(c.Server4), []byte("far"), DontRoute); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("over a gateway: %v", err)
	}
	mustSend(t, near, "near", DontRoute)
	if got := p.until(t, `"near"`); strings.Contains(got, `"far"`) {
		t.Errorf("captured %s: nothing goes over a gateway", got)
	}
	if _, err := Send(dial(c.Server4), []byte("urgent"), OutOfBand); !errors.Is(err, syscall.EOPNOTSUPP) {
		t.Errorf("MSG_OOB: %v", err)
	}
}

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

type opaque struct{ net.Conn }

// A connection is found behind what wraps it; one without a descriptor is
// refused, also when it wraps itself.
func TestSendFindsTheDescriptor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustSend(t, wrapped{wrapped{c}}, "through", 0)
	for _, bad := range []net.Conn{opaque{c}, circle{c}} {
		if _, err := Send(bad, []byte("x"), 0); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%T: %v", bad, err)
		}
	}
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if _, err := Send(one, []byte("x"), 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

type circle struct{ net.Conn }

func (c circle) NetConn() net.Conn { return c }
