package cause

import (
	"slices"

	"github.com/dialscope/dialscope/evidence"
)

// ExperimentID names an experiment. The ids are a contract like those of the causes.
type ExperimentID string

// Experiment is a measurement that tells some causes from others.
type Experiment struct {
	ID        ExperimentID
	Title     string       // what is done, lower case, no full stop
	Packets   int          // the most that it sends
	Privilege string       // what it needs; empty: nothing
	After     ExperimentID // it waits for this one's result where that is under way; empty: it waits for none
	Tells     []ID         // a cause in it shows otherwise than one that is not in it
	ByHand    string       // the command with which a person would do it, with the blanks of a remedy
}

// Allowed bounds the experiments that may be chosen.
type Allowed struct {
	Packets    int      // the most that one may send; 0: any number
	Privileges []string // what this process has: "CAP_NET_RAW"
	Done       []ExperimentID
	Begun      []ExperimentID // under way: not to be chosen again, and what builds on them waits
}

// Experiments returns every experiment, cheapest first. The slice is the caller's.
func Experiments() []Experiment { return slices.Clone(experiments) }

var experiments = []Experiment{
	{
		ID: "second-source-port", Title: "connect again from another source port, twice", Packets: 4,
		Tells:  []ID{StaleConnection, PacketLoss, PortsExhausted, HostFirewallDrop, ReplyLost},
		ByHand: "dialscope {target}",
	},
	{
		ID: "udp-port", Title: "send a datagram to a port that nobody listens on", Packets: 1,
		Tells:  []ID{HostFirewallDrop, ListenQueueFull, HostSilent},
		ByHand: "traceroute -n {address}",
	},
	{
		ID: "reference-port", Title: "connect to other ports of the same host", Packets: 12,
		Tells:  []ID{HostFirewallDrop, ListenQueueFull, HostSilent},
		ByHand: "dialscope {address}:22",
	},
	{
		ID: "echo", Title: "ask the host for an ICMP echo", Packets: 2,
		Tells:  []ID{HostSilent, NeighbourUnresolved, LocalFirewallDrop},
		ByHand: "ping -c 2 {address}",
	},
	{
		ID: "hop-limited-connect", Title: "connect with rising TTLs, and see which hops answer", Packets: 32, After: "second-source-port",
		Tells:  []ID{PathFirewallDrop, PathFirewallReset, LocalFirewallDrop, LocalFirewallReject, RoutingLoop, HopLimitTooSmall},
		ByHand: "traceroute -T -p {port} {address}",
	},
	{
		ID: "hop-limited-reference", Title: "send what the host does answer with rising TTLs, to compare", Packets: 20, After: "hop-limited-connect",
		Tells:  []ID{PathFirewallDrop, PathFirewallReset, SYNProxy},
		ByHand: "traceroute -n -I {address}",
	},
	{
		ID: "repeat", Title: "connect several times and count the SYNs", Packets: 20,
		Tells:  []ID{PacketLoss, ListenQueueFull, OptionBlackhole},
		ByHand: "dialscope --count 10 {target}",
	},
	{
		ID: "bare-ack", Title: "send an acknowledgment that belongs to no connection", Packets: 2, Privilege: "CAP_NET_RAW",
		Tells:  []ID{ListenQueueFull, OptionBlackhole},
		ByHand: "nmap -sA -p {port} {address}",
	},
	{
		ID: "answer-distance", Title: "let the host answer otherwise, and compare the answers' TTLs", Packets: 6, Privilege: "CAP_NET_RAW",
		Tells:  []ID{PathFirewallReset, SYNProxy},
		ByHand: "hping3 -S -p {port} {address}",
	},
	{
		ID: "plain-syn", Title: "send a SYN without options and without ECN", Packets: 4, Privilege: "CAP_NET_RAW",
		Tells:  []ID{OptionBlackhole},
		ByHand: "sysctl -w net.ipv4.tcp_ecn=0",
	},
	{
		ID: "large-packets", Title: "send packets as large as a full segment, with rising TTLs", Packets: 14,
		Tells:  []ID{MTUBlackhole},
		ByHand: "ping -M do -s 1472 {address}",
	},
	{
		ID: "own-packets", Title: "watch this connection's own packets", Packets: 2, Privilege: "CAP_NET_RAW",
		Tells:  []ID{LocalFirewallInput, ReversePathFilter, ReplyMalformed, PathFirewallReset, LocalFirewallReject, AcceptedThenReset},
		ByHand: "tcpdump -ni any host {address} and port {port}",
	},
}

// Next names the cheapest allowed experiment that would split what the
// evidence leaves open. It is false when the verdict is certain or nothing
// helps.
func Next(d *evidence.Dial, allowed Allowed) (Experiment, bool) {
	return Choose(Explain(d), allowed)
}

// Choose is Next for a verdict that is known already: of the causes that it
// leaves open, the experiment can show at least one and would exclude at least
// one.
func Choose(v Verdict, allowed Allowed) (Experiment, bool) {
	if v.Confidence == Certain || len(v.Alternatives) == 0 {
		return Experiment{}, false
	}
	open := []ID{v.Cause}
	for _, a := range v.Alternatives {
		open = append(open, a.Cause)
	}
	under := allowed.Begun // what others wait for
	for _, e := range experiments {
		if !allowed.permits(&e) || !e.splits(open) {
			continue
		}
		if !slices.Contains(under, e.After) {
			return e, true
		}
		under = append(slices.Clip(under), e.ID)
	}
	return Experiment{}, false
}

// splits says that an experiment can show at least one of the causes, and would
// exclude at least one.
func (e *Experiment) splits(open []ID) bool {
	shown := 0
	for _, id := range open {
		if slices.Contains(e.Tells, id) {
			shown++
		}
	}
	return shown > 0 && shown < len(open)
}

func (a Allowed) permits(e *Experiment) bool {
	switch {
	case slices.Contains(a.Done, e.ID), slices.Contains(a.Begun, e.ID), a.Packets > 0 && e.Packets > a.Packets:
		return false
	}
	return e.Privilege == "" || slices.Contains(a.Privileges, e.Privilege)
}
