package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// looked is the part of a lookup that the tables below compare.
type looked struct {
	Transport, Rcode, Malformed string
	Truncated, Timeout          bool
	Errno                       evidence.Errno
	Ignored                     int
}

func lookedOf(all []*evidence.Lookup) (l []looked) {
	for _, one := range all {
		l = append(l, looked{one.Transport, one.Rcode, one.Malformed, one.Truncated, one.Timeout, one.Errno, one.Ignored})
	}
	return l
}

// One server, one attempt, the question for A.
func TestServerBehaviours(t *testing.T) {
	good := func(q asked) said { return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1")}} }
	with := func(change func(asked, *said)) func(asked) said {
		return func(q asked) said {
			a := good(q)
			change(q, &a)
			return a
		}
	}
	rcode := func(r dnsmessage.RCode) func(asked) said { return func(asked) said { return said{rcode: r} } }
	for name, test := range map[string]struct {
		script func(asked) said
		class  Class // empty: an address
		want   []looked
		dns    net.DNSError
	}{
		"NXDOMAIN": {rcode(3), NotFound, []looked{{Transport: "udp", Rcode: "NXDOMAIN"}},
			net.DNSError{Err: "no such host", IsNotFound: true}},
		"no data": {rcode(0), NoData, []looked{{Transport: "udp", Rcode: "NOERROR"}},
			net.DNSError{Err: "no such host", IsNotFound: true}},
		"SERVFAIL": {rcode(2), ServerFailure, []looked{{Transport: "udp", Rcode: "SERVFAIL"}},
			net.DNSError{Err: "server misbehaving", IsTemporary: true}},
		"REFUSED": {rcode(5), Refused, []looked{{Transport: "udp", Rcode: "REFUSED"}},
			net.DNSError{Err: "server misbehaving"}},
		"NOTIMP": {rcode(4), OtherRcode, []looked{{Transport: "udp", Rcode: "NOTIMP"}},
			net.DNSError{Err: "server misbehaving"}},
		"extended rcode": {rcode(23), OtherRcode, []looked{{Transport: "udp", Rcode: "BADCOOKIE"}},
			net.DNSError{Err: "server misbehaving"}},
		"lame": {func(asked) said { return said{noRA: true, noOPT: true} }, Lame,
			[]looked{{Transport: "udp", Rcode: "NOERROR", Malformed: "a referral to other servers: this one does not recurse"}},
			net.DNSError{Err: "lame referral"}},
		"another id, then the answer": {with(func(_ asked, a *said) { a.otherID = true }), "",
			[]looked{{Transport: "udp", Rcode: "NOERROR", Ignored: 1}}, net.DNSError{}},
		"another question, then the answer": {with(func(_ asked, a *said) { a.otherQ = true }), "",
			[]looked{{Transport: "udp", Rcode: "NOERROR", Ignored: 1}}, net.DNSError{}},
		"garbage, then the answer": {with(func(_ asked, a *said) { a.before = [][]byte{{}, {1, 2, 3}, []byte("hello, world")} }), "",
			[]looked{{Transport: "udp", Rcode: "NOERROR", Ignored: 3}}, net.DNSError{}},
		"another id only": {func(asked) said { return said{otherID: true, silent: true} }, Timeout,
			[]looked{{Transport: "udp", Timeout: true, Ignored: 1, Malformed: "not the answer: another id"}},
			net.DNSError{IsTimeout: true, IsTemporary: true}},
		"another question only": {func(asked) said { return said{otherQ: true, silent: true} }, Timeout,
			[]looked{{Transport: "udp", Timeout: true, Ignored: 1, Malformed: "not the answer: an answer to another question"}},
			net.DNSError{IsTimeout: true, IsTemporary: true}},
		"silence": {func(asked) said { return said{silent: true} }, Timeout, []looked{{Transport: "udp", Timeout: true}},
			net.DNSError{IsTimeout: true, IsTemporary: true}},
		"truncated": {with(func(q asked, a *said) { a.tc = q.network == "udp" }), "",
			[]looked{{Transport: "udp", Rcode: "NOERROR", Truncated: true}, {Transport: "tcp", Rcode: "NOERROR"}}, net.DNSError{}},
		"truncated over TCP too": {with(func(q asked, a *said) { a.tc = true }), "",
			[]looked{{Transport: "udp", Rcode: "NOERROR", Truncated: true}, {Transport: "tcp", Rcode: "NOERROR", Truncated: true}}, net.DNSError{}},
		"truncated, then TCP without a word": {with(func(q asked, a *said) { a.tc, a.hangUp = true, q.network == "tcp" }), Malformed,
			[]looked{{Transport: "udp", Rcode: "NOERROR", Truncated: true}, {Transport: "tcp", Malformed: "the server closed the connection without an answer"}},
			net.DNSError{Err: "cannot unmarshal DNS message"}},
		"truncated, then TCP with another question": {with(func(q asked, a *said) { a.tc, a.otherQ = true, q.network == "tcp" }), Malformed,
			[]looked{{Transport: "udp", Rcode: "NOERROR", Truncated: true}, {Transport: "tcp", Malformed: "not the answer: an answer to another question"}},
			net.DNSError{Err: "cannot unmarshal DNS message"}},
		"FORMERR to EDNS": {with(func(q asked, a *said) {
			if q.edns {
				*a = said{rcode: 1, noOPT: true}
			}
		}), "", []looked{{Transport: "udp", Rcode: "FORMERR"}, {Transport: "udp", Rcode: "NOERROR"}}, net.DNSError{}},
		"FORMERR from a server that knows EDNS": {rcode(1), OtherRcode, []looked{{Transport: "udp", Rcode: "FORMERR"}},
			net.DNSError{Err: "server misbehaving"}},
		"FORMERR to everything": {func(asked) said { return said{rcode: 1, noOPT: true} }, OtherRcode,
			[]looked{{Transport: "udp", Rcode: "FORMERR"}, {Transport: "udp", Rcode: "FORMERR"}}, net.DNSError{Err: "server misbehaving"}},
		"BADVERS": {with(func(q asked, a *said) {
			if q.edns {
				*a = said{rcode: 16}
			}
		}), "", []looked{{Transport: "udp", Rcode: "BADVERS"}, {Transport: "udp", Rcode: "NOERROR"}}, net.DNSError{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, false, test.script)
			cfg := &Config{Servers: []netip.AddrPort{s.addr}, Attempts: 1}
			if test.class == Timeout {
				t.Parallel()
				cfg.Timeout = time.Second // time enough for what does come
			}
			o := resolveWith(t, cfg, 4, "h.example")
			if diff := cmp.Diff(test.want, lookedOf(o.lookups(""))); diff != "" {
				t.Errorf("lookups (-want +got):\n%s", diff)
			}
			if test.class == "" {
				if diff := cmp.Diff(addrs("192.0.2.1"), o.answer(t, "A").Addrs, options); diff != "" {
					t.Error(diff)
				}
				return
			}
			e := o.err(t, "A")
			if e.Class != test.class || e.Server != s.addr || e.Name != "h.example." || e.Type != "A" {
				t.Errorf("error %+v, want class %q", e, test.class)
			}
			d := e.DNSError("h.example")
			if test.dns.Err == "" {
				test.dns.Err = d.Err // the words of an *net.OpError hold a random port
			}
			test.dns.Name, test.dns.Server = "h.example", s.addr.String()
			if *d != test.dns {
				t.Errorf("DNSError %+v, want %+v", *d, test.dns)
			}
		})
	}
}

