package cause

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// kernelRules recognise what the kernel said itself when it threw a packet of
// the attempt away: dropReasons says what each reason means.
var kernelRules = []rule{
	{id: ConntrackFull, needs: []evidence.Kind{"kernel_drop"}, mutes: []ID{UDPSilent}, judge: conntrackDrop,
		ref: "nf_conntrack_in: NF_DROP where init_conntrack fails; nf_hook_slow"},
	dropRule(LocalFirewallDrop, UDPSilent, ListenQueueFull, PolicyDenied, LinkDown),
	dropRule(LocalFirewallInput, outsideSpoke...),
	dropRule(ReversePathFilter, append(outsideSpoke, LocalFirewallInput)...),
	dropRule(ReplyMalformed, append(outsideSpoke, LocalFirewallInput)...),
	dropRule(PolicyDenied, UDPSilent, LocalFirewallDrop),
	dropRule(NoRoute, UDPSilent, LocalFirewallDrop),
	dropRule(FamilyUnsupported, UDPSilent, LocalFirewallDrop),
	dropRule(LinkDown, UDPSilent, LocalFirewallDrop),
	{id: NeighbourUnresolved, needs: []evidence.Kind{"kernel_drop"}, mutes: []ID{UDPSilent, LocalFirewallDrop},
		judge: func(v *view) reading { return neighbourDrop(v, false) }, ref: "SKB_DROP_REASON_NEIGH_FAILED; neigh_invalidate"},
	{id: GatewayUnresolved, needs: []evidence.Kind{"kernel_drop"}, mutes: []ID{UDPSilent, LocalFirewallDrop},
		judge: func(v *view) reading { return neighbourDrop(v, true) }, ref: "SKB_DROP_REASON_NEIGH_FAILED; neigh_invalidate"},
	{id: LocalFirewallReject, needs: []evidence.Kind{"kernel_drop"}, mutes: []ID{PortClosed, PathFirewallReset, FirewallReject},
		judge: rejectDrop, ref: "nf_send_reset, nf_send_unreach: the packet that is answered is dropped"},
}

// outsideSpoke is what an answer that reached this host rules out.
var outsideSpoke = slices.Clip([]ID{UDPSilent, HostSilent, HostFirewallDrop, PathFirewallDrop, ReplyLost, ListenQueueFull, OptionBlackhole, LocalFirewallDrop, PolicyDenied})

// dropRule is the rule of a cause that rows of dropReasons show.
func dropRule(id ID, mutes ...ID) rule {
	return rule{id: id, needs: []evidence.Kind{"kernel_drop"}, mutes: mutes,
		judge: func(v *view) reading { return v.droppedAs(id) }, ref: "include/net/dropreason-core.h; trace_kfree_skb"}
}

// kernel is what was heard of the kernel about an attempt.
type kernel struct {
	watch   *evidence.KernelWatch // nil: nobody listened
	since   time.Duration         // when the listening began
	drops   []*evidence.KernelDrop
	syns    int // SYNs that the kernel made since then
	dropped int // of those, thrown away on their way to the destination
}

func (k *kernel) read(e *evidence.Entry, connectAt time.Duration) {
	switch f := e.Fact.(type) {
	case *evidence.KernelWatch:
		k.watch, k.since = f, e.At
		if e.At <= connectAt {
			k.syns++
		}
	case *evidence.KernelRetransmit:
		k.syns++
	case *evidence.KernelDrop:
		k.drops = append(k.drops, f)
		if f.Direction == out && f.Flags == "SYN" {
			k.dropped++
		}
	}
}

// blocked says that the attempt failed as it does when packets are thrown away:
// without a word from outside.
func (v *view) blocked() bool {
	return v.unanswered() || v.datagram != nil && v.datagram.SendErrno == "EPERM"
}

// droppedAs is the strongest reading that a drop gives to a cause.
func (v *view) droppedAs(id ID) reading {
	best := nothing
	if !v.blocked() {
		return best
	}
	for _, d := range v.kernel.drops {
		for i := range dropReasons {
			row := &dropReasons[i]
			if row.cause != id || row.reason != d.Reason || row.direction != d.Direction || d.Quoted {
				continue
			}
			if r := v.dropReading(row, d); r.says() && (!best.says() || r.confidence.rank() < best.confidence.rank()) {
				best = r
			}
		}
	}
	return best
}

