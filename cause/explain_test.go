package cause

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/evidence"
)

// facts draws any mixture of facts, also ones that contradict each other.
func facts(t *rapid.T) evidence.Log {
	errnos := []evidence.Errno{"", "EINPROGRESS", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EACCES",
		"EPERM", "EINVAL", "EADDRNOTAVAIL", "EADDRINUSE", "EAGAIN", "EMFILE", "EAFNOSUPPORT", "ENETDOWN", "EPROTO", "ENODEV", "ENOBUFS"}
	errno := func(name string) evidence.Errno { return rapid.SampledFrom(errnos).Draw(t, name) }
	addr := func(name string) netip.Addr {
		return rapid.SampledFrom([]netip.Addr{{}, ip(here), ip(gateway), ip(mid), ip(there), ip("127.0.0.1"), ip("2001:db8::1")}).Draw(t, name)
	}
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	counter := func(name string) int64 { return rapid.Int64Range(0, 2).Draw(t, name) }
	states := []string{"NONE", "INCOMPLETE", "REACHABLE", "STALE", "FAILED", "PERMANENT"}
	var log evidence.Log
	n := rapid.IntRange(0, 14).Draw(t, "facts")
	at := time.Duration(0)
	for range n {
		at += time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond
		var f evidence.Fact
		switch rapid.IntRange(0, 29).Draw(t, "kind") {
		case 0:
			f = &evidence.Call{Call: rapid.SampledFrom([]string{"socket", "bind", "setsockopt"}).Draw(t, "call"),
				Arg: rapid.SampledFrom([]string{"", "IP_TTL=3", "192.0.2.10:0", "192.0.2.10:80"}).Draw(t, "arg"), Errno: errno("call")}
		case 1:
			f = &evidence.Connect{Remote: netip.AddrPortFrom(ip(there), 443), Errno: errno("connect"), FastOpen: flag("fastopen")}
		case 2:
			f = &evidence.SOError{Errno: errno("so_error")}
		case 3:
			f = &evidence.TCPInfo{State: rapid.SampledFrom([]string{"SYN_SENT", "ESTABLISHED", "CLOSE"}).Draw(t, "state"), TotalRetrans: uint32(counter("retrans"))}
		case 4:
			f = &evidence.ICMP{Version: rapid.SampledFrom([]uint8{4, 6}).Draw(t, "version"), Type: uint8(rapid.IntRange(0, 13).Draw(t, "type")),
				Code: uint8(rapid.IntRange(0, 16).Draw(t, "code")), Errno: errno("icmp"), Offender: addr("offender"), Local: flag("local")}
		case 5:
			f = &evidence.FirstMoments{FIN: flag("fin"), Reset: flag("reset"), Bytes: int(counter("bytes"))}
		case 6:
			f = &evidence.Expired{Limit: time.Second, Scope: "dial"}
		case 7:
			f = &evidence.Cancelled{By: rapid.SampledFrom([]string{"caller", "race"}).Draw(t, "by")}
		case 8:
			f = &evidence.Route{To: ip(there), Errno: errno("route"), Type: rapid.SampledFrom([]string{"", "unicast", "local", "broadcast", "multicast", "unreachable", "prohibit", "blackhole"}).Draw(t, "rtype"), Gateway: addr("gw"), Interface: "eth0", Index: 2}
		case 9:
			f = &evidence.Neighbour{Addr: addr("naddr"), State: rapid.SampledFrom(states).Draw(t, "nstate"), Gateway: flag("ngw")}
		case 10:
			f = &evidence.Link{Name: "eth0", Exists: flag("exists"), Up: flag("up"), Carrier: flag("carrier"), Type: "veth"}
		case 11:
			f = &evidence.HostAddr{Addr: addr("haddr"), Local: flag("hlocal")}
		case 12:
			f = &evidence.Counters{Scope: "netns", Rise: map[string]int64{"Tcp.OutRsts": counter("rsts"), "Ip.OutTransmits": counter("out"), "TcpExt.TCPRetransFail": counter("fail"),
				"TcpExt.IPReversePathFilter": counter("rpf"), "Tcp.InCsumErrors": counter("csum"), "TcpExt.ListenOverflows": counter("overflow")}}
		case 13:
			f = &evidence.Counters{Scope: "link:eth0", Rise: map[string]int64{"tx_packets": counter("tx"), "rx_packets": counter("rx")}}
		case 14:
			f = &evidence.Ports{Low: 1, High: 4, InUse: int(counter("ports")) * 2}
		case 15:
			f = &evidence.Listener{Found: flag("found"), QueueLen: int(counter("queue")), Backlog: 1}
		case 16:
			f = &evidence.Holder{State: "LISTEN"}
		case 17:
			f = &evidence.Limit{Name: "RLIMIT_NOFILE", Soft: 2, Used: uint64(counter("used"))}
		case 18:
			f = &evidence.Conntrack{Count: int(counter("ct")), Max: 2}
		case 19:
			f = &evidence.Security{Seccomp: int(counter("seccomp"))}
		case 20:
			f = &evidence.LocalAddr{Addr: netip.AddrPortFrom(ip(here), 40000)}
		case 21:
			f = &evidence.Datagram{Sent: 1, SendErrno: errno("send"), RecvErrno: errno("recv"), Answered: flag("answered")}
		case 27:
			f = &evidence.Capture{Dropped: uint64(counter("lost"))}
		case 28, 29:
			f = &evidence.Packet{Direction: rapid.SampledFrom([]string{"in", "out"}).Draw(t, "way"), Own: flag("own"), Protocol: rapid.SampledFrom([]string{"tcp", "icmp"}).Draw(t, "pproto"),
				Flags: rapid.SampledFrom([]string{"SYN", "SYN+ACK", "RST+ACK", "RST", "ACK", "SYN+ECE+CWR", "echo-reply"}).Draw(t, "flags"), Ack: uint32(counter("ack")),
				TTL: uint8(rapid.SampledFrom([]int{61, 63, 64, 252, 255}).Draw(t, "ttl")), Interface: 2 + int(counter("iface")), Loopback: flag("loopback"),
				Checksum: rapid.SampledFrom([]string{"", "good", "bad"}).Draw(t, "sum"), From: netip.AddrPortFrom(ip(there), uint16(rapid.SampledFrom([]int{80, 443}).Draw(t, "port")))}
		case 22:
			f = &evidence.End{By: rapid.SampledFrom([]string{"read", "write", "shutdown", "close_read", "close", "limit", "signal", "look"}).Draw(t, "by"),
				Errno: errno("end"), EOF: flag("eof")}
		case 23:
			f = &evidence.Flow{State: rapid.SampledFrom([]string{"ESTABLISHED", "CLOSE", "CLOSE_WAIT", "FIN_WAIT2"}).Draw(t, "fstate"),
				Unacked: uint64(counter("unacked")), Unsent: uint64(counter("unsent")), Timeouts: uint8(counter("timeouts")) * 3, Retransmitted: uint32(counter("again")),
				Probes: uint8(counter("probes")), SinceAck: time.Duration(counter("ack")) * time.Minute, SinceSent: time.Duration(counter("sent")) * time.Second,
				WindowKnown: flag("window"), Quiet: time.Duration(counter("quiet")) * time.Minute, SinceQuiet: time.Duration(counter("since")) * time.Second}
		case 24:
			f = &evidence.Alive{KeepAlive: flag("keepalive"), Idle: time.Duration(counter("idle")) * 30 * time.Second}
		default: // several together are what the rules read
			p := &evidence.Probe{Experiment: rapid.SampledFrom([]string{"x", "second-source-port"}).Draw(t, "px"), Sent: 1, TTL: rapid.IntRange(0, 4).Draw(t, "ttl"), To: netip.AddrPortFrom(ip(there), rapid.SampledFrom([]uint16{443, 80}).Draw(t, "pport")),
				Protocol: rapid.SampledFrom([]string{"tcp", "udp", "icmp"}).Draw(t, "pproto"),
				Answer:   rapid.SampledFrom([]string{"", "syn-ack", "rst", "echo-reply", "datagram", "icmp"}).Draw(t, "panswer")}
			if p.Answer != "" {
				p.From = addr("pfrom")
			}
			if p.Protocol == "tcp" {
				p.Form = rapid.SampledFrom([]string{"", "", "plain-syn", "bare-ack"}).Draw(t, "form")
			}
			if p.Answer == evidence.AnswerICMP {
				p.ICMP = &evidence.ICMP{Version: 4, Type: rapid.SampledFrom([]uint8{3, 11}).Draw(t, "ptype"), Code: uint8(rapid.IntRange(0, 15).Draw(t, "pcode")), Offender: p.From}
			}
			f = p
		}
		log.Add(at, "test", f)
	}
	return log
}

