package sys

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SockFilter is one instruction of classic BPF (linux/filter.h).
type SockFilter = unix.SockFilter

// What a frame's status says of its checksum and its tag (linux/if_packet.h).
const (
	PacketChecksumNotReady = unix.TP_STATUS_CSUMNOTREADY
	PacketChecksumValid    = unix.TP_STATUS_CSUM_VALID
	PacketVLANValid        = unix.TP_STATUS_VLAN_VALID

	PacketOutgoing   = unix.PACKET_OUTGOING
	HardwareLoopback = unix.ARPHRD_LOOPBACK
)

// PacketSocket opens a packet socket that receives nothing yet, cooked: its
// frames begin at the network layer (packet(7), SOCK_DGRAM). It needs
// CAP_NET_RAW.
func PacketSocket() (fd int, errno syscall.Errno) {
	return Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
}

// AttachFilter is setsockopt(SO_ATTACH_FILTER), socket(7).
func AttachFilter(fd int, program []SockFilter) syscall.Errno {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&prog)), unsafe.Sizeof(prog), 0)
	runtime.KeepAlive(program)
	return errno
}

// BindPackets lets a packet socket receive: frames of every protocol, sent and
// received, on the interface with this index; 0: on every one.
func BindPackets(fd, ifindex int) syscall.Errno {
	sa := unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: bigEndian16(unix.ETH_P_ALL), Ifindex: int32(ifindex)}
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	return errno
}

func bigEndian16(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// StampPackets asks for what stands beside each frame of [PacketQueue]: times
// (SO_TIMESTAMPNS) and status (PACKET_AUXDATA). The kernel begins to stamp a
// moment later (net_enable_timestamp); until then the time is that of reading.
func StampPackets(fd int) syscall.Errno {
	if errno := SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); errno != 0 {
		return errno
	}
	return SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)
}

// PacketStats are the frames that passed the filter since the last call, those
// dropped included, and those dropped for want of room (PACKET_STATISTICS,
// packet(7)).
func PacketStats(fd int) (received, dropped uint32, errno syscall.Errno) {
	var s [3]uint32 // struct tpacket_stats_v3, or the first two of it
	n := uint32(unsafe.Sizeof(s))
	_, _, errno = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS,
		uintptr(unsafe.Pointer(&s)), uintptr(unsafe.Pointer(&n)), 0)
	return s[0], s[1], errno
}

// PacketAddr is what the kernel says of a frame's link (struct sockaddr_ll).
type PacketAddr struct {
	Ethertype uint16
	Interface int
	LinkType  uint16 // ARPHRD_
	Type      uint8  // PACKET_HOST ... PACKET_OUTGOING
	Hardware  []byte // the sender's address; it shares memory with what it was read from
}

func (a *PacketAddr) decode(b []byte) {
	*a = PacketAddr{
		Ethertype: binary.BigEndian.Uint16(b[2:]), Interface: int(int32(binary.NativeEndian.Uint32(b[4:]))),
		LinkType: binary.NativeEndian.Uint16(b[8:]), Type: b[10],
	}
	a.Hardware = b[12 : 12+min(int(b[11]), 8)]
}

// QueuedPacket is one frame of a [PacketQueue] or of a [PacketRing]. It shares
// memory with them.
type QueuedPacket struct {
	Addr      PacketAddr
	Sec, Nsec int64
	Status    uint32
	VLAN      uint16 // the tag that was taken away, where Status says that there was one
	Length    int
	Data      []byte
}

// queued is how many frames a PacketQueue takes with one system call.
const queued = 16

// PacketQueue reads a packet socket's own queue, several frames a system call
// (recvmmsg(2)).
type PacketQueue struct {
	headers [queued]struct {
		unix.Msghdr
		received uint32
	}
	vectors [queued]unix.Iovec
	names   [queued][unix.SizeofSockaddrLinklayer]byte
	control [queued][128]byte
	data    []byte
	snap    int
}

// NewPacketQueue makes room for frames of up to snap octets.
func NewPacketQueue(snap int) *PacketQueue {
	q := &PacketQueue{data: make([]byte, queued*snap), snap: snap}
	for i := range q.headers {
		q.vectors[i].Base = &q.data[i*snap]
		q.vectors[i].SetLen(snap)
		h := &q.headers[i]
		h.Iov = &q.vectors[i]
		h.SetIovlen(1)
		h.Name = &q.names[i][0]
		h.Control = &q.control[i][0]
	}
	return q
}

// Read appends what waits in the queue, 16 frames at most; it does not wait. The
// frames are valid until the next call.
func (q *PacketQueue) Read(fd int, into []QueuedPacket) ([]QueuedPacket, syscall.Errno) {
	for i := range q.headers {
		h := &q.headers[i]
		h.Namelen = uint32(len(q.names[i]))
		h.SetControllen(len(q.control[i]))
	}
	// MSG_TRUNC: the length is the frame's, also where it was cut.
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&q.headers[0])), queued,
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	if errno != 0 {
		return into, errno
	}
	for i := range int(n) {
		length := int(q.headers[i].received)
		p := QueuedPacket{Length: length, Data: q.data[i*q.snap:][:min(length, q.snap)]}
		p.Addr.decode(q.names[i][:])
		p.beside(q.control[i][:q.headers[i].Controllen])
		into = append(into, p)
	}
	return into, 0
}

