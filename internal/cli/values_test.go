package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/internal/cli/target"
)

func TestDurations(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
	}{{"5s", 5 * time.Second}, {"5", 5 * time.Second}, {"0.5", 500 * time.Millisecond}, {"1m30s", 90 * time.Second}, {"0", 0}} {
		var s seconds
		if err := s.Set(c.in); err != nil || time.Duration(s) != c.want {
			t.Errorf("%q: %v, %v", c.in, time.Duration(s), err)
		}
	}
	for _, bad := range []string{"", "x", "-1s", "-1", "5 s", "1e400", "99999999999h"} {
		var s seconds
		var own *valueError
		if err := s.Set(bad); !errors.As(err, &own) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Zero would be the dialer's default; off is its word for one after the other.
func TestDelay(t *testing.T) {
	for in, want := range map[string]delay{"0": 1, "off": -1, "100ms": delay(100 * time.Millisecond)} {
		var d delay
		if err := d.Set(in); err != nil || d != want {
			t.Errorf("%q: %d, %v", in, d, err)
		}
	}
	d := delay(-1)
	if d.String() != "off" {
		t.Errorf("%q", d.String())
	}
}

func TestNumbers(t *testing.T) {
	var n uint32
	b := bounded{&n, 1, 255}
	for in, want := range map[string]uint32{"1": 1, "255": 255, "0xff": 255, "010": 10} {
		if err := b.Set(in); err != nil || n != want {
			t.Errorf("%q: %d, %v", in, n, err)
		}
	}
	for _, bad := range []string{"", "0", "256", "-1", "0x", "1.5", "99999999999"} {
		if err := b.Set(bad); err == nil {
			t.Errorf("%q is taken as %d", bad, n)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:0", "192.0.2.1:5000": "192.0.2.1:5000", "2001:db8::1": "[2001:db8::1]:0",
		"[2001:db8::1]": "[2001:db8::1]:0", "[2001:db8::1]:5": "[2001:db8::1]:5", "fe80::1%eth0": "[fe80::1%eth0]:0",
		"::ffff:192.0.2.1": "192.0.2.1:0",
	} {
		var s source
		if err := s.Set(in); err != nil || s.String() != want {
			t.Errorf("%q: %s, %v", in, s.String(), err)
		}
	}
	var s source
	if err := s.Set("eth0"); err == nil || !strings.Contains(err.Error(), "--interface") {
		t.Errorf("eth0: %v", err)
	}
}

func TestServers(t *testing.T) {
	var s servers
	for _, in := range []string{"192.0.2.53", "[2001:db8::53]:5353,192.0.2.54:54"} {
		if err := s.Set(in); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
	if want := "192.0.2.53:53,[2001:db8::53]:5353,192.0.2.54:54"; s.String() != want {
		t.Errorf("%s, want %s", s.String(), want)
	}
	for _, bad := range []string{"", "dns.example", "192.0.2.53:0", "192.0.2.53,"} {
		if err := s.Set(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestPortRanges(t *testing.T) {
	for in, want := range map[string]string{"1-65535": "1-65535", "40000": "40000-40000"} {
		var r portRange
		if err := r.Set(in); err != nil || r.String() != want {
			t.Errorf("%q: %s, %v", in, r.String(), err)
		}
	}
	for _, bad := range []string{"", "0-5", "5-4", "a-b", "1-65536", "1-2-3", "-"} {
		var r portRange
		if err := r.Set(bad); err == nil {
			t.Errorf("%q is taken as %s", bad, r.String())
		}
	}
}

// parsed reads a command line as dial does.
func parsed(t *testing.T, args ...string) *options {
	t.Helper()
	o := new(options)
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.register(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return o
}

func mustParse(t *testing.T, text string) target.Target {
	t.Helper()
	got, err := target.Parse(text, "tcp")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Every option reaches the dialer's field of its name.
func TestDialer(t *testing.T) {
	o := parsed(t, "--timeout", "3s", "--attempt-timeout", "1s", "--fallback-delay", "off", "--settle", "10ms",
		"--user-timeout", "2s", "--syn-retries", "4", "--source", "192.0.2.1:5000", "--local-ports", "1000-2000",
		"--interface", "eth0", "--mark", "0x2a", "--tos", "184", "--ttl", "3", "--fast-open", "--mptcp", "--svcb", "--all",
		"--resolver", "192.0.2.53")
	got := o.dialer(mustParse(t, "example.com:80"))
	if got.LocalAddr.String() != "192.0.2.1:5000" || got.LocalAddr.Network() != "tcp" {
		t.Errorf("local address %v", got.LocalAddr)
	}
	if len(got.Nameservers) != 1 || got.Nameservers[0].String() != "192.0.2.53:53" {
		t.Errorf("name servers %v", got.Nameservers)
	}
	want := &dialscope.Dialer{
		Timeout: 3 * time.Second, AttemptTimeout: time.Second, FallbackDelay: -1, Settle: 10 * time.Millisecond,
		UserTimeout: 2 * time.Second, SYNRetries: 4, LocalPorts: dialscope.PortRange{Low: 1000, High: 2000},
		Interface: "eth0", Mark: 42, TOS: 184, HopLimit: 3, FastOpen: true, MPTCP: true, ServiceRecords: true,
		EveryAddress: true, Thorough: true, Packets: true, Probes: dialscope.AllProbes, MaxPackets: 50,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(dialscope.Dialer{}, "LocalAddr", "Nameservers")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDialerOfUDP(t *testing.T) {
	o := parsed(t, "--network", "udp", "--source", "::1")
	got := o.dialer(mustParse(t, "[::1]:9"))
	if got.LocalAddr.Network() != "udp" || got.UDPProbe == nil || len(got.UDPProbe) != 0 {
		t.Errorf("local address %v, probe %v", got.LocalAddr, got.UDPProbe)
	}
	if parsed(t).dialer(mustParse(t, "[::1]:9")).UDPProbe != nil {
		t.Error("a probe for TCP")
	}
}

func TestDialNetwork(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "tcp"}, {[]string{"-4"}, "tcp4"}, {[]string{"-6"}, "tcp6"}, {[]string{"--network", "udp", "-6"}, "udp6"},
		{[]string{"--network", "tcp4", "-4"}, "tcp4"}, {[]string{"--network", "udp4"}, "udp4"},
	} {
		if got := parsed(t, c.args...).dialNetwork(); got != c.want {
			t.Errorf("%q: %s, want %s", c.args, got, c.want)
		}
	}
}

// Every option stands under a heading of --help, says what it does, and shows a
// sample of its value that it takes itself.
func TestOptionsAreDescribed(t *testing.T) {
	o := new(options)
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.register(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		found := false
		for _, group := range groups {
			found = found || inGroup(f, group)
		}
		if !found {
			t.Errorf("--%s is under no heading", f.Name)
		}
		if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
			t.Errorf("--%s: %q", f.Name, f.Usage)
		}
		if f.Value.Type() == "bool" {
			return
		}
		samples := f.Annotations[sampleKey]
		if len(samples) != 1 {
			t.Errorf("--%s has no sample", f.Name)
		} else if err := f.Value.Set(samples[0]); err != nil {
			t.Errorf("--%s does not take its own sample: %v", f.Name, err)
		}
	})
}