// Whatever the log holds, the verdict keeps the contract.
func TestExplainContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		network := rapid.SampledFrom([]string{"tcp", "tcp6", "udp"}).Draw(t, "network")
		d := &evidence.Dial{Target: "host.test:443", Network: network}
		for range rapid.IntRange(0, 3).Draw(t, "attempts") {
			d.Attempts = append(d.Attempts, evidence.Attempt{Remote: netip.AddrPortFrom(ip(there), 443), Took: time.Second, Log: facts(t)})
		}
		v := Explain(d)
		if len(d.Attempts) == 0 {
			return // a target of which nothing is known has no verdict
		}
		if _, ok := Lookup(v.Cause); !ok {
			t.Fatalf("cause %q is not in the catalogue", v.Cause)
		}
		if v.Outcome == "" || v.Confidence == "" || v.Culprit.Kind == "" {
			t.Fatalf("incomplete: %+v", v)
		}
		if v.Confidence == Certain && len(v.Alternatives) > 0 {
			t.Fatalf("certain beside %v", v.Alternatives)
		}
		type reading struct {
			cause   ID
			culprit Culprit
		}
		seen := map[reading]bool{{v.Cause, v.Culprit}: true}
		for _, a := range v.Alternatives {
			if seen[reading{a.Cause, a.Culprit}] || a.Cause == v.Cause && v.Cause != SomeAddressesDead {
				t.Fatalf("%s by %v is named twice", a.Cause, a.Culprit)
			}
			seen[reading{a.Cause, a.Culprit}] = true
			if a.Confidence.rank() < v.Confidence.rank() {
				t.Fatalf("the alternative %s is %s, the verdict %s", a.Cause, a.Confidence, v.Confidence)
			}
		}
		for _, text := range []string{v.Explanation, v.Remedy} {
			if !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "{}") || strings.Contains(text, "  ") || strings.Contains(text, "invalid") {
				t.Fatalf("%q does not read well", text)
			}
		}
		if again := Explain(d); !cmp.Equal(v, again, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
			t.Fatal("the same log gave another verdict")
		}
	})
}

