package dialscope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

// The cases of Go's own dial tests (net/dial_test.go, dial_unix_test.go,
// timeout_test.go) that the other tests here do not have: the name of each is
// in its comment.

// pair listens at one port of 127.0.0.1 and ::1.
func pair(t *testing.T) (four, six *net.TCPListener, port uint16) {
	t.Helper()
	for range 20 { // the number may be taken in the other family
		a, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port = a.Addr().(*net.TCPAddr).AddrPort().Port()
		b, err := net.Listen("tcp6", target("::1", port))
		if err != nil {
			a.Close()
			continue
		}
		t.Cleanup(func() { a.Close(); b.Close() })
		return a.(*net.TCPListener), b.(*net.TCPListener), port
	}
	t.Fatal("no port is free in both families")
	return nil, nil, 0
}

// TestDialerLocalAddr: every form of source with every network, and what net
// makes of it. Where net fails, so does this, with an AddrError.
func TestLocalAddrsAsNet(t *testing.T) {
	four, six, _ := pair(t)
	sources := []net.Addr{
		nil, (*net.TCPAddr)(nil), &net.TCPAddr{},
		&net.TCPAddr{IP: net.IPv4zero}, &net.TCPAddr{IP: net.IPv4zero.To4()}, &net.TCPAddr{IP: net.IPv6unspecified},
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1).To4()}, &net.TCPAddr{IP: net.IPv6loopback},
		&net.UDPAddr{}, &net.UnixAddr{}, &net.IPAddr{},
	}
	for _, network := range []string{"tcp", "tcp4", "tcp6"} {
		for _, to := range []net.Addr{four.Addr(), six.Addr()} {
			for _, source := range sources {
				what := fmt.Sprintf("%s from %T %v to %v", network, source, source, to)
				c, theirs := (&net.Dialer{LocalAddr: source}).Dial(network, to.String())
				if theirs == nil {
					c.Close()
				}
				c, ours := (&Dialer{LocalAddr: source}).Dial(network, to.String())
				if ours == nil {
					c.Close()
				}
				if (theirs == nil) != (ours == nil) {
					t.Errorf("%s: net says %v, we say %v", what, theirs, ours)
				}
				var op *net.OpError
				var address *net.AddrError
				if ours != nil && (!errors.As(ours, &op) || op.Op != "dial" || op.Net != network || !errors.As(ours, &address)) {
					t.Errorf("%s: %v", what, ours)
				}
			}
		}
	}
}

