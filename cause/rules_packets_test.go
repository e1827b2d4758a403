package cause

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// came is a packet of the connection as it came in: flags, acknowledgment, TTL.
func came(flags string, ack uint32, ttl uint8, change ...func(*evidence.Packet)) *evidence.Packet {
	p := &evidence.Packet{Direction: evidence.PacketIn, Own: true, Protocol: "tcp", Flags: flags, Ack: ack, TTL: ttl, Interface: 2,
		From: netip.AddrPortFrom(ip(there), 443), To: netip.AddrPortFrom(ip(here), 40000)}
	for _, c := range change {
		c(p)
	}
	return p
}

func went(flags string) *evidence.Packet {
	return &evidence.Packet{Direction: evidence.PacketOut, Own: true, Protocol: "tcp", Flags: flags, TTL: 64, Interface: 2,
		From: netip.AddrPortFrom(ip(here), 40000), To: netip.AddrPortFrom(ip(there), 443)}
}

// other is an answer of the destination to an experiment.
func other(protocol, flags string, port uint16, ttl uint8) *evidence.Packet {
	p := came(flags, 1, ttl)
	p.Own, p.Protocol, p.From = false, protocol, netip.AddrPortFrom(ip(there), port)
	return p
}

func broken(p *evidence.Packet)     { p.Checksum = evidence.ChecksumBad }
func byLoopback(p *evidence.Packet) { p.Interface, p.Loopback = 1, true }
func elsewhere(p *evidence.Packet)  { p.Interface = 3 }

// captured is a silence with packets in it: the SYN, and what came.
func captured(wait time.Duration, facts ...evidence.Fact) *story {
	s := to(there+":443").add(routed(), &evidence.Capture{}).connecting("EINPROGRESS").from(here + ":40000").add(went("SYN"))
	return s.add(facts...).later(wait).add(&evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 1}, &evidence.Expired{Limit: wait, Scope: "dial"})
}