// A log that was stored and read back keeps its verdict.
func TestVerdictSurvivesStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &evidence.Dial{Target: "host.test:443", Network: "tcp",
			Attempts: []evidence.Attempt{{Remote: netip.AddrPortFrom(ip(there), 443), Took: time.Second, Log: facts(t)}}}
		before := Explain(d)
		stored, err := json.Marshal(d.Attempts[0].Log)
		if err != nil {
			t.Fatal(err)
		}
		d.Attempts[0].Log = nil
		if err := json.Unmarshal(stored, &d.Attempts[0].Log); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, Explain(d), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("(-before +after):\n%s", diff)
		}
	})
}

// Every rule names a cause of the catalogue, mutes causes of it, and cites
// what it rests on.
func TestRulesAreData(t *testing.T) {
	for _, r := range rules {
		if _, ok := Lookup(r.id); !ok {
			t.Errorf("rule for %q, which the catalogue does not have", r.id)
		}
		for _, id := range r.mutes {
			if _, ok := Lookup(id); !ok {
				t.Errorf("%s mutes %q, which the catalogue does not have", r.id, id)
			}
			if id == r.id {
				t.Errorf("%s mutes itself", r.id)
			}
		}
		if r.ref == "" || r.judge == nil {
			t.Errorf("%s: no reference or no predicate", r.id)
		}
	}
}

