package sock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/testmain"
)

// soProtocol is SO_PROTOCOL (socket(7)), which package syscall does not name.
const soProtocol = 0x26

// read is getsockopt(2) of a connection.
func read(t testing.TB, conn net.Conn, level, option int) int {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	var inner error
	if err := raw.Control(func(fd uintptr) { value, inner = syscall.GetsockoptInt(int(fd), level, option) }); err != nil {
		t.Fatal(err)
	}
	if inner != nil {
		t.Fatalf("getsockopt %d/%d: %v", level, option, inner)
	}
	return value
}

// What was asked for is what the kernel has, read back from the connection.
func TestOptionsAreSet(t *testing.T) {
	testmain.Need(t, "netns") // SO_MARK needs CAP_NET_ADMIN, which builds networks too
	type want struct{ level, option, value int }
	four, six := testmain.Listen(t, "127.0.0.1:0", hold), testmain.Listen(t, "[::1]:0", hold)
	for _, tt := range []struct {
		name   string
		to     netip.AddrPort
		change func(*Config)
		want   want
		record string // the entry that says so, where it changes what the evidence means
	}{
		{"TOS", four, func(c *Config) { c.TOS = 0x48 }, want{sys.SolIP, sys.IPTOS, 0x48}, ""},
		{"traffic class", six, func(c *Config) { c.TOS = 0xb8 }, want{sys.SolIPv6, sys.IPv6TClass, 0xb8}, ""},
		{"TTL", four, func(c *Config) { c.HopLimit = 7 }, want{sys.SolIP, sys.IPTTL, 7}, "IP_TTL=7"},
		{"hop limit", six, func(c *Config) { c.HopLimit = 9 }, want{sys.SolIPv6, sys.IPv6UnicastHops, 9}, "IPV6_UNICAST_HOPS=9"},
		{"mark", four, func(c *Config) { c.Mark = 0xdead }, want{sys.SolSocket, sys.SoMark, 0xdead}, "SO_MARK=57005"},
		{"user timeout", four, func(c *Config) { c.UserTimeout = 4321 * time.Millisecond }, want{sys.SolTCP, sys.TCPUserTimeout, 4321}, "TCP_USER_TIMEOUT=4321"},
		{"user timeout under its step", six, func(c *Config) { c.UserTimeout = time.Microsecond }, want{sys.SolTCP, sys.TCPUserTimeout, 1}, "TCP_USER_TIMEOUT=1"},
		{"SYN retries", four, func(c *Config) { c.SYNRetries = 3 }, want{sys.SolTCP, sys.TCPSynCnt, 3}, "TCP_SYNCNT=3"},
		{"port range", four, func(c *Config) { c.LocalPorts = [2]uint16{42100, 42199} }, want{sys.SolIP, sys.IPLocalPortRange, int(int32(-(1<<32 - (42199<<16 | 42100))))}, "IP_LOCAL_PORT_RANGE=42100-42199"},
		{"port range v6", six, func(c *Config) { c.LocalPorts = [2]uint16{20100, 20199} }, want{sys.SolIP, sys.IPLocalPortRange, 20199<<16 | 20100}, "IP_LOCAL_PORT_RANGE=20100-20199"},
		{"fast open", four, func(c *Config) { c.FastOpen = true }, want{sys.SolTCP, sys.TCPFastOpenConnect, 1}, "TCP_FASTOPEN_CONNECT=1"},
		{"MPTCP", four, func(c *Config) { c.MPTCP = true }, want{sys.SolSocket, soProtocol, sys.ProtoMPTCP}, ""},
		{"no MPTCP", four, func(*Config) {}, want{sys.SolSocket, soProtocol, syscall.IPPROTO_TCP}, ""},
		{"keepalive", four, func(*Config) {}, want{sys.SolSocket, syscall.SO_KEEPALIVE, 1}, ""},
		{"keepalive's default", four, func(*Config) {}, want{sys.SolTCP, syscall.TCP_KEEPIDLE, 15}, ""},
		{"no keepalive", six, func(c *Config) { c.KeepAlive = -1 }, want{sys.SolSocket, syscall.SO_KEEPALIVE, 0}, ""},
		{"keepalive's idle time", four, func(c *Config) { c.KeepAlive = 33 * time.Second }, want{sys.SolTCP, syscall.TCP_KEEPIDLE, 33}, ""},
		{"keepalive's interval", four, func(c *Config) {
			c.KeepAlive = -1
			c.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 7 * time.Second, Count: 3}
		}, want{sys.SolTCP, syscall.TCP_KEEPINTVL, 7}, ""},
		{"keepalive's count", four, func(c *Config) {
			c.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 7 * time.Second, Count: 3}
		}, want{sys.SolTCP, syscall.TCP_KEEPCNT, 3}, ""},
		{"no delay", six, func(*Config) {}, want{sys.SolTCP, syscall.TCP_NODELAY, 1}, ""},
		{"ICMP errors stay soft", four, func(*Config) {}, want{sys.SolIP, sys.IPRecvErr, 0}, ""},
		{"ICMPv6 errors stay soft", six, func(*Config) {}, want{sys.SolIPv6, sys.IPv6RecvErr, 0}, ""},
	} {
		c := towards(tt.to)
		tt.change(c)
		conn, r, err := try(t, c)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := read(t, conn, tt.want.level, tt.want.option); got != tt.want.value {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want.value)
		}
		var recorded []string
		for _, call := range evidence.All[*evidence.Call](r.Log) {
			if call.Errno != "" {
				t.Errorf("%s: %+v", tt.name, call)
			}
			recorded = append(recorded, call.Arg)
		}
		if want := []string{tt.record}; tt.record != "" && !slices.Equal(recorded, want) || tt.record == "" && len(recorded) != 0 {
			t.Errorf("%s: recorded %q, want %q", tt.name, recorded, tt.record)
		}
	}
}

