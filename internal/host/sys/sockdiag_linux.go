package sys

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The states of a socket as sock_diag numbers them (include/net/tcp_states.h).
const (
	StateEstablished   = 1
	StateTimeWait      = 6
	StateClose         = 7
	StateListen        = 10
	StateNewSynRecv    = 12
	StateBoundInactive = 13 // selects bound sockets that neither listen nor are connected (Linux 6.8); told as StateClose
)

// AnyState selects sockets of every state.
const AnyState = ^uint32(0)

// SockQuery selects sockets for [Netlink.Sockets]. The zero value of a field
// selects everything.
type SockQuery struct {
	Protocol   uint8  // IPPROTO_TCP, IPPROTO_UDP
	Family     uint8  // AF_INET, AF_INET6; a v6 socket that speaks IPv4 is AF_INET6
	States     uint32 // bits 1<<State…; zero selects nothing
	LocalPort  uint16
	RemotePort uint16
	Remote     netip.Addr // compared in the kernel; an IPv4 address also matches ::ffff:a.b.c.d
}

// DiagSocket is one socket of this network namespace (struct inet_diag_msg,
// linux/inet_diag.h).
type DiagSocket struct {
	Family uint8
	State  uint8
	Local  netip.AddrPort // IPv4-mapped addresses stay mapped
	Remote netip.AddrPort
	Device uint32 // the interface that the socket is bound to, 0: any
	RecvQ  uint32 // LISTEN: length of the accept queue
	SendQ  uint32 // LISTEN: its limit
	UID    uint32
	Inode  uint32 // 0: no process holds it (TIME_WAIT)
	V6Only bool   // IPV6_V6ONLY; told for LISTEN and CLOSE only (Linux 4.3)
}

const (
	inetDiagReq      = 56 // sizeof(struct inet_diag_req_v2)
	inetDiagMsg      = 72 // sizeof(struct inet_diag_msg)
	inetDiagBytecode = 1  // INET_DIAG_REQ_BYTECODE
	inetDiagV6Only   = 11 // INET_DIAG_SKV6ONLY
	diagDestination  = 8  // INET_DIAG_BC_D_COND
)

// OpenSockDiag opens a sock_diag(7) socket. Asking needs no privilege.
func OpenSockDiag() (*Netlink, error) { return OpenNetlink(unix.NETLINK_SOCK_DIAG) }

// Sockets hands every socket that q selects to each, until it returns false.
// The kernel walks its table in parts, so sockets that come and go meanwhile
// may be missed or seen twice.
func (n *Netlink) Sockets(q SockQuery, each func(*DiagSocket) bool) error {
	var s DiagSocket
	return n.Ask(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP, q.request(), func(_ uint16, payload []byte) bool {
		return !s.parse(payload) || each(&s)
	})
}

func (q *SockQuery) request() []byte {
	b := make([]byte, inetDiagReq, inetDiagReq+32)
	b[0], b[1] = q.Family, q.Protocol
	binary.NativeEndian.PutUint32(b[4:], q.States)
	binary.BigEndian.PutUint16(b[8:], q.LocalPort)
	binary.BigEndian.PutUint16(b[10:], q.RemotePort)
	if !q.Remote.IsValid() {
		return b
	}
	// One instruction: remote address equal, else jump past the end, which
	// rejects (inet_diag_bc_run).
	addr := q.Remote.Unmap().AsSlice()
	size := 4 + 8 + len(addr)
	b = binary.NativeEndian.AppendUint16(b, uint16(4+size))
	b = binary.NativeEndian.AppendUint16(b, inetDiagBytecode)
	b = append(b, diagDestination, byte(size))
	b = binary.NativeEndian.AppendUint16(b, uint16(size+4))
	family := byte(unix.AF_INET)
	if len(addr) == 16 {
		family = unix.AF_INET6
	}
	b = append(b, family, byte(8*len(addr)), 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0)) // any port
	return append(b, addr...)
}

// parse reads a struct inet_diag_msg and its attributes.
func (s *DiagSocket) parse(b []byte) bool {
	if len(b) < inetDiagMsg {
		return false
	}
	*s = DiagSocket{
		Family: b[0],
		State:  b[1],
		Local:  diagAddr(b[0], b[8:24], b[4:6]),
		Remote: diagAddr(b[0], b[24:40], b[6:8]),
		Device: binary.NativeEndian.Uint32(b[40:]),
		RecvQ:  binary.NativeEndian.Uint32(b[56:]),
		SendQ:  binary.NativeEndian.Uint32(b[60:]),
		UID:    binary.NativeEndian.Uint32(b[64:]),
		Inode:  binary.NativeEndian.Uint32(b[68:]),
	}
	for b = b[inetDiagMsg:]; len(b) >= 4; {
		length, typ := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if length < 4 || length > len(b) {
			break
		}
		if typ == inetDiagV6Only && length > 4 {
			s.V6Only = b[4] != 0
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return true
}

func diagAddr(family uint8, addr, port []byte) netip.AddrPort {
	p := binary.BigEndian.Uint16(port)
	if family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(addr[:4])), p)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addr)), p)
}
