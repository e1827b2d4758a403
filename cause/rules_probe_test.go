package cause

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

const (
	hop1 = "192.0.2.1"
	hop2 = "198.51.100.2"
	hop3 = "198.51.100.3"
)

// sent is a probe without an answer.
func sent(protocol string, port uint16, ttl int) *evidence.Probe {
	return &evidence.Probe{Experiment: "x", Protocol: protocol, To: netip.AddrPortFrom(ip(there), port), TTL: ttl, Sent: 1, Waited: 100 * time.Millisecond}
}

// expired is one that ended at a router.
func expired(protocol string, port uint16, ttl int, router string) *evidence.Probe {
	p := sent(protocol, port, ttl)
	p.Answer, p.From, p.Waited, p.RTT = evidence.AnswerICMP, ip(router), 0, time.Millisecond
	p.ICMP = &evidence.ICMP{Version: 4, Type: 11, Offender: ip(router)}
	return p
}

// answered is one that the destination answered, or somebody in its name.
func answered(protocol string, port uint16, ttl int, how string) *evidence.Probe {
	p := sent(protocol, port, ttl)
	p.Answer, p.From, p.Waited, p.RTT = how, ip(there), 0, time.Millisecond
	if how == evidence.AnswerICMP {
		p.ICMP = &evidence.ICMP{Version: 4, Type: 3, Code: 3, Offender: ip(there)}
	}
	return p
}

// way is a sweep toward a port: the routers that answer ("" does not), then
// silence up to a TTL.
func way(protocol string, port uint16, to int, routers ...string) (probes []evidence.Fact) {
	for i := range max(to, len(routers)) {
		if i < len(routers) && routers[i] != "" {
			probes = append(probes, expired(protocol, port, i+1, routers[i]))
		} else {
			probes = append(probes, sent(protocol, port, i+1), sent(protocol, port, i+1))
		}
	}
	return probes
}

var second = &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 1}