// A datagram socket has IP_RECVERR while its probe is out, and not afterwards.
func TestDatagramOptionsAreSet(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(host), 9)
		c := towards(to)
		c.Network = "udp" + c.Network[3:]
		c.Broadcast = true
		during := -1
		level, recvErr := sys.SolIP, sys.IPRecvErr
		if to.Addr().Is6() {
			level, recvErr = sys.SolIPv6, sys.IPv6RecvErr
		}
		c.Control = func(_, _ string, rc syscall.RawConn) error {
			return rc.Control(func(fd uintptr) { during, _ = syscall.GetsockoptInt(int(fd), level, recvErr) })
		}
		conn, _, err := try(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, is := conn.(*net.UDPConn); !is {
			t.Errorf("%T", conn)
		}
		if after := read(t, conn, level, recvErr); during != 1 || after != 0 {
			t.Errorf("%s: RECVERR %d during the attempt and %d after it", host, during, after)
		}
		if on := read(t, conn, sys.SolSocket, sys.SoBroadcast); on != 1 {
			t.Error("SO_BROADCAST is off")
		}
	}
}

func TestBoundToADevice(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	c := towards(to)
	c.Interface = "lo"
	var device string
	c.Control = func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) {
			lo, err := net.InterfaceByName("lo")
			if err != nil {
				t.Error(err)
				return
			}
			const soBindToIfindex = 62 // socket(7); asm-generic/socket.h
			if i, err := syscall.GetsockoptInt(int(fd), sys.SolSocket, soBindToIfindex); err == nil && i == lo.Index {
				device = lo.Name
			}
		})
	}
	if _, _, err := try(t, c); err != nil || device != "lo" {
		t.Errorf("%v; bound to %q", err, device)
	}
}

