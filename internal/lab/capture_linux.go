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
)

// Capture runs a scenario once and writes what passed the interfaces of one of
// its hosts, as pcapng. It returns how many packets that were.
func Capture(ctx context.Context, s *Scenario, l Level, host string, program Program, w io.Writer) (packets int, r *Result, err error) {
	st, err := Build(ctx, s)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	h := st.Host(host)
	if h == nil {
		return 0, nil, fmt.Errorf("%s has no host %q; its hosts are %s", s.Name, host, s.Plan.names())
	}
	c, err := listenPackets(h, s.Plan.ends(host))
	if err != nil {
		return 0, nil, err
	}
	r = &Result{Scenario: s.Name, Level: l, Truth: s.TruthAt(l)}
	err = st.dial(ctx, l, program, r)
	// The peer's last packets may be on their way: a RST for a closed socket.
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	taken := c.stop()
	if err != nil {
		return 0, nil, err
	}
	return len(taken), r, c.write(w, taken)
}

// capture is a packet socket (packet(7)) that is read until it is stopped.
type capture struct {
	file    *os.File
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
	c := &capture{index: map[int]uint32{}, raw: map[uint32]bool{}}
	const all = syscall.ETH_P_ALL
	err := h.Do(func() error {
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, int(swap16(all)))
		if err != nil {
			return os.NewSyscallError("socket(AF_PACKET)", err)
		}
		const room = 16 << 20 // for a flood of data; the limit of a user without privileges takes its place
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, room)
		c.file = os.NewFile(uintptr(fd), "packets")
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
	if err != nil {
		return
	}
	buf := make([]byte, 1<<16)
	for {
		var n int
		var from syscall.Sockaddr
		var failed error
		err := rc.Read(func(fd uintptr) bool {
			n, from, failed = syscall.Recvfrom(int(fd), buf, 0)
			return !errors.Is(failed, syscall.EAGAIN)
		})
		if err != nil {
			return // closed
		}
		link, ok := from.(*syscall.SockaddrLinklayer)
		if failed != nil || !ok {
			continue
		}
		if i, known := c.index[link.Ifindex]; known {
			c.taken = append(c.taken, frame{i, time.Now(), slices.Clone(buf[:n]), link.Pkttype == syscall.PACKET_OUTGOING})
		}
	}
}

// stop ends the reading and returns the frames in their order.
func (c *capture) stop() []frame {
	_ = c.file.SetReadDeadline(time.Unix(1, 0))
	c.reading.Wait()
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
