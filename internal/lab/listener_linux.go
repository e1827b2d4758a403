package lab

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/listen"
)

// listener is dialscope listen inside a host.
type listener struct {
	host   string
	server *listen.Server
	cancel context.CancelFunc
	done   chan struct{}
	came   func() // a connection has come

	ended chan struct{} // closed when the first connection has
	once  sync.Once
	line  []byte // as dialscope listen --json --evidence prints it
	err   error
}

// Close ends the server and what it has accepted.
func (l *listener) Close() error {
	l.cancel()
	<-l.done
	return nil
}

// each keeps how the first connection ended: the others are experiments'.
func (l *listener) each(events []listen.Event) {
	for i := range events {
		switch e := &events[i]; {
		case e.Kind == listen.Accepted:
			l.came()
		case e.Kind == listen.Ended && e.ID == 1:
			l.once.Do(func() {
				l.line, l.err = json.Marshal(e)
				close(l.ended)
			})
		}
	}
}

func (st *Stand) listen(h *netns.Host, v *Service) error {
	o, err := personality(v.Flags)
	if err != nil {
		return err // it was checked when the scenario was read
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{host: v.On, cancel: cancel, done: make(chan struct{}), came: st.came, ended: make(chan struct{})}
	o.Addrs = []netip.AddrPort{netip.MustParseAddrPort(v.At)}
	o.Threads, o.Evidence, o.Each = 1, true, l.each
	if err := h.Do(func() (err error) {
		l.server, err = listen.Open(o)
		return err
	}); err != nil {
		cancel()
		return err
	}
	st.open = append(st.open, l)
	go func() {
		defer close(l.done)
		// With one thread the server runs in this one, and sees this host's routes.
		_ = h.Do(func() error { l.server.Run(ctx); return nil })
	}()
	return nil
}

// hear waits for what the listening end says, once the dialing one has ended.
func (st *Stand) hear(ctx context.Context, r *Result) error {
	s := st.Scenario
	if s.Listener == nil || len(r.Report) == 0 {
		return nil
	}
	var l *listener
	for _, o := range st.open {
		if one, is := o.(*listener); is {
			l = one
		}
	}
	if s.Listener.Datagrams != "" {
		return st.count(ctx, l, r)
	}
	if s.Listener.Stands {
		l.Close()
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.ended:
	case <-timer.C:
		return errors.New("the connection has not ended for the listening end: write stands: true if it does not")
	case <-ctx.Done():
		return ctx.Err()
	}
	if l.err != nil {
		return l.err
	}
	return r.hear(s, l.line)
}

// count waits a moment for a server that is about to count an answer which has
// arrived already.
func (st *Stand) count(ctx context.Context, l *listener, r *Result) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var came Datagrams
	for range 100 {
		c := l.server.Counters()
		if came = counted(c.Datagrams, c.Answers); came == st.Scenario.Listener.Datagrams {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.count(st.Scenario, came)
	return nil
}
