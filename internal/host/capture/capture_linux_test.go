package capture

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
	"github.com/dialscope/dialscope/internal/wire"
)

// open captures within a host.
func open(t *testing.T, h *netns.Host, c Config) *Capture {
	t.Helper()
	var k *Capture
	if err := h.Do(func() (err error) { k, err = Open(c); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func chain(t *testing.T, routers int) *netns.Chain {
	t.Helper()
	testmain.Need(t, "netns", "raw")
	c, err := netns.NewChain(routers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// said lists the frames as "out S", "in R.", until there are as many as wanted.
func said(t *testing.T, k *Capture, n int) (lines []string, frames []Frame) {
	t.Helper()
	until := time.Now().Add(5 * time.Second)
	for len(lines) < n {
		batch, err := k.Read(until)
		if err != nil {
			t.Fatalf("%v after %q", err, lines)
		}
		for _, f := range batch {
			v := wire.Look(f.Data)
			what := v.Protocol.String()
			if v.Protocol == wire.TCP {
				tcp := wire.LookTCP(v.Payload)
				what = tcp.Flags.String()
			}
			lines = append(lines, f.Direction.String()+" "+what)
			f.Data = append([]byte(nil), f.Data...)
			frames = append(frames, f)
		}
	}
	return lines, frames
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

func refused(t *testing.T, h *netns.Host, to netip.AddrPort) {
	t.Helper()
	if c, err := h.DialContext(t.Context(), "tcp", to.String()); err == nil {
		c.Close()
		t.Fatalf("%v is open", to)
	}
}

// Both ways of reading show a refused handshake, both directions, and nothing else.
func TestRefusedHandshake(t *testing.T) {
	c := chain(t, 1)
	for _, tt := range []struct {
		name   string
		config Config
		server netip.Addr
	}{
		{"queue", Config{}, c.Server4},
		{"queue, IPv6", Config{}, c.Server6},
		{"queue, one interface", Config{Interface: "eth0"}, c.Server4},
		{"ring", Config{Ring: 1 << 20}, c.Server4},
		{"ring, IPv6", Config{Ring: 1, Snap: 100}, c.Server6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := tt.config
			config.Filter = Filter{{Protocol: TCP, Hosts: []netip.Addr{tt.server}, Ports: []uint16{81}}}
			began := time.Now()
			k := open(t, c.Client, config)
			refused(t, c.Client, netip.AddrPortFrom(tt.server, 80)) // not wanted
			refused(t, c.Client, netip.AddrPortFrom(tt.server, 81))
			lines, frames := said(t, k, 2)
			same(t, lines, "out S", "in R.")
			for i, f := range frames {
				if f.Interface == 0 || f.Loopback || f.Length < 40 || len(f.Data) != min(f.Length, 256) && config.Snap == 0 || len(f.Hardware) != 6 {
					t.Errorf("frame %d: %+v", i, f)
				}
				if since := f.At.Sub(began); since < -time.Millisecond || since > 10*time.Second {
					t.Errorf("frame %d was seen %v after the beginning", i, since)
				}
			}
			if frames[1].At.Before(frames[0].At) {
				t.Error("the answer is older than the question")
			}
			if v := wire.Look(frames[1].Data); v.TTL != 63 {
				t.Errorf("the RST's TTL is %d, want 63 behind one router", v.TTL)
			}
			if s, err := k.Stats(); err != nil || s.Received != 2 || s.Dropped != 0 {
				t.Errorf("%+v, %v; want 2 received", s, err)
			}
		})
	}
}

func TestLoopbackShowsEachPacketOnce(t *testing.T) {
	c := chain(t, 0)
	k := open(t, c.Client, Config{Filter: Filter{{Protocol: TCP}}})
	refused(t, c.Client, netip.MustParseAddrPort("127.0.0.1:81"))
	lines, frames := said(t, k, 2)
	same(t, lines, "in S", "in R.")
	if !frames[0].Loopback || frames[0].Checksum != Absent {
		t.Errorf("%+v; want it marked as loopback's, its checksum absent", frames[0])
	}
}

// An ICMP error from a router is given although the router's address was not named.
func TestErrorAboutWantedPacket(t *testing.T) {
	c := chain(t, 1)
	if _, err := c.Routers[0].Firewall(netns.Rule{Hook: netns.Forward, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.RejectICMP(netns.HostProhibited)}); err != nil {
		testmain.Check(t, "netns", err)
	}
	k := open(t, c.Client, Config{Filter: Filter{{Protocol: TCP, Hosts: []netip.Addr{c.Server4}}}})
	refused(t, c.Client, netip.AddrPortFrom(c.Server4, 80))
	lines, _ := said(t, k, 2)
	same(t, lines, "out S", "in ICMP")
}

func TestReadEnds(t *testing.T) {
	c := chain(t, 0)
	for _, ring := range []int{0, 1} {
		k := open(t, c.Client, Config{Filter: Filter{{Protocol: TCP}}, Ring: ring})
		if f, err := k.Ready(); err != nil || len(f) != 0 {
			t.Errorf("nothing was sent, and %v, %v", f, err)
		}
		if _, err := k.Read(time.Now().Add(time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("at the deadline: %v", err)
		}
		ended := make(chan error, 1)
		go func() { _, err := k.Read(time.Time{}); ended <- err }()
		k.Interrupt()
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
		if _, err := k.Read(time.Time{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the interruption: %v", err)
		}
		k.Close()
		k.Close()
		if _, err := k.Read(time.Time{}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

// What does not fit is counted, and reading goes on.
func TestDropsAreCounted(t *testing.T) {
	c := chain(t, 0)
	from, err := c.Client.ListenPacket("udp", netip.AddrPortFrom(c.Client4, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	const sent = 3000
	for _, ring := range []int{0, blockSize} {
		k := open(t, c.Client, Config{Filter: Filter{{Protocol: UDP, Ports: []uint16{9}}}, Ring: ring})
		for range sent {
			if _, err := from.WriteTo(make([]byte, 1000), net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.Server4, 9))); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
		n := 0
		for {
			frames, err := k.Read(time.Now().Add(4 * blockPatience * time.Millisecond))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				if f.Direction == Out {
					n++
				}
			}
		}
		s, err := k.Stats()
		if err != nil || s.Dropped == 0 || s.Received < sent || n == 0 || n >= sent {
			t.Errorf("ring %d: %d read, %+v, %v: want some read, some dropped", ring, n, s, err)
		}
		k.Close()
	}
}

// Many packets come through a ring, in order and without loss.
func TestRingKeepsUp(t *testing.T) {
	c := chain(t, 0)
	from, err := c.Client.ListenPacket("udp", netip.AddrPortFrom(c.Client4, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	k := open(t, c.Client, Config{Filter: Filter{{Protocol: UDP, Ports: []uint16{9}}}, Ring: 8 << 20})
	const sent = 5000
	go func() {
		for i := range sent {
			_, _ = from.WriteTo([]byte{byte(i >> 8), byte(i)}, net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.Server4, 9)))
		}
	}()
	until := time.Now().Add(20 * time.Second)
	for next := 0; next < sent; {
		frames, err := k.Read(until)
		if err != nil {
			t.Fatalf("%v after %d", err, next)
		}
		for _, f := range frames {
			v := wire.Look(f.Data)
			if f.Direction != Out || v.Protocol != wire.UDP {
				continue
			}
			u := wire.LookUDP(v.Payload)
			if got := int(u.Payload[0])<<8 | int(u.Payload[1]); got != next {
				t.Fatalf("packet %d after %d", got, next-1)
			}
			next++
		}
	}
}

func TestNotPossible(t *testing.T) {
	if _, err := Open(Config{Interface: "nowhere0"}); err == nil {
		t.Error("an interface that is not there was opened")
	}
	testmain.Need(t, "netns")
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h, err := n.Host("alone")
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Wrap(testmain.Command(t.Context(), "open")).Unprivileged().Output()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func BenchmarkOpenClose(b *testing.B) {
	testmain.Need(b, "raw")
	f := Filter{{Protocol: TCP, Hosts: []netip.Addr{there4}, Ports: []uint16{443}}}
	for b.Loop() {
		k, err := Open(Config{Filter: f})
		if err != nil {
			b.Fatal(err)
		}
		k.Close()
	}
}