// unused is an address on 127.0.0.1 where nobody listens.
func unused(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestNobodyListens(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("ICMP port unreachable shows as WSAECONNRESET")
	}
	server := unused(t)
	start := time.Now()
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{server}, Attempts: 1}, 4, "h.example")
	e := o.err(t, "A")
	if e.Class != Unreachable || !errors.Is(e, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want ECONNREFUSED", e)
	}
	d := e.DNSError("h.example")
	if d.IsTimeout || d.IsNotFound || !d.IsTemporary || d.Server != server.String() {
		t.Errorf("DNSError %+v", d)
	}
	l := o.lookups("A")[0]
	if l.Errno != "ECONNREFUSED" || l.Rcode != "" || l.Timeout {
		t.Errorf("lookup %+v", l)
	}
	if runtime.GOOS == "linux" && l.Offender != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("offender %v, want the sender of the port unreachable", l.Offender)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v: the refusal must end the wait at once", took)
	}
}

func TestTCPRefused(t *testing.T) {
	s := serve(t, true, func(q asked) said { return said{tc: true} })
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}, Attempts: 1}, 4, "h.example")
	e := o.err(t, "A")
	if e.Class != Unreachable || !errors.Is(e, syscall.ECONNREFUSED) && runtime.GOOS != "windows" {
		t.Errorf("error %v, want the refusal of TCP", e)
	}
	l := o.lookups("A")
	if len(l) != 2 || !l[0].Truncated || l[1].Transport != "tcp" || l[1].Errno != "ECONNREFUSED" {
		t.Errorf("lookups %+v", lookedOf(l))
	}
}

