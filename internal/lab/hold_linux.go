package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// heldSocket is a bare descriptor that is kept.
type heldSocket struct{ fd int }

// Close closes the descriptor.
func (s *heldSocket) Close() error { return syscall.Close(s.fd) }

// bindSocket binds a TCP socket and does no more with it. It acts on the
// calling thread's namespace.
func bindSocket(a netip.AddrPort, reuse bool) (*heldSocket, error) {
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Port: int(a.Port())})
	if a.Addr().Is4() {
		sa.(*syscall.SockaddrInet4).Addr = a.Addr().As4()
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &heldSocket{fd}
	if reuse {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = syscall.Bind(fd, sa)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("bind %s: %w", a, err)
	}
	return s, nil
}

// holdConnections opens connections and keeps them.
func (st *Stand) holdConnections(ctx context.Context, f *ConnectFault) error {
	d := net.Dialer{Timeout: 5 * time.Second}
	d.SetMultipathTCP(false)
	if f.From != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.From))
	}
	if f.Reuse {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			e := c.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
			})
			if err == nil {
				err = e
			}
			return err
		}
	}
	for range max(1, f.Count) {
		err := st.hosts[f.On].Do(func() error {
			c, err := d.DialContext(ctx, "tcp", f.To)
			if err == nil {
				st.open = append(st.open, c)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
