package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Host is one host of a [Net]: a network namespace.
type Host struct {
	name string
	fd   int
	rt   *netlink.Handle // rtnetlink(7) inside the namespace

	mu        sync.Mutex
	ifaces    map[string]*Interface
	commands  map[*Cmd]struct{}
	firewalls int // ever made
	closed    bool
}

// quiet holds the sysctls of a new host; Net.Host says why. The multicast
// listener reports of version 1 (RFC 2710 §4) leave at once, so before a link is
// handed out, and again after a random part of the interval, here 24 days;
// those of version 2 would leave some milliseconds later. What the host inherits from the kernel's first namespace is
// set back to the documented defaults (ip-sysctl.rst, devconf_inherit_init_net).
var quiet = []struct{ name, value string }{
	{"net.ipv6.conf.default.accept_dad", "0"},
	{"net.ipv6.conf.default.dad_transmits", "0"},
	{"net.ipv6.conf.default.accept_ra", "0"},
	{"net.ipv6.conf.default.router_solicitations", "0"},
	{"net.ipv6.conf.default.autoconf", "0"},
	{"net.ipv6.conf.default.addr_gen_mode", "1"},
	{"net.ipv6.conf.default.force_mld_version", "1"},
	{"net.ipv6.conf.default.mldv1_unsolicited_report_interval", "2147483000"},
	{"net.ipv6.conf.all.forwarding", "0"},
	{"net.ipv4.ip_forward", "0"},
	{"net.ipv4.conf.all.rp_filter", "0"},
	{"net.ipv4.conf.default.rp_filter", "0"},
	{"net.ipv4.conf.default.send_redirects", "0"},
	{"net.ipv4.conf.all.send_redirects", "0"},
}

func newHost(name string) (*Host, error) {
	fd, err := sys.NewNetNS()
	if err != nil {
		return nil, err
	}
	h := &Host{name: name, fd: fd, ifaces: map[string]*Interface{}, commands: map[*Cmd]struct{}{}}
	if h.rt, err = netlink.NewHandleAt(vnetns.NsHandle(fd), syscall.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	err = h.Do(func() error {
		for _, s := range quiet {
			if err := writeSysctl(s.name, s.value); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	if err == nil {
		const loopback = 1 // LOOPBACK_IFINDEX, in every namespace
		err = h.rt.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: loopback, Name: "lo"}})
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// Name returns the name given to [Net.Host].
func (h *Host) Name() string { return h.name }

// Fd returns the descriptor of the host's network namespace, for netlink
// libraries that take one. It belongs to the Net and ends with it.
func (h *Host) Fd() int { return h.fd }

// Do runs f on a thread inside the host. Sockets that f opens are the host's
// and may be used anywhere afterwards; goroutines that f starts run outside.
// f is called by the caller's own goroutine, so that a test's f may fail it.
func (h *Host) Do(f func() error) error { return sys.InNetNS(h.fd, f) }

// Thread runs f in a thread of its own inside the host; the two end together.
// For what cannot be undone in a thread, such as closing the descriptors that
// it would come back by.
func (h *Host) Thread(f func() error) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good
		if sys.OnMainThread() {
			// That one does not end. Nobody else gets it while it is held.
			ended <- h.Thread(f)
			runtime.UnlockOSThread()
			return
		}
		err := h.wrap(sys.EnterNetNS(h.fd))
		if err == nil {
			err = f()
		}
		ended <- err
	}()
	return <-ended
}

// Sysctl sets one of the host's network sysctls, such as
// "net.ipv4.tcp_syn_retries". A slash stands for a dot within an element, as
// in sysctl(8).
func (h *Host) Sysctl(name, value string) error {
	return h.wrap(h.Do(func() error { return writeSysctl(name, value) }))
}

// ReadSysctl returns the value of one of the host's network sysctls.
func (h *Host) ReadSysctl(name string) (value string, err error) {
	err = h.Do(func() error {
		b, err := os.ReadFile(sysctlPath(name))
		value = strings.TrimSpace(string(b))
		return err
	})
	return value, h.wrap(err)
}

// Forward makes the host a router for IPv4 and IPv6.
func (h *Host) Forward() error {
	return h.wrap(h.Do(func() error {
		return errors.Join(
			writeSysctl("net.ipv4.ip_forward", "1"),
			writeSysctl("net.ipv6.conf.all.forwarding", "1"))
	}))
}

// sysctlPath exchanges dots and slashes, as sysctl(8) does.
func sysctlPath(name string) string {
	return "/proc/sys/" + strings.NewReplacer(".", "/", "/", ".").Replace(name)
}

// writeSysctl acts on the namespace of the calling thread.
func writeSysctl(name, value string) error {
	return os.WriteFile(sysctlPath(name), []byte(value), 0)
}

func (h *Host) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("host %s: %w", h.name, err)
}

func (h *Host) close() error {
	h.mu.Lock()
	h.closed = true
	commands := slices.Collect(maps.Keys(h.commands))
	h.mu.Unlock()
	for _, c := range commands {
		c.stop()
	}
	h.rt.Close()
	return h.wrap(syscall.Close(h.fd))
}
