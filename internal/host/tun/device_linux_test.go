package tun_test

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/tun"
	"github.com/dialscope/dialscope/internal/testmain"
)

// device makes a host with a TUN interface that is down.
func device(t *testing.T) (*netns.Host, *tun.Device) {
	t.Helper()
	testmain.Need(t, "netns")
	testmain.Check(t, "netns", tun.Supported())
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	h, err := n.Host("client")
	if err != nil {
		t.Fatal(err)
	}
	return h, open(t, h, "tun0")
}

func open(t *testing.T, h *netns.Host, name string) (d *tun.Device) {
	t.Helper()
	err := h.Do(func() (err error) {
		d, err = tun.Open(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// send sends a datagram from the host.
func send(t *testing.T, h *netns.Host, to, text string) {
	t.Helper()
	var c net.Conn
	err := h.Do(func() (err error) {
		c, err = net.Dial("udp", to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// read returns the next packet from the kernel.
func read(t *testing.T, d *tun.Device) []byte {
	t.Helper()
	if err := d.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	n, err := d.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// One packet a read, without a header; nothing but what was sent.
func TestReadGivesPackets(t *testing.T) {
	t.Parallel()
	h, d := device(t)
	if err := d.Up(prefix("192.0.2.2/24"), prefix("2001:db8::2/64")); err != nil {
		t.Fatal(err)
	}
	if err := d.Route(prefix("203.0.113.0/24"), prefix("2001:db8:1::/48")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to, text string
		version  byte
	}{
		{"192.0.2.1:9", "on the link", 4}, {"203.0.113.1:9", "behind it", 4},
		{"[2001:db8::1]:9", "on the link", 6}, {"[2001:db8:1::1]:9", "behind it", 6},
	} {
		send(t, h, c.to, c.text)
		b := read(t, d)
		if b[0]>>4 != c.version || !strings.HasSuffix(string(b), c.text) {
			t.Errorf("%s: read %x", c.to, b)
		}
	}
}

// What is written arrives at a socket of the host, also the first packet after
// Up.
func TestWriteArrives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ network, peer, datagram string }{ // "hello" from port 53 to port 5353
		{"192.0.2.2/24", "192.0.2.1",
			"45000021000000004011f6c8c0000201c0000202003514e9000d22e068656c6c6f"},
		{"2001:db8::2/64", "2001:db8::1",
			"60000000000d114020010db800000000000000000000000120010db8000000000000000000000002003514e9000d4b6f68656c6c6f"},
	} {
		h, d := device(t)
		b, err := hex.DecodeString(c.datagram)
		if err != nil {
			t.Fatal(err)
		}
		anywhere, err := h.ListenPacket("udp", ":5353")
		if err != nil {
			t.Fatal(err)
		}
		defer anywhere.Close()
		if err := d.Up(prefix(c.network)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := anywhere.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, from, err := anywhere.ReadFrom(got)
		if err != nil || string(got[:n]) != "hello" || from.(*net.UDPAddr).AddrPort().Addr().Unmap().String() != c.peer {
			t.Errorf("%q from %v, %v", got[:n], from, err)
		}
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	h, d := device(t)
	if _, err := d.Write([]byte{0x45, 0, 0, 20}); !errors.Is(err, syscall.EIO) {
		t.Errorf("write before Up: %v", err)
	}
	if err := d.Up(prefix("192.0.2.2/24")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte{0x15}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("write of what is not IP: %v", err)
	}
	if err := d.Down(); err != nil {
		t.Fatal(err)
	}
	_, err := h.DialContext(t.Context(), "udp", "192.0.2.1:9")
	if !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("route through an interface that is down: %v", err)
	}
}

func TestReadEnds(t *testing.T) {
	t.Parallel()
	_, d := device(t)
	b := make([]byte, 100)
	if err := d.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := d.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	reading, ended := make(chan struct{}), make(chan error)
	go func() {
		close(reading)
		_, err := d.Read(b)
		ended <- err
	}()
	<-reading
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("read that Close ended: %v", err)
	}
	if err := d.Up(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Up after Close: %v", err)
	}
}

func TestInterfaceGoesWithTheDevice(t *testing.T) {
	t.Parallel()
	h, d := device(t)
	exists := func(name string) bool {
		var err error
		h.Do(func() error { _, err = net.InterfaceByName(name); return nil })
		return err == nil
	}
	if !exists("tun0") || d.Name() != "tun0" {
		t.Errorf("interface %s", d.Name())
	}
	if other := open(t, h, "peer%d"); other.Name() != "peer0" {
		t.Errorf("the kernel chose %s", other.Name())
	}
	if _, err := os.Stat("/sys/class/net/tun0"); err == nil {
		t.Error("the interface is in the test's own namespace")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if exists("tun0") {
		t.Error("the interface outlives the device")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	h, d := device(t)
	refused := func(what string, err error, want syscall.Errno) {
		t.Helper()
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "tun") {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	err := h.Do(func() error { _, err := tun.Open("tun0"); return err })
	refused("a name that is taken", err, syscall.EBUSY)
	err = h.Do(func() error { _, err := tun.Open("a-name-much-too-long"); return err })
	refused("a long name", err, syscall.EINVAL)
	refused("a route before Up", d.Route(prefix("203.0.113.0/24")), syscall.ENETDOWN)
	if err := d.Up(prefix("192.0.2.2/24")); err != nil {
		t.Fatal(err)
	}
	refused("the same address", d.Up(prefix("192.0.2.2/24")), syscall.EEXIST)
	refused("a tiny MTU", d.SetMTU(10), syscall.EINVAL)
	if err := d.SetMTU(1280); err != nil {
		t.Error(err)
	}
}
