package lab

import (
	"context"
	"net/netip"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/listen"
)

// listener is dialscope listen inside a host.
type listener struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the server and what it has accepted.
func (l *listener) Close() error {
	l.cancel()
	<-l.done
	return nil
}

func (st *Stand) listen(h *netns.Host, v *Service) error {
	o, err := personality(v.Flags)
	if err != nil {
		return err // it was checked when the scenario was read
	}
	o.Addrs = []netip.AddrPort{netip.MustParseAddrPort(v.At)}
	o.Threads = 1
	var s *listen.Server
	if err := h.Do(func() (err error) {
		s, err = listen.Open(o)
		return err
	}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{cancel, make(chan struct{})}
	st.open = append(st.open, l)
	go func() {
		defer close(l.done)
		s.Run(ctx)
	}()
	return nil
}