// An option that the kernel does not take ends the attempt before it begins,
// and the report names it.
func TestOptionsThatFail(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	to6 := testmain.Listen(t, "[::1]:0", hold)
	for _, tt := range []struct {
		name   string
		to     netip.AddrPort
		change func(*Config)
		arg    string
		errno  syscall.Errno
	}{
		{"no such interface", to, func(c *Config) { c.Interface = "nosuchif0" }, "SO_BINDTODEVICE=nosuchif0", syscall.ENODEV},
		{"TTL 256", to, func(c *Config) { c.HopLimit = 256 }, "IP_TTL=256", syscall.EINVAL},
		{"hop limit 256", to6, func(c *Config) { c.HopLimit = 256 }, "IPV6_UNICAST_HOPS=256", syscall.EINVAL},
		{"an empty port range", to, func(c *Config) { c.LocalPorts = [2]uint16{9, 8} }, "IP_LOCAL_PORT_RANGE=9-8", syscall.EINVAL},
		{"128 SYN retries", to, func(c *Config) { c.SYNRetries = 128 }, "TCP_SYNCNT=128", syscall.EINVAL},
	} {
		c := towards(tt.to)
		tt.change(c)
		c.fakeConnect = func(int) (syscall.Errno, bool) { t.Errorf("%s: went on to connect", tt.name); return 0, false }
		_, r, err := try(t, c)
		wantSyscallError(t, err, "setsockopt", tt.errno)
		for i := range r.Log {
			r.Log[i].At = 0
		}
		want := evidence.Log{{Source: evidence.FromSetsockopt, Fact: &evidence.Call{Call: "setsockopt", Arg: tt.arg, Errno: name(tt.errno)}}}
		if diff := cmp.Diff(want, r.Log); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestBindThatFails(t *testing.T) {
	to := testmain.Listen(t, "127.0.0.1:0", hold)
	taken := closedPort(t, "127.0.0.3")
	for local, errno := range map[string]syscall.Errno{
		"192.0.2.77:0": syscall.EADDRNOTAVAIL,
		taken.String(): syscall.EADDRINUSE,
	} {
		c := towards(to)
		c.Local = netip.MustParseAddrPort(local)
		_, r, err := try(t, c)
		wantSyscallError(t, err, "bind", errno)
		if diff := cmp.Diff(&evidence.Call{Call: "bind", Arg: local, Errno: name(errno)}, last[*evidence.Call](t, r)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Where the host has Fast Open switched off for clients (ip-sysctl.rst
// tcp_fastopen, bit 0), asking for it fails.
func TestFastOpenSwitchedOff(t *testing.T) {
	h := host(t)
	if err := h.Sysctl("net.ipv4.tcp_fastopen", "0"); err != nil {
		t.Fatal(err)
	}
	c := towards(netip.MustParseAddrPort("127.0.0.1:9"))
	c.FastOpen = true
	err := h.Do(func() error {
		_, r, err := try(t, c)
		if got := last[*evidence.Call](t, r); got.Arg != "TCP_FASTOPEN_CONNECT=1" || got.Errno != "EOPNOTSUPP" {
			t.Errorf("%+v", got)
		}
		return err
	})
	wantSyscallError(t, err, "setsockopt", syscall.EOPNOTSUPP)
}

// Fast Open without a cookie (ip-sysctl.rst tcp_fastopen, bit 2) defers the
// handshake to the first write: connect(2) returns 0, and the socket is
// writable in SYN_SENT. The attempt is over then, whoever asked for it.
func TestFastOpenDefersTheHandshake(t *testing.T) {
	h := host(t)
	if err := h.Sysctl("net.ipv4.tcp_fastopen", "0x5"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
	}{
		{"by option", func(c *Config) { c.FastOpen = true }},
		{"by the caller's hook", func(c *Config) {
			c.Control = func(_, _ string, rc syscall.RawConn) (err error) {
				rc.Control(func(fd uintptr) {
					err = syscall.SetsockoptInt(int(fd), sys.SolTCP, sys.TCPFastOpenConnect, 1)
				})
				return err
			}
		}},
	} {
		c := towards(netip.MustParseAddrPort("127.0.0.1:9")) // nobody is there, and nobody notices
		tt.change(c)
		if err := h.Do(func() error {
			_, r, err := try(t, c)
			if err != nil {
				return err
			}
			if got := last[*evidence.Connect](t, r); got.Errno != "" || !got.FastOpen {
				t.Errorf("%s: %+v", tt.name, got)
			}
			if got := last[*evidence.TCPInfo](t, r); got.State != "SYN_SENT" || got.SegsOut != 0 {
				t.Errorf("%s: %+v", tt.name, got)
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// host is a namespace of its own with a loopback interface.
func host(t testing.TB) *netns.Host {
	t.Helper()
	testmain.Need(t, "netns")
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	h, err := n.Host("host")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// withoutPrivilege asks for a mark that it may not have.
func withoutPrivilege([]string) int {
	r := NewRecorder(nil)
	conn, err := Connect(context.Background(), &Config{Network: "tcp4", Remote: netip.MustParseAddrPort("127.0.0.1:9"), Mark: 1}, r)
	if conn != nil {
		conn.Close()
	}
	if json.NewEncoder(os.Stdout).Encode(exhausted{Error: fmt.Sprint(err), Log: r.Log}) != nil {
		return 1
	}
	return 0
}

// socket(7) SO_MARK: setting it needs CAP_NET_ADMIN or CAP_NET_RAW.
func TestMarkNeedsPrivilege(t *testing.T) {
	h := host(t)
	output, err := h.Wrap(testmain.Command(t.Context(), "without-privilege")).Unprivileged().Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var got exhausted
	if err := json.Unmarshal(output, &got); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if got.Error != "setsockopt: operation not permitted" || len(got.Log) != 1 {
		t.Fatalf("%+v", got)
	}
	if diff := cmp.Diff(&evidence.Call{Call: "setsockopt", Arg: "SO_MARK=1", Errno: "EPERM"}, got.Log[0].Fact); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
