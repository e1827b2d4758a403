package reactor

import (
	"net/netip"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// reusable takes one socket through a refusal, a connection, a handshake
// without an answer, and a connection again. Loopback answers within connect(2).
func reusable() bool {
	listener, open, ok := listen(1)
	if !ok {
		return false
	}
	defer sys.Close(listener)
	full, silent, ok := listen(0)
	if !ok {
		return false
	}
	defer sys.Close(full)
	bound, refuses, ok := bind()
	if !ok {
		return false
	}
	defer sys.Close(bound)

	// A backlog of 0 holds one connection (sk_acceptq_is_full), and SYNs after
	// that are ignored.
	stuff, errno := sys.Socket(sys.AFInet, sys.SockStream, 0)
	if errno != 0 {
		return false
	}
	defer sys.Close(stuff)
	if connect(stuff, silent) != sys.TCPEstablished {
		return false
	}
	fd, errno := sys.Socket(sys.AFInet, sys.SockStream, 0)
	if errno != 0 {
		return false
	}
	defer sys.Close(fd)
	for _, step := range []struct {
		to    netip.AddrPort
		state uint8
		errno syscall.Errno
	}{
		{refuses, sys.TCPClose, syscall.ECONNREFUSED},
		{open, sys.TCPEstablished, 0},
		{silent, sys.TCPSynSent, 0},
		{refuses, sys.TCPClose, syscall.ECONNREFUSED},
		{open, sys.TCPEstablished, 0},
	} {
		state := connect(fd, step.to)
		pending, errno := sys.SOError(fd)
		if state != step.state || pending != step.errno || errno != 0 {
			return false
		}
		if state == sys.TCPEstablished {
			conn, errno := sys.Accept(listener)
			if errno != 0 {
				return false
			}
			sys.Close(conn)
		}
		var info sys.TCPInfo
		if sys.Dissolve(fd) != 0 || sys.GetTCPInfo(fd, &info) != 0 || info.State != sys.TCPClose || info.Segs_in != 0 || info.Total_retrans != 0 {
			return false
		}
	}
	return true
}

// connect gives the state that the socket is in when connect(2) returns.
func connect(fd int, to netip.AddrPort) uint8 {
	var sa sys.Sockaddr
	sa.Set(sys.AFInet, to, 0)
	if errno := sys.Connect(fd, &sa); errno != syscall.EINPROGRESS && errno != 0 {
		return 0
	}
	var info sys.TCPInfo
	if sys.GetTCPInfo(fd, &info) != 0 {
		return 0
	}
	return info.State
}

// bind takes a loopback port that nobody listens on.
func bind() (fd int, at netip.AddrPort, ok bool) {
	fd, errno := sys.Socket(sys.AFInet, sys.SockStream, 0)
	if errno != 0 {
		return 0, at, false
	}
	var sa sys.Sockaddr
	sa.Set(sys.AFInet, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), 0)
	if sys.Bind(fd, &sa) != 0 || sys.Getsockname(fd, &sa) != 0 {
		sys.Close(fd)
		return 0, at, false
	}
	at, _ = sa.AddrPort()
	return fd, at, true
}

func listen(backlog int) (fd int, at netip.AddrPort, ok bool) {
	fd, at, ok = bind()
	if ok && sys.Listen(fd, backlog) != 0 {
		sys.Close(fd)
		return 0, at, false
	}
	return fd, at, ok
}
