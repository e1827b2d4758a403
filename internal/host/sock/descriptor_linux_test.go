package sock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

// descriptors counts those of this process. The size of the directory is their
// number (Linux 6.2); reading it works everywhere and counts its own.
func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names) - 1
}

// Each attempt has one descriptor and leaves none, however it ends.
func TestOneDescriptorAndNoneLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // which accepts nothing: that would be a descriptor too
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open := l.Addr().(*net.TCPAddr).AddrPort()
	closed := closedPort(t, "127.0.0.1")
	silent, _, _ := silentPort(t)
	udp := closedPort(t, "127.0.0.1") // nothing is bound to its number in UDP
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	no := errors.New("no")
	soon := func(c *Config) { c.Deadline = time.Now().Add(20 * time.Millisecond) }
	for _, tt := range []struct {
		name   string
		to     netip.AddrPort
		change func(*Config)
		cancel evidence.Kind
	}{
		{"open", open, nil, ""},
		{"open and watched", open, func(c *Config) { c.Settle = time.Millisecond }, ""},
		{"refused", closed, nil, ""},
		{"deadline", silent, soon, ""},
		{"cancelled", silent, nil, "local_addr"},
		{"cancelled as it connects", open, nil, "so_error"},
		{"an option fails", open, func(c *Config) { c.Interface = "nosuchif0" }, ""},
		{"the hook fails", open, func(c *Config) { c.Control = func(string, string, syscall.RawConn) error { return no } }, ""},
		{"bind fails", open, func(c *Config) { c.Local = netip.MustParseAddrPort("192.0.2.77:0") }, ""},
		{"connect fails at once", netip.MustParseAddrPort("255.255.255.255:9"), nil, ""},
		{"mptcp", open, func(c *Config) { c.MPTCP = true }, ""},
		{"udp", udp, func(c *Config) { c.Network = "udp4" }, ""},
		{"udp refused", udp, func(c *Config) { c.Network, c.Probe = "udp4", []byte{0} }, ""},
		{"udp silent", sink.LocalAddr().(*net.UDPAddr).AddrPort(), func(c *Config) { c.Network, c.Probe = "udp4", []byte{0}; soon(c) }, ""},
	} {
		c := towards(tt.to)
		if tt.change != nil {
			tt.change(c)
		}
		during := 0
		ctx, cancel := context.WithCancel(t.Context())
		before := descriptors(t)
		count := func() { during = max(during, descriptors(t)-before) }
		if fail := c.Control; fail != nil {
			c.Control = func(network, address string, rc syscall.RawConn) error {
				count()
				return fail(network, address, rc)
			}
		}
		conn, _, err := connectWith(ctx, c, func(e evidence.Entry) {
			count()
			if e.Fact.Kind() == tt.cancel {
				cancel()
			}
		})
		if during != 1 {
			t.Errorf("%s: %d descriptors while the attempt went on", tt.name, during)
		}
		if err == nil {
			if n := descriptors(t) - before; n != 1 {
				t.Errorf("%s: a connection of %d descriptors", tt.name, n)
			}
			conn.Close()
		}
		cancel()
		if n := descriptors(t) - before; n != 0 {
			t.Errorf("%s: %d descriptors left (%v)", tt.name, n, err)
		}
	}
}

// exhausted is what a process without free descriptors saw.
type exhausted struct {
	Error string
	Log   evidence.Log
}

// withoutDescriptors lowers its own limit to what is open and makes an attempt.
func withoutDescriptors(args []string) int {
	var r *Recorder
	try := func() error {
		r = NewRecorder(nil)
		conn, err := Connect(context.Background(), &Config{Network: "tcp4", Remote: netip.MustParseAddrPort(args[0])}, r)
		if conn != nil {
			conn.Close()
		}
		return err
	}
	if err := try(); !errors.Is(err, syscall.ECONNREFUSED) {
		fmt.Println(err)
		return 1
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	limit.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	out := exhausted{Error: fmt.Sprint(try()), Log: r.Log}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return 1
	}
	return 0
}

// socket(2) EMFILE: the process has as many descriptors as it may.
func TestNoDescriptorToBeHad(t *testing.T) {
	to := closedPort(t, "127.0.0.1")
	output, err := testmain.Command(t.Context(), "without-descriptors", to.String()).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var got exhausted
	if err := json.Unmarshal(output, &got); err != nil {
		t.Fatal(err)
	}
	for i := range got.Log {
		got.Log[i].At = 0
	}
	want := exhausted{
		Error: "socket: too many open files",
		Log:   evidence.Log{{Source: evidence.FromSocket, Fact: &evidence.Call{Call: "socket", Errno: "EMFILE"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
