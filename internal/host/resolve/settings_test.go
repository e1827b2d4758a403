package resolve

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
)

func TestFileCache(t *testing.T) {
	path := writeFile(t, "one")
	now := time.Unix(1_000_000, 0)
	parsed := 0
	c := newFileCache(func(text []byte) string { parsed++; return string(text) })
	c.now = func() time.Time { return now }
	get := func(want string, times int) {
		t.Helper()
		if got, err := c.get(path); got != want || err != nil || parsed != times {
			t.Errorf("%q, %v, parsed %d times; want %q, %d times", got, err, parsed, want, times)
		}
	}
	get("one", 1)
	if err := os.WriteFile(path, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheck - 1)
	get("one", 1) // not looked at yet
	now = now.Add(1)
	get("three", 2)
	now = now.Add(recheck)
	get("three", 2) // unchanged
	if err := os.Chtimes(path, now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheck)
	get("three", 3)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheck)
	if got, err := c.get(path); got != "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q, %v of a file that is gone", got, err)
	}
	if err := os.WriteFile(path, []byte("back"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheck)
	get("back", 5)
	c.keep = func(s string) bool { return s == "back" }
	if err := os.WriteFile(path, []byte("later"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheck)
	get("back", 5) // options no-reload
}

func BenchmarkFileCache(b *testing.B) {
	c := newFileCache(parseHosts)
	path := writeFile(b, hostsText)
	for b.Loop() {
		c.get(path)
	}
}

func TestConfigOfTheHost(t *testing.T) {
	for _, v := range []string{"LOCALDOMAIN", "HOSTALIASES"} {
		if _, set := os.LookupEnv(v); set {
			t.Skipf("$%s is set here", v)
		}
	}
	t.Setenv("RES_OPTIONS", "ndots:9") // libc heeds it, Go does not
	cfg := &Config{
		ResolvConf: writeFile(t, "nameserver 192.0.2.53\nsearch a.example\noptions rotate inet6 ndots:2\n"),
		Nsswitch:   writeFile(t, "hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname\n"),
		Hosts:      "/nonexistent/hosts",
		Timeout:    time.Second, Attempts: 7,
	}
	s, got, err := cfg.read()
	if err != nil {
		t.Fatal(err)
	}
	want := &evidence.ResolverConfig{
		File: cfg.ResolvConf, Servers: servers("192.0.2.53"), Search: []string{"a.example."}, Ndots: 2,
		Timeout: time.Second, Attempts: 7, Options: []string{"rotate"}, Order: []string{"files", "dns"},
		Ignored: []string{"options inet6", "mdns4_minimal", "myhostname", "$RES_OPTIONS"},
		Why:     "only the hosts file and name servers are asked here; libc may find other addresses through these",
	}
	if runtime.GOOS == "darwin" {
		want.Ignored = append(want.Ignored, "mDNSResponder")
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Error(diff)
	}
	if !s.rotate || s.hosts != cfg.Hosts || s.timeout != time.Second {
		t.Errorf("settings %+v", s)
	}
}

// Without resolv.conf the servers are 127.0.0.1 and ::1, as in Go.
func TestMissingResolvConf(t *testing.T) {
	cfg := &Config{ResolvConf: "/nonexistent/resolv.conf", Nsswitch: "/nonexistent/nsswitch.conf"}
	_, got, err := cfg.read()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Servers, servers("127.0.0.1", "::1")) || !strings.Contains(got.Missing, "/nonexistent/resolv.conf") {
		t.Errorf("configuration %+v", got)
	}
	if got.Timeout != 5*time.Second || got.Attempts != 2 || got.Ndots != 1 || !slices.Equal(got.Order, []string{"files", "dns"}) {
		t.Errorf("configuration %+v, want the defaults of resolv.conf(5)", got)
	}
}

func TestServersByHand(t *testing.T) {
	cfg := &Config{
		Servers:    []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("192.0.2.2:5353")},
		ResolvConf: "/nonexistent/resolv.conf", Nsswitch: writeFile(t, "hosts: files sss dns\n"),
	}
	s, got, err := cfg.read()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"192.0.2.1:53", "192.0.2.2:5353"}; s.servers[0].String() != want[0] || s.servers[1].String() != want[1] {
		t.Errorf("servers %v, want %v", s.servers, want)
	}
	if got.File != "" || got.Missing != "" || slices.Contains(got.Ignored, "sss") || !slices.Equal(got.Order, []string{"dns"}) {
		t.Errorf("configuration %+v", got)
	}
	if cfg.Servers[0].Port() != 0 {
		t.Error("the caller's servers were changed")
	}
}

func TestUnsupported(t *testing.T) {
	if hasResolvConf() {
		t.Skip("this system has a resolv.conf")
	}
	a := <-Start(context.Background(), nil, 0, "h.example", nil)
	if !errors.Is(a.Err, errors.ErrUnsupported) {
		t.Errorf("%v", a.Err)
	}
}

func TestEDNSOff(t *testing.T) {
	for value, want := range map[string]bool{"": false, "netedns0=0": true, "a=b,netedns0=0": true, "netedns0=0,netedns0=1": false, "netedns0=00": false} {
		t.Setenv("GODEBUG", value)
		if got := ednsOff(); got != want {
			t.Errorf("GODEBUG=%s: %v", value, got)
		}
	}
}
