package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Scenario is one network with one thing wrong with it, and the truth about
// it. All texts are as they are used: variables and addresses are filled in.
type Scenario struct {
	Name     string
	Title    string // one line, lower case, no full stop
	Teaches  string // a paragraph
	File     string // that it was read from
	Family   int    // 4 or 6: which address a host's name stands for
	Plan     *Plan
	Services []Service
	Faults   []Fault
	Peer     *Peer
	Confine  *Confinement
	Dial     Dial
	Then     []Step
	Truth    Truth
	Expect   Expect
	Listener *Listening // nil: nobody asks the listening end
	ByHand   []string   // commands beyond those that follow from the rest
}

// document is a scenario file. A file with several families, several lengths
// of its chain, or a table of cases stands for several scenarios.
type document struct {
	Name     string           `yaml:"name"`
	Title    string           `yaml:"title"`
	Teaches  string           `yaml:"teaches"`
	Families []int            `yaml:"families"`
	Cases    []map[string]any `yaml:"cases"`
	Topology Topology         `yaml:"topology"`
	Services []Service        `yaml:"services"`
	Faults   []Fault          `yaml:"faults"`
	Peer     *Peer            `yaml:"peer"`
	Confine  *Confinement     `yaml:"confine"`
	Dial     Dial             `yaml:"dial"`
	Then     []Step           `yaml:"then"`
	Truth    Truth            `yaml:"truth"`
	Expect   Expect           `yaml:"expect"`
	Listener *Listening       `yaml:"listener"`
	ByHand   []string         `yaml:"by_hand"`
}

// Topology says which hosts there are and how they are joined. A chain is the
// hosts client, r1 to rN and server in a line; hosts, routers and links add to
// it or stand alone.
type Topology struct {
	Chain   []int    `yaml:"chain"` // numbers of routers; two: near and far
	Hosts   []string `yaml:"hosts"`
	Routers []string `yaml:"routers"`
	Links   []LinkAt `yaml:"links"`
}

// LinkAt joins two hosts: "client 192.0.2.2/24 2001:db8::2/64".
type LinkAt struct {
	A   string `yaml:"a"`
	B   string `yaml:"b"`
	MTU int    `yaml:"mtu"`
}

// Service is a socket of a host that waits for others.
type Service struct {
	On      string              `yaml:"on"`
	At      string              `yaml:"at"` // address:port
	Does    string              `yaml:"does"`
	Flags   []string            `yaml:"flags"`   // of listen: those of dialscope listen
	Backlog int                 `yaml:"backlog"` // of full
	Names   map[string][]string `yaml:"names"`   // of dns: name to addresses
	Rcode   string              `yaml:"rcode"`   // of dns: of every answer
}

// Fault is one thing done to the network. Exactly one field is set.
type Fault struct {
	Firewall  *FirewallFault  `yaml:"firewall"`
	SYNProxy  *SYNProxyFault  `yaml:"synproxy"`
	Route     *RouteFault     `yaml:"route"`
	Rule      *RuleFault      `yaml:"rule"`
	Link      *LinkFault      `yaml:"link"`
	Address   *AddressFault   `yaml:"address"`
	Neighbour *NeighbourFault `yaml:"neighbour"`
	Sysctl    *SysctlFault    `yaml:"sysctl"`
	Connect   *ConnectFault   `yaml:"connect"`
	Conntrack *ConntrackFault `yaml:"conntrack"`
	Stateful  *StatefulFault  `yaml:"stateful"`
}

// FirewallFault is one rule of a host's packet filter, see netns.Rule.
type FirewallFault struct {
	On      string `yaml:"on"`
	Hook    string `yaml:"hook"`
	Match   Match  `yaml:"match"`
	Verdict string `yaml:"verdict"`
}

// Match says which packets a rule is about.
type Match struct {
	Protocol string `yaml:"protocol"` // tcp, udp, icmp; empty: tcp if a port is given
	Flags    string `yaml:"flags"`    // "syn", "syn-ack", "rst"
	Src      string `yaml:"src"`
	Dst      string `yaml:"dst"`
	Sport    uint16 `yaml:"sport"`
	Dport    uint16 `yaml:"dport"`
	In       string `yaml:"in"`
	Out      string `yaml:"out"`
	First    uint32 `yaml:"first"`
	Every    uint32 `yaml:"every"`
	Longer   uint32 `yaml:"longer"`
}

// SYNProxyFault puts a SYN proxy for a port into a router.
type SYNProxyFault struct {
	On   string `yaml:"on"`
	Port uint16 `yaml:"port"`
}

// RouteFault adds or removes a route.
type RouteFault struct {
	On   string `yaml:"on"`
	To   string `yaml:"to"`
	Via  string `yaml:"via"`
	Dev  string `yaml:"dev"`
	Kind string `yaml:"kind"` // unreachable, prohibit, blackhole, throw, delete; empty: via or dev
}

// RuleFault adds a routing rule that refuses what all its selectors fit.
type RuleFault struct {
	On    string `yaml:"on"`
	Port  uint16 `yaml:"port"`  // TCP's destination
	Sport string `yaml:"sport"` // TCP's source: "1024-65535"
	UID   string `yaml:"uid"`   // of the socket's owner: "0-1000"
	Mark  uint32 `yaml:"mark"`
	Not   bool   `yaml:"not"`  // what they do not fit
	Kind  string `yaml:"kind"` // unreachable, prohibit, blackhole
}

// LinkFault switches an interface off, or takes its carrier away by switching
// off the other end.
type LinkFault struct {
	On        string `yaml:"on"`
	Interface string `yaml:"interface"`
	State     string `yaml:"state"` // down
}

