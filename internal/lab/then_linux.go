package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// unfold does the scenario's steps, one after the other, once a service has
// accepted the client's connection. It is over when ctx is.
func (st *Stand) unfold(ctx context.Context) error {
	select {
	case <-st.accepted:
	case <-ctx.Done():
		return nil
	}
	for i := range st.Scenario.Then {
		step := &st.Scenario.Then[i]
		timer := time.NewTimer(step.After)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		var err error
		if step.Fault != nil {
			err = possible(st.inflict(ctx, step.Fault))
		} else {
			err = st.treat(step.Connections)
		}
		if err != nil {
			return fmt.Errorf("then[%d]: %w", i, err)
		}
	}
	return nil
}

// treat does something with every connection that a host's services have.
func (st *Stand) treat(c *ConnectionsStep) error {
	if c.Do == "destroy" {
		return possible(st.hosts[c.On].Abort())
	}
	for _, o := range st.open {
		if l, is := o.(*listener); is && l.host == c.On && c.Do == "end" {
			l.cancel()
		}
		a, is := o.(*acceptor)
		if !is || a.host != c.On || c.Do == "end" {
			continue
		}
		if c.Do == "finish" {
			if err := a.finish(); err != nil {
				return err
			}
			continue
		}
		for _, conn := range a.release() {
			if err := end(conn.(*net.TCPConn), c.Do); err != nil {
				return err
			}
		}
	}
	return nil
}

// tcpRepair is TCP_REPAIR (linux/tcp.h): a socket that is closed while it is on
// goes without a packet, as when its host loses power (tcp_close, tcp_disconnect).
const tcpRepair = 19

func end(conn *net.TCPConn, how string) error {
	switch how {
	case "reset":
		_ = conn.SetLinger(0)
	case "forget":
		rc, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		err = rc.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRepair, 1) })
		if err == nil && failed != nil {
			err = possible(os.NewSyscallError("setsockopt(TCP_REPAIR)", failed))
		}
		if err != nil {
			return err
		}
	}
	return conn.Close()
}

// finish sends FIN on every connection and keeps it.
func (a *acceptor) finish() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
	}
	return nil
}

// release gives the connections away.
func (a *acceptor) release() (all []net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		all = append(all, c)
	}
	clear(a.conns)
	return all
}
