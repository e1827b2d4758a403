package conversation

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/host/capture"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// A real interface is read: a refusal behind a router, and a connection that is
// opened and closed.
func TestLiveInterface(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	chain, err := netns.NewChain(1)
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	var packets *capture.Capture
	if err := chain.Client.Do(func() (err error) {
		packets, err = capture.Open(capture.Config{Interface: "eth0", Filter: capture.Filter{{Protocol: capture.TCP}}, Ring: 1 << 20, Snap: 320})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer packets.Close()

	var listener net.Listener
	if err := chain.Server.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(chain.Server4, 80).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		c, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		c.Read(make([]byte, 1)) //nolint:errcheck // the end of the file is waited for
		c.Close()
	}()
	if c, err := chain.Client.DialContext(t.Context(), "tcp", netip.AddrPortFrom(chain.Server4, 81).String()); err == nil {
		c.Close()
		t.Fatal("port 81 is open")
	}
	c, err := chain.Client.DialContext(t.Context(), "tcp", netip.AddrPortFrom(chain.Server4, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()

	seen := map[uint16]*Report{}
	pass := &Reading{Each: func(r *Report) error {
		seen[netip.AddrPort(r.Responder).Port()] = r
		return nil
	}}
	pass.Start(1)
	n := 0
	const all = 2 + 6 // the refusal; the handshake, FIN, FIN, and an ACK of each or of both
	if err := pass.Live(packets, time.Now().Add(10*time.Second), Lines{Frame: func(*capture.Frame) error {
		if n++; n == all {
			packets.Interrupt()
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if err := pass.End(); err != nil {
		t.Fatal(err)
	}
	if r := seen[81]; r == nil || r.Cause != cause.PortClosed || r.Handshake != "refused" || r.Event != EventEnded {
		t.Errorf("port 81: %+v", r)
	}
	if r := seen[80]; r == nil || r.Handshake != "complete" || r.Ending.How != "fin-both" || *r.Ending.First != "initiator:fin" || r.RTT == nil || *r.RTT <= 0 {
		t.Errorf("port 80: %+v", r)
	}
}
