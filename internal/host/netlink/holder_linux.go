package netlink

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// socketStates names TCP states as RFC 9293 and proc(5) do.
var socketStates = [...]string{
	sys.StateEstablished: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2",
	sys.StateTimeWait: "TIME_WAIT", sys.StateClose: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK",
	sys.StateListen: "LISTEN", 11: "CLOSING", sys.StateNewSynRecv: "SYN_RECV",
}

func socketState(s uint8) string {
	if int(s) < len(socketStates) && socketStates[s] != "" {
		return socketStates[s]
	}
	return fmt.Sprint("state ", s)
}

// HolderOf looks for a TCP socket of this network namespace that has the local
// address and port, bound to it or to the wildcard; to ask with the wildcard
// finds a socket on any address. Of several the one that is most in the way is
// returned: a listener before a bound socket, a connection, TIME_WAIT.
//
// Nil without an error means that none was seen. A socket that is bound but
// neither listens nor is connected (State "CLOSE") is visible since Linux 6.8.
func HolderOf(local netip.AddrPort) (*evidence.Holder, error) {
	return holder(syscall.IPPROTO_TCP, local)
}

// UDPHolderOf is [HolderOf] for UDP sockets: State is "CLOSE" for an
// unconnected one and "ESTABLISHED" for a connected one, as proc(5) has them.
func UDPHolderOf(local netip.AddrPort) (*evidence.Holder, error) {
	return holder(syscall.IPPROTO_UDP, local)
}

func holder(protocol uint8, local netip.AddrPort) (*evidence.Holder, error) {
	if !local.IsValid() || local.Port() == 0 {
		return nil, fmt.Errorf("holder of %v: %w", local, os.ErrInvalid)
	}
	c, err := sys.OpenSockDiag()
	if err != nil {
		return nil, fmt.Errorf("holder of %v: %w", local, err)
	}
	defer c.Close()
	var h *evidence.Holder
	addr, best, inode := local.Addr().Unmap().WithZone(""), 0, uint32(0)
	q := sys.SockQuery{Protocol: protocol, States: sys.AnyState, LocalPort: local.Port()}
	err = eachFamily(c, q, addr, func(s *sys.DiagSocket) {
		// The dump of bound sockets does not ask for the port (inet_diag_dump_icsk).
		if s.Local.Port() != local.Port() || !conflicts(s, addr) {
			return
		}
		if rank := holderRank(s.State); rank > best {
			best, inode = rank, s.Inode
			h = &evidence.Holder{Local: unmap(s.Local), State: socketState(s.State)}
			if s.Remote.Port() != 0 {
				h.Remote = unmap(s.Remote)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("holder of %v: %w", local, err)
	}
	if h != nil {
		h.PID, h.Command = processOf(inode)
	}
	return h, nil
}

// conflicts says whether a socket's local address overlaps addr
// (inet_rcv_saddr_equal).
func conflicts(s *sys.DiagSocket, addr netip.Addr) bool {
	if !addr.IsUnspecified() {
		return bindScore(s, addr) > 0
	}
	own := s.Local.Addr().Unmap()
	return addr.Is6() || own.Is4() || own.IsUnspecified() && !s.V6Only
}

func holderRank(state uint8) int {
	switch state {
	case sys.StateListen:
		return 4
	case sys.StateClose:
		return 3
	case sys.StateTimeWait:
		return 1
	}
	return 2
}
