package cli

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"
)

type peersKey struct{}

// peers are what one script dials. Everything is on the loopback.
type peers struct {
	running sync.WaitGroup
	closers []func()
	asked   map[string]chan struct{} // closed by a peer's first datagram
}

func (p *peers) close() {
	for _, closer := range p.closers {
		closer()
	}
	p.running.Wait()
}

func peersOf(ts *testscript.TestScript) *peers {
	p := ts.Value(peersKey{}).(*peers)
	if p.asked == nil {
		p.asked = map[string]chan struct{}{}
	}
	return p
}

func want(ts *testscript.TestScript, neg bool, args []string, low, high int, usage string) {
	if neg || len(args) < low || len(args) > high {
		ts.Fatalf("usage: %s", usage)
	}
}

// setAddr gives a script NAME (127.0.0.1:1234) and NAME_PORT (1234).
func setAddr(ts *testscript.TestScript, name string, addr net.Addr) {
	ts.Setenv(name, addr.String())
	_, port, err := net.SplitHostPort(addr.String())
	ts.Check(err)
	ts.Setenv(name+"_PORT", port)
}

// listenerCommand is "listener NAME [hold|reset|close|speak|speak-close|hear-reset|echo] [ADDRESS]": a peer
// that accepts, and then does that.
func listenerCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 3, "listener NAME [hold|reset|close|speak|speak-close|hear-reset|echo] [ADDRESS]")
	manner, address := "hold", "127.0.0.1:0"
	if len(args) > 1 {
		manner = args[1]
	}
	if len(args) > 2 {
		address = args[2]
	}
	l, err := net.Listen("tcp", address)
	ts.Check(err)
	p := peersOf(ts)
	var mu sync.Mutex
	var held []net.Conn
	p.closers = append(p.closers, func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range held {
			conn.Close()
		}
	})
	setAddr(ts, args[0], l.Addr())
	p.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			switch manner {
			case "reset":
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			case "hear-reset":
				conn.Read(make([]byte, 1))
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			case "close":
				conn.Close()
			case "speak-close":
				conn.Write([]byte("220 ready\r\n"))
				conn.Close()
			case "echo":
				mu.Lock()
				held = append(held, conn)
				mu.Unlock()
				p.running.Go(func() {
					io.Copy(conn, struct{ io.Reader }{conn})
					conn.Close()
				})
			case "speak":
				conn.Write([]byte("220 ready\r\n"))
				fallthrough
			default:
				mu.Lock()
				held = append(held, conn)
				mu.Unlock()
			}
		}
	})
}

// closedPortCommand is "closedport NAME": a port that nobody listens on, and
// that nobody else can take: a connection has it at its own end.
func closedPortCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "closedport NAME")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	conn, err := net.Dial("tcp", l.Addr().String())
	ts.Check(err)
	p := peersOf(ts)
	p.closers = append(p.closers, func() { conn.Close(); l.Close() })
	setAddr(ts, args[0], conn.LocalAddr())
}

// udpCommand is "udp NAME [silent|echo]": a datagram socket.
func udpCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "udp NAME silent|echo")
	serveUDP(ts, args[0], func(question []byte) []byte {
		if args[1] == "echo" {
			return append(question, "pong"...)
		}
		return nil
	})
}

// nameserverCommand is "nameserver NAME nxdomain|servfail|silent|ADDRESS": a
// name server that says the same of every name.
func nameserverCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "nameserver NAME nxdomain|servfail|silent|ADDRESS")
	serveUDP(ts, args[0], func(question []byte) []byte {
		if args[1] == "silent" {
			return nil
		}
		answer, err := reply(question, args[1])
		if err != nil {
			return nil
		}
		return answer
	})
}

// reply answers a question with an rcode, or with an address.
func reply(question []byte, says string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, errors.New("no question")
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	switch addr, err := netip.ParseAddr(says); {
	case says == "nxdomain":
		m.RCode = dnsmessage.RCodeNameError
	case says == "servfail":
		m.RCode = dnsmessage.RCodeServerFailure
	case err != nil:
		return nil, err
	case q.Type == dnsmessage.TypeA && addr.Is4():
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 300},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		})
	}
	return m.Pack()
}

func serveUDP(ts *testscript.TestScript, name string, answer func([]byte) []byte) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	p := peersOf(ts)
	asked := make(chan struct{})
	p.asked[name] = asked
	p.closers = append(p.closers, func() { conn.Close() })
	setAddr(ts, name, conn.LocalAddr())
	p.running.Go(func() {
		var once sync.Once
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			once.Do(func() { close(asked) })
			if text := answer(buffer[:n:n]); text != nil {
				conn.WriteTo(text, from)
			}
		}
	})
}

// askedCommand is "asked NAME": wait until that datagram socket was sent
// something.
func askedCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "asked NAME")
	select {
	case <-peersOf(ts).asked[args[0]]:
	case <-time.After(20 * time.Second):
		ts.Fatalf("nothing was sent to %s", args[0])
	}
}

// longLineCommand is "longline FILE": two targets, and a megabyte in one line
// between them.
func longLineCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, 3, "longline FILE TARGET TARGET")
	text := args[1] + "\n" + strings.Repeat("x", 1<<20) + "\n" + args[2] + "\n"
	ts.Check(writeFile(ts.MkAbs(args[0]), text))
}