func TestPacketsOfSilence(t *testing.T) {
	counted := func(received, delivered, filtered int64) *evidence.Counters {
		return netns(map[string]int64{"Ip.InReceives": received, "Ip.InDelivers": delivered, "TcpExt.IPReversePathFilter": filtered, "Tcp.InCsumErrors": 0, "TcpExt.PAWSActive": 0})
	}
	all := []ID{HostFirewallDrop, PathFirewallDrop, HostSilent, ReplyLost, ListenQueueFull, OptionBlackhole, LocalFirewallDrop}
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"the answer is dropped by the filter", captured(time.Second, came("SYN+ACK", 1, 63)).add(counted(2, 1, 0)),
			wanted{Timeout, "", LocalFirewallInput, Certain, Local, "", nil, all}},
		{"a refusal is dropped by the filter", captured(time.Second, came("RST+ACK", 1, 63)).add(counted(1, 0, 0)),
			wanted{Timeout, "", LocalFirewallInput, Certain, Local, "", nil, all}},
		{"the counters do not say so", captured(time.Second, came("SYN+ACK", 1, 63)).add(counted(2, 2, 0)),
			wanted{Timeout, "", LocalFirewallInput, Likely, Local, "", nil, all}},
		{"no counters", captured(time.Second, came("SYN+ACK", 1, 63)),
			wanted{Timeout, "", LocalFirewallInput, Likely, Local, "", nil, all}},
		{"by the wrong interface, and counted", captured(time.Second, came("SYN+ACK", 1, 63, elsewhere)).add(counted(1, 0, 1)),
			wanted{Timeout, "", ReversePathFilter, Certain, Local, "", nil, append([]ID{LocalFirewallInput}, all...)}},
		{"by the right interface, and counted: perhaps another packet's", captured(time.Second, came("SYN+ACK", 1, 63)).add(counted(1, 0, 1)),
			wanted{Timeout, "", ReversePathFilter, Likely, Local, "", nil, all}},
		{"counted once, came twice, one was dropped otherwise", captured(time.Second, came("SYN+ACK", 1, 63, elsewhere), came("SYN+ACK", 1, 63, elsewhere)).add(counted(2, 0, 1)),
			wanted{Timeout, "", ReversePathFilter, Likely, Local, "", []ID{LocalFirewallInput}, all}},
		{"broken on the way, nobody knows where", captured(time.Second, came("SYN+ACK", 1, 63, broken)),
			wanted{Timeout, "", ReplyMalformed, Likely, Nobody, "", nil, append([]ID{LocalFirewallInput}, all...)}},
		{"broken and good ones", captured(time.Second, came("SYN+ACK", 1, 63, broken), came("SYN+ACK", 1, 63)),
			wanted{Timeout, "", LocalFirewallInput, Likely, Local, "", nil, append([]ID{ReplyMalformed}, all...)}},
		{"acknowledges what was not sent", captured(time.Second, came("SYN+ACK", 1000, 63)),
			wanted{Timeout, "", ReplyMalformed, Likely, Nobody, "", nil, append([]ID{LocalFirewallInput}, all...)}},
		{"challenge ACKs, and no more", captured(time.Second, came("ACK", 1000, 63)),
			wanted{Timeout, "", StaleConnection, Likely, Destination, there, nil, all}},
		{"it came too late to be judged", captured(0, came("SYN+ACK", 1, 63)),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{HostFirewallDrop}, nil}},
		{"a RST without ACK is no answer", captured(time.Second, came("RST", 0, 63)),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{HostFirewallDrop}, nil}},
		{"nothing came: nothing was thrown away", captured(time.Second).add(counted(2, 0, 1)),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{HostFirewallDrop}, []ID{LocalFirewallInput, ReversePathFilter, ReplyMalformed, LocalFirewallDrop}}},
		{"nothing came, but frames were lost", captured(time.Second).add(&evidence.Capture{Dropped: 2}, counted(2, 0, 1)),
			wanted{Timeout, "", ReversePathFilter, Likely, Local, "", []ID{LocalFirewallInput, PathFirewallDrop}, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

func TestBrokenAnswerOfANeighbour(t *testing.T) {
	s := to("192.0.2.77:443").add(onLink("192.0.2.77"), &evidence.Capture{}).connecting("EINPROGRESS").from(here+":40000").
		add(went("SYN"), came("SYN+ACK", 1, 64, broken)).later(time.Second).add(&evidence.Expired{Limit: time.Second})
	check(t, Explain(s.dial()), wanted{Timeout, "", ReplyMalformed, Certain, Destination, "192.0.2.77", nil, nil})
}

// refusedBy is a refusal with the packets of it, and of others.
func refusedBy(facts ...evidence.Fact) *story {
	return to(there+":443").add(routed(), &evidence.Capture{}).connecting("EINPROGRESS").from(here + ":40000").add(went("SYN")).add(facts...).soError("ECONNREFUSED")
}

func TestWhoseReset(t *testing.T) {
	rst := func(ttl uint8) evidence.Fact { return came("RST+ACK", 1, ttl) }
	forged := func(c Confidence, also ...ID) wanted {
		return wanted{Refused, "ECONNREFUSED", PathFirewallReset, c, Path, "", also, nil}
	}
	closed := wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{PathFirewallReset}, nil}
	distance := func(ttl int) evidence.Fact { return answered("udp", 33434, ttl, evidence.AnswerICMP) }
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"nothing to compare with", refusedBy(rst(64)), closed},
		{"from as far as an open port's answer", refusedBy(rst(61), other("tcp", "SYN+ACK", 80, 61)), closed},
		{"nearer than an open port's answer", refusedBy(rst(64), other("tcp", "SYN+ACK", 80, 61)), forged(Likely, PortClosed)},
		{"nearer than another port's RST", refusedBy(rst(63), other("tcp", "RST+ACK", 61439, 61)), forged(Likely, PortClosed)},
		{"farther: translated", refusedBy(rst(61), other("tcp", "SYN+ACK", 80, 63)), closed},
		{"somebody with this address answers from there as well", refusedBy(rst(64), other("tcp", "SYN+ACK", 80, 61), other("icmp", "echo-reply", 0, 64)), closed},
		{"resets begin with 255", refusedBy(rst(252), other("tcp", "SYN+ACK", 80, 61)), closed},
		{"resets begin with 255, and come from nearer", refusedBy(rst(254), other("tcp", "SYN+ACK", 80, 61)), closed},
		{"ICMP from farther, which agrees with the way there", refusedBy(rst(64), other("icmp", "echo-reply", 0, 61), distance(4)), forged(Likely, PortClosed)},
		{"ICMP from farther, and the way is not known", refusedBy(rst(64), other("icmp", "echo-reply", 0, 61)), closed},
		{"ICMP begins with an odd TTL", refusedBy(rst(61), other("icmp", "echo-reply", 0, 57), distance(4)), closed},
		{"the same port's other RSTs prove nothing", refusedBy(rst(64), other("tcp", "RST+ACK", 443, 61)), closed},
		{"refused and accepted, from different distances", refusedBy(rst(64), came("SYN+ACK", 1, 61)), forged(Certain)},
		{"refused and accepted, from the same distance", refusedBy(rst(61), came("SYN+ACK", 1, 61)), forged(Likely)},
		{"refused and accepted, after two SYNs", refusedBy(went("SYN"), rst(64), came("SYN+ACK", 1, 61)), closed},
		{"by this host's loopback", refusedBy(came("RST+ACK", 1, 64, byLoopback)), wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Certain, Local, "", nil, []ID{PortClosed}}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

// opened is a connection with the packets of it.
func opened(facts ...evidence.Fact) *story {
	return to(there+":443").add(routed(), &evidence.Capture{}).connecting("EINPROGRESS").from(here + ":40000").add(went("SYN")).add(facts...).
		soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"})
}

func TestWhoseHandshake(t *testing.T) {
	open := wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}
	reset := &evidence.FirstMoments{Reset: true}
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"from behind a router", opened(came("SYN+ACK", 1, 63)), open},
		{"from in front of every router", opened(came("SYN+ACK", 1, 64)), wanted{Open, "", IsOpen, Likely, Nobody, "", []ID{SYNProxy}, nil}},
		{"and other answers as well: routers that do not count", opened(came("SYN+ACK", 1, 64), other("icmp", "echo-reply", 0, 64)), open},
		{"and other answers from farther", opened(came("SYN+ACK", 1, 64), other("tcp", "RST+ACK", 61439, 63)), wanted{Open, "", SYNProxy, Likely, Path, gateway, nil, []ID{IsOpen}}},
		{"accepted near, reset from farther", opened(came("SYN+ACK", 1, 64), came("RST", 0, 63)).add(reset), wanted{Reset, "ECONNRESET", SYNProxy, Likely, Path, gateway, []ID{AcceptedThenReset}, []ID{PathFirewallReset}}},
		{"accepted far, reset from nearer", opened(came("SYN+ACK", 1, 61), came("RST", 0, 64)).add(reset), wanted{Reset, "ECONNRESET", PathFirewallReset, Likely, Path, gateway, []ID{AcceptedThenReset}, nil}},
		{"accepted and reset from the same distance", opened(came("SYN+ACK", 1, 61), came("RST", 0, 61)).add(reset), wanted{Reset, "ECONNRESET", AcceptedThenReset, Likely, Destination, there, nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

func TestSecondSYN(t *testing.T) {
	again := func(wait time.Duration, facts ...evidence.Fact) *story {
		s := to(there+":443").add(routed(), &evidence.Capture{}).connecting("EINPROGRESS").from(here + ":40000").later(wait).add(facts...)
		return s.soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: 1})
	}
	lost := time.Second
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"after a challenge ACK", again(10*time.Millisecond, went("SYN"), came("ACK", 99, 63), went("RST"), went("SYN"), came("SYN+ACK", 1, 63)),
			wanted{Open, "", StaleConnection, Likely, Destination, there, nil, []ID{PacketLoss}}},
		{"after nothing", again(10*time.Millisecond, went("SYN"), went("SYN"), came("SYN+ACK", 1, 63)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, []ID{StaleConnection}}},
		{"both SYNs are alike", again(lost, went("SYN"), went("SYN"), came("SYN+ACK", 1, 63)),
			wanted{Open, "", PacketLoss, Likely, Path, "", []ID{ListenQueueFull}, []ID{OptionBlackhole}}},
		{"only the first asked for ECN", again(lost, went("SYN+ECE+CWR"), went("SYN"), came("SYN+ACK", 1, 63)),
			wanted{Open, "", PacketLoss, Likely, Path, "", []ID{ListenQueueFull, OptionBlackhole}, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

// formed is a segment made by hand, and its answer.
func formed(form, answer string) *evidence.Probe {
	p := sent("tcp", 443, 0)
	p.Form = form
	if p.Answer = answer; answer != "" {
		p.From = ip(there)
	}
	return p
}

func TestSegmentsMadeByHand(t *testing.T) {
	quiet := func(facts ...evidence.Fact) *story {
		return silence(to(there+":443").add(routed()), 1100*time.Millisecond).add(second).add(slices.Concat([]evidence.Fact{answered("tcp", 80, 0, evidence.AnswerRST), sent("tcp", 443, 0)}, facts)...)
	}
	plain, ack := evidence.FormPlain, evidence.FormACK
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"a plain SYN is answered", quiet(formed(plain, evidence.AnswerSYNACK), formed(plain, "")),
			wanted{Timeout, "", OptionBlackhole, Likely, Path, "", []ID{HostFirewallDrop}, []ID{HostSilent, ListenQueueFull}}},
		{"a plain SYN is refused", quiet(formed(plain, evidence.AnswerRST)),
			wanted{Timeout, "", OptionBlackhole, Likely, Path, "", nil, []ID{HostSilent}}},
		{"only acknowledgments are refused", quiet(formed(plain, ""), formed(plain, ""), formed(ack, evidence.AnswerRST)),
			wanted{Timeout, "", ListenQueueFull, Likely, Destination, there, []ID{HostFirewallDrop}, []ID{OptionBlackhole, HostSilent}}},
		{"nothing of it is answered", quiet(formed(plain, ""), formed(plain, ""), formed(ack, "")),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{HostFirewallDrop, ListenQueueFull}, []ID{OptionBlackhole, HostSilent}}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

func TestLargePackets(t *testing.T) {
	sized := func(p *evidence.Probe, size int) evidence.Fact {
		p.Experiment, p.Size = "large-packets", size
		return p
	}
	udp := func(ttl int) *evidence.Probe { return sent("udp", 33434, ttl) }
	small := sized(answered("udp", 33434, 0, evidence.AnswerICMP), 60)
	lost := []evidence.Fact{sized(udp(0), 1500), sized(udp(0), 1500), sized(udp(0), 1500)}
	tooBig := answered("udp", 33434, 0, evidence.AnswerICMP)
	tooBig.From, tooBig.ICMP = ip(hop1), &evidence.ICMP{Version: 4, Type: 3, Code: 4, MTU: 1300, Offender: ip(hop1)}
	open := wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}
	begun := func(facts ...evidence.Fact) *story { return opened(came("SYN+ACK", 1, 61)).add(facts...) }
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"small ones pass, large ones do not", begun(small).add(lost...), wanted{Open, "", MTUBlackhole, Likely, Path, "", nil, []ID{IsOpen}}},
		{"the last router that a large one got to", begun(small).add(lost...).add(sized(expired("udp", 33434, 1, hop1), 1500), sized(udp(2), 1500)),
			wanted{Open, "", MTUBlackhole, Likely, Path, hop1, nil, nil}},
		{"one large one was lost", begun(small, lost[0]), open},
		{"small ones get no answer either", begun(sized(udp(0), 60)).add(lost...), open},
		{"one of the large ones passed", begun(small).add(lost...).add(sized(answered("udp", 33434, 0, evidence.AnswerICMP), 1500)), open},
		{"a router says how large they may be", begun(small).add(lost...).add(sized(tooBig, 1500)), open},
		{"this host cannot send them", begun(small, sized(func() *evidence.Probe { p := udp(0); p.Sent, p.Errno = 0, "EMSGSIZE"; return p }(), 1500)), open},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

func TestHops(t *testing.T) {
	for ttl, want := range map[uint8]int{64: 0, 61: 3, 255: 0, 252: 3, 128: 0, 100: 28, 32: 0, 30: 2, 129: 126, 1: 31} {
		if got := hops(ttl); got != want {
			t.Errorf("TTL %d: %d hops, want %d", ttl, got, want)
		}
	}
}
