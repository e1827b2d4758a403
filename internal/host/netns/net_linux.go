package netns

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Net is a set of hosts and the links between them. Its methods may be called
// by several goroutines at once; separate Nets do not know of each other, even
// where names and addresses are the same.
type Net struct {
	mu     sync.Mutex
	hosts  []*Host
	closed bool
	index  atomic.Int32 // of the interface made last; 1 is every host's lo
}

// New returns a network without hosts.
func New() (*Net, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	n := &Net{}
	n.index.Store(1)
	return n, nil
}

// Host adds a host: a network namespace of its own in which only the loopback
// interface exists, and is up. The name is for messages; it is unique in the Net.
//
// A new host answers to its own addresses and does not forward. So that
// nothing but the traffic under test moves the interfaces' counters, IPv6
// duplicate address detection, router solicitation and autoconfiguration are
// off, and multicast listener reports are put off beyond any test's end.
// Reverse path filtering is off until a test asks for it.
func (n *Net) Host(name string) (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("host %s: the network is closed", name)
	}
	if slices.ContainsFunc(n.hosts, func(h *Host) bool { return h.name == name }) {
		return nil, fmt.Errorf("host %s: the name is taken", name)
	}
	h, err := newHost(name)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	n.hosts = append(n.hosts, h)
	return h, nil
}

// Hosts returns the hosts in the order in which they were added.
func (n *Net) Hosts() []*Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.hosts)
}

// Close kills the processes that run in the hosts, waits for them, and gives
// the namespaces up. Sockets that were opened inside stay usable, and keep
// their namespace alive, until they are closed. A second Close does nothing.
func (n *Net) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	var errs []error
	for _, h := range n.hosts {
		errs = append(errs, h.close())
	}
	n.hosts = nil
	return errors.Join(errs...)
}

// Supported says whether this process can build networks: nil, or why not and
// what would help. The answer is found once, by making a namespace.
var Supported = sync.OnceValue(func() error {
	fd, err := sys.NewNetNS()
	if err == nil {
		return syscall.Close(fd)
	}
	return fmt.Errorf("cannot make a network namespace: %w (%s)", err, obstacle(err))
})
