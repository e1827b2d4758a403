package dialscope

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

// asking is a dialer that resolves in z.
func asking(z *zone) *Dialer { return &Dialer{Nameservers: []netip.AddrPort{z.addr}} }

func target(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// A dead first address costs the attempt delay and no more, and is told of.
func TestRaceGoesOnBesideASilentAddress(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	silent(t, "127.0.0.1", live.Port())
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	d := asking(z)
	d.FallbackDelay = 20 * time.Millisecond
	c, r, err := d.DialReport(context.Background(), "tcp", target("two.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != live.String() {
		t.Errorf("connected to %s", got)
	}
	if len(r.Attempts) != 2 || r.Winner() != 1 {
		t.Fatalf("%d attempts, winner %d", len(r.Attempts), r.Winner())
	}
	if gap := r.Attempts[1].Began - r.Attempts[0].Began; gap < 20*time.Millisecond {
		t.Errorf("the second attempt began %v after the first", gap)
	}
	// "An address that was merely slower in the race is open": it had not failed.
	if v := r.Verdict(); v.Cause != cause.IsOpen || v.Confidence != cause.Certain {
		t.Errorf("%+v", v)
	}
	if v := r.AttemptVerdict(0); v.Outcome != cause.Cancelled || v.Cause != cause.CancelledByCaller {
		t.Errorf("the loser: %+v", v)
	}
	if l, _, ok := evidence.Last[*evidence.Cancelled](r.Attempts[0].Log); !ok || l.By != "race" {
		t.Errorf("%+v", l)
	}
}

// A refused first address starts the next at once, without the delay.
func TestRaceGoesOnAfterARefusal(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	d := asking(z)
	d.FallbackDelay = time.Minute
	c, r, err := d.DialReport(context.Background(), "tcp", target("two.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if r.Took > 30*time.Second {
		t.Errorf("took %v", r.Took)
	}
	v := r.Verdict()
	if v.Cause != cause.SomeAddressesDead || v.Outcome != cause.Open || v.Culprit.Kind != cause.Destination || v.Culprit.Address.String() != "127.0.0.1" {
		t.Errorf("%+v", v)
	}
	if v := r.AttemptVerdict(0); v.Cause != cause.PortClosed || v.Outcome != cause.Refused {
		t.Errorf("the dead address: %+v", v)
	}
}

func TestEveryAddressFails(t *testing.T) {
	to := closedPort(t, "127.0.0.1")
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	for name, delay := range map[string]time.Duration{"race": 0, "in turn": -1} {
		d := asking(z)
		d.FallbackDelay = delay
		_, r, err := d.DialReport(context.Background(), "tcp", target("two.test", to.Port()))
		var op *net.OpError
		if !errors.As(err, &op) || op.Addr.String() != to.String() {
			t.Errorf("%s: %v is not the first address's error", name, err)
		}
		if v := r.Verdict(); v.Cause != cause.PortClosed || !strings.Contains(v.Explanation, "All 2 addresses") {
			t.Errorf("%s: %+v", name, v)
		}
		if len(r.Attempts) != 2 {
			t.Errorf("%s: %d attempts", name, len(r.Attempts))
		}
	}
}

// Without a race each address has its share of the time (net.partialDeadline):
// what is left divided by the addresses that are left, at least two seconds.
func TestInTurnDividesTheTime(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.3:0", hold)
	silent(t, "127.0.0.1", live.Port())
	silent(t, "127.0.0.2", live.Port())
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"three.test": addrs("127.0.0.1", "127.0.0.2", "127.0.0.3")}})
	d := asking(z)
	d.FallbackDelay, d.Timeout = -1, 300*time.Millisecond
	_, r, err := d.DialReport(context.Background(), "tcp", target("three.test", live.Port()))
	if err == nil {
		t.Fatal("two seconds for the first address do not fit into 300 ms, and yet another was tried")
	}
	if len(r.Attempts) != 1 || r.Verdict().Outcome != cause.Timeout {
		t.Errorf("%d attempts: %+v", len(r.Attempts), r.Verdict())
	}
}

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		left      int
		remaining time.Duration
		want      time.Duration // 0: none
	}{
		{1, 10 * time.Second, 0},
		{2, 10 * time.Second, 5 * time.Second},
		{4, 12 * time.Second, 3 * time.Second},
		{8, 12 * time.Second, 2 * time.Second}, // the sane minimum
		{2, time.Second, time.Second},          // which cannot be had
	} {
		r := &run{Dialer: &Dialer{}, Report: &Report{}, deadline: time.Now().Add(tt.remaining)}
		ra := &race{run: r, names: &names{queue: make([]netip.AddrPort, tt.left)}}
		got := ra.share()
		if tt.want == 0 {
			if !got.IsZero() {
				t.Errorf("%+v: %v", tt, time.Until(got))
			}
			continue
		}
		if d := time.Until(got) - tt.want; d > 0 || d < -time.Second {
			t.Errorf("%+v: %v", tt, time.Until(got))
		}
	}
}