func TestProbesOfSilence(t *testing.T) {
	quiet := func(facts ...[]evidence.Fact) *story {
		s := silence(to(there+":443").add(routed()), 1100*time.Millisecond).add(second)
		return s.add(slices.Concat(facts...)...)
	}
	one := func(facts ...evidence.Fact) []evidence.Fact { return facts }
	rst, echoed := answered("tcp", 80, 0, evidence.AnswerRST), answered("icmp", 0, 0, evidence.AnswerEcho)
	tried := one(sent("tcp", 443, 0), sent("udp", 33434, 0), sent("tcp", 80, 0), sent("icmp", 0, 0))
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
		hop  int
	}{
		{"dropped between two hops", quiet(one(rst), way("tcp", 443, 6, hop1), one(expired("udp", 33434, 2, hop2), answered("udp", 33434, 3, evidence.AnswerICMP))),
			wanted{Timeout, "", PathFirewallDrop, Likely, Path, hop1, []ID{HostFirewallDrop}, []ID{LocalFirewallDrop, HostSilent, ListenQueueFull, ReplyLost}}, 1},
		{"dropped between two hops, and the host answers nothing", quiet(tried, way("tcp", 443, 6, hop1), one(expired("icmp", 0, 2, hop2))),
			wanted{Timeout, "", PathFirewallDrop, Likely, Path, hop1, []ID{HostFirewallDrop, HostSilent}, []ID{LocalFirewallDrop}}, 1},
		{"one packet behind the last hop is not enough", quiet(one(rst), one(expired("tcp", 443, 1, hop1), sent("tcp", 443, 2)), one(expired("udp", 33434, 2, hop2))),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, hop1, []ID{HostFirewallDrop}, nil}, 1},
		{"a silent hop, and the drop behind it", quiet(one(rst), way("tcp", 443, 7, hop1, "", hop3), one(expired("udp", 33434, 4, "198.51.100.4"), answered("udp", 33434, 5, evidence.AnswerICMP))),
			wanted{Timeout, "", PathFirewallDrop, Likely, Path, hop3, nil, nil}, 3},
		{"the host is alive, and every router answers", quiet(one(rst), way("tcp", 443, 6, hop1, hop2), one(answered("tcp", 80, 3, evidence.AnswerRST))),
			wanted{Timeout, "", HostFirewallDrop, Likely, Destination, there, []ID{PathFirewallDrop, ListenQueueFull, ReplyLost}, []ID{HostSilent, LocalFirewallDrop}}, 0},
		{"alive by echo alone", quiet(one(echoed), way("tcp", 443, 6, hop1), one(answered("icmp", 0, 2, evidence.AnswerEcho))),
			wanted{Timeout, "", HostFirewallDrop, Likely, Destination, there, []ID{PathFirewallDrop, LocalFirewallInput}, []ID{HostSilent}}, 0},
		{"alive, and farther than the last router that answers", quiet(one(rst), way("tcp", 443, 6, hop1), one(sent("tcp", 80, 2), answered("tcp", 80, 3, evidence.AnswerRST))),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, hop1, []ID{HostFirewallDrop}, nil}, 1},
		{"nothing answers from there", quiet(tried, way("tcp", 443, 6, hop1, hop2), way("udp", 33434, 6, hop1, hop2)),
			wanted{Timeout, "", HostSilent, Possible, Destination, there, []ID{PathFirewallDrop, HostFirewallDrop}, []ID{LocalFirewallDrop, ListenQueueFull}}, 0},
		{"no router answers these, and the first answers others", quiet(tried, way("tcp", 443, 6), way("udp", 33434, 6, hop1)),
			wanted{Timeout, "", LocalFirewallDrop, Possible, Local, "", []ID{PathFirewallDrop, HostSilent}, nil}, 0},
		{"nothing answers on the link", silence(to(there+":443").add(onLink(there)), 1100*time.Millisecond).add(second, neighbour(there, "PERMANENT", false)).add(tried...),
			wanted{Timeout, "", HostSilent, Possible, Destination, there, []ID{HostFirewallDrop}, []ID{PathFirewallDrop}}, 0},
		{"another source port is answered", quiet(one(answered("tcp", 443, 0, evidence.AnswerSYNACK))),
			wanted{Timeout, "", StaleConnection, Likely, Destination, there, nil, []ID{PathFirewallDrop, HostFirewallDrop, HostSilent}}, 0},
		{"answers vanish in this host's filter", quiet(one(rst), way("tcp", 443, 3, hop1), one(answered("tcp", 80, 2, evidence.AnswerRST)),
			one(netns(map[string]int64{"Ip.InReceives": 30, "Ip.InDelivers": 20}))),
			wanted{Timeout, "", LocalFirewallInput, Likely, Local, "", []ID{HostFirewallDrop}, nil}, 0},
		{"all that came in was delivered", quiet(one(rst), way("tcp", 443, 3, hop1), one(answered("tcp", 80, 2, evidence.AnswerRST)),
			one(netns(map[string]int64{"Ip.InReceives": 30, "Ip.InDelivers": 30}))),
			wanted{Timeout, "", HostFirewallDrop, Likely, Destination, there, nil, []ID{LocalFirewallInput}}, 0},
		{"fewer vanish than were awaited", quiet(one(rst), way("tcp", 443, 3, hop1), one(answered("tcp", 80, 2, evidence.AnswerRST)),
			one(netns(map[string]int64{"Ip.InReceives": 31, "Ip.InDelivers": 30}))),
			wanted{Timeout, "", HostFirewallDrop, Likely, Destination, there, []ID{LocalFirewallInput}, nil}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Explain(tt.log.dial())
			check(t, v, tt.want)
			if v.Culprit.Hop != tt.hop {
				t.Errorf("hop %d, want %d", v.Culprit.Hop, tt.hop)
			}
		})
	}
}