// TestProhibitionaryDialArg: an IPv4-mapped address is IPv4.
func TestMappedAddress(t *testing.T) {
	four, _, port := pair(t)
	if _, err := new(Dialer).Dial("tcp6", target("::ffff:127.0.0.1", port)); err == nil {
		t.Error("tcp6 connected to an IPv4 address")
	}
	c, err := new(Dialer).Dial("tcp", target("::ffff:127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != four.Addr().String() {
		t.Errorf("connected to %v", c.RemoteAddr())
	}
}

// TestDialLocal and TestDialListenerAddr (golang.org/issue/18806): no host, or an
// unspecified one, is this host, whatever the family of its listener.
func TestUnspecifiedHost(t *testing.T) {
	four, six := testmain.Listen(t, "127.0.0.1:0", hold), testmain.Listen(t, "[::1]:0", hold)
	for _, tt := range []struct {
		network, host string
		port          uint16
	}{
		{"tcp", "", four.Port()}, {"tcp4", "", four.Port()}, {"tcp6", "", six.Port()},
		{"tcp", "0.0.0.0", four.Port()}, {"tcp4", "0.0.0.0", four.Port()},
		{"tcp", "::", six.Port()}, {"tcp6", "::", six.Port()},
		{"tcp", "::", four.Port()}, {"tcp4", "::", four.Port()},
	} {
		c, r, err := new(Dialer).DialReport(context.Background(), tt.network, target(tt.host, tt.port))
		if err != nil {
			t.Errorf("%s %q: %v", tt.network, tt.host, err)
			continue
		}
		if !c.RemoteAddr().(*net.TCPAddr).IP.IsLoopback() || r.Winner() != len(r.Attempts)-1 {
			t.Errorf("%s %q: connected to %v, attempt %d of %d", tt.network, tt.host, c.RemoteAddr(), r.Winner(), len(r.Attempts))
		}
		c.Close()
	}
	// The error of a host that listens in neither family is the first one's.
	closed := closedPort(t, "127.0.0.1")
	_, err := new(Dialer).Dial("tcp", target("::", closed.Port()))
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr.String() != target("::", closed.Port()) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

// TestDialParallel: which address of a name connects, and whether the attempt
// delay was waited for.
func TestRaceOfManyKinds(t *testing.T) {
	const slow4, dead4, live4, dead6 = "127.0.0.11", "127.0.0.12", "127.0.0.1", "::1"
	port := testmain.Listen(t, "127.0.0.1:0", hold).Port()
	silent(t, slow4, port)
	const forever = time.Minute
	for _, tt := range []struct {
		name    string
		addrs   []string
		delay   time.Duration
		want    string        // "": none connects
		atLeast time.Duration // the delays that must have been waited for
	}{
		{"one", []string{live4}, forever, live4, 0},
		{"the first connects", []string{live4, slow4}, forever, live4, 0},
		{"slow, then live", []string{slow4, live4}, 60 * time.Millisecond, live4, 60 * time.Millisecond},
		{"refused, then live: no delay", []string{dead4, live4}, forever, live4, 0},
		{"IPv6 refused, IPv4 live: no delay", []string{dead6, live4}, forever, live4, 0},
		{"two refused, then live", []string{dead4, "127.0.0.13", live4}, forever, live4, 0},
		{"slow, refused, then live", []string{slow4, dead4, live4}, 60 * time.Millisecond, live4, 60 * time.Millisecond},
		{"all refused", []string{dead4, "127.0.0.13"}, forever, "", 0},
		{"nothing to do", nil, forever, "", 0},
	} {
		z := &zone{names: map[string][]netip.Addr{"race.test": addrs(tt.addrs...)}}
		d := asking(serveZone(t, z))
		d.FallbackDelay, d.Timeout = tt.delay, 30*time.Second
		c, r, err := d.DialReport(context.Background(), "tcp", target("race.test.", port))
		if (err == nil) != (tt.want != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			if got := c.RemoteAddr().(*net.TCPAddr).IP.String(); got != tt.want {
				t.Errorf("%s: connected to %s", tt.name, got)
			}
			c.Close()
		}
		if r.Took < tt.atLeast || r.Took > 20*time.Second {
			t.Errorf("%s: took %v", tt.name, r.Took)
		}
	}
}

// TestDialParallel: many addresses, of which one connects, are no burden; many
// that refuse all have their turn. Their number is what a datagram holds.
func TestManyAddresses(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.1:0", hold)
	list := addrs("127.0.0.1")
	for i := range 60 {
		list = append(list, netip.AddrFrom4([4]byte{127, 1, 0, byte(i)}))
	}
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"many.test": list, "dead.test": list[1:]}})
	d := asking(z)
	d.FallbackDelay = time.Minute
	c, r, err := d.DialReport(context.Background(), "tcp", target("many.test.", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if r.Winner() != len(r.Attempts)-1 || r.Took > 30*time.Second {
		t.Errorf("%d attempts, winner %d, in %v", len(r.Attempts), r.Winner(), r.Took)
	}
	_, r, err = d.DialReport(context.Background(), "tcp", target("dead.test.", live.Port()))
	if !errors.Is(err, syscall.ECONNREFUSED) || len(r.Attempts) != 60 {
		t.Errorf("%d attempts, %v", len(r.Attempts), err)
	}
}

// TestDialerFallbackDelay: "a very brief delay" falls back at once, an explicit
// one is kept, and the default is RFC 8305's 250 ms.
func TestFallbackDelays(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	silent(t, "127.0.0.1", live.Port())
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	for _, tt := range []struct{ delay, want time.Duration }{
		{time.Nanosecond, 0}, {80 * time.Millisecond, 80 * time.Millisecond}, {0, 250 * time.Millisecond},
	} {
		d := asking(z)
		d.FallbackDelay = tt.delay
		c, r, err := d.DialReport(context.Background(), "tcp", target("two.test", live.Port()))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		// The upper bound is generous: the machine may be busy.
		if gap := r.Attempts[1].Began - r.Attempts[0].Began; gap < tt.want-2*time.Millisecond || gap > tt.want+2*time.Second {
			t.Errorf("delay %v: the second attempt %v after the first", tt.delay, gap)
		}
	}
}

// TestDialParallelSpuriousConnection: two addresses connect; one is returned,
// and the other's peer sees its end, without data.
func TestTheOtherConnectionIsClosed(t *testing.T) {
	ends := make(chan error, 2)
	watch := func(c *net.TCPConn) {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := c.Read(make([]byte, 1))
		ends <- err
	}
	one := testmain.Listen(t, "127.0.0.1:0", watch)
	testmain.Listen(t, target("127.0.0.2", one.Port()), watch)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	d := asking(z)
	d.EveryAddress = true // both handshakes are completed, whoever is first
	c, err := d.Dial("tcp", target("two.test", one.Port()))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ends; err != io.EOF { // the loser's peer, while the winner stands
		t.Errorf("the loser's peer read %v", err)
	}
	c.Close()
	if err := <-ends; err != io.EOF {
		t.Errorf("the winner's peer read %v", err)
	}
}

// TestDialerDualStack: where one family's listener goes away, the other serves.
func TestDualStack(t *testing.T) {
	four, six, port := pair(t)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"both.test": addrs("127.0.0.1", "::1")}})
	d := asking(z)
	d.Timeout = 10 * time.Second
	dial := func() netip.Addr {
		t.Helper()
		c, err := d.Dial("tcp", target("both.test", port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
	}
	if a := dial(); a != netip.IPv6Loopback() {
		t.Errorf("connected to %v while both listen", a)
	}
	six.Close()
	if a := dial(); a.String() != "127.0.0.1" {
		t.Errorf("connected to %v without IPv6", a)
	}
	four.Close()
	if c, err := d.Dial("tcp", target("both.test", port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, %v", c, err)
	}
}

// TestDialerDualStackFDLeak: dials at once, of both families; the leak check of
// this package counts descriptors.
func TestManyDualStackDials(t *testing.T) {
	one := testmain.Listen(t, "127.0.0.1:0", hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"both.test": addrs("127.0.0.1", "::1")}})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			c, err := asking(z).Dial("tcp", target("both.test", one.Port()))
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	all.Wait()
}