// RFC 8305 §3: an A answer waits for its AAAA 50 ms, and then goes ahead.
func TestResolutionDelay(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.1:0", hold)
	z := &zone{names: map[string][]netip.Addr{"late6.test": addrs("127.0.0.1", "::1")}, holdFor: dnsmessage.TypeAAAA, release: make(chan struct{})}
	d := asking(serveZone(t, z))
	c, r, err := d.DialReport(context.Background(), "tcp", target("late6.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, answered, ok := evidence.First[*evidence.Lookup](r.Log)
	if !ok {
		t.Fatalf("no look-up in %+v", r.Log)
	}
	if waited := r.Attempts[0].Began - answered; waited < 45*time.Millisecond {
		t.Errorf("the A address was tried %v after its answer", waited)
	}
	if r.Took > 4*time.Second {
		t.Errorf("the dial waited %v for an AAAA answer that never came", r.Took)
	}
}

// An address that this host has no way to waits for one that comes later.
func TestUnroutedAddressWaits(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.1:0", hold)
	z := &zone{names: map[string][]netip.Addr{"late4.test": addrs("127.0.0.1", "fe80::1")}, holdFor: dnsmessage.TypeA, release: make(chan struct{})}
	late := time.AfterFunc(150*time.Millisecond, func() { close(z.release) })
	defer late.Stop()
	c, r, err := asking(serveZone(t, z)).DialReport(context.Background(), "tcp", target("late4.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if v := r.Verdict(); len(r.Attempts) != 1 || v.Cause != cause.IsOpen {
		t.Errorf("%d attempts, %s: %s", len(r.Attempts), v.Cause, v.Explanation)
	}
}

// Both families at hand: IPv6 goes first, as RFC 6724's default policy has it,
// and the families alternate.
func TestFamiliesAlternate(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"mixed.test": addrs("127.0.0.1", "127.0.0.2", "::1")}})
	d := asking(z)
	c, r, err := d.DialReport(context.Background(), "tcp", target("mixed.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	var tried []string
	for _, a := range r.Attempts {
		tried = append(tried, a.Remote.Addr().String())
	}
	if got := strings.Join(tried, " "); got != "::1 127.0.0.1 127.0.0.2" {
		t.Errorf("tried %s", got)
	}
	if c, _, ok := evidence.Last[*evidence.Candidates](r.Log); !ok || len(c.Addrs) != 3 || c.From != "dns" {
		t.Errorf("%+v", c)
	}
}

func TestFamilyOfTheNetwork(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.1:0", hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"mixed.test": addrs("127.0.0.1", "::1")}})
	c, r, err := asking(z).DialReport(context.Background(), "tcp4", target("mixed.test", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(r.Attempts) != 1 {
		t.Errorf("%+v", r.Attempts)
	}
	for _, l := range evidence.All[*evidence.Lookup](r.Log) {
		if l.Type == "AAAA" {
			t.Error("tcp4 asked for AAAA records")
		}
	}
}

func TestEveryAddress(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	second := testmain.Listen(t, target("127.0.0.3", live.Port()), hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"three.test": addrs("127.0.0.1", "127.0.0.2", "127.0.0.3")}})
	d := asking(z)
	d.EveryAddress = true
	c, r, err := d.DialReport(context.Background(), "tcp", target("three.test", second.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := map[string]cause.ID{}
	for i, a := range r.Attempts {
		got[a.Remote.Addr().String()] = r.AttemptVerdict(i).Cause
	}
	if got["127.0.0.1"] != cause.PortClosed || got["127.0.0.2"] != cause.IsOpen || got["127.0.0.3"] != cause.IsOpen {
		t.Errorf("%v", got)
	}
	if v := r.Verdict(); v.Cause != cause.SomeAddressesDead {
		t.Errorf("%+v", v)
	}
}

func TestNamesThatFail(t *testing.T) {
	nobody := closedPort(t, "127.0.0.1")
	for _, tt := range []struct {
		name  string
		zone  *zone
		host  string
		cause cause.ID
		found bool // net.DNSError.IsNotFound
	}{
		{"NXDOMAIN", &zone{}, "nosuch.test.", cause.NameNotFound, true},
		{"no data", &zone{names: map[string][]netip.Addr{"empty.test": nil}}, "empty.test.", cause.NameNotFound, true},
		{"SERVFAIL", &zone{rcode: dnsmessage.RCodeServerFailure}, "broken.test.", cause.ResolverFailure, false},
		{"REFUSED", &zone{rcode: dnsmessage.RCodeRefused}, "refused.test.", cause.ResolverRefused, false},
		{"nobody there", nil, "any.test.", cause.ResolverRefused, false},
	} {
		d := &Dialer{Nameservers: []netip.AddrPort{nobody}, Timeout: 5 * time.Second}
		if tt.zone != nil {
			d = asking(serveZone(t, tt.zone))
		}
		_, r, err := d.DialReport(context.Background(), "tcp", target(tt.host, 80))
		var dns *net.DNSError
		if !errors.As(err, &dns) || dns.IsNotFound != tt.found || dns.IsTimeout {
			t.Errorf("%s: %v (%+v)", tt.name, err, dns)
		}
		v := r.Verdict()
		if v.Outcome != cause.Unresolved || v.Cause != tt.cause || v.Culprit.Kind != cause.Resolver || v.Culprit.Address != d.Nameservers[0].Addr() || v.Confidence != cause.Certain {
			t.Errorf("%s: %+v", tt.name, v)
		}
		if len(r.Attempts) != 0 {
			t.Errorf("%s: %d attempts", tt.name, len(r.Attempts))
		}
	}
}

func TestResolverThatIsMute(t *testing.T) {
	d := asking(serveZone(t, &zone{mute: true}))
	d.Timeout = 80 * time.Millisecond
	_, r, err := d.DialReport(context.Background(), "tcp", "any.test.:80")
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if v := r.Verdict(); v.Cause != cause.ResolverTimeout || v.Outcome != cause.Unresolved {
		t.Errorf("%+v", v)
	}
}

// A resolver of the caller's is asked, and its answer stands in the report.
func TestCallersResolver(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.1:0", hold)
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"mine.test": addrs("127.0.0.1")}})
	d := &Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, z.addr.String())
	}}}
	c, r, err := d.DialReport(context.Background(), "tcp", target("mine.test.", live.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if f, _, ok := evidence.Last[*evidence.Candidates](r.Log); !ok || f.From != "resolver" || len(f.Addrs) != 1 {
		t.Errorf("%+v", f)
	}
	_, r, err = d.DialReport(context.Background(), "tcp", "other.test.:80")
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("%v", err)
	}
	if v := r.Verdict(); v.Cause != cause.NameNotFound || v.Confidence == cause.Certain {
		t.Errorf("%+v: a stranger's word is not certain", v)
	}
}