// AddressFault gives a host another address.
type AddressFault struct {
	On        string `yaml:"on"`
	Interface string `yaml:"interface"`
	Address   string `yaml:"address"` // with its prefix length
}

// NeighbourFault gives an address a permanent ARP or ND entry.
type NeighbourFault struct {
	On        string `yaml:"on"`
	Interface string `yaml:"interface"`
	Address   string `yaml:"address"`
	Hardware  string `yaml:"hardware"`
}

// SysctlFault sets a sysctl of a host.
type SysctlFault struct {
	On    string `yaml:"on"`
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// ConnectFault opens connections and holds them.
type ConnectFault struct {
	On    string `yaml:"on"`
	To    string `yaml:"to"`
	From  string `yaml:"from"` // address:port to bind
	Count int    `yaml:"count"`
	// Abandon closes them again with a RST (SO_LINGER of 0): with a firewall
	// that drops it the other end does not know.
	Abandon bool `yaml:"abandon"`
}

// ConntrackFault makes a host track connections and fills its table.
type ConntrackFault struct {
	On string `yaml:"on"`
}

// Peer is the other end of a TUN device, played from a script (docs/peer.md):
// the server at <server>, and what else the script says, such as routers on the
// way to it.
type Peer struct {
	Script string   `yaml:"script"`
	Routes []string `yaml:"routes"` // networks that lead to it, beside the client's own
}

// Confinement restricts the dialing process itself.
type Confinement struct {
	// Deny names a policy that denies connect(2): seccomp (EPERM), landlock
	// (EACCES) or cgroup (EPERM).
	Deny string `yaml:"deny"`
	// Descriptors is how many the process may still open until RLIMIT_NOFILE
	// is reached; absent: as many as usual.
	Descriptors *int `yaml:"descriptors"`
}

// Dial is what is typed: dialscope dial FLAGS TARGET.
type Dial struct {
	Target string   `yaml:"target"`
	Flags  []string `yaml:"flags"`
	Signal string   `yaml:"signal"` // INT: sent while the dial goes on
	// Command is talk where the end of a connection is to be explained; empty: dial.
	Command string `yaml:"command"`
	Input   string `yaml:"input"` // of talk: zero, an endless one; empty: none
}

// handshake says that nothing but a TCP handshake is asked for.
func (d *Dial) handshake() bool {
	return d.Command == "" && !slices.ContainsFunc(d.Flags, func(f string) bool { return strings.HasPrefix(f, "udp") || strings.HasSuffix(f, "=udp") })
}

// Step is what happens to an established connection, so long after a service
// accepted it, and after the step before. Exactly one of the others is set.
type Step struct {
	After       time.Duration    `yaml:"after"`
	Fault       *Fault           `yaml:"fault"`
	Connections *ConnectionsStep `yaml:"connections"`
}

// ConnectionsStep is something that a service does with what it has accepted.
type ConnectionsStep struct {
	On string `yaml:"on"`
	Do string `yaml:"do"` // close; finish: FIN, and keep it; reset: RST; forget: no packet, as after a reboot; end: dialscope listen ends; destroy: what this host has is aborted, as by ss -K
}

// StatefulFault makes a router remember the connections that pass, and forget
// those that are idle: what it does not know it drops or resets.
type StatefulFault struct {
	On   string        `yaml:"on"`
	Idle time.Duration `yaml:"idle"`
}

// Truth is what is really wrong, and what an application sees of it.
type Truth struct {
	Cause   cause.ID       `yaml:"cause" json:"cause"`
	Culprit string         `yaml:"culprit" json:"culprit"` // kind, or kind and address
	Outcome cause.Outcome  `yaml:"outcome" json:"outcome"`
	Errno   evidence.Errno `yaml:"errno" json:"errno,omitempty"`
	Errno6  evidence.Errno `yaml:"errno6" json:"-"` // over IPv6, where it differs

	Outcome6 cause.Outcome `yaml:"outcome6" json:"-"`

	// Also are causes that are true beside it: a verdict may say one instead.
	Also []cause.ID `yaml:"also" json:"also,omitempty"`

	// Unprivileged is what differs without privileges.
	Unprivileged *Truth `yaml:"unprivileged" json:"-"`
}

// Expect says where the evidence cannot show the truth, and how sure a verdict
// must be. The zero value: the verdict is the truth.
type Expect struct {
	// Among: the truth need only stand among the alternatives, since without
	// experiments several causes look the same to this host.
	Among bool `yaml:"among"`
	// Culprit is what is named today, where it is less than the truth.
	Culprit string `yaml:"culprit"`
	// AtLeast and AtMost bound the confidence.
	AtLeast cause.Confidence `yaml:"at_least"`
	AtMost  cause.Confidence `yaml:"at_most"`
	// Within bounds the time to the answer.
	Within time.Duration `yaml:"within"`
	// Says is what stands in the explanation or in the remedy.
	Says string `yaml:"says"`

	Unprivileged *Expect `yaml:"unprivileged"`
}

// CheckHost is an error that names the hosts of the scenario, unless this is one
// with interfaces of its own.
func (s *Scenario) CheckHost(name string) error {
	var real []string
	for _, h := range s.Plan.Hosts {
		switch {
		case !h.Scripted && h.Name == name:
			return nil
		case !h.Scripted:
			real = append(real, h.Name)
		case h.Name == name:
			return fmt.Errorf("%q of %s is played by a script and has no interfaces of its own: its packets pass the client's", name, s.Name)
		}
	}
	return fmt.Errorf("%s has no host %q; its hosts are %s", s.Name, name, strings.Join(real, ", "))
}