// beside reads the control messages.
func (p *QueuedPacket) beside(control []byte) {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(control) {
			return
		}
		b := control[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(b) >= int(unsafe.Sizeof(unix.Timespec{})):
			t := (*unix.Timespec)(unsafe.Pointer(&b[0]))
			p.Sec, p.Nsec = int64(t.Sec), int64(t.Nsec)
		case h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA && len(b) >= 20: // struct tpacket_auxdata
			p.Status, p.VLAN = binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint16(b[16:])
			p.Length = int(binary.NativeEndian.Uint32(b[4:]))
		}
		control = control[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(control)):]
	}
}

// PacketRing is memory shared with the kernel in which frames appear, block by
// block (TPACKET_V3, Documentation/networking/packet_mmap.rst).
type PacketRing struct {
	memory    []byte
	blockSize int
	blocks    int
	next      int // the block that the kernel fills next
	held      bool
}

// MapPacketRing gives a packet socket that is not bound yet a ring of blocks; a
// block is handed over when it is full, or after some milliseconds. The kernel
// waits for all processors before it has one (packet_set_ring,
// synchronize_net).
func MapPacketRing(fd, blockSize, blocks, milliseconds int) (*PacketRing, syscall.Errno) {
	if errno := SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); errno != 0 {
		return nil, errno
	}
	const frame = 1 << 11 // of no meaning in this version, but it must divide the block
	req := unix.TpacketReq3{
		Block_size: uint32(blockSize), Block_nr: uint32(blocks), Frame_size: frame,
		Frame_nr: uint32(blockSize / frame * blocks), Retire_blk_tov: uint32(milliseconds),
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, errnoOf(err)
	}
	memory, err := unix.Mmap(fd, 0, blockSize*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errnoOf(err)
	}
	return &PacketRing{memory: memory, blockSize: blockSize, blocks: blocks}, 0
}

func errnoOf(err error) syscall.Errno {
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return unix.EINVAL
}

// Unmap gives the memory back.
func (r *PacketRing) Unmap() { unix.Munmap(r.memory) } //nolint:errcheck // nothing can be done

func (r *PacketRing) status() *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory[r.next*r.blockSize+8])) // block_status of struct tpacket_hdr_v1
}

// Read appends the frames of the next full block, and gives the last one back to
// the kernel: its frames are no longer valid. Nothing is appended where no
// block is full.
func (r *PacketRing) Read(into []QueuedPacket) []QueuedPacket {
	if r.held {
		atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
		r.next, r.held = (r.next+1)%r.blocks, false
	}
	if atomic.LoadUint32(r.status())&unix.TP_STATUS_USER == 0 {
		return into
	}
	r.held = true
	block := r.memory[r.next*r.blockSize:][:r.blockSize]
	n := binary.NativeEndian.Uint32(block[12:])       // num_pkts
	at := int(binary.NativeEndian.Uint32(block[16:])) // offset_to_first_pkt
	for ; n > 0 && at+68 <= len(block); n-- {
		p, step := ringPacket(block[at:])
		into = append(into, p)
		if step == 0 {
			break
		}
		at += step
	}
	return into
}

// ringPacket reads struct tpacket3_hdr and the struct sockaddr_ll behind it.
func ringPacket(b []byte) (p QueuedPacket, step int) {
	u32 := func(at int) int { return int(binary.NativeEndian.Uint32(b[at:])) }
	p = QueuedPacket{
		Sec: int64(u32(4)), Nsec: int64(u32(8)), Length: u32(16), Status: uint32(u32(20)),
		VLAN: uint16(u32(32)),
	}
	if start, snap := int(binary.NativeEndian.Uint16(b[24:])), u32(12); start+snap <= len(b) {
		p.Data = b[start : start+snap]
	}
	p.Addr.decode(b[48:68])
	return p, u32(0)
}

// CloseLater closes a descriptor, by the function that does so, without waiting
// for what the kernel does when the last one of its kind is closed: with a packet
// socket it waits for all processors (packet_release, synchronize_net), some
// 10 ms. Before, a reference is sent (SCM_RIGHTS) over a socket pair together
// with the end that would receive it. When both ends are closed nobody can, and
// the kernel's collector drops all of it in a thread of its own (unix(7),
// unix_gc). Where that is not possible the close takes its time.
func CloseLater(fd int, close func()) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		close()
		return
	}
	unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd, pair[1]), nil, unix.MSG_DONTWAIT) //nolint:errcheck // the close takes its time then
	close()                                                                                // before the collector can have been there
	Close(pair[1])
	Close(pair[0])
}
