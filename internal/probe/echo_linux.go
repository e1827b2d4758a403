package probe

import (
	"encoding/binary"
	"os"
	"syscall"

	"golang.org/x/net/bpf"

	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/wire"
)

// echoSocket opens what an echo request is sent by: the socket for everybody
// (icmp(7)), or where the user's groups may not have it, a raw one (raw(7),
// CAP_NET_RAW) with the request and its identifier, which is 0 for the former.
func (v *volley) echoSocket(s shot) (fd int, request []byte, id uint16, errno syscall.Errno) {
	if fd, errno = v.socket(s); errno != syscall.EACCES {
		return fd, nil, 0, errno
	}
	v6 := s.to.Addr().Is6()
	family, proto := sys.AFInet, sys.ProtoICMP
	if v6 {
		family, proto = sys.AFInet6, sys.ProtoICMPv6
	}
	fd, raw := sys.Socket(family, syscall.SOCK_RAW, proto)
	if raw != 0 {
		return -1, nil, 0, errno // that the groups may not is what can be changed
	}
	v.echoes++
	id = max(1, uint16(os.Getpid())*61+v.echoes)
	errno = attach(fd, replies(id, v6))
	if errno == 0 {
		errno = v.prepare(fd, s, v6)
	}
	if errno != 0 {
		sys.Close(fd)
		return -1, nil, 0, errno
	}
	return fd, ownRequest(id, v6), id, 0
}

// ownRequest is an echo request with its identifier. Its checksum the kernel puts
// in over IPv6 (RFC 3542 §3.1), and over IPv4 nobody else.
func ownRequest(id uint16, v6 bool) []byte {
	b := echoRequest(v6)
	binary.BigEndian.PutUint16(b[4:], id)
	if !v6 {
		binary.BigEndian.PutUint16(b[2:], wire.Checksum(b))
	}
	return b
}

// quotes says that an ICMP error is about the echo request with this
// identifier: a raw socket hears of all that go to its host.
func quotes(payload []byte, id uint16) bool {
	return len(payload) >= 6 && (payload[0] == 8 || payload[0] == 128) && binary.BigEndian.Uint16(payload[4:]) == id
}

// replies lets only the replies to one identifier through to a raw socket, which
// over IPv4 sees the IP header, too.
func replies(id uint16, v6 bool) []bpf.Instruction {
	begin, reply := bpf.Instruction(bpf.LoadMemShift{Off: 0}), uint32(0) // RFC 792
	if v6 {
		begin, reply = bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, 129 // RFC 4443 §4.2
	}
	return []bpf.Instruction{
		begin,
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: reply, SkipTrue: 3},
		bpf.LoadIndirect{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(id), SkipTrue: 1},
		bpf.RetConstant{Val: 256},
		bpf.RetConstant{Val: 0},
	}
}