func TestExplainSeveral(t *testing.T) {
	attempt := func(remote string, began time.Duration, s *story) evidence.Attempt {
		a := s.dial().Attempts[0]
		a.Remote, a.Began = netip.MustParseAddrPort(remote), began
		return a
	}
	refused := to(there + ":443").connecting("EINPROGRESS").soError("ECONNREFUSED")
	open := to(there + ":443").connecting("EINPROGRESS").soError("")
	lost := to(there + ":443").connecting("EINPROGRESS").add(&evidence.Cancelled{By: "race"})
	unreachable := to(there + ":443").connecting("EINPROGRESS").soError("EHOSTUNREACH").add(icmp(3, 13, "EHOSTUNREACH", mid))
	for _, tt := range []struct {
		name     string
		attempts []evidence.Attempt
		cause    ID
		outcome  Outcome
		culprit  string
		says     string
	}{
		{"slower in the race is open", []evidence.Attempt{attempt("[2001:db8::1]:443", 0, lost), attempt("203.0.113.5:443", 250*time.Millisecond, open)}, IsOpen, Open, "", ""},
		{"one dead", []evidence.Attempt{attempt("[2001:db8::1]:443", 0, unreachable), attempt("203.0.113.5:443", 250*time.Millisecond, open)}, SomeAddressesDead, Open, mid, "2001:db8::1"},
		{"all dead, each its way", []evidence.Attempt{attempt("[2001:db8::1]:443", 0, unreachable), attempt("203.0.113.5:443", 250*time.Millisecond, refused)}, AdminProhibited, Unreachable, mid, "203.0.113.5 (port-closed)"},
		{"all dead alike", []evidence.Attempt{attempt("203.0.113.4:443", 0, refused), attempt("203.0.113.5:443", 250*time.Millisecond, refused)}, PortClosed, Refused, "203.0.113.4", "All 2 addresses failed in the same way."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Explain(&evidence.Dial{Target: "host.test:443", Network: "tcp", Attempts: tt.attempts})
			if v.Cause != tt.cause || v.Outcome != tt.outcome || !strings.Contains(v.Explanation, tt.says) {
				t.Errorf("%s, %s: %s", v.Cause, v.Outcome, v.Explanation)
			}
			if tt.culprit != "" && v.Culprit.Address != ip(tt.culprit) {
				t.Errorf("culprit %v, want %s", v.Culprit, tt.culprit)
			}
		})
	}
}

