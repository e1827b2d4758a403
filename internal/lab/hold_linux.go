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
func bindSocket(a netip.AddrPort) (*heldSocket, error) {
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
	if err := syscall.Bind(fd, sa); err != nil {
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
	for range max(1, f.Count) {
		err := st.hosts[f.On].Do(func() error {
			c, err := d.DialContext(ctx, "tcp", f.To)
			switch {
			case err != nil:
			case f.Abandon:
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			default:
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
