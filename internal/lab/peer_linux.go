package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/dialscope/dialscope/internal/host/tun"
	"github.com/dialscope/dialscope/internal/lab/peer"
)

// performance is a peer's script while it is played.
type performance struct {
	device *tun.Device
	cancel context.CancelFunc
	ended  chan struct{}

	transcript *peer.Transcript // when ended
	err        error
}

// perform opens the TUN device of the client's end and begins to play.
func (st *Stand) perform(end PlanEnd) error {
	script, err := peer.Parse(st.Scenario.Peer.Script)
	if err != nil {
		return err
	}
	p := &performance{ended: make(chan struct{})}
	err = st.hosts[end.Host].Do(func() (err error) {
		p.device, err = tun.Open(end.Interface)
		return err
	})
	if err != nil {
		return possible(err)
	}
	if err := p.route(end, st.Scenario.Peer.Routes); err != nil {
		return errors.Join(err, p.device.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	st.peer = p
	go func() {
		defer close(p.ended)
		p.transcript, p.err = script.Serve(ctx, p.device, nil)
	}()
	return nil
}

func (p *performance) route(end PlanEnd, networks []string) error {
	if err := p.device.Up(end.Addrs...); err != nil {
		return err
	}
	for _, n := range networks {
		to, err := prefix(n)
		if err != nil {
			return err
		}
		if err := p.device.Route(netip.PrefixFrom(to.Addr(), to.Bits())); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the performance and waits for it.
func (p *performance) stop() {
	p.cancel()
	<-p.ended
	p.device.Close()
}

// played says what the kernel did that the script did not expect. It ends the
// performance.
func (st *Stand) played() error {
	if st.peer == nil {
		return nil
	}
	st.peer.cancel()
	<-st.peer.ended
	var unmet *peer.UnmetError
	if errors.As(st.peer.err, &unmet) {
		return fmt.Errorf("the peer's script: %w\n%s", unmet, st.peer.transcript)
	}
	return nil
}