// golang.org/issue/16523 and R8: a race that is cancelled leaves nothing behind
// and returns at once.
func TestCancelARace(t *testing.T) {
	a := silent(t, "127.0.0.1", 0)
	silent(t, "127.0.0.2", a.Port())
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"two.test": addrs("127.0.0.1", "127.0.0.2")}})
	d := asking(z)
	d.FallbackDelay = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	waiting.Add(2)
	var once [2]sync.Once
	d.Trace = &Trace{Observed: func(i int, e evidence.Entry) {
		if e.Fact.Kind() == "local_addr" {
			once[i].Do(waiting.Done)
		}
	}}
	var cancelledAt time.Time
	go func() {
		waiting.Wait()
		cancelledAt = time.Now()
		cancel()
	}()
	_, r, err := d.DialReport(ctx, "tcp", target("two.test", a.Port()))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if late := time.Since(cancelledAt); late > time.Second {
		t.Errorf("returned %v after the cancellation", late)
	}
	if v := r.Verdict(); v.Outcome != cause.Cancelled || len(r.Attempts) != 2 {
		t.Errorf("%d attempts: %+v", len(r.Attempts), v)
	}
}

// draft-ietf-happy-happyeyeballs-v3: an HTTPS record's port and hints say where
// to connect (RFC 9460 §7.2, §7.3), when they are asked for.
func TestServiceRecords(t *testing.T) {
	live := testmain.Listen(t, "127.0.0.2:0", hold)
	record := &dnsmessage.SVCBResource{Priority: 1, Target: dnsmessage.MustNewName(".")}
	record.SetParam(dnsmessage.SVCParamPort, []byte{byte(live.Port() >> 8), byte(live.Port())})
	record.SetParam(dnsmessage.SVCParamIPv4Hint, []byte{127, 0, 0, 2})
	z := serveZone(t, &zone{names: map[string][]netip.Addr{"svc.test": addrs("127.0.0.2")}, https: record})
	d := asking(z)
	d.ServiceRecords = true
	c, r, err := d.DialReport(context.Background(), "tcp4", "svc.test:https")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != live.String() {
		t.Errorf("connected to %v, the record says %v", c.RemoteAddr(), live)
	}
	var services []evidence.Service
	for _, l := range evidence.All[*evidence.Lookup](r.Log) {
		services = append(services, l.Services...)
	}
	if len(services) != 1 || services[0].Port != live.Port() || len(services[0].Hints) != 1 {
		t.Errorf("%+v", services)
	}
	d.ServiceRecords = false
	_, r, _ = d.DialReport(context.Background(), "tcp4", target("svc.test", closedPort(t, "127.0.0.2").Port()))
	for _, l := range evidence.All[*evidence.Lookup](r.Log) {
		if l.Type == "HTTPS" || l.Type == "SVCB" {
			t.Errorf("asked for %s unasked", l.Type)
		}
	}
}