func TestProbesOfAnAnswer(t *testing.T) {
	refused := func(facts ...evidence.Fact) *story {
		return to(there + ":443").add(routed()).connecting("EINPROGRESS").soError("ECONNREFUSED").add(&evidence.TCPInfo{State: "CLOSE"}).add(facts...)
	}
	open := func(facts ...evidence.Fact) *story {
		return to(there + ":443").add(routed()).connecting("EINPROGRESS").soError("").add(&evidence.TCPInfo{State: "ESTABLISHED"}).add(facts...)
	}
	at1, at2 := expired("tcp", 443, 1, hop1), expired("tcp", 443, 2, hop2)
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
		hop  int
	}{
		{"a RST in front of a router", refused(at1, answered("tcp", 443, 2, evidence.AnswerRST), expired("udp", 33434, 2, hop2)),
			wanted{Refused, "ECONNREFUSED", PathFirewallReset, Likely, Path, hop1, []ID{PortClosed}, nil}, 1},
		{"a RST at the destination's distance", refused(at1, at2, answered("tcp", 443, 3, evidence.AnswerRST), answered("udp", 33434, 3, evidence.AnswerICMP)),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{PathFirewallReset}, nil}, 0},
		// Flows of different lengths: the same kind of packet ends at a router behind.
		{"ways that differ in length", refused(at1, answered("tcp", 443, 2, evidence.AnswerRST), expired("tcp", 443, 3, hop3), expired("udp", 33434, 2, hop2)),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{PathFirewallReset}, nil}, 0},
		{"no comparison", refused(at1, answered("tcp", 443, 2, evidence.AnswerRST)),
			wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{PathFirewallReset}, nil}, 0},
		{"a SYN-ACK in front of a router", open(at1, answered("tcp", 443, 2, evidence.AnswerSYNACK), expired("icmp", 0, 2, hop2)),
			wanted{Open, "", SYNProxy, Likely, Path, hop1, nil, []ID{IsOpen}}, 1},
		{"a SYN-ACK of the destination's", open(at1, answered("tcp", 443, 2, evidence.AnswerSYNACK), answered("icmp", 0, 2, evidence.AnswerEcho)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Explain(tt.log.dial())
			check(t, v, tt.want)
			if v.Culprit.Hop != tt.hop {
				t.Errorf("hop %d, want %d", v.Culprit.Hop, tt.hop)
			}
		})
	}
}

