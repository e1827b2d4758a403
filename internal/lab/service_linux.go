package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// serve starts a service.
func (st *Stand) serve(ctx context.Context, v *Service) error {
	h := st.hosts[v.On]
	switch v.Does {
	case "dns", "echo", "deaf":
		c, err := h.ListenPacket("udp", v.At)
		if err != nil {
			return err
		}
		st.open = append(st.open, c)
		st.serving.Go(func() { v.answer(c) })
		return nil
	case "full":
		return st.full(ctx, h, v)
	case "listen":
		return st.listen(h, v)
	case "bound":
		return st.bound(h, v)
	}
	l, err := h.Listen("tcp", v.At)
	if err != nil {
		return err
	}
	a := &acceptor{listener: l, host: v.On, does: v.Does, conns: map[net.Conn]struct{}{}, came: st.came}
	st.open = append(st.open, a)
	st.serving.Go(a.run)
	return nil
}

// bound binds a socket that does not listen.
func (st *Stand) bound(h *netns.Host, v *Service) error {
	var s *heldSocket
	err := h.Do(func() (err error) {
		s, err = bindSocket(netip.MustParseAddrPort(v.At))
		return err
	})
	if err == nil {
		st.open = append(st.open, s)
	}
	return err
}

// full is a listener whose accept queue holds backlog+1 connections and is
// filled with them (listen(2), sk_acceptq_is_full).
func (st *Stand) full(ctx context.Context, h *netns.Host, v *Service) error {
	l, err := h.ListenBacklog(netip.MustParseAddrPort(v.At), v.Backlog)
	if err != nil {
		return err
	}
	st.open = append(st.open, l)
	for range v.Backlog + 1 {
		c, err := h.DialContext(ctx, "tcp", v.At)
		if err != nil {
			return fmt.Errorf("filling the queue: %w", err)
		}
		st.open = append(st.open, c)
	}
	return nil
}

// answer reads datagrams until the socket is closed.
func (v *Service) answer(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		reply := buf[:n]
		switch v.Does {
		case "deaf":
			continue
		case "dns":
			reply = v.dnsAnswer(reply)
		}
		if reply != nil {
			_, _ = c.WriteTo(reply, from)
		}
	}
}

// acceptor is a TCP listener that treats its connections in one way.
type acceptor struct {
	listener net.Listener
	host     string
	does     string
	came     func() // a connection has come

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}

	reading sync.WaitGroup
}

func (a *acceptor) run() {
	for {
		c, err := a.listener.Accept()
		if err != nil {
			return
		}
		switch a.does {
		case "close":
			c.Close()
			continue
		case "reset":
			_ = c.(*net.TCPConn).SetLinger(0) // close sends RST (socket(7), SO_LINGER)
			c.Close()
			continue
		case "greet":
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = c.Write([]byte("220 ready\r\n"))
		case "discard":
			a.reading.Go(func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{c}) })
		}
		a.mu.Lock()
		if a.closed {
			c.Close()
		}
		a.conns[c] = struct{}{}
		a.mu.Unlock()
		a.came()
	}
}

// Close closes the listener and what it has accepted.
func (a *acceptor) Close() error {
	err := a.listener.Close()
	a.mu.Lock()
	a.closed = true
	for c := range a.conns {
		c.Close()
	}
	a.mu.Unlock()
	a.reading.Wait()
	return err
}
