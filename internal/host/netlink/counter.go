package netlink

import "github.com/dialscope/dialscope/evidence"

// counterNames are the counters of a network namespace that tell about
// connection attempts: what was sent and answered, and what this host itself
// threw away (/proc/net/snmp, netstat and snmp6; linux/snmp.h). A kernel that
// lacks one leaves it out of the evidence.
var counterNames = [...]string{
	"Tcp.ActiveOpens", "Tcp.AttemptFails", "Tcp.EstabResets", "Tcp.InSegs", "Tcp.OutSegs",
	"Tcp.RetransSegs", "Tcp.InErrs", "Tcp.OutRsts", "Tcp.InCsumErrors",

	"TcpExt.TCPRetransFail", "TcpExt.TCPSynRetrans", "TcpExt.TCPTimeouts", "TcpExt.TCPAbortOnTimeout",
	"TcpExt.IPReversePathFilter", "TcpExt.ListenOverflows", "TcpExt.ListenDrops",
	"TcpExt.TCPReqQFullDoCookies", "TcpExt.TCPReqQFullDrop", "TcpExt.SyncookiesSent",
	"TcpExt.OutOfWindowIcmps", "TcpExt.LockDroppedIcmps", "TcpExt.TCPMinTTLDrop",
	"TcpExt.PAWSActive", "TcpExt.PAWSEstab", "TcpExt.PAWSTimewait", "TcpExt.TSEcrRejected",
	"TcpExt.TCPACKSkippedSynRecv", "TcpExt.TCPACKSkippedChallenge",
	"TcpExt.TCPChallengeACK", "TcpExt.TCPSYNChallenge", "TcpExt.TCPTimeWaitOverflow",
	"TcpExt.TCPFastOpenActive", "TcpExt.TCPFastOpenActiveFail", "TcpExt.TCPFastOpenBlackhole",
	"TcpExt.TCPMD5NotFound", "TcpExt.TCPMD5Unexpected", "TcpExt.TCPMD5Failure",
	"TcpExt.TCPBacklogDrop", "TcpExt.TCPRcvQDrop", "TcpExt.PFMemallocDrop",

	"Ip.InReceives", "Ip.InHdrErrors", "Ip.InAddrErrors", "Ip.InDiscards", "Ip.InDelivers",
	"Ip.OutRequests", "Ip.OutTransmits", "Ip.OutDiscards", "Ip.OutNoRoutes", "Ip.FragFails",
	"Ip.ForwDatagrams", "IpExt.InNoRoutes", "IpExt.InCsumErrors", "IpExt.InTruncatedPkts",

	"Icmp.InMsgs", "Icmp.InErrors", "Icmp.InCsumErrors", "Icmp.InDestUnreachs", "Icmp.InTimeExcds",
	"Icmp.InParmProbs", "Icmp.OutMsgs", "Icmp.OutDestUnreachs", "Icmp.OutRateLimitGlobal", "Icmp.OutRateLimitHost",

	"Udp.InDatagrams", "Udp.NoPorts", "Udp.InErrors", "Udp.OutDatagrams", "Udp.RcvbufErrors", "Udp.SndbufErrors",
	"Udp.InCsumErrors",

	"Ip6.InReceives", "Ip6.InHdrErrors", "Ip6.InAddrErrors", "Ip6.InTooBigErrors", "Ip6.InNoRoutes",
	"Ip6.InTruncatedPkts", "Ip6.InDiscards", "Ip6.InDelivers", "Ip6.OutForwDatagrams",
	"Ip6.OutRequests", "Ip6.OutTransmits", "Ip6.OutDiscards", "Ip6.OutNoRoutes", "Ip6.FragFails",

	"Icmp6.InMsgs", "Icmp6.InErrors", "Icmp6.InCsumErrors", "Icmp6.InDestUnreachs", "Icmp6.InPktTooBigs",
	"Icmp6.InTimeExcds", "Icmp6.InParmProblems", "Icmp6.OutMsgs", "Icmp6.OutDestUnreachs", "Icmp6.OutRateLimitHost",

	"Udp6.InDatagrams", "Udp6.NoPorts", "Udp6.InErrors", "Udp6.OutDatagrams", "Udp6.RcvbufErrors",
	"Udp6.SndbufErrors", "Udp6.InCsumErrors",
}

// linkCounterNames are the counters of an interface (struct rtnl_link_stats64).
var linkCounterNames = [...]string{
	"rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "tx_carrier_errors",
}

// trackCounterNames are the counters of connection tracking
// (/proc/net/stat/nf_conntrack).
var trackCounterNames = [...]string{"insert_failed", "drop", "early_drop"}

// reading is one counter's value, if it could be read.
type reading struct {
	value uint64
	known bool
}

// Snapshot holds the counters of this host at one moment.
type Snapshot struct {
	netns     [len(counterNames)]reading
	linkName  string
	linkIndex int // 0: no interface was asked for, or it does not exist
	link      [len(linkCounterNames)]reading
	track     [len(trackCounterNames)]reading
}

// Rise says by how much the counters rose from before to after, one fact per
// scope: "netns", "link:NAME" where both snapshots are of the same interface,
// and "conntrack" where it is readable. A counter that did not move is 0; one
// that could not be read twice, or went backwards (it was reset), is absent.
func (before *Snapshot) Rise(after *Snapshot) []*evidence.Counters {
	var all []*evidence.Counters
	add := func(scope string, names []string, old, now []reading) {
		rise := make(map[string]int64, len(names))
		for i, name := range names {
			if old[i].known && now[i].known && now[i].value >= old[i].value {
				rise[name] = int64(now[i].value - old[i].value)
			}
		}
		if len(rise) > 0 {
			all = append(all, &evidence.Counters{Scope: scope, Rise: rise})
		}
	}
	add("netns", counterNames[:], before.netns[:], after.netns[:])
	if before.linkIndex == after.linkIndex && before.linkIndex != 0 {
		add("link:"+after.linkName, linkCounterNames[:], before.link[:], after.link[:])
	}
	add("conntrack", trackCounterNames[:], before.track[:], after.track[:])
	return all
}