func TestNoWayToTheServer(t *testing.T) {
	// An address with a zone that does not exist fails before anything is sent,
	// on every system.
	server := netip.MustParseAddrPort("[fe80::1%nosuchlink]:53")
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{server}, Attempts: 1}, 4, "h.example")
	if e := o.err(t, "A"); e.Class != Unreachable || e.DNSError("x").IsNotFound || e.Timeout() {
		t.Errorf("error %+v", e)
	}
	if l := o.lookups("A")[0]; l.Errno == "" && l.Malformed == "" {
		t.Errorf("lookup %+v says nothing", l)
	}
}

func TestCancelled(t *testing.T) {
	arrived := make(chan struct{}, 2)
	s := serve(t, false, func(asked) said {
		arrived <- struct{}{}
		return said{silent: true}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := new(observed)
	cfg := &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: writeFile(t, "search a.example b.example\n")}
	ch := Start(ctx, cfg, 0, "h.example", o.observe)
	<-arrived
	<-arrived
	start := time.Now()
	cancel()
	for a := range ch {
		o.answers = append(o.answers, a)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("%v passed between cancel and the end", took)
	}
	for _, typ := range []string{"A", "AAAA"} {
		e := o.err(t, typ)
		d := e.DNSError("h.example")
		if e.Class != Cancelled || !errors.Is(e, context.Canceled) || !errors.Is(d, context.Canceled) {
			t.Errorf("%s: %+v", typ, e)
		}
		if d.Err != "operation was canceled" || d.IsTimeout || d.IsNotFound || d.Server != "" {
			t.Errorf("%s: DNSError %+v", typ, d)
		}
		if l := o.lookups(typ); len(l) != 1 || !l[0].Cancelled || l[0].Timeout {
			t.Errorf("%s: lookups %+v, want one, cancelled", typ, lookedOf(l))
		}
	}
}

func TestDeadline(t *testing.T) {
	s := serve(t, false, func(asked) said { return said{silent: true} })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	o := new(observed)
	cfg := &Config{Servers: []netip.AddrPort{s.addr}, ResolvConf: writeFile(t, "search a.example\n")}
	for a := range Start(ctx, cfg, 6, "h.example", o.observe) {
		o.answers = append(o.answers, a)
	}
	e := o.err(t, "AAAA")
	d := e.DNSError("h.example")
	if e.Class != Timeout || !errors.Is(d, context.DeadlineExceeded) || !d.IsTimeout || d.Err != "i/o timeout" {
		t.Errorf("error %+v, DNSError %+v", e, d)
	}
	if l := o.lookups(""); len(l) != 1 || !l[0].Timeout || l[0].Cancelled {
		t.Errorf("lookups %+v, want one, timed out", lookedOf(l))
	}
}

func TestContextEndedBefore(t *testing.T) {
	s := serve(t, false, func(asked) said { return said{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := new(observed)
	for a := range Start(ctx, &Config{Servers: []netip.AddrPort{s.addr}}, 4, "h.example", o.observe) {
		o.answers = append(o.answers, a)
	}
	if e := o.err(t, "A"); e.Class != Cancelled {
		t.Errorf("error %+v", e)
	}
	if len(o.lookups("")) != 0 || len(s.questions()) != 0 {
		t.Error("a question was asked though nobody wants the answer")
	}
}

func TestInvalidNames(t *testing.T) {
	for host, reason := range map[string]string{
		"a..example": "the name has an empty label (two dots in a row, or one in front)",
		"x.onion":    "this name is not looked up in the DNS (RFC 7686 §2)",
	} {
		s, o := ask(t, 0, host, func(asked) said { return said{} })
		e := o.err(t, "")
		if e.Class != InvalidName || e.Reason != reason || len(o.answers) != 1 {
			t.Errorf("%s: %+v", host, e)
		}
		if d := e.DNSError(host); !d.IsNotFound || d.Err != "no such host" || d.Server != "" {
			t.Errorf("%s: DNSError %+v", host, d)
		}
		if len(s.questions()) != 0 {
			t.Errorf("%s was asked for", host)
		}
	}
}