// TestDialContextCancelRace (golang.org/issue/16523): cancelled in the moment in
// which SO_ERROR says that it is connected.
func TestCancelledAsItConnects(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	ctx, cancel := context.WithCancel(context.Background())
	d := Dialer{Trace: &Trace{Observed: func(_ int, e evidence.Entry) {
		if e.Fact.Kind() == "so_error" {
			cancel()
		}
	}}}
	c, err := d.DialContext(ctx, "tcp", to.String())
	var op *net.OpError
	if c != nil || !errors.As(err, &op) || op.Op != "dial" || op.Err.Error() != "operation was canceled" {
		t.Errorf("%v, %v", c, err)
	}
}

// TestCancelAfterDial (golang.org/issue/15078): a context that ends after the dial
// does nothing to the connection.
func TestCancelledAfterTheDial(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) { io.Copy(c, c) })
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"echo.test": addrs("127.0.0.1")}})
	for _, address := range []string{to.String(), target("echo.test", to.Port())} {
		ctx, cancel := context.WithCancel(context.Background())
		c, err := asking(z).DialContext(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := io.WriteString(c, "echo!"); err != nil {
			t.Error(err)
		}
		c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != "echo!" {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
	}
}

// TestDialClosedPortFailFast (golang.org/issue/23366): a refusal is told at once, and
// not tried again.
func TestClosedPortFailsFast(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		to := closedPort(t, host)
		_, r, err := new(Dialer).DialReport(context.Background(), "tcp", to.String())
		if !errors.Is(err, syscall.ECONNREFUSED) || len(r.Attempts) != 1 || r.Took > time.Second {
			t.Errorf("%s: %d attempts in %v: %v", host, len(r.Attempts), r.Took, err)
		}
	}
}

