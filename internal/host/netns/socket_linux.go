package netns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Listen announces on an address of the host. The address is literal: names
// would be resolved outside. The socket speaks plain TCP, not MPTCP.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	err = h.Do(func() error {
		l, err = lc.Listen(context.Background(), network, address)
		return err
	})
	return l, h.wrap(err)
}

// ListenPacket announces a datagram socket on a literal address of the host.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = h.Do(func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, h.wrap(err)
}

// DialContext connects from the host to a literal address with the standard
// library's dialer.
func (h *Host) DialContext(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.Do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, h.wrap(err)
}

// ListenBacklog is a TCP listener with exactly this backlog (listen(2)), which
// [net.Listen] does not let one choose. As long as nobody calls Accept, the
// queue takes backlog+1 connections (sk_acceptq_is_full); Linux then ignores
// further SYNs.
func (h *Host) ListenBacklog(address netip.AddrPort, backlog int) (l net.Listener, err error) {
	err = h.Do(func() error {
		l, err = listenBacklog(address, backlog)
		return err
	})
	return l, h.wrap(err)
}

func listenBacklog(address netip.AddrPort, backlog int) (net.Listener, error) {
	family, sa := sockaddr(address)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.IPPROTO_TCP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close() // FileListener duplicates it
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, sa); err != nil {
		return nil, fmt.Errorf("bind %s: %w", address, err)
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	return net.FileListener(f)
}

func sockaddr(a netip.AddrPort) (family int, sa syscall.Sockaddr) {
	if a.Addr().Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// Abort destroys the host's established TCP connections over IPv4, as ss -K does
// (sock_diag(7), SOCK_DESTROY): their peers are told by a RST.
func (h *Host) Abort() error {
	return h.wrap(h.Do(func() error {
		all, err := netlink.SocketDiagTCP(syscall.AF_INET)
		if err != nil {
			return err
		}
		const established, closeWait = 1, 8
		for _, s := range all {
			if s.State != established && s.State != closeWait {
				continue
			}
			err := netlink.SocketDestroy(&net.TCPAddr{IP: s.ID.Source, Port: int(s.ID.SourcePort)}, &net.TCPAddr{IP: s.ID.Destination, Port: int(s.ID.DestinationPort)})
			if err != nil {
				return os.NewSyscallError("SOCK_DESTROY", err)
			}
		}
		return nil
	}))
}
