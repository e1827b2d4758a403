package cause

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

var watching = &evidence.KernelWatch{Tracepoints: []string{"skb:kfree_skb"}}

func droppedSYN(reason, where string) *evidence.KernelDrop {
	return &evidence.KernelDrop{Direction: evidence.Sent, Reason: reason, Location: where, Protocol: "tcp", Flags: "SYN",
		From: netip.MustParseAddrPort(here + ":40000"), To: netip.MustParseAddrPort(there + ":443"), Interface: "eth0"}
}

func droppedReply(reason, flags string) *evidence.KernelDrop {
	return &evidence.KernelDrop{Direction: evidence.Received, Reason: reason, Protocol: "tcp", Flags: flags, Arrived: true,
		From: netip.MustParseAddrPort(there + ":443"), To: netip.MustParseAddrPort(here + ":40000"), Interface: "eth0"}
}

// watched is an attempt that is listened to from before its first packet on.
func watched(facts ...evidence.Fact) *story {
	return silence(to(there+":443").add(routed(), watching), 1100*time.Millisecond).add(facts...)
}

// late is one that is listened to once its answer is overdue.
func late(facts ...evidence.Fact) *story {
	return silence(to(there+":443").add(routed()), 1100*time.Millisecond).add(watching).add(facts...)
}