// TestDialTimeout, TestDialTimeoutMaxDuration: a bound beyond all time is none, and
// every bound in the past is a timeout.
func TestBoundsOfTime(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	silent := silent(t, "127.0.0.1", 0)
	now := time.Now()
	for _, d := range []*Dialer{
		{Timeout: math.MaxInt64}, {Deadline: now.Add(math.MaxInt64)}, {AttemptTimeout: math.MaxInt64},
		{Timeout: math.MaxInt64, Deadline: now.Add(math.MaxInt64), Thorough: true, Settle: time.Millisecond},
	} {
		c, err := d.Dial("tcp", to.String())
		if err != nil {
			t.Errorf("%v, %v: %v", d.Timeout, d.Deadline, err)
			continue
		}
		c.Close()
	}
	for _, d := range []*Dialer{
		{Timeout: 20 * time.Millisecond}, {Deadline: now.Add(20 * time.Millisecond)}, {Timeout: -1}, {Timeout: math.MinInt64},
		{Deadline: now.Add(-1)}, {Deadline: time.Unix(1, 0)}, {Timeout: time.Nanosecond}, {AttemptTimeout: time.Nanosecond},
		{Timeout: time.Hour, Deadline: now.Add(10 * time.Millisecond)}, {Timeout: 10 * time.Millisecond, Deadline: now.Add(time.Hour)},
	} {
		c, err := d.Dial("tcp", silent.String())
		var timeout net.Error
		if c != nil || !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v: %v", d.Timeout, d.Deadline, err)
		}
	}
}

// TestDialerPartialDeadline has its cases in TestShare. Here: without a race a
// dead address does not take the time of a live one, and no address is tried
// when the time is over.
func TestInTurnAfterARefusal(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	d := asking(z)
	d.FallbackDelay, d.Timeout = -1, 10*time.Second
	c, r, err := d.DialReport(context.Background(), "tcp", target("two.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(r.Attempts) != 2 || r.Winner() != 1 || r.Took > 5*time.Second {
		t.Errorf("%d attempts in %v", len(r.Attempts), r.Took)
	}
}

// TestDialerControl and TestDialerControlContext, for every network that this
// dialer explains and those that it passes on; the context is the caller's.
func TestControlOfEveryNetwork(t *testing.T) {
	path := t.TempDir() + "/socket"
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	datagram, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()
	four, six := testmain.Listen(t, "127.0.0.1:0", hold).String(), testmain.Listen(t, "[::1]:0", hold).String()
	type key struct{}
	for _, tt := range []struct{ network, address, told string }{
		{"tcp", four, "tcp4"}, {"tcp4", four, "tcp4"}, {"tcp", six, "tcp6"}, {"tcp6", six, "tcp6"},
		{"udp", datagram.LocalAddr().String(), "udp4"}, {"udp4", datagram.LocalAddr().String(), "udp4"}, {"unix", path, "unix"},
	} {
		var told []string
		d := Dialer{
			Control: func(string, string, syscall.RawConn) error { t.Error("Control ran beside ControlContext"); return nil },
			ControlContext: func(ctx context.Context, network, address string, c syscall.RawConn) error {
				told = append(told, network, address, fmt.Sprint(ctx.Value(key{})))
				var inner error
				err := c.Control(func(fd uintptr) {
					inner = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
				})
				return errors.Join(err, inner)
			},
		}
		c, err := d.DialContext(context.WithValue(context.Background(), key{}, tt.network), tt.network, tt.address)
		if err != nil {
			t.Errorf("%s: %v", tt.network, err)
			continue
		}
		c.Close()
		if got, want := strings.Join(told, " "), tt.told+" "+tt.address+" "+tt.network; got != want {
			t.Errorf("%s: the hook was told %q, want %q", tt.network, got, want)
		}
	}
}
