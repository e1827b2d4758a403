package experiment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// The server's ports, by what happens to a connection there.
const (
	portAccept = 80
	portClosed = 81
	portGreet  = 82
	portFIN    = 83
	portReset  = 84
	portSilent = 85 // the SYN is dropped
)

// absent is an address of the server's network that nobody has. The router says
// host unreachable after 300 ms: an error that came within the call of connect
// would only be kept as a soft one (tcp_v4_err, sock_owned_by_user).
var absent = netip.AddrFrom4([4]byte{203, 0, 113, 99})

// stage is a client, a router and a server that does all of these.
type stage struct {
	*netns.Chain
	listeners []net.Listener
	serving   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newStage() (_ *stage, err error) {
	c, err := netns.NewChain(1)
	if err != nil {
		return nil, err
	}
	st := &stage{Chain: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	for port, serve := range map[uint16]func(*net.TCPConn){
		portAccept: func(*net.TCPConn) {},
		portGreet:  func(c *net.TCPConn) { _, _ = c.Write([]byte("220 ready\r\n")) },
		portFIN:    func(c *net.TCPConn) { c.Close() },
		portReset:  func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
	} {
		if err := st.listen(c.Server, netip.AddrPortFrom(c.Server4, port), serve); err != nil {
			return nil, err
		}
	}
	if err := st.listen(c.Client, netip.AddrPortFrom(loopback, portAccept), func(*net.TCPConn) {}); err != nil {
		return nil, err
	}
	to := func(port uint16) netns.Match { return netns.Match{Protocol: netns.TCP, Dport: port} }
	if _, err := c.Routers[0].Firewall(
		netns.Rule{Hook: netns.Forward, Match: to(portSilent), Verdict: netns.Drop()},
	); err != nil {
		return nil, err
	}
	if err := c.Routers[0].Sysctl("net.ipv4.neigh.eth1.retrans_time_ms", "100"); err != nil {
		return nil, err
	}
	return st, nil
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func (st *stage) listen(h *netns.Host, at netip.AddrPort, serve func(*net.TCPConn)) error {
	l, err := h.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	st.listeners = append(st.listeners, l)
	st.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c.(*net.TCPConn))
			st.mu.Lock()
			st.conns = append(st.conns, c)
			st.mu.Unlock()
		}
	})
	return nil
}

// Close takes the stage down.
func (st *stage) Close() error {
	for _, l := range st.listeners {
		l.Close()
	}
	st.serving.Wait()
	for _, c := range st.conns {
		c.Close()
	}
	return st.Chain.Close()
}

// at is a port of the server.
func (st *stage) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(st.Server4, port) }

// socket opens a TCP socket of the client.
func (st *stage) socket() (fd int, err error) {
	err = st.Client.Do(func() error {
		var errno syscall.Errno
		fd, errno = sys.Socket(sys.AFInet, sys.SockStream, 0)
		return asError("socket", errno)
	})
	return fd, err
}

func connect(fd int, to netip.AddrPort) syscall.Errno {
	var sa sys.Sockaddr
	sa.Set(sys.AFInet, to, 0)
	return sys.Connect(fd, &sa)
}

// dissolve is connect(AF_UNSPEC): the socket is to forget its connection
// (connect(2), tcp_disconnect).
func dissolve(fd int) syscall.Errno {
	var sa sys.Sockaddr
	sa.Set(syscall.AF_UNSPEC, netip.AddrPortFrom(netip.IPv6Unspecified(), 0), 0)
	return sys.Connect(fd, &sa)
}

func asError(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", call, errno)
}

// name is an errno's symbol, "0" for success.
func name(errno syscall.Errno) string {
	if errno == 0 {
		return "0"
	}
	return sys.ErrnoName(errno)
}

// await waits until the socket shows any of the bits.
func await(ctx context.Context, fd int, bits int16) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		revents, errno := sys.Readiness(fd)
		if errno != 0 {
			return asError("poll", errno)
		}
		if revents&bits != 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the socket never became ready for %#x: %w", bits, ctx.Err())
		}
	}
}

// patience bounds every wait.
const patience = 20 * time.Second
