package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/pcapfile"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Capture runs a scenario once and writes what passed the interfaces of one of
// its hosts, as pcapng. It returns how many packets that were.
func Capture(ctx context.Context, s *Scenario, l Level, host string, program Program, w io.Writer) (packets int, r *Result, err error) {
	if err := s.CheckHost(host); err != nil {
		return 0, nil, err
	}
	st, err := Build(ctx, s)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	c, err := listenPackets(st.Host(host), s.Plan.ends(host))
	if err != nil {
		return 0, nil, err
	}
	r = &Result{Scenario: s.Name, Level: l, Truth: s.TruthAt(l)}
	err = st.dial(ctx, l, program, r)
	taken := c.stop()
	if err != nil {
		return 0, nil, err
	}
	return len(taken), r, c.write(w, taken)
}

// Packets of the peer may be on their way when the dial has ended: a RST for a
// closed socket. A capture ends when none has come for quiet, or after lingering.
const (
	quiet     = 20 * time.Millisecond
	lingering = time.Second
)

// capture is a packet socket (packet(7)) that is read until it is stopped.
type capture struct {
	fd      int
	file    *os.File // of the same: with the runtime's poller
	queue   *sys.PacketQueue
	packets []sys.QueuedPacket
	names   []string
	index   map[int]uint32 // ifindex to the place in names
	raw     map[uint32]bool
	reading sync.WaitGroup
	taken   []frame
}

type frame struct {
	iface uint32
	at    time.Time
	data  []byte
	out   bool
}

func listenPackets(h *netns.Host, ends []PlanEnd) (*capture, error) {
	c := &capture{queue: sys.NewPacketQueue(1 << 16), index: map[int]uint32{}, raw: map[uint32]bool{}}
	const all = syscall.ETH_P_ALL
	err := h.Do(func() error {
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, int(swap16(all)))
		if err != nil {
			return os.NewSyscallError("socket(AF_PACKET)", err)
		}
		const room = 16 << 20 // for a flood of data; the limit of a user without privileges takes its place
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, room)
		c.fd, c.file = fd, os.NewFile(uintptr(fd), "packets")
		if errno := sys.StampPackets(fd); errno != 0 {
			return os.NewSyscallError("setsockopt(SO_TIMESTAMPNS)", errno)
		}
		for i, e := range ends {
			link, err := net.InterfaceByName(e.Interface)
			if err != nil {
				return fmt.Errorf("%s: %w", e.Interface, err)
			}
			c.names = append(c.names, e.Interface)
			c.index[link.Index] = uint32(i)
			c.raw[uint32(i)] = h.Interface(e.Interface) == nil // a TUN device has no Ethernet header
		}
		return nil
	})
	if err != nil {
		if c.file != nil {
			c.file.Close()
		}
		return nil, err
	}
	c.reading.Go(c.read)
	return c, nil
}

func (c *capture) read() {
	rc, err := c.file.SyscallConn()
	for err == nil {
		err = rc.Read(func(uintptr) bool { return c.take(c.fd) })
	}
}

// take notes what waits in the queue, and says whether that was anything.
func (c *capture) take(fd int) bool {
	c.packets, _ = c.queue.Read(fd, c.packets[:0])
	for _, p := range c.packets {
		if i, known := c.index[p.Addr.Interface]; known {
			c.taken = append(c.taken, frame{i, time.Unix(p.Sec, p.Nsec), slices.Clone(p.Data), p.Addr.Type == sys.PacketOutgoing})
		}
	}
	return len(c.packets) > 0
}

// stop ends the reading when nothing comes any more, and returns the frames in
// their order.
func (c *capture) stop() []frame {
	_ = c.file.SetReadDeadline(time.Unix(1, 0))
	c.reading.Wait()
	until := time.Now().Add(lingering)
	for more := true; more && time.Now().Before(until); {
		time.Sleep(quiet)
		for more = false; c.take(c.fd) && time.Now().Before(until); {
			more = true
		}
	}
	c.file.Close()
	return c.taken
}

// The link types of Ethernet and of raw IP (tcpdump.org/linktypes).
const (
	linkEthernet = 1
	linkRawIP    = 101
)

func (c *capture) write(w io.Writer, frames []frame) error {
	file, err := pcapfile.NewNgWriter(w, "dialscope lab")
	for i, name := range c.names {
		link := uint16(linkEthernet)
		if c.raw[uint32(i)] {
			link = linkRawIP
		}
		_, err = file.Interface(name, link, 0)
	}
	for _, f := range frames {
		way := pcapfile.Inbound
		if f.out {
			way = pcapfile.Outbound
		}
		err = file.Frame(f.iface, time.Duration(f.at.UnixNano()), f.data, len(f.data), way)
	}
	return err // the first stays
}

func swap16(v uint16) uint16 {
	b := binary.NativeEndian.AppendUint16(nil, v)
	return binary.BigEndian.Uint16(b)
}