// The first SYN and its copies from other sockets died, the second was answered:
// it is the one without ECN bits, if this host sets any.
func TestProbesOfAnOption(t *testing.T) {
	opened := func(ecn string, probes ...evidence.Fact) *story {
		s := to(there + ":443").add(routed()).connecting("EINPROGRESS").add(&evidence.Sysctl{Name: "net.ipv4.tcp_ecn", Value: ecn}).add(probes...)
		return s.later(time.Second).soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: 1})
	}
	died := append(way("tcp", 443, 4, hop1), sent("tcp", 443, 0))
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"they died", opened("1", died...), wanted{Open, "", OptionBlackhole, Likely, Path, hop1, []ID{PacketLoss}, []ID{IsOpen}}},
		{"no ECN was asked for", opened("2", died...), wanted{Open, "", PacketLoss, Likely, Path, "", []ID{OptionBlackhole}, nil}},
		{"another was answered", opened("1", answered("tcp", 443, 0, evidence.AnswerSYNACK)), wanted{Open, "", PacketLoss, Likely, Path, "", []ID{OptionBlackhole}, nil}},
		{"too few", opened("1", sent("tcp", 443, 0)), wanted{Open, "", PacketLoss, Likely, Path, "", []ID{OptionBlackhole}, nil}},
		{"no probes", opened("1"), wanted{Open, "", PacketLoss, Likely, Path, "", []ID{OptionBlackhole}, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

// The sentence names where the packets died and what shows it.
func TestWordsOfTheHop(t *testing.T) {
	log := silence(to(there+":443").add(routed()), 1100*time.Millisecond).add(second, expired("tcp", 443, 1, hop1), expired("tcp", 443, 2, hop2),
		sent("tcp", 443, 3), sent("tcp", 443, 3), expired("icmp", 0, 3, hop3), answered("icmp", 0, 0, evidence.AnswerEcho))
	v := Explain(log.dial())
	for _, want := range []string{"beyond hop 2", hop2 + " is the last that answered", "hop 3, " + hop3 + ", answers echo requests"} {
		if !strings.Contains(v.Explanation, want) {
			t.Errorf("%q lacks %q", v.Explanation, want)
		}
	}
}

// Counters that the probes move are read before the first of them.
func TestProbesDoNotHideThatNothingLeft(t *testing.T) {
	log := silence(to(there+":443").add(routed()), 1100*time.Millisecond).add(veth(),
		netns(map[string]int64{"Ip.OutTransmits": 0}), sent("tcp", 443, 1), sent("udp", 33434, 0),
		netns(map[string]int64{"Ip.OutTransmits": 5, "TcpExt.TCPRetransFail": 1}))
	check(t, Explain(log.dial()), wanted{Timeout, "", LocalFirewallDrop, Likely, Local, "", nil, nil})
}

func TestExplained(t *testing.T) {
	waited := func(d time.Duration, facts ...evidence.Fact) *evidence.Dial {
		s := to(there + ":443").add(routed()).connecting("EINPROGRESS").add(facts...)
		s.at = d
		return s.add(&evidence.Expired{Limit: d, Scope: "explained"}).dial()
	}
	first := &evidence.TCPInfo{State: "SYN_SENT"}
	alive, mute := answered("tcp", 80, 0, evidence.AnswerRST), sent("tcp", 80, 0)
	from := func(port uint16) evidence.Fact {
		p := *sent("tcp", 443, 0)
		p.Source = port
		return &p
	}
	ecn := func(value string) evidence.Fact { return &evidence.Sysctl{Name: "net.ipv4.tcp_ecn", Value: value} }
	router := way("tcp", 443, 0, mid)[0]
	plain := answered("tcp", 443, 0, evidence.AnswerSYNACK)
	plain.Form = evidence.FormPlain
	for _, tt := range []struct {
		name string
		dial *evidence.Dial
		want bool
	}{
		{"no probes", waited(9*time.Second, second), false},
		{"before the second SYN", waited(time.Second, first, alive), false},
		{"after it, and the host is alive", waited(1100*time.Millisecond, second, alive), true},
		{"after it, and nothing answers", waited(1100*time.Millisecond, second, mute), false},
		{"the last router has had its time", waited(3400*time.Millisecond, second, mute), true},
		{"a plain SYN is answered, and the second is plain", waited(1200*time.Millisecond, second, alive, plain, ecn("1")), false},
		{"a plain SYN is answered, and two were sent in vain", waited(2200*time.Millisecond, &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 2}, alive, plain, ecn("1")), true},
		{"a plain SYN is answered, and all were the same", waited(1200*time.Millisecond, second, alive, plain, ecn("2")), true},
		{"no router was heard of", waited(1100*time.Millisecond, append([]evidence.Fact{second}, way("tcp", 443, 3)...)...), true},
		{"no router was heard of, asked once", waited(1100*time.Millisecond, second, mute, sent("tcp", 443, 1)), false},
		{"another kind of packet met a router", waited(1100*time.Millisecond, append([]evidence.Fact{second, expired("udp", 33434, 2, mid)}, way("tcp", 443, 3)...)...), false},
		{"another source port is answered", waited(9*time.Second, second, answered("tcp", 443, 0, evidence.AnswerSYNACK)), false},
		{"a probe insisted", waited(500*time.Millisecond, first, alive, router, ecn("2"), from(7), from(7)), true},
		{"two probes of two flows", waited(500*time.Millisecond, first, alive, router, ecn("2"), from(7), from(8)), false},
		{"the second SYN will have no ECN", waited(500*time.Millisecond, first, alive, router, ecn("1"), from(7), from(7)), false},
		{"ECN is not known", waited(500*time.Millisecond, first, alive, router, from(7), from(7)), false},
		{"nothing shows that the packets leave", waited(500*time.Millisecond, first, alive, ecn("2"), from(7), from(7)), false},
		{"the own filter lets them leave", waited(500*time.Millisecond, first, alive, ecn("2"), clear("out"), from(7), from(7)), true},
		{"a rule stops them for certain", waited(300*time.Millisecond, first, stops("out", "drop", 1)), true},
		{"the neighbour does not answer", waited(500*time.Millisecond, first, &evidence.Neighbour{State: "FAILED", Gateway: true}), false},
		{"insisted, and nothing answers", waited(500*time.Millisecond, first, mute, ecn("2"), clear("out"), from(7), from(7)), false},
		{"sending again failed here", waited(1100*time.Millisecond, first, mute, netns(map[string]int64{"TcpExt.TCPRetransFail": 1})), true},
	} {
		if got := Explained(tt.dial, 0); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if Explained(to(there+":443").connecting("EINPROGRESS").soError("").add(alive).dial(), 0) {
		t.Error("an open port was explained away")
	}
}