func TestExplainName(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.53:53")
	l := func(typ, rcode string) *evidence.Lookup {
		return &evidence.Lookup{Server: server, Transport: "udp", Name: "host.test.", Type: typ, Rcode: rcode}
	}
	none := &evidence.Candidates{Error: "no such host", Absent: true}
	timeout := l("A", "")
	timeout.Timeout = true
	noRoute := l("A", "")
	noRoute.Errno = "ENETUNREACH"
	router := l("A", "")
	router.Errno, router.Offender = "EHOSTUNREACH", ip(mid)
	nobody := l("A", "")
	nobody.Errno, nobody.Offender = "ECONNREFUSED", ip("192.0.2.53")
	for _, tt := range []struct {
		name  string
		facts []evidence.Fact
		want  wanted
	}{
		{"NXDOMAIN", []evidence.Fact{l("A", "NXDOMAIN"), l("AAAA", "NXDOMAIN"), none}, wanted{Unresolved, "", NameNotFound, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"no data", []evidence.Fact{l("A", "NOERROR"), l("AAAA", "NOERROR"), none}, wanted{Unresolved, "", NameNotFound, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"SERVFAIL", []evidence.Fact{l("A", "SERVFAIL"), l("AAAA", "SERVFAIL"), none}, wanted{Unresolved, "", ResolverFailure, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"one family failed, the other has no record", []evidence.Fact{l("A", "SERVFAIL"), l("AAAA", "NOERROR"), none}, wanted{Unresolved, "", ResolverFailure, Likely, Resolver, "192.0.2.53", nil, nil}},
		{"FORMERR, then asked again without EDNS", []evidence.Fact{l("A", "FORMERR"), l("A", "NXDOMAIN"), none}, wanted{Unresolved, "", NameNotFound, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"REFUSED", []evidence.Fact{l("A", "REFUSED"), none}, wanted{Unresolved, "", ResolverRefused, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"nobody listens", []evidence.Fact{nobody, none}, wanted{Unresolved, "ECONNREFUSED", ResolverRefused, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"silence", []evidence.Fact{timeout, none}, wanted{Unresolved, "", ResolverTimeout, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"no route", []evidence.Fact{noRoute, none}, wanted{Unresolved, "ENETUNREACH", ResolverUnreachable, Certain, Resolver, "192.0.2.53", nil, nil}},
		{"a router says no", []evidence.Fact{router, none}, wanted{Unresolved, "EHOSTUNREACH", ResolverUnreachable, Certain, Router, mid, nil, nil}},
		{"a stranger's resolver says no", []evidence.Fact{none}, wanted{Unresolved, "", NameNotFound, Likely, Resolver, "", nil, nil}},
		{"given up while asking", []evidence.Fact{&evidence.Cancelled{By: "caller"}}, wanted{Cancelled, "", CancelledByCaller, Certain, Local, "", nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &evidence.Dial{Target: "host.test:443", Network: "tcp"}
			for _, f := range tt.facts {
				d.Log.Add(0, "test", f)
			}
			v := Explain(d)
			check(t, v, tt.want)
			words := v.Explanation + v.Remedy
			if tt.want.cause != CancelledByCaller && !strings.Contains(words, "host.test") && !strings.Contains(words, "192.0.2.53") {
				t.Errorf("neither the name nor the server is named: %s", words)
			}
		})
	}
}

func TestNext(t *testing.T) {
	silent := silence(to(there+":443").add(routed()), time.Second).dial()
	for _, tt := range []struct {
		allowed Allowed
		want    ExperimentID
	}{
		{Allowed{}, "second-source-port"},
		{Allowed{Begun: []ExperimentID{"second-source-port"}}, "udp-port"},
		{Allowed{Packets: 1}, "udp-port"},
		{Allowed{Packets: 2, Done: []ExperimentID{"udp-port"}}, "echo"},
		// The sweep waits for what another SYN brings: an open port needs none.
		{Allowed{Begun: []ExperimentID{"second-source-port", "udp-port", "reference-port", "echo"}}, "repeat"},
		{Allowed{Done: []ExperimentID{"second-source-port", "udp-port", "reference-port", "echo"}}, "hop-limited-connect"},
		{Allowed{Done: []ExperimentID{"second-source-port", "udp-port", "reference-port", "echo", "hop-limited-connect"}}, "hop-limited-reference"},
		{Allowed{Done: every("own-packets")}, ""},
		{Allowed{Done: every("own-packets"), Privileges: []string{"CAP_NET_RAW"}}, "own-packets"},
	} {
		e, ok := Next(silent, tt.allowed)
		if e.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("%+v: %q, want %q", tt.allowed, e.ID, tt.want)
		}
	}
	open := to(there + ":443").connecting("EINPROGRESS").soError("").dial()
	if e, ok := Next(open, Allowed{}); ok {
		t.Errorf("a certain verdict needs no %s", e.ID)
	}
}

// every is all experiments but one.
func every(but ExperimentID) (ids []ExperimentID) {
	for _, e := range Experiments() {
		if e.ID != but {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func TestExperimentsAreData(t *testing.T) {
	packets := 0
	for _, e := range Experiments() {
		if e.Title == "" || e.ByHand == "" || len(e.Tells) == 0 || e.Packets == 0 {
			t.Errorf("%+v", e)
		}
		for _, id := range e.Tells {
			if _, ok := Lookup(id); !ok {
				t.Errorf("%s tells %q, which is no cause", e.ID, id)
			}
		}
		packets += e.Packets
	}
	if packets == 0 {
		t.Error("no experiment")
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ns", 850: "850 ns", 2600: "2.6 µs", 12345 * time.Microsecond: "12.3 ms", 250 * time.Millisecond: "250 ms",
		3070 * time.Millisecond: "3.07 s", 131 * time.Second: "2m11s", 999 * time.Nanosecond: "999 ns", time.Microsecond: "1 µs",
		999499: "999 µs", 999500: "1 ms", 999600 * time.Microsecond: "1 s", 99999 * time.Millisecond: "100 s", 100 * time.Second: "1m40s", -5: "-5 ns",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}
