package cause

// dropReason is what one reason of the kernel for throwing a packet away means
// for an attempt whose packet it was.
type dropReason struct {
	reason     string     // enum skb_drop_reason, include/net/dropreason-core.h, without SKB_DROP_REASON_
	direction  string     // of the packet, as evidence.KernelDrop has it
	cause      ID         // that it shows
	confidence Confidence // at most
	words      string     // who threw it away, for {detail}
}

// The direction names, short.
const (
	out = "sent"
	in  = "received"
)

// dropReasons is the table, read from Linux 6.18; the clause of each row is
// the comment at its name in include/net/dropreason-core.h, and where the
// kernel function is named, that.
var dropReasons = []dropReason{
	// On the way out.
	{"NETFILTER_DROP", out, LocalFirewallDrop, Certain, "netfilter"}, // nf_hook_slow, nft_do_chain; conntrack too: see netfilterDrop
	{"TC_EGRESS", out, LocalFirewallDrop, Certain, "a tc egress program"},
	{"QDISC_DROP", out, LocalFirewallDrop, Likely, "the interface's queueing discipline (tc qdisc)"},
	{"QDISC_OVERLIMIT", out, LocalFirewallDrop, Likely, "the interface's queueing discipline, which is full (tc qdisc)"},
	{"QDISC_CONGESTED", out, LocalFirewallDrop, Likely, "the interface's queueing discipline, which is congested (tc qdisc)"},
	{"BPF_CGROUP_EGRESS", out, PolicyDenied, Certain, "a BPF program of the control group swallowed the packets (BPF_CGROUP_INET_EGRESS)"},
	{"SECURITY_HOOK", out, PolicyDenied, Certain, "a security module swallowed the packets"},
	{"XFRM_POLICY", out, PolicyDenied, Certain, "an IPsec policy refused the packets (ip xfrm policy)"},
	{"IP_OUTNOROUTES", out, NoRoute, Likely, "the route was gone when the SYN was to be sent"},
	{"IPV6DISABLED", out, FamilyUnsupported, Likely, "IPv6 is switched off on the interface"},
	{"NEIGH_FAILED", out, NeighbourUnresolved, Certain, ""}, // arp_error_report, ndisc_error_report
	{"NEIGH_QUEUEFULL", out, NeighbourUnresolved, Likely, ""},
	{"NEIGH_CREATEFAIL", out, NeighbourUnresolved, Likely, "the neighbour table is full (net.ipv4.neigh.default.gc_thresh3)"},
	{"NEIGH_DEAD", out, NeighbourUnresolved, Likely, ""},
	{"DEV_READY", out, LinkDown, Likely, "the kernel found its device not ready"},

	// On the way in, to this host itself.
	{"IP_RPFILTER", in, ReversePathFilter, Certain, "the kernel dropped the reply for its interface"}, // fib_validate_source
	{"NETFILTER_DROP", in, LocalFirewallInput, Certain, "netfilter"},
	{"XDP", in, LocalFirewallInput, Certain, "an XDP program"},
	{"TC_INGRESS", in, LocalFirewallInput, Certain, "a tc ingress program"},
	{"SOCKET_FILTER", in, LocalFirewallInput, Certain, "a filter at the socket, or a BPF program of the control group"}, // sk_filter_trim_cap
	{"XFRM_POLICY", in, LocalFirewallInput, Certain, "an IPsec policy (ip xfrm policy)"},
	{"TCP_MINTTL", in, LocalFirewallInput, Certain, "the least TTL that the socket takes (IP_MINTTL)"},
	{"TCP_CSUM", in, ReplyMalformed, Likely, "TCP's checksum is wrong"},
	{"UDP_CSUM", in, ReplyMalformed, Likely, "UDP's checksum is wrong"},
	{"SKB_CSUM", in, ReplyMalformed, Likely, "the checksum is wrong"},
	{"PKT_TOO_SMALL", in, ReplyMalformed, Likely, "the packet is shorter than it says"},
	{"TCP_FLAGS", in, ReplyMalformed, Likely, "its TCP flags fit no answer"},
	{"TCP_INVALID_ACK_SEQUENCE", in, ReplyMalformed, Likely, "its acknowledgment fits nothing that was sent"},
	{"TCP_ACK_UNSENT_DATA", in, ReplyMalformed, Likely, "it acknowledges what was not sent"},
	{"TCP_OLD_ACK", in, ReplyMalformed, Likely, "its acknowledgment is old"},
	{"TCP_TOO_OLD_ACK", in, ReplyMalformed, Likely, "its acknowledgment is too old"},
	{"TCP_INVALID_SEQUENCE", in, ReplyMalformed, Likely, "its sequence number is outside the window"},
	{"TCP_MD5NOTFOUND", in, ReplyMalformed, Likely, "it lacks the MD5 signature that the socket wants (RFC 2385)"},
	{"TCP_MD5UNEXPECTED", in, ReplyMalformed, Likely, "it has an MD5 signature, and the socket wants none (RFC 2385)"},
	{"TCP_MD5FAILURE", in, ReplyMalformed, Likely, "its MD5 signature is wrong (RFC 2385)"},
	{"TCP_AONOTFOUND", in, ReplyMalformed, Likely, "it lacks the authentication option that the socket wants (RFC 5925)"},
	{"TCP_AOUNEXPECTED", in, ReplyMalformed, Likely, "it has an authentication option, and the socket wants none (RFC 5925)"},
	{"TCP_AOFAILURE", in, ReplyMalformed, Likely, "its authentication option is wrong (RFC 5925)"},
}
