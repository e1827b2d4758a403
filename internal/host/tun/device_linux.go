package tun

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Device is the program's end of a TUN interface. Its methods may be called by
// several goroutines at once.
type Device struct {
	file  *os.File
	name  string
	index int

	mu sync.Mutex // held during a request on rt
	rt *sys.Netlink
}

// Open makes a TUN interface in the network namespace of the calling thread. It
// has no address and is down: see [Device.Up]. An empty name lets the kernel
// choose. The Device is used from anywhere afterwards.
func Open(name string) (*Device, error) {
	fd, name, err := sys.OpenTUN(name)
	if err != nil {
		return nil, fmt.Errorf("tun: %w", err)
	}
	// A descriptor that is not yet an interface polls as broken, so the
	// runtime's poller must not see it before now.
	d := &Device{file: os.NewFile(uintptr(fd), sys.TUNPath), name: name}
	if d.rt, err = sys.OpenNetlink(syscall.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("tun %s: %w", name, err), d.file.Close())
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tun %s: %w", name, err), d.Close())
	}
	d.index = i.Index
	return d, nil
}

// Supported says whether this process may make TUN interfaces in namespaces of
// its own: nil, or why not. It makes none.
func Supported() error {
	f, err := os.OpenFile(sys.TUNPath, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("tun: %w", err)
	}
	return f.Close()
}

// Name returns the interface's name.
func (d *Device) Name() string { return d.name }

// Read gives one packet that the kernel sent to the interface, cut to the
// length of b. It waits until there is one, the read deadline passes
// ([os.ErrDeadlineExceeded]) or the Device is closed ([os.ErrClosed]).
func (d *Device) Read(b []byte) (int, error) { return d.file.Read(b) }

// Write hands one packet to the kernel. EIO: the interface is down; EINVAL: the
// packet does not begin with an IP version.
func (d *Device) Write(b []byte) (int, error) { return d.file.Write(b) }

// SetReadDeadline ends reads that wait beyond t, also one that waits already.
// The zero time lets them wait for ever.
func (d *Device) SetReadDeadline(t time.Time) error { return d.file.SetReadDeadline(t) }

// Close takes the interface away and ends reads that wait. Routes through it go
// with it.
func (d *Device) Close() error {
	d.mu.Lock()
	if d.rt != nil {
		d.rt.Close()
		d.rt = nil
	}
	d.mu.Unlock()
	return d.file.Close()
}