func TestKernelDrops(t *testing.T) {
	again := &evidence.KernelRetransmit{State: "SYN_SENT"}
	syn := droppedSYN("NETFILTER_DROP", "nft_do_chain")
	slow := droppedSYN("NETFILTER_DROP", "nf_hook_slow")
	full := &evidence.Conntrack{Count: 10, Max: 10}
	trackDrop := &evidence.Counters{Scope: "conntrack", Rise: map[string]int64{"drop": 2}}
	nothingLeft := netns(map[string]int64{"Ip.OutTransmits": 0})
	is := func(id ID, c Confidence, k Kind) wanted {
		w := wanted{outcome: Timeout, cause: id, confidence: c, kind: k}
		if k == Destination {
			w.address = there
		}
		return w
	}
	udp := func(facts ...evidence.Fact) *story {
		s := to(there + ":53")
		s.network = "udp"
		return s.add(watching).connecting("").add(facts...)
	}
	quoted := droppedReply("NETFILTER_DROP", "")
	quoted.Quoted, quoted.ICMPType, quoted.ICMPCode = true, 3, 13
	refused := func(facts ...evidence.Fact) *story {
		return to(there+":443").add(routed(), watching).connecting("EINPROGRESS").add(facts...).soError("ECONNREFUSED")
	}
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		// Going out.
		{"every SYN", watched(syn, again, syn), is(LocalFirewallDrop, Certain, Local)},
		{"the only SYN", watched(syn), is(LocalFirewallDrop, Certain, Local)},
		{"the second SYN was not", watched(syn, again), func() wanted {
			w := is(LocalFirewallDrop, Likely, Local)
			w.alternatives = []ID{HostFirewallDrop, PathFirewallDrop}
			return w
		}()},
		{"the first was not heard of", late(again, syn), is(LocalFirewallDrop, Likely, Local)},
		{"the first was not heard of, and nothing left", late(again, syn, nothingLeft), is(LocalFirewallDrop, Certain, Local)},
		{"tracking is full, a rule dropped", watched(syn, full, trackDrop), is(LocalFirewallDrop, Certain, Local)},
		{"tracking is full, a hook dropped", watched(slow, full, trackDrop), func() wanted {
			w := is(ConntrackFull, Likely, Local)
			w.alternatives = []ID{LocalFirewallDrop}
			return w
		}()},
		{"tracking has room, a hook dropped", watched(slow, &evidence.Conntrack{Count: 1, Max: 10}), is(LocalFirewallDrop, Certain, Local)},
		{"a control group", watched(droppedSYN("BPF_CGROUP_EGRESS", "")), is(PolicyDenied, Certain, Local)},
		{"IPsec", watched(droppedSYN("XFRM_POLICY", "")), is(PolicyDenied, Certain, Local)},
		{"the queue", watched(droppedSYN("QDISC_DROP", "")), is(LocalFirewallDrop, Likely, Local)},
		{"the neighbour", watched(droppedSYN("NEIGH_FAILED", "neigh_invalidate")), is(GatewayUnresolved, Certain, Local)},
		{"the device", watched(droppedSYN("DEV_READY", "")), is(LinkDown, Likely, Local)},
		{"the route", watched(droppedSYN("IP_OUTNOROUTES", "")), is(NoRoute, Likely, Local)},

		// Coming in.
		{"rp_filter", watched(droppedReply("IP_RPFILTER", "SYN-ACK")), is(ReversePathFilter, Certain, Local)},
		{"rp_filter, heard of late", late(droppedReply("IP_RPFILTER", "SYN-ACK")), is(ReversePathFilter, Certain, Local)},
		{"rp_filter on a RST", watched(droppedReply("IP_RPFILTER", "RST-ACK")), is(ReversePathFilter, Certain, Local)},
		{"an input rule, or connection tracking", watched(droppedReply("NETFILTER_DROP", "SYN-ACK")), is(LocalFirewallInput, Likely, Local)},
		{"an input rule, with room in connection tracking", watched(droppedReply("NETFILTER_DROP", "SYN-ACK"), &evidence.Conntrack{Count: 1, Max: 10}), is(LocalFirewallInput, Certain, Local)},
		{"a socket filter", watched(droppedReply("SOCKET_FILTER", "SYN-ACK")), is(LocalFirewallInput, Certain, Local)},
		{"a bad checksum", watched(droppedReply("TCP_CSUM", "SYN-ACK")), func() wanted {
			w := is(ReplyMalformed, Likely, Destination)
			w.never = []ID{HostSilent, HostFirewallDrop, LocalFirewallInput, ReplyLost}
			return w
		}()},

		// What says nothing of the cause.
		{"no reason", watched(droppedReply("NOT_SPECIFIED", "SYN-ACK")), is(PathFirewallDrop, Possible, Path)},
		{"a reason of tomorrow", watched(droppedReply("COSMIC_RAY", "SYN-ACK")), is(PathFirewallDrop, Possible, Path)},
		{"no answer to a SYN", watched(droppedReply("NETFILTER_DROP", "ACK")), is(PathFirewallDrop, Possible, Path)},
		{"an ICMP error", watched(quoted), is(PathFirewallDrop, Possible, Path)},

		// Other ends.
		{"a datagram out", udp(droppedSYN("NETFILTER_DROP", "nft_do_chain"), &evidence.Datagram{SendErrno: "EPERM"}),
			wanted{Denied, "EPERM", LocalFirewallDrop, Likely, Local, "", []ID{LocalFirewallReject}, []ID{PolicyDenied}}},
		{"a datagram in", udp(&evidence.Datagram{}, &evidence.Expired{Limit: time.Second, Scope: "dial"}, droppedReply("UDP_CSUM", "")),
			wanted{Timeout, "", ReplyMalformed, Likely, Destination, there, nil, []ID{UDPSilent}}},
		{"this host's filter rejects", refused(syn), wanted{Refused, "ECONNREFUSED", LocalFirewallReject, Certain, Local, "", nil, nil}},
		{"refused after a SYN that got out", refused(syn, again), wanted{Refused, "ECONNREFUSED", PortClosed, Likely, Destination, there, []ID{PathFirewallReset}, nil}},
		{"open all the same", to(there+":443").add(routed(), watching).connecting("EINPROGRESS").add(syn, again).later(time.Second).soError("").
			add(&evidence.TCPInfo{State: "ESTABLISHED", TotalRetrans: 1}), wanted{Open, "", PacketLoss, Likely, Local, "", nil, []ID{IsOpen}}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

// A drop alone does not make an attempt's end: it goes on, and may succeed.
func TestKernelEndsTheWaiting(t *testing.T) {
	again := &evidence.KernelRetransmit{State: "SYN_SENT"}
	syn := droppedSYN("NETFILTER_DROP", "nft_do_chain")
	for name, tt := range map[string]struct {
		log  *story
		want bool
	}{
		"every SYN was dropped":      {watched(second, syn, again, syn), true},
		"one got out":                {watched(second, syn, again), false},
		"the answer was thrown away": {watched(second, again, droppedReply("IP_RPFILTER", "SYN-ACK")), true},
		"before the second SYN":      {watched(syn), false},
		"dropped for another reason": {watched(second, droppedReply("NOT_SPECIFIED", "SYN-ACK")), false},
		"nothing was heard":          {watched(second), false},
	} {
		if got := Explained(tt.log.dial(), 0); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Every row means a cause of the catalogue, in one way.
func TestDropReasons(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range dropReasons {
		if _, ok := Lookup(row.cause); !ok {
			t.Errorf("%s: no cause %q", row.reason, row.cause)
		}
		if row.direction != evidence.Sent && row.direction != evidence.Received {
			t.Errorf("%s: direction %q", row.reason, row.direction)
		}
		if key := row.reason + " " + row.direction; seen[key] {
			t.Errorf("%s stands twice", key)
		} else {
			seen[key] = true
		}
		ruled := false
		for i := range kernelRules {
			ruled = ruled || kernelRules[i].id == row.cause
		}
		if !ruled {
			t.Errorf("%s: no rule finds %s", row.reason, row.cause)
		}
	}
}
