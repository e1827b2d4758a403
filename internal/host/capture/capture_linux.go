package capture

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/bpf"

	"github.com/dialscope/dialscope/internal/host/sys"
)

const (
	queueSnap = 256     // without a ring: headers, and a good part of what an ICMP error quotes
	ringSnap  = 1 << 18 // with one: all, also what was put together from several (GRO)
	blockSize = 1 << 18
	// blockPatience is how old a frame gets before it is handed over, in milliseconds.
	blockPatience = 40
)

// Capture is a packet socket with a filter. Only Interrupt may be called while
// another goroutine uses it.
type Capture struct {
	fd    int
	ring  *sys.PacketRing // nil: queue
	queue *sys.PacketQueue
	taken []sys.QueuedPacket
	batch []Frame
	stats Stats

	mu          sync.Mutex
	file        *os.File // once somebody waits: the runtime's poller has it
	interrupted bool
}

// Open begins to capture, in the network namespace of the calling thread. What
// passes from now on is kept until it is read or there is no more room.
func Open(c Config) (*Capture, error) {
	ifindex := 0
	if c.Interface != "" {
		i, err := net.InterfaceByName(c.Interface)
		if err != nil {
			return nil, fmt.Errorf("interface %q: %w", c.Interface, err)
		}
		ifindex = i.Index
	}
	snap := c.Snap
	switch {
	case c.Ring > 0 && snap == 0:
		snap = ringSnap
	case c.Ring == 0:
		snap = queueSnap
		if c.Snap > 0 {
			snap = min(c.Snap, queueSnap)
		}
	}
	tags := mostTags
	if c.Ring == 0 && c.Interface == "" {
		tags = 0 // what is tagged on one interface was seen without its tag on another: the VLAN's own
	}
	program, err := c.Filter.compile(snap, tags)
	if err != nil {
		return nil, err
	}
	fd, errno := sys.PacketSocket()
	switch errno {
	case 0:
	case syscall.EPERM, syscall.EACCES:
		return nil, fmt.Errorf("%w (socket(AF_PACKET): %s)", ErrNoPrivilege, sys.ErrnoName(errno))
	default:
		return nil, os.NewSyscallError("socket(AF_PACKET)", errno)
	}
	k := &Capture{fd: fd}
	if err := k.prepare(program, c.Ring, snap, ifindex); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Capture) prepare(program []bpf.Instruction, ring, snap, ifindex int) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]sys.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = sys.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	if errno := sys.AttachFilter(k.fd, code); errno != 0 {
		return os.NewSyscallError("setsockopt(SO_ATTACH_FILTER)", errno)
	}
	var errno syscall.Errno
	if ring > 0 {
		if k.ring, errno = sys.MapPacketRing(k.fd, blockSize, (ring+blockSize-1)/blockSize, blockPatience); errno != 0 {
			return os.NewSyscallError("setsockopt(PACKET_RX_RING)", errno)
		}
	} else {
		k.queue = sys.NewPacketQueue(snap)
		if errno := sys.StampPackets(k.fd); errno != 0 {
			return os.NewSyscallError("setsockopt(PACKET_AUXDATA)", errno)
		}
	}
	if errno := sys.BindPackets(k.fd, ifindex); errno != 0 {
		return os.NewSyscallError("bind(AF_PACKET)", errno)
	}
	return nil
}

// Ready gives what was captured and not read yet, as many as one look finds; it
// does not wait. Nothing is left when it is empty. The error is the interface's:
// syscall.ENETDOWN when it was taken down.
func (k *Capture) Ready() ([]Frame, error) {
	k.taken = k.taken[:0]
	if k.ring != nil {
		if k.taken = k.ring.Read(k.taken); len(k.taken) == 0 {
			if down, _ := sys.SOError(k.fd); down != 0 {
				return nil, os.NewSyscallError("packet socket", down)
			}
		}
	} else {
		var errno syscall.Errno
		if k.taken, errno = k.queue.Read(k.fd, k.taken); errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
			return nil, os.NewSyscallError("recvmmsg", errno)
		}
	}
	k.batch = k.batch[:0]
	for i := range k.taken {
		if f, ok := frameOf(&k.taken[i]); ok {
			k.batch = append(k.batch, f)
		}
	}
	return k.batch, nil
}

// Read is Ready that waits until there is something, or until a moment (zero: for
// ever): then the error is os.ErrDeadlineExceeded, as it is from when
// [Capture.Interrupt] was called.
func (k *Capture) Read(until time.Time) ([]Frame, error) {
	file, err := k.deadline(until)
	if err != nil {
		return nil, err
	}
	rc, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var frames []Frame
	var failed error
	err = rc.Read(func(uintptr) bool {
		frames, failed = k.Ready()
		return len(frames) > 0 || failed != nil
	})
	if failed != nil {
		err = failed
	}
	return frames, err
}

// deadline gives the descriptor to the runtime's poller.
func (k *Capture) deadline(until time.Time) (*os.File, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.fd < 0:
		return nil, os.ErrClosed
	case k.interrupted:
		return nil, os.ErrDeadlineExceeded
	case k.file == nil:
		k.file = os.NewFile(uintptr(k.fd), "packets") // non-blocking: joins the poller
	}
	return k.file, k.file.SetReadDeadline(until)
}

// Interrupt ends the reading: this Read and every later one. Ready still gives
// what is there. It may be called from any goroutine.
func (k *Capture) Interrupt() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.interrupted = true
	if k.file != nil {
		k.file.SetReadDeadline(time.Unix(1, 0))
	}
}

// Stats counts the frames since the capture was opened.
func (k *Capture) Stats() (Stats, error) {
	received, dropped, errno := sys.PacketStats(k.fd)
	if errno != 0 {
		return k.stats, os.NewSyscallError("getsockopt(PACKET_STATISTICS)", errno)
	}
	k.stats.Received += uint64(received)
	k.stats.Dropped += uint64(dropped)
	return k.stats, nil
}

// Close ends the capture. What it has given is no longer valid. It does not wait
// for the kernel, which lets go of the socket some milliseconds later.
func (k *Capture) Close() {
	if k.fd < 0 {
		return
	}
	if k.ring != nil {
		k.ring.Unmap()
		k.ring = nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	sys.CloseLater(k.fd, func() {
		if k.file != nil {
			k.file.Close()
		} else {
			sys.Close(k.fd)
		}
	})
	k.fd = -1
}

// frameOf is false for what goes out on the loopback interface: it comes in again.
func frameOf(p *sys.QueuedPacket) (f Frame, ok bool) {
	loopback := p.Addr.LinkType == sys.HardwareLoopback
	if loopback && p.Addr.Type == sys.PacketOutgoing {
		return f, false
	}
	f = Frame{
		At: time.Unix(p.Sec, p.Nsec), Interface: p.Addr.Interface, Direction: Direction(p.Addr.Type), Loopback: loopback,
		Ethertype: p.Addr.Ethertype, Hardware: p.Addr.Hardware, Data: p.Data, Length: p.Length,
	}
	switch {
	case p.Status&sys.PacketChecksumNotReady != 0:
		f.Checksum = Absent
	case p.Status&sys.PacketChecksumValid != 0:
		f.Checksum = Valid
	}
	f.untag(p.VLAN, p.Status&sys.PacketVLANValid != 0)
	return f, true
}
