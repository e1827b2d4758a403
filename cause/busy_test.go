package cause

import (
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// A busy host sees late what happened, and its counters are everybody's: neither
// may turn a verdict into a wrong one.
func TestBusyHost(t *testing.T) {
	remote := there + ":443"
	still := &evidence.Counters{Scope: "link:tun0", Rise: map[string]int64{"tx_packets": 0}}
	device := func(typ string) *evidence.Link {
		return &evidence.Link{Name: "tun0", Index: 2, Exists: true, Up: true, Carrier: true, Type: typ}
	}
	silent := func(facts ...evidence.Fact) *story {
		return silence(to(remote).add(routed()), 1100*time.Millisecond).add(facts...)
	}
	// A SYN that the kernel sent again, with what the namespace counted.
	resent := func(all, failed int64) *story {
		return to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").later(1100*time.Millisecond).
			add(&evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 1}, &evidence.Expired{Limit: 1100 * time.Millisecond},
				netns(map[string]int64{"Tcp.RetransSegs": all, "TcpExt.TCPRetransFail": failed}))
	}
	opened := func(seen, since time.Duration) *story {
		return to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").later(seen).
			soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: 1, SegsIn: 1, SinceACK: since})
	}
	rst := went("RST")
	rst.Seq = 1
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		{"a tun device counts when its program reads", silent(device("tun"), still),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{LocalFirewallDrop}, nil}},
		{"a peer of WireGuard was never shaken hands with", silent(device("wireguard"), still),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{LocalFirewallDrop}, nil}},
		{"a veth device counts at once", silent(veth(), &evidence.Counters{Scope: "link:eth0", Rise: map[string]int64{"tx_packets": 0}}),
			wanted{Timeout, "", LocalFirewallDrop, Likely, Local, "", nil, nil}},

		{"the own SYN could not be sent again", resent(1, 1), wanted{Timeout, "", LocalFirewallDrop, Likely, Local, "", nil, nil}},
		{"one of two failed, and the other may be the own", resent(2, 1),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{LocalFirewallDrop}, nil}},
		{"both failed", resent(2, 2), wanted{Timeout, "", LocalFirewallDrop, Likely, Local, "", nil, nil}},
		{"none failed", resent(2, 0), wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", nil, []ID{LocalFirewallDrop}}},
		{"none had failed before it was sent again", to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").
			add(netns(map[string]int64{"Tcp.RetransSegs": 0, "TcpExt.TCPRetransFail": 0})).later(1100*time.Millisecond).
			add(&evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 1}, &evidence.Expired{Limit: 1100 * time.Millisecond}),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", []ID{LocalFirewallDrop}, nil}},

		{"to itself, for a moment", silence(to("127.0.0.1:81").add(toSelf("127.0.0.1")), 300*time.Millisecond).add(lo()),
			wanted{Timeout, "", LocalFirewallDrop, Possible, Local, "", nil, nil}},

		{"the answer came when the socket was closed", captured(time.Second, came("SYN+ACK", 1, 63), rst),
			wanted{Timeout, "", PathFirewallDrop, Possible, Path, "", nil, nil}},
		{"fewer answers were malformed than SYNs were sent", func() *story {
			return to(remote).add(routed()).connecting("EINPROGRESS").from(here+":40000").later(3*time.Second).
				add(&evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 2}, &evidence.Expired{Limit: 3 * time.Second}, netns(map[string]int64{"Tcp.InCsumErrors": 1}))
		}(), wanted{Timeout, "", ReplyMalformed, Possible, Nobody, "", []ID{HostFirewallDrop}, nil}},

		{"a second SYN after 10 ms, seen after a second", opened(1200*time.Millisecond, 1190*time.Millisecond),
			wanted{Open, "", StaleConnection, Likely, Destination, there, nil, []ID{PacketLoss}}},
		{"a second SYN after its timer", opened(1200*time.Millisecond, 180*time.Millisecond),
			wanted{Open, "", PacketLoss, Likely, Path, "", nil, []ID{StaleConnection}}},
		{"a clock that ticks behind", opened(1200*time.Millisecond, time.Hour),
			wanted{Open, "", StaleConnection, Likely, Destination, there, nil, []ID{PacketLoss}}},
		{"open at once, seen after a second", to(remote).add(routed()).connecting("EINPROGRESS").from(here + ":40000").later(time.Second).
			soError("").add(&evidence.TCPInfo{State: "ESTABLISHED", SegsIn: 1, SinceACK: 990 * time.Millisecond}),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

// What other traffic of the namespace leaves undelivered is not taken for answers.
func TestUndeliveredOfOthers(t *testing.T) {
	for _, tt := range []struct {
		received int64
		want     Confidence
	}{{2, Possible}, {4, Likely}, {9, Likely}, {400, Possible}} {
		s := silence(to(there+":443").add(routed()), 1100*time.Millisecond).add(answered("udp", 33434, 0, evidence.AnswerICMP),
			netns(map[string]int64{"Ip.InReceives": tt.received, "Ip.InDelivers": 0, "Ip.OutTransmits": 5}))
		v := look("tcp", &s.dial().Attempts[0])
		if r := localFirewallInput(v); r.confidence != tt.want {
			t.Errorf("%d packets delivered to nobody: %q, want %q", tt.received, r.confidence, tt.want)
		}
	}
}

func TestResetAfterData(t *testing.T) {
	s := to(there + ":80").add(routed()).connecting("EINPROGRESS").from(here + ":40000").soError("ECONNRESET").
		add(&evidence.TCPInfo{State: "CLOSE", Received: 8})
	v := Explain(s.dial())
	if v.Cause != AcceptedThenReset || !strings.Contains(v.Explanation, "8 octets of data came") || strings.Contains(v.Explanation, "before any data") {
		t.Errorf("%s: %s", v.Cause, v.Explanation)
	}
}

// An address without a route joins the race only where the first one is slow.
func TestUnroutedAddressBesideTheWinner(t *testing.T) {
	open := to("203.0.113.5:443").connecting("EINPROGRESS").soError("").dial().Attempts[0]
	none := to("[2001:db8::1]:443").connecting("ENETUNREACH").add(rejected("ENETUNREACH", "")).dial().Attempts[0]
	refused := to("[2001:db8::1]:443").connecting("EINPROGRESS").soError("ECONNREFUSED").dial().Attempts[0]
	for _, tt := range []struct {
		name     string
		dead     evidence.Attempt
		at, open time.Duration
		want     ID
		says     string
	}{
		{"it came first", none, 0, time.Millisecond, SomeAddressesDead, "2001:db8::1: no-route"},
		{"it joined later", none, 250 * time.Millisecond, 0, IsOpen, "2001:db8::1 joined the race later, and this host could not try it (no-route)."},
		{"another joined later, and was refused", refused, 250 * time.Millisecond, 0, SomeAddressesDead, "2001:db8::1: port-closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			open.Began, tt.dead.Began = tt.open, tt.at
			v := Explain(&evidence.Dial{Target: "host.test:443", Network: "tcp", Attempts: []evidence.Attempt{open, tt.dead}})
			if v.Cause != tt.want || !strings.Contains(v.Explanation, tt.says) {
				t.Errorf("%s: %s", v.Cause, v.Explanation)
			}
		})
	}
}
