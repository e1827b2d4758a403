package sys

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

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
	Info       bool       // with DiagSocket.Info: the kernel locks each TCP socket for it (tcp_get_info)
	Memory     bool       // with DiagSocket.Memory
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

	Timer   uint8  // the timer that runs: TimerNone...
	Retrans uint8  // how often that timer has expired without an answer
	Expires uint32 // when it will expire next: ms from now
	Cookie  uint64 // SO_COOKIE: the socket's own number, never used again
	Cgroup  uint64 // the id of its cgroup, v2 (Linux 5.9); 0: not told

	Info *TCPInfo // nil: not asked for, or none (TIME_WAIT, SYN_RECV, UDP). Valid during the call only
	// Windows says that Info goes as far as both windows (Linux 6.2).
	Windows bool
	Memory  *SockMemory // nil: not asked for, or none. Valid during the call only
}

// SockMemory is a socket's memory in octets (SK_MEMINFO_VARS, linux/sock_diag.h).
type SockMemory struct {
	RmemAlloc, RcvBuf, WmemAlloc, SndBuf, FwdAlloc, WmemQueued, OptMem, Backlog uint32

	Drops uint32 // packets that this socket threw away since it was made (sk_drops)
}

// The timers of DiagSocket (inet_csk_diag_fill, inet_diag.c).
const (
	TimerNone       = 0
	TimerRetransmit = 1 // retransmission, early retransmission or tail loss probe; SYN_RECV: the SYN-ACK's
	TimerKeepalive  = 2 // keepalive; FIN_WAIT_2 without a process: tcp_fin_timeout
	TimerTimeWait   = 3
	TimerPersist    = 4 // zero window probe
)

const (
	inetDiagReq      = 56 // sizeof(struct inet_diag_req_v2)
	inetDiagMsg      = 72 // sizeof(struct inet_diag_msg)
	inetDiagBytecode = 1  // INET_DIAG_REQ_BYTECODE
	inetDiagInfo     = 2  // INET_DIAG_INFO: struct tcp_info
	inetDiagMemory   = 7  // INET_DIAG_SKMEMINFO
	inetDiagV6Only   = 11 // INET_DIAG_SKV6ONLY
	inetDiagCgroup   = 21 // INET_DIAG_CGROUP_ID
	diagDestination  = 8  // INET_DIAG_BC_D_COND
)

// OpenSockDiag opens a sock_diag(7) socket. Asking needs no privilege.
func OpenSockDiag() (*Netlink, error) { return OpenNetlink(unix.NETLINK_SOCK_DIAG) }

// Sockets hands every socket that q selects to each, until it returns false.
// The kernel walks its table in parts, so sockets that come and go meanwhile
// may be missed or seen twice.
func (n *Netlink) Sockets(q SockQuery, each func(*DiagSocket) bool) error {
	var r diagReply
	return n.Ask(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP, q.request(), func(_ uint16, payload []byte) bool {
		return !r.parse(payload) || each(&r.DiagSocket)
	})
}

func (q *SockQuery) request() []byte {
	b := make([]byte, inetDiagReq, inetDiagReq+32)
	b[0], b[1] = q.Family, q.Protocol
	if q.Info {
		b[2] |= 1 << (inetDiagInfo - 1)
	}
	if q.Memory {
		b[2] |= 1 << (inetDiagMemory - 1)
	}
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

// diagReply is a socket with room for what it points to.
type diagReply struct {
	DiagSocket
	info   TCPInfo
	memory SockMemory
}

// parse reads a struct inet_diag_msg and its attributes.
func (r *diagReply) parse(b []byte) bool {
	if len(b) < inetDiagMsg {
		return false
	}
	r.DiagSocket = DiagSocket{
		Family:  b[0],
		State:   b[1],
		Timer:   b[2],
		Retrans: b[3],
		Local:   diagAddr(b[0], b[8:24], b[4:6]),
		Remote:  diagAddr(b[0], b[24:40], b[6:8]),
		Device:  binary.NativeEndian.Uint32(b[40:]),
		Cookie:  uint64(binary.NativeEndian.Uint32(b[44:])) | uint64(binary.NativeEndian.Uint32(b[48:]))<<32,
		Expires: binary.NativeEndian.Uint32(b[52:]),
		RecvQ:   binary.NativeEndian.Uint32(b[56:]),
		SendQ:   binary.NativeEndian.Uint32(b[60:]),
		UID:     binary.NativeEndian.Uint32(b[64:]),
		Inode:   binary.NativeEndian.Uint32(b[68:]),
	}
	for b = b[inetDiagMsg:]; len(b) >= 4; {
		length, typ := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if length < 4 || length > len(b) {
			break
		}
		r.attribute(typ, b[4:length])
		b = b[min((length+3)&^3, len(b)):]
	}
	return true
}

func (r *diagReply) attribute(typ uint16, b []byte) {
	switch {
	case typ == inetDiagV6Only && len(b) > 0:
		r.V6Only = b[0] != 0
	case typ == inetDiagCgroup && len(b) >= 8:
		r.Cgroup = binary.NativeEndian.Uint64(b)
	case typ == inetDiagInfo && len(b) > 0:
		r.info = TCPInfo{} // an older kernel's is shorter
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&r.info)), unsafe.Sizeof(r.info)), b)
		r.Info = &r.info
		r.Windows = len(b) >= int(unsafe.Offsetof(r.info.Rcv_wnd)+unsafe.Sizeof(r.info.Rcv_wnd))
	case typ == inetDiagMemory && len(b) > 0:
		r.memory = SockMemory{}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&r.memory)), unsafe.Sizeof(r.memory)), b)
		r.Memory = &r.memory
	}
}

func diagAddr(family uint8, addr, port []byte) netip.AddrPort {
	p := binary.BigEndian.Uint16(port)
	if family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(addr[:4])), p)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addr)), p)
}
