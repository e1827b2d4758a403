package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// Stand is a scenario's network, built and broken.
type Stand struct {
	Scenario *Scenario
	net      *netns.Net
	hosts    map[string]*netns.Host
	open     []io.Closer // sockets of services and held connections
	serving  sync.WaitGroup
	peer     *performance
	accepted chan struct{} // closed when a service has accepted a connection
	accept   sync.Once
}

// Build builds the scenario's network. An error that wraps [ErrNotPossible]
// says what this host lacks.
func Build(ctx context.Context, s *Scenario) (*Stand, error) {
	if err := netns.Supported(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPossible, err)
	}
	n, err := netns.New()
	if err != nil {
		return nil, err
	}
	st := &Stand{Scenario: s, net: n, hosts: map[string]*netns.Host{}, accepted: make(chan struct{})}
	if err := st.build(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

func (st *Stand) build(ctx context.Context) error {
	for _, h := range st.Scenario.Plan.Hosts {
		if h.Scripted {
			continue
		}
		host, err := st.net.Host(h.Name)
		if err != nil {
			return err
		}
		st.hosts[h.Name] = host
		if h.Router {
			if err := host.Forward(); err != nil {
				return err
			}
		}
	}
	for _, l := range st.Scenario.Plan.Links {
		if st.Scenario.Plan.host(l.B.Host).Scripted {
			if err := st.perform(l.A); err != nil {
				return err
			}
			continue
		}
		opts := netns.LinkOptions{
			A: netns.End{Name: l.A.Interface, Addrs: l.A.Addrs}, B: netns.End{Name: l.B.Interface, Addrs: l.B.Addrs}, MTU: l.MTU,
		}
		if _, err := st.net.Link(st.hosts[l.A.Host], st.hosts[l.B.Host], opts); err != nil {
			return err
		}
	}
	for _, r := range st.Scenario.Plan.Routes {
		if err := st.hosts[r.Host].AddRoute(r.To, r.Via); err != nil {
			return err
		}
	}
	// Services come first: a fault may connect to one, or cut it off.
	for i := range st.Scenario.Services {
		if err := st.serve(ctx, &st.Scenario.Services[i]); err != nil {
			return fmt.Errorf("services[%d]: %w", i, err)
		}
	}
	for i := range st.Scenario.Faults {
		if err := st.inflict(ctx, &st.Scenario.Faults[i]); err != nil {
			return possible(fmt.Errorf("faults[%d]: %w", i, err))
		}
	}
	return nil
}

// possible marks the errors with which a kernel says that it does not know
// what is asked of it, or does not allow it.
func possible(err error) error {
	for _, lacking := range []error{
		errors.ErrUnsupported, syscall.EOPNOTSUPP, syscall.ENOENT, syscall.EPERM, syscall.EACCES, syscall.EROFS,
		syscall.ENOSYS, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT,
	} {
		if errors.Is(err, lacking) {
			return fmt.Errorf("%w: %w", ErrNotPossible, err)
		}
	}
	return err
}

func (st *Stand) came() { st.accept.Do(func() { close(st.accepted) }) }

// Client is the host that dials.
func (st *Stand) Client() *netns.Host { return st.hosts["client"] }

// Host is a host by its name, nil if there is none.
func (st *Stand) Host(name string) *netns.Host { return st.hosts[name] }

// Close takes everything down.
func (st *Stand) Close() error {
	for _, c := range slices.Backward(st.open) {
		c.Close()
	}
	if st.peer != nil {
		st.peer.stop()
	}
	st.serving.Wait()
	return st.net.Close()
}
