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
	Title     string // what is done, lower case, no full stop
	Packets   int    // the most that it sends
	Privilege string // what it needs; empty: nothing
	Tells     []ID   // a cause in it shows otherwise than one that is not in it
	ByHand    string // the command with which a person would do it, with the blanks of a remedy
}

// Allowed bounds the experiments that may be chosen.
type Allowed struct {
	Packets    int      // the most that one may send; 0: any number
	Privileges []string // what this process has: "CAP_NET_RAW"
	Done       []ExperimentID
}

// Experiments returns every experiment, cheapest first. The slice is the caller's.
func Experiments() []Experiment { return slices.Clone(experiments) }

var experiments = []Experiment{
	{
		ID: "reference-port", Title: "connect to another port of the same host", Packets: 2,
		Tells:  []ID{HostFirewallDrop, ListenQueueFull, HostSilent},
		ByHand: "dialscope {address}:22",
	},
	{
		ID: "echo", Title: "ask the host for an ICMP echo", Packets: 2,
		Tells:  []ID{HostSilent, NeighbourUnresolved, LocalFirewallDrop},
		ByHand: "ping -c 2 {address}",
	},
	{
		ID: "hop-limited-connect", Title: "connect with rising TTLs, and see which hops answer", Packets: 30,
		Tells:  []ID{PathFirewallDrop, PathFirewallReset, LocalFirewallDrop, LocalFirewallReject, RoutingLoop, HopLimitTooSmall},
		ByHand: "traceroute -T -p {port} {address}",
	},
	{
		ID: "second-source-port", Title: "connect again from another source port", Packets: 2,
		Tells:  []ID{StaleConnection, PacketLoss, PortsExhausted},
		ByHand: "dialscope {target}",
	},
	{
		ID: "repeat", Title: "connect several times and count the SYNs", Packets: 20,
		Tells:  []ID{PacketLoss, ListenQueueFull, OptionBlackhole},
		ByHand: "dialscope --count 10 {target}",
	},
	{
		ID: "plain-syn", Title: "send a SYN without options and without ECN", Packets: 2, Privilege: "CAP_NET_RAW",
		Tells:  []ID{OptionBlackhole},
		ByHand: "sysctl -w net.ipv4.tcp_ecn=0",
	},
	{
		ID: "own-packets", Title: "watch this connection's own packets", Packets: 2, Privilege: "CAP_NET_RAW",
		Tells:  []ID{LocalFirewallInput, ReversePathFilter, ReplyMalformed, PathFirewallReset, LocalFirewallReject, AcceptedThenReset},
		ByHand: "tcpdump -ni any host {address} and port {port}",
	},
}

// Next names the cheapest allowed experiment that would split what the
// evidence leaves open: at least one cause that it can show, and at least one
// that it would exclude. It is false when the verdict is certain or nothing
// helps.
func Next(d *evidence.Dial, allowed Allowed) (Experiment, bool) {
	v := Explain(d)
	if v.Confidence == Certain || len(v.Alternatives) == 0 {
		return Experiment{}, false
	}
	open := []ID{v.Cause}
	for _, a := range v.Alternatives {
		open = append(open, a.Cause)
	}
	for _, e := range experiments {
		if allowed.Packets > 0 && e.Packets > allowed.Packets || slices.Contains(allowed.Done, e.ID) ||
			e.Privilege != "" && !slices.Contains(allowed.Privileges, e.Privilege) {
			continue
		}
		shown := 0
		for _, id := range open {
			if slices.Contains(e.Tells, id) {
				shown++
			}
		}
		if shown > 0 && shown < len(open) {
			return e, true
		}
	}
	return Experiment{}, false
}