// allDropped says that every SYN of the attempt was thrown away by this host.
// Of those from before the listening only counters can say so.
func (v *view) allDropped() bool {
	k := &v.kernel
	return k.dropped > 0 && k.dropped >= k.syns && (k.watch != nil && k.since <= v.connectAt || v.sentNothing() || v.neverLeft())
}

// dropReading is what one drop shows.
func (v *view) dropReading(row *dropReason, d *evidence.KernelDrop) reading {
	r := local(row.confidence, row.words)
	if d.Direction == in {
		if v.tcp() && d.Flags != "SYN-ACK" && !strings.HasPrefix(d.Flags, "RST") {
			return nothing // no answer to a SYN
		}
		if row.cause == ReplyMalformed {
			r.culprit = Culprit{Kind: Destination, Address: v.remote.Addr()} // as the packet says
		}
	} else if v.tcp() && !v.allDropped() && row.confidence == Certain {
		r.confidence = Likely // a SYN may have got out, and was not answered either
	}
	if d.Reason == "NETFILTER_DROP" {
		f := v.filterOut
		if d.Direction == in {
			f = v.filterIn
		}
		if rule := f.Stops(); rule != nil && rule.Verdict == ruleRejects && row.cause == LocalFirewallDrop {
			return nothing
		}
		if !byRule(d) && (v.trackingFull() || !v.trackingSeen()) || v.datagram != nil && d.Direction == out { // a rule that rejects gives EPERM, too
			r.confidence = Likely
		}
		r.detail = ""
		if r = r.named(f, ruleDrops).maybe(f); r.detail != "" {
			r.detail += "; "
		}
		r.detail += "the kernel's reason is NETFILTER_DROP"
	}
	if d.Location != "" {
		r.detail += fmt.Sprintf(", in %s", d.Location)
	}
	if row.cause == LinkDown && d.Interface != "" {
		r.blanks = Blanks{"interface": d.Interface}
	}
	return r
}

// byRule says that a rule of a packet filter dropped the packet, not connection
// tracking: since Linux 6.9 nftables frees it where the rule is (NF_DROP_REASON).
func byRule(d *evidence.KernelDrop) bool {
	return strings.HasPrefix(d.Location, "nft_")
}

// trackingFull says that connection tracking may have dropped packets.
func (v *view) trackingFull() bool {
	c := v.conntrack
	return c != nil && c.Max > 0 && c.Count >= c.Max || v.increased("conntrack.drop") || v.increased("conntrack.insert_failed")
}

// trackingSeen says that connection tracking was looked at.
func (v *view) trackingSeen() bool {
	_, counted := v.rose("conntrack.drop")
	return counted || v.conntrack != nil
}

// conntrackDrop: netfilter dropped the packet, connection tracking is full and
// counted a drop. A filter's rule could have done it in the same moment.
func conntrackDrop(v *view) reading {
	if !v.blocked() || !v.trackingFull() || !v.increased("conntrack.drop") {
		return nothing
	}
	for _, d := range v.kernel.drops {
		if d.Reason == "NETFILTER_DROP" && d.Direction == out && !d.Arrived && !byRule(d) {
			return local(Likely, "")
		}
	}
	return nothing
}

// neighbourDrop: the SYN waited for ARP or ND, in vain.
func neighbourDrop(v *view, gateway bool) reading {
	if v.route == nil || gateway != v.route.Gateway.IsValid() || !v.silent() && v.errno != "EHOSTUNREACH" {
		return nothing
	}
	best := nothing
	for _, d := range v.kernel.drops {
		for _, row := range dropReasons {
			if row.cause == NeighbourUnresolved && row.reason == d.Reason && d.Direction == out && !d.Quoted {
				if r := local(row.confidence, row.words); !best.says() || r.confidence.rank() < best.confidence.rank() {
					best = r
				}
			}
		}
	}
	if v.icmp != nil && !v.fromHere(v.icmp) {
		return nothing // somebody outside answered
	}
	return best
}

// rejectDrop: this host's filter dropped the SYN, and yet a refusal came.
func rejectDrop(v *view) reading {
	refused := v.refusedByRST() || v.icmp != nil && v.fromHere(v.icmp) && meaning(v.icmp) != HostUnreachable
	if !refused || !v.allDropped() {
		return nothing
	}
	for _, d := range v.kernel.drops {
		if d.Reason == "NETFILTER_DROP" && d.Direction == out && !d.Quoted {
			return local(Certain, "netfilter dropped the SYN and answered in the destination's name").named(v.filterOut, ruleRejects)
		}
	}
	return nothing
}
